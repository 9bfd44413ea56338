"""Events: the facts of a model's log, and where their records lie.

Owns the vocabulary that the log, the state and the wire share. Law: an event is never changed once
it has a sequence number that was committed.
"""

import enum
from typing import Final, NamedTuple, NewType

import msgspec

Seq = NewType("Seq", int)
Offset = NewType("Offset", int)
Slot = NewType("Slot", int)


class EventKind(enum.IntEnum):
    """What happened to the item; the numbers are those of the log's records."""

    CREATE = 1
    UPDATE = 2
    DELETE = 3


# In place of the kind of an event whose item was purged: there is nothing to be read in its record,
# which keeps its place, its seq and its time. What goes through a log passes over it.
ERASED: Final = 4


class Flags:
    """Bits that tell which command a record came from, to answer a repeat of it alike."""

    BULK: Final = 1
    REPLICATED: Final = 2


class Position(NamedTuple):
    """Where a record lies: the segment's first seq (its name) and the offset within its file."""

    segment: int
    offset: int


class Event(msgspec.Struct, gc=False):
    """One change of one item.

    `payload` is the item as JSON; for a delete, the item's last state. `command_id` is 16 bytes, or
    empty for none. `prev` is the item's previous record; `prev_index`, when not negative, says that
    it is the event with this index in the same frame. `key_hash`, `body_hash` (16 bytes each) and
    `status` are there when an Idempotency-Key was. `author` names the administrator who made the
    change, "" for everybody else. `fingerprint` (16 bytes) says with which schema
    a record that was read had been written; empty for an event that was just made. `before` is the
    item as it was before an event that was just made, empty when it was not; records don't hold it.
    """

    seq: int
    time_ms: int
    kind: int
    key: str
    payload: bytes
    command_id: bytes = b""
    flags: int = 0
    prev: Position | None = None
    prev_index: int = -1
    key_hash: bytes = b""
    body_hash: bytes = b""
    status: int = 0
    fingerprint: bytes = b""
    before: bytes = b""
    author: str = ""
