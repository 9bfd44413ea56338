"""The state of one model: decided, committed or abandoned in batches, and read between them.

    plan = state.decide(commands, now_ms, new_id)
    answers = state.answers(plan)                once the log has the plan's events
    state.commit(plan, placed)                   before anything is read again
    answers = state.abandon(plan, error)         when it has not: nothing happened

Law: nothing is visible to anyone before its events are committed, and replaying the log's events
gives the same state as committing them did. One plan is in flight at a time.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from lithair.core.command import Answer, Command, Outcome, Plan
from lithair.core.decide import Decision
from lithair.core.event import ERASED, Event, EventKind, Position, Slot
from lithair.core.graves import Graves
from lithair.core.idempotency import CommandMemory, Keyed, KeyMemory
from lithair.core.kept import is_hot
from lithair.core.overlay import Overlay
from lithair.core.problem import problem_of
from lithair.core.record import ReadAtHand, payload_of
from lithair.core.rules import ItemRules
from lithair.core.schema import schema_of
from lithair.core.tables import Tables, path_of
from lithair.core.upgrade import Upgrade, upgrade_from, upgraded
from lithair.core.view import Views
from lithair.errors import DamagedLog, LithairError
from lithair.handler import ModelHandler
from lithair.migration import migrations_of
from lithair.model import Model
from lithair.retention import Retention


class Placed(Protocol):
    """Where the log has put an event's record."""

    @property
    def position(self) -> Position: ...
    @property
    def length(self) -> int: ...


class ItemColumns(Protocol):
    """Some items of a snapshot's index, column by column."""

    @property
    def keys(self) -> Sequence[str]: ...
    @property
    def seqs(self) -> Sequence[int]: ...
    @property
    def places(self) -> Sequence[int]: ...
    @property
    def lengths(self) -> Sequence[int]: ...


class Address(NamedTuple):
    """Where one record is to be read, and what it has to be."""

    home: Position
    place: int
    length: int
    key: str
    seq: int


ReadItem = Callable[[Position, int, int], Event]  # home, place, length
Describe = Callable[[bytes], bytes | None]  # a fingerprint that records have -> its schema

CREATE: Final = int(EventKind.CREATE)
RUN_MAX: Final = 256  # new items that are taken in at once: a few 100 kB of JSON
EVERYTHING = Retention()  # stays in RAM


def _nothing_known(_fingerprint: bytes) -> None:
    return None


def _no_log(home: Position, place: int, length: int) -> Event:
    raise AssertionError(f"an item was evicted, and there is no log to read {home} from")


def _nothing_at_hand(
    _place: int, _segment: int, _offset: int, _length: int, _fingerprint: bytes
) -> None:
    return None


def end_of_run(events: Sequence[Event], start: int) -> int:
    """Give where a run ends of events that each make an item; one event is a run, too."""
    stop, last = start, min(len(events), start + RUN_MAX)
    while stop < last and events[stop].kind == CREATE:
        stop += 1
    return max(stop, start + 1)


