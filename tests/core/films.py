"""A model with every marker that the core acts on, and a state without a disk under it."""

import itertools
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec

from lithair.core import reads
from lithair.core.command import PUBLIC, TRUSTED, Action, Answer, Command, IfMatch
from lithair.core.event import Event, Position
from lithair.core.frame import encode_frame, records_in
from lithair.core.model_state import ModelState
from lithair.core.page import Page
from lithair.core.reads import Read
from lithair.core.replay import Replay
from lithair.core.scan import Scan
from lithair.fields import (
    Audited,
    Created,
    Hidden,
    Immutable,
    Indexed,
    Ref,
    Unique,
    Updated,
    filled_in,
)
from lithair.handler import ModelHandler
from lithair.model import Model

NOW_MS = 1_700_000_000_000
LIST_BYTES_MAX = 1 << 24


class Place(msgspec.Struct):
    city: str
    zip: str | None = None


class Film(Model):
    title: Unique[str | None] = None
    year: Indexed[int | None] = None
    rating: Annotated[float, msgspec.Meta(ge=0, le=10)] = 5.0
    genre: Indexed[str] = "drama"
    tags: list[str] = []
    place: Place | None = None
    secret: Hidden[str] = "none"
    maker: Immutable[str] = "unknown"
    stock: Audited[int] = 0
    made: Created[datetime] = filled_in()
    changed: Updated[datetime] = filled_in()
    sequel_of: Ref["Film"] | None = None
    studio: Ref["Studio"] | None = None


class Studio(Model):
    name: str


class Placed(NamedTuple):
    position: Position
    length: int


class Bench:
    """Drives a `ModelState` as a model process does, with a list for a log."""

    def __init__(self, handler: ModelHandler[Any] | None = None) -> None:
        self.handler = handler or ModelHandler(Film, "unused")
        self.state = ModelState(self.handler, take_max=1000)
        self.events: list[Event] = []
        self._numbers = itertools.count(1)

    def command(
        self, action: Action, key: str = "", body: bytes | str = b"", **more: object
    ) -> Command:
        raw = body.encode() if isinstance(body, str) else body
        command_id = next(self._numbers).to_bytes(16, "big")
        command = Command(action=action, command_id=command_id, key=key, body=raw)
        return msgspec.structs.replace(command, **more)

    def new_id(self) -> str:
        return f"id-{next(self._numbers)}"

    def run(self, *commands: Command) -> list[Answer]:
        """Decide and commit one batch; repeats are answered from the events held here."""
        plan = self.state.decide(commands, NOW_MS, self.new_id)
        assert not plan.parked
        self.events += plan.events
        placed = [Placed(Position(1, event.seq), 1) for event in plan.events]
        answers = self.state.answers(plan)
        self.state.commit(plan, placed)
        for index, outcome in enumerate(plan.outcomes):
            if outcome.repeat_of:
                first = self.events[outcome.repeat_of - 1]
                same = [e for e in self.events if e.command_id == first.command_id]
                answers[index] = self.state.repeat(outcome.command, same)
        return answers

    def do(
        self,
        action: Action,
        key: str = "",
        body: bytes | str = b"",
        access: str = PUBLIC,
        if_match: IfMatch = None,
        idempotency: bytes = b"",
    ) -> Answer:
        """Run one command by itself."""
        command = self.command(action, key, body)
        command.access, command.if_match, command.idempotency = access, if_match, idempotency
        return self.run(command)[0]

    def page(self, *pairs: tuple[str, str], access: str = TRUSTED) -> dict[str, object]:
        query = self.state.views[access].queries.read(pairs)
        scan = Scan(self.state.tables, self.state.payload, query)
        while (found := scan.advance()) is None:
            pass
        page = Page(self.state, found, query, access, LIST_BYTES_MAX)
        while (read := page.advance()) is None:
            pass
        return msgspec.json.decode(read.body, type=dict[str, object])

    def ids(self, *pairs: tuple[str, str]) -> list[str]:
        return [str(item["id"]) for item in rows_of(self.page(*pairs))]

    def get(self, key: str, access: str = TRUSTED) -> Read:
        return reads.get(self.state, key, access)

    def reopened(self) -> "Bench":
        """Give a bench whose state comes from the records of this one's events."""
        other = Bench(self.handler)
        other._numbers = self._numbers
        other.events = list(self.events)
        buffer = encode_frame(self.events, 0, 0, Position(1, 0)).data if self.events else b""
        replay = Replay(other.state, len(self.events))
        replay.take(records_in(buffer, 0, len(buffer)), 1, 0, None)
        replay.finish()
        return other


def rows_of(page: dict[str, object]) -> list[dict[str, object]]:
    """Give the items of a list's answer."""
    return msgspec.convert(page["data"], list[dict[str, object]])


def decoded(body: bytes) -> dict[str, object]:
    return msgspec.json.decode(body, type=dict[str, object])


def faulty_fields(answer: Answer) -> list[str]:
    """Give the names of the fields that a refusal lists."""
    problem = msgspec.json.decode(answer.body)
    return [error["field"] for error in problem.get("errors", [])]
