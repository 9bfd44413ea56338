"""The state of one model: decided, committed or abandoned in batches, and read between them.

    plan = state.decide(commands, now_ms, new_id)
    answers = state.commit(plan, placed)         once the log has the plan's events
    answers = state.abandon(plan, error)         when it has not: nothing happened

Law: nothing is visible to anyone before its events are committed, and replaying the log's events
gives the same state as committing them did. One plan is in flight at a time.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from lithair.core.command import PUBLIC, TRUSTED, Answer, Command, Outcome, Plan
from lithair.core.decide import Decision
from lithair.core.event import Event, EventKind, Position, Slot
from lithair.core.graves import Graves
from lithair.core.idempotency import CommandMemory, Keyed, KeyMemory
from lithair.core.overlay import Overlay
from lithair.core.problem import problem_of
from lithair.core.rules import ItemRules
from lithair.core.schema import schema_of
from lithair.core.tables import Tables
from lithair.core.view import View
from lithair.errors import LithairError
from lithair.handler import ModelHandler
from lithair.model import Model

Upgrade = Callable[[bytes, int], bytes]  # (an item's JSON, its record's time) -> present form


class Placed(Protocol):
    """Where the log has put an event's record."""

    @property
    def position(self) -> Position: ...
    @property
    def length(self) -> int: ...


class ModelState:
    """Owns everything that is known of one model."""

    def __init__(self, handler: ModelHandler[Any], take_max: int) -> None:
        # The handler's item type is the user's; nothing here depends on it, hence Any.
        model: type[Model] = handler.model
        schema = schema_of(model)
        self.schema = schema
        self.rules = ItemRules(schema, handler)
        self.tables = Tables(schema)
        self.graves = Graves()
        self.commands = CommandMemory()
        self.keys = KeyMemory()
        self.upgrade: Upgrade | None = None  # set when the log holds records of older declarations
        self.seq: int = 0
        self.time_ms: int = 0
        self.views = {access: View(schema, access, take_max) for access in (TRUSTED, PUBLIC)}

    def decide(self, commands: Iterable[Command], now_ms: int, new_id: Callable[[], str]) -> Plan:
        """Decide a batch; time never goes backwards in a log, whatever the clock does."""
        now_ms = max(now_ms, self.time_ms)
        overlay = Overlay(self.tables, self.graves, self.seq)
        decision = Decision(self.rules, overlay, (self.commands, self.keys), now_ms, new_id)
        for command in commands:
            decision.take(command)
        return decision.plan

    def commit(self, plan: Plan, placed: Sequence[Placed]) -> list[Answer]:
        """Take in a plan whose events the log has; gives the answer to each command."""
        for event, place in zip(plan.events, placed, strict=True):
            self._take_in(event, place)
        return [self._answer(outcome, plan.events) for outcome in plan.outcomes]

    def _take_in(self, event: Event, place: Placed) -> None:
        assert event.seq == self.seq + 1, f"event {event.seq} follows {self.seq}"
        self.seq, self.time_ms = event.seq, event.time_ms
        slot = self.tables.apply(event.kind, event.key, event.payload, event.seq, event.time_ms)
        if event.kind == EventKind.DELETE:
            self.graves.dig(event.key, place.position)
        else:
            self.tables.projection.place(slot, place.position, place.length)
            if event.kind == EventKind.CREATE:
                self.graves.remove(event.key)
        self.commands.add(event.command_id, event.seq)
        if event.key_hash:
            self.keys.add(event.key_hash, Keyed(event.body_hash, event.seq, event.time_ms))

    def _answer(self, outcome: Outcome, events: list[Event]) -> Answer:
        command = outcome.command
        if not outcome.events:
            return Answer(command, outcome.status, outcome.body)
        return self.repeat(command, [events[index] for index in outcome.events])

    def repeat(self, command: Command, events: list[Event]) -> Answer:
        """Answer a command from the events it led to, now or long ago."""
        return Answer(command, *self.views[command.access].answer(events))

    def present(self, event: Event) -> Event:
        """Give an event that was read from the log with its item in the present form."""
        if self.upgrade is not None:
            event.payload = self.upgrade(event.payload, event.time_ms)
        return event

    def abandon(self, plan: Plan, error: LithairError) -> list[Answer]:
        """Refuse a plan that the log could not take; refusals that rested on it are void too."""
        body = problem_of(error)
        return [Answer(outcome.command, error.status, body) for outcome in plan.outcomes]

    def find(self, key: str) -> Slot | None:
        return self.tables.projection.slots.get(key)

    def last_position(self, key: str) -> Position | None:
        """Give the place of an item's last record, a deleted item's too."""
        slot = self.find(key)
        if slot is not None:
            return self.tables.projection.position(slot)
        return self.graves.find(key)
