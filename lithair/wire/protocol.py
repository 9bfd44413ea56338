"""The vocabulary of the wire between processes: version, verbs, sizes, and what may go wrong.

Owns every number that both ends must agree on. Law: a change of anything in `lithair.wire` that an
older process would misread raises `PROTOCOL_VERSION`; the first byte of a message is never anything
else, and 0 is never a version (it marks a refusal, which every version can read).
"""

import enum
from typing import Final

from lithair.errors import LithairError

PROTOCOL_VERSION: Final = 1
REFUSAL_MARK: Final = 0

EPOCH_BYTES: Final = 16
COMMAND_ID_BYTES: Final = 16
IDEMPOTENCY_BYTES: Final = 32  # key_hash:16 body_hash:16

# One item or one page of them. Above every limit of HTTP (12 MiB bulk, 16 MiB lists by default).
BODY_BYTES_MAX: Final = 64 << 20
# A body, and what stands around it; a peer that sends more is disconnected by ZeroMQ.
MESSAGE_BYTES_MAX: Final = BODY_BYTES_MAX + (16 << 20)
# Past this a batch is split: a longer message would only delay its first answers.
BATCH_BYTES_MAX: Final = 1 << 20
BATCH_REQUESTS_MAX: Final = 1024
# Bounds what a few hostile bytes can make a decoder allocate; the longest honest array is the
# `EXISTS` of a bulk write.
ARRAY_ITEMS_MAX: Final = 1 << 20
REQUEST_ID_MAX: Final = (1 << 63) - 1
# What stands around key and body in a request or a reply, at most; for sums against the bounds.
ENVELOPE_BYTES: Final = 128

TRUSTED: Final = ""  # a handle: the run directory was its credential
PUBLIC: Final = "public"  # HTTP: hidden fields are left out
ACCESS: Final = frozenset((TRUSTED, PUBLIC))
GRANTS_MARK: Final = "{"  # HTTP with a role: a JSON object says what it may do, see `core.grants`
ACCESS_CHARACTERS_MAX: Final = 1 << 16  # a few thousand fields' names


class Verb(enum.IntEnum):
    """What a request asks for; reads are below 32, writes from 32 on."""

    HELLO = 1
    GET = 2
    LIST = 3
    COUNT = 4
    RANDOM = 5
    HISTORY = 6
    EVENTS = 7
    EXISTS = 8
    STATS = 9
    CANCEL = 10  # of a read that is under way; never answered
    COMPACT = 11  # 11 to 13: what a model process does to its own files
    BACKUP = 12
    PURGE = 13
    ATTEMPT = 14  # 14 and 15: of the users' process alone, which counts failed logins
    SETTLE = 15
    CHANGES = 16  # what follows the feed asks for what it has missed
    DESCRIBE = 17  # of commands, which have only the name of a model

    CREATE = 32
    REPLACE = 33
    PATCH = 34
    DELETE = 35
    BULK = 36
    UPSERT = 37
    UPSERT_AT = 38
    ERASE = 39


FIRST_WRITE: Final = 32
READS: Final = frozenset(int(verb) for verb in Verb if verb < FIRST_WRITE)
WRITES: Final = frozenset(int(verb) for verb in Verb if verb >= FIRST_WRITE)
# Their answers may be a whole page: a peer has only a few of them under way (see transport).
HEAVY: Final = frozenset((int(Verb.LIST), int(Verb.HISTORY), int(Verb.EVENTS)))


def is_write(verb: int) -> bool:
    return verb >= FIRST_WRITE


class WireError(LithairError):
    """The bytes are no message of this protocol."""


class ProtocolMismatch(WireError):
    """The other end speaks another version of the protocol."""

    def __init__(self, theirs: int, ours: int = PROTOCOL_VERSION) -> None:
        super().__init__(
            f"the other process speaks version {theirs} of Lithair's wire protocol, this one"
            f" version {ours}: stop the server and start it again, so that all of its processes"
            f" and clients run the same release",
            status=503,
        )
        self.theirs = theirs
        self.ours = ours
