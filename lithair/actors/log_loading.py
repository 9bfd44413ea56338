"""Loading: what a log holds becomes a model's state, when its process starts.

Law: no more is read than the state keeps in RAM. Of a snapshot the index alone is, and beside it
the items that are to be hot; only where its index does not hold what this declaration keeps,
its records are gone through once.
"""

import gc
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from lithair.core.as_of import AsOf
from lithair.core.event import Event, Position, Slot
from lithair.core.frame import records_in
from lithair.core.model_state import ModelState
from lithair.core.record import ReadAtHand
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
    @property
    def read_at_hand(self) -> ReadAtHand: ...
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
    with _without_collector():
        _load(event_log, state, now_ms, on_step, until)


def _load(
    event_log: LoadedLog,
    state: ModelState,
    now_ms: int,
    on_step: Callable[[], None],
    until: AsOf | None,
) -> None:
    bound = None if until is None else _Bound(until)
    state.read_item = event_log.read_item
    state.read_at_hand = event_log.read_at_hand
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


@contextmanager
def _without_collector() -> Generator[None]:
    """Have Python not look for cycles: millions of objects come, none goes, and none is one."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


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
    header = snapshot.header
    upgrade = replay.upgrade_for(header.fingerprint, header.description)
    _take_items(snapshot, state, replay, upgrade, on_step)
    for graves in snapshot.graves():
        replay.take_graves(graves)
    for remembered in snapshot.remembered():
        replay.take_remembered(remembered)
    replay.begin_after(header.cut, header.time_ms)


def _take_items(
    snapshot: Snapshot,
    state: ModelState,
    replay: Replay,
    upgrade: Upgrade | None,
    on_step: Callable[[], None],
) -> None:
    """Take in the items of a snapshot; their records are read only where the index is not enough.

    That is where they are to be hot, all of them, or where it keeps other fields than these.
    """
    projection, kept = state.tables.projection, state.tables.kept
    all_are_hot = state.tables.eviction is None
    index_is_enough = not all_are_hot and upgrade is None and snapshot.header.kept == kept.wires
    for items in snapshot.items():
        slot = len(projection.keys)
        replay.take_items(items)
        on_step()
        if index_is_enough:
            continue
        for stored in snapshot.payloads(items):
            payloads = stored
            if upgrade is not None:
                payloads = [
                    _present(upgrade, payload, state, Slot(at))
                    for at, payload in enumerate(stored, slot)
                ]
            if all_are_hot:
                projection.warm_up_run(Slot(slot), payloads)
            else:
                for at, payload in enumerate(payloads, slot):
                    projection.evict(Slot(at), kept.cell(payload))
            slot += len(payloads)
            on_step()


def _present(upgrade: Upgrade, payload: bytes, state: ModelState, slot: Slot) -> bytes:
    projection = state.tables.projection
    key = projection.keys[slot]
    assert key is not None, f"slot {slot} is dead"
    try:
        return upgrade(payload, projection.times[slot], key)
    except BadItem as error:
        raise not_migrated(projection.seqs[slot], key, error) from error


def _warm_up(state: ModelState, wanted: list[Slot], on_step: Callable[[], None]) -> None:
    """Hold these items whole, read in the order in which they lie."""
    projection = state.tables.projection
    for number, slot in enumerate(sorted(wanted, key=projection.where)):
        projection.warm_up(slot, state.payload(slot))
        if number % 1024 == 0:
            on_step()
