"""Commands: requests to change a model, which may be refused, and what became of them.

Law: every command ends in exactly one `Outcome`, or stays parked until the items of other models
that it refers to were looked up.
"""

import enum
from typing import Final

import msgspec

from lithair.core.event import Event

TRUSTED: Final = ""  # a handle: sees and sets everything
PUBLIC: Final = "public"  # HTTP without roles: hidden fields do not exist

IfMatch = bool | tuple[int, ...] | None  # None: not asked for; True: any; else one of these seqs
Reference = tuple[str, str]  # (class name of the other model, id)


class Action(enum.IntEnum):
    """What a command asks for; the names are those of the wire's verbs."""

    CREATE = enum.auto()
    REPLACE = enum.auto()
    PATCH = enum.auto()
    DELETE = enum.auto()
    BULK = enum.auto()
    UPSERT = enum.auto()
    UPSERT_AT = enum.auto()
    ERASE = enum.auto()


class Command(msgspec.Struct, gc=False):
    """One write as it came in. `reply_to` is the shell's own business and comes back untouched."""

    action: Action
    command_id: bytes
    key: str = ""
    body: bytes = b""
    access: str = TRUSTED
    if_match: IfMatch = None
    idempotency: bytes = b""  # 16 bytes hash of key, 16 of body; or empty
    deadline_ms: int = 0  # monotonic; 0: none
    reply_to: tuple[bytes, int] = (b"", 0)
    known: dict[Reference, bool] = {}  # what was looked up in other models for it

    @property
    def key_hash(self) -> bytes:
        return self.idempotency[:16]

    @property
    def body_hash(self) -> bytes:
        return self.idempotency[16:]


class Outcome(msgspec.Struct):
    """What a command led to. One with events is answered from them, once they are committed.

    `repeat_of`: the command was carried out before; the events of that seq's command tell the
    answer. `fault`: the error of a hook, for the log.
    """

    command: Command
    status: int = 0
    body: bytes = b""
    events: tuple[int, ...] = ()  # indexes into the plan's events
    repeat_of: int = 0
    fault: BaseException | None = None


class Answer(msgspec.Struct):
    """The answer to a command; `item_seq` (the ETag) and `key` are 0 and "" without an item."""

    command: Command
    status: int
    body: bytes
    item_seq: int = 0
    key: str = ""


class Plan(msgspec.Struct):
    """What a batch of commands leads to: nothing of it is visible before `ModelState.commit`."""

    events: list[Event] = []
    outcomes: list[Outcome] = []
    parked: list[tuple[Command, frozenset[Reference]]] = []
