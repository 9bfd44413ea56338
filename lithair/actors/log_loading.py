"""Loading: what a log holds becomes a model's state, when its process starts.

Law: no more is read than the state keeps in RAM. Of a snapshot the index alone is, and beside it
the items that are to be hot; only where its index does not hold what this declaration keeps,
its records are gone through once.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from lithair.core.as_of import AsOf
from lithair.core.event import Event, Position, Slot
from lithair.core.frame import records_in
from lithair.core.model_state import ModelState
from lithair.core.record import payload_in
from lithair.core.replay import RecordFields, Replay
from lithair.core.upgrade import BadItem, Upgrade, not_migrated
from lithair.storage.opening import ReplayedFrames
from lithair.storage.snapshot import Snapshot


class LoadedLog(Protocol):
    """A log, as far as loading needs it."""

    @property
    def snapshot(self) -> Snapshot | None: ...
    @property
    def last_seq(self) -> int: ...
    def replay(self) -> Iterator[ReplayedFrames]: ...
    def read_item(self, position: Position, place: int, length: int) -> Event: ...
    def description_of(self, fingerprint: bytes) -> bytes | None: ...


def load(
    event_log: LoadedLog,
    state: ModelState,
    now_ms: int,
    on_step: Callable[[], None],
    until: AsOf | None = None,
) -> None:
    """Fill an empty state from a log that was opened; raises LithairError where that can't be.

    `on_step` is called a few times a second at least: this may take minutes. With `until`, the
    state is that of then; the log's snapshot is not of later.
    """
    bound = None if until is None else _Bound(until)
    state.read_item = event_log.read_item
    state.describe = event_log.description_of
    replay = Replay(state, event_log.last_seq)
    if event_log.snapshot is not None:
        _take_snapshot(event_log.snapshot, state, replay, on_step)
    for run in event_log.replay():
        upgrade = replay.upgrade_for(run.fingerprint, run.description)
        records: Iterable[RecordFields] = records_in(run.buffer, run.start, run.end)
        if bound is not None:
            records = bound.within(records)
        replay.take(records, run.segment, run.base_offset, upgrade)
        on_step()
        if bound is not None and bound.is_reached:
            break
    if event_log.snapshot is not None and state.tables.eviction is not None:
        _warm_up(state, state.tables.eviction.wanted(now_ms), on_step)
    replay.finish()


class _Bound:
    """Lets records through up to a point of the past."""

    def __init__(self, until: AsOf) -> None:
        self._until = until
        self.is_reached = False

    def within(self, records: Iterable[RecordFields]) -> Iterator[RecordFields]:
        includes = self._until.includes
        for record in records:
            if not includes(record[2], record[3]):
                self.is_reached = True
                return
            yield record


def _take_snapshot(
    snapshot: Snapshot, state: ModelState, replay: Replay, on_step: Callable[[], None]
) -> None:
    """Take in a snapshot: everything evicted at first, with what it keeps of each item."""
    header, kept = snapshot.header, state.tables.kept
    upgrade = replay.upgrade_for(header.fingerprint, header.description)
    for items in snapshot.items():
        replay.take_items(items)
        on_step()
    for graves in snapshot.graves():
        replay.take_graves(graves)
    for remembered in snapshot.remembered():
        replay.take_remembered(remembered)
    replay.begin_after(header.cut, header.time_ms)
    projection = state.tables.projection
    all_are_hot = state.tables.eviction is None
    if not all_are_hot and upgrade is None and header.kept == kept.wires:
        return
    for slot, stored in _records(snapshot, state, on_step):
        payload = stored if upgrade is None else _present(upgrade, stored, state, slot)
        if all_are_hot:
            projection.warm_up(slot, payload)
        else:
            projection.evict(slot, kept.cell(payload))


def _present(upgrade: Upgrade, payload: bytes, state: ModelState, slot: Slot) -> bytes:
    projection = state.tables.projection
    key = projection.keys[slot]
    assert key is not None, f"slot {slot} is dead"
    try:
        return upgrade(payload, projection.times[slot], key)
    except BadItem as error:
        raise not_migrated(projection.seqs[slot], key, error) from error


def _records(
    snapshot: Snapshot, state: ModelState, on_step: Callable[[], None]
) -> Iterator[tuple[Slot, bytes]]:
    """Give the items of a snapshot that was just taken in, slot by slot, as they are stored."""
    places = state.tables.projection.places
    slot, slots = 0, len(places)
    for begin, buffer in snapshot.records():
        end = begin + len(buffer)
        while slot < slots and places[slot] < end:
            yield Slot(slot), payload_in(buffer, places[slot] - begin)
            slot += 1
        on_step()
    assert slot == slots, f"{slots - slot} items of a snapshot have no record in it"


def _warm_up(state: ModelState, wanted: list[Slot], on_step: Callable[[], None]) -> None:
    """Hold these items whole, read in the order in which they lie."""
    projection = state.tables.projection
    for number, slot in enumerate(sorted(wanted, key=projection.where)):
        projection.warm_up(slot, state.payload(slot))
        if number % 1024 == 0:
            on_step()