class ModelState:
    """Owns everything that is known of one model."""

    def __init__(
        self, handler: ModelHandler[Any], take_max: int, retention: Retention = EVERYTHING
    ) -> None:
        # The handler's item type is the user's; nothing here depends on it, hence Any.
        model: type[Model] = handler.model
        schema = schema_of(model)
        self.schema = schema
        self._fingerprint = schema.fingerprint
        self.views = Views(schema, take_max)
        self.rules = ItemRules(schema, handler, self.views)
        self.tables = Tables(schema)
        self.tables.set_retention(retention)
        owners = [path_of(field) for field in schema.fields if field.owner]
        is_warm = bool(owners) and self.tables.kept.covers([owners[0].text])
        self.warm_owner = self.tables.kept.reader(owners) if is_warm else None
        self.graves = Graves()
        self.commands = CommandMemory()
        self.keys = KeyMemory()
        # By the fingerprint of what a record was written with, where that is not this declaration.
        self.upgrades: dict[bytes, Upgrade] = {}
        self.migrations = migrations_of(model)
        self.read_at_hand: ReadAtHand = _nothing_at_hand
        self.read_item: ReadItem = _no_log  # these three are set by whoever has opened the log
        self.describe: Describe = _nothing_known
        self.seq: int = 0
        self.time_ms: int = 0

    def decide(self, commands: Iterable[Command], now_ms: int, new_id: Callable[[], str]) -> Plan:
        """Decide a batch; time never goes backwards in a log, whatever the clock does."""
        now_ms = max(now_ms, self.time_ms)
        overlay = Overlay(self.tables, self.graves, self.payload, self.seq)
        decision = Decision(self.rules, overlay, (self.commands, self.keys), now_ms, new_id)
        for command in commands:
            decision.take(command)
        return decision.plan

    def answers(self, plan: Plan) -> list[Answer]:
        """Give the answer to each command of a plan whose events the log has."""
        return [self._answer(outcome, plan.events) for outcome in plan.outcomes]

    def commit(self, plan: Plan, placed: Sequence[Placed]) -> None:
        """Take in a plan whose events the log has; whoever is answered must find them after it.

        New items that follow each other are taken in at once.
        """
        events = plan.events
        assert len(events) == len(placed), f"{len(events)} events, {len(placed)} places"
        at = 0
        while at < len(events):
            stop = end_of_run(events, at)
            if stop - at > 1:
                self._take_in_new(events[at:stop], placed[at:stop])
            else:
                self._take_in(events[at], placed[at])
            at = stop

    def _take_in_new(self, events: Sequence[Event], placed: Sequence[Placed]) -> None:
        """Take in events that make one item each: the same as one by one, column by column."""
        keys, seqs = [event.key for event in events], [event.seq for event in events]
        following = range(self.seq + 1, self.seq + 1 + len(seqs))
        assert seqs == list(following), f"events {seqs} follow {self.seq}"
        positions = [place.position for place in placed]
        self.tables.insert(
            keys,
            [event.payload for event in events],
            (
                seqs,
                [event.time_ms for event in events],
                [position.segment for position in positions],
                [position.offset for position in positions],
                bytes(len(seqs)),  # zeros: each is to be read where it was written
                [place.length for place in placed],
            ),
        )
        self.seq, self.time_ms = seqs[-1], events[-1].time_ms
        if self.graves:
            for key in keys:
                self.graves.remove(key)
        self.commands.add_each([event.command_id for event in events], seqs)
        for event in events:
            if event.key_hash:
                self.keys.add(event.key_hash, Keyed(event.body_hash, event.seq, event.time_ms))

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
        """Give an event that was read from the log with its item in the present form.

        Raises SchemaChanged when nothing leads there: it is of an archive, or its migration fails.
        """
        fingerprint = event.fingerprint
        if fingerprint and fingerprint != self.schema.fingerprint and event.kind != ERASED:
            upgrade = self.upgrades.get(fingerprint) or self._upgrade_of(fingerprint)
            if upgrade is not None:
                event.payload = upgraded(upgrade, event)
                event.fingerprint = b""
        return event

    def _upgrade_of(self, fingerprint: bytes) -> Upgrade | None:
        """Learn what brings records to the present form that were archived before this opening."""
        description = self.describe(fingerprint)
        if description is None:
            return None
        upgrade = upgrade_from(self.schema, self.migrations, fingerprint, description)
        if upgrade is not None:
            self.upgrades[fingerprint] = upgrade
        return upgrade

    def payload(self, slot: Slot) -> bytes:
        """Give an item whole; an evicted one by one positioned read. Raises DamagedLog."""
        cell = self.tables.projection.cell(slot)
        return cell if is_hot(cell) else self.cold_payload(self.address(slot))

    def payload_at_hand(self, slot: Slot) -> bytes | None:
        """Give an item whole, if that needs no waiting for the disk.

        None for an evicted one that the disk is asked for by this, and for any that is not as
        usual: `payload` gives it, or says what is wrong.
        """
        projection = self.tables.projection
        cell, key = projection.cells[slot], projection.keys[slot]
        assert cell is not None, f"slot {slot} is dead"
        assert key is not None, f"slot {slot} is dead"
        if is_hot(cell):
            return cell
        record = self.read_at_hand(
            projection.places[slot],
            projection.segments[slot],
            projection.offsets[slot],
            projection.lengths[slot],
            self._fingerprint,
        )
        return None if record is None else payload_of(record, projection.seqs[slot], key)

    def address(self, slot: Slot) -> Address:
        """Say where an item's last record is to be read; that holds while the log is not cut."""
        projection = self.tables.projection
        key = projection.keys[slot]
        assert key is not None, f"slot {slot} is dead"
        return Address(
            projection.position(slot),
            projection.places[slot],
            projection.lengths[slot],
            key,
            projection.seqs[slot],
        )

    def cold_payload(self, address: Address) -> bytes:
        """Read an evicted item; raises DamagedLog when the record is not the one that was there."""
        payload = self._cold_at_hand(address)
        if payload is not None:
            return payload
        event = self.read_item(address.home, address.place, address.length)
        if (event.seq, event.key) != (address.seq, address.key):
            raise DamagedLog(
                f"segment {address.home.segment}",
                address.home.offset,
                f"event {address.seq} belongs here, of another item than event {event.seq}",
                "",
            )
        return self.present(event).payload

    def cold_payloads(self, addresses: Sequence[Address]) -> list[bytes]:
        """Read evicted items; the disk is asked for all of them before one of them is waited for.

        Raises DamagedLog.
        """
        found = [self._cold_at_hand(address) for address in addresses]
        return [
            self.cold_payload(address) if payload is None else payload
            for address, payload in zip(addresses, found, strict=True)
        ]

    def _cold_at_hand(self, address: Address) -> bytes | None:
        home, place, length, key, seq = address
        record = self.read_at_hand(place, home.segment, home.offset, length, self._fingerprint)
        return None if record is None else payload_of(record, seq, key)

    def evict(self, now_ms: int, at_most: int) -> bool:
        """Evict items that are over a bound; tells whether there may be more of them."""
        return self.tables.evict(now_ms, at_most)

    def adopt(self, block: ItemColumns, parity: int, start: int, count: int) -> None:
        """Read the items of a snapshot from there from now on, where they have not changed since.

        `block` is columns of the snapshot's index, of which `count` rows from `start` on are taken.
        """
        projection = self.tables.projection
        slots, seqs = projection.slots, projection.seqs
        places, lengths = projection.places, projection.lengths
        for row in range(start, min(start + count, len(block.keys))):
            slot = slots.get(block.keys[row])
            if slot is not None and seqs[slot] == block.seqs[row]:
                places[slot] = parity | block.places[row]
                lengths[slot] = block.lengths[row]

    def forget_graves(self, cut: int) -> None:
        """Forget deleted items whose last records were dropped with the log up to `cut`."""
        self.graves.forget_up_to(cut)

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
