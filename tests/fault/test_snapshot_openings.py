"""An opening that clears up after a compaction may be interrupted at any call, again and again.

The disks here hold what only a crash leaves together: two snapshots, segments that the newer one
includes, some of them archived already, a torn tail, events that were not synced. Each storage call
of such an opening is a crash, by a kill and by power losses; each of those is opened again, and
crashed again.
"""

from collections.abc import Iterator

import pytest

from lithair.core.event import Event
from lithair.storage.event_log import LogOptions
from lithair.storage.segment import first_seq_of
from lithair.storage.verify import verify
from tests.fault.tally import Tally
from tests.storage.compacting import check_held, check_history, compact_log, opened_log, writer_of
from tests.storage.samples import DIRECTORY, NOW_MS, Fact, fact_of
from tests.support.simulated_files import SimulatedFiles

ARCHIVE = f"{DIRECTORY}/archive"
SMALL = LogOptions(segment_bytes_max=700, lock_wait_s=0, durability="interval")
tally = Tally()  # 5,500 states when last counted


class Interrupted(Exception):
    """The process ends here."""


class Left:
    """A disk as a compaction that was killed leaves it, and all that was committed by then."""

    def __init__(self, step: str, keep_history: bool) -> None:
        self.name = f"{step} {keep_history}"
        self.keep_history = keep_history
        self.disk = SimulatedFiles()
        self.log, held = opened_log(self.disk, SMALL)
        self.writer = writer_of(self.log, held, [], 11)
        self.writer.write_all(12)
        compact_log(self.disk, self.log, keep_history=keep_history)
        self.writer.write_all(14)
        with pytest.raises(Interrupted):
            compact_log(self.disk, self.log, keep_history=keep_history, between=self._stop_at(step))
        self.disk.watch = None
        self.facts: list[Fact] = list(self.writer.facts)
        self.synced_seq = self.log.synced_seq
        self.last_seq = self.log.last_seq
        self._tear_tail()

    def _stop_at(self, step: str) -> "Step":
        return Step(self, step)

    def _tear_tail(self) -> None:
        """Write the begin of a frame, as a kill in the middle of a write leaves it."""
        view = self.log.view()
        file = self.disk.open(view.active.path, writable=True)
        file.write(b"LTfr" + bytes(range(60)), view.active_end)

    def check(self, disk: SimulatedFiles, least: int) -> int:
        """Open a disk; fail unless it has all up to `least`, and no file that is of no use."""
        tally.add()
        log, held = opened_log(disk, SMALL)
        seq = log.last_seq
        assert least <= seq <= self.last_seq
        check_held(held, self.facts[:seq])
        names = disk.names(DIRECTORY)
        assert [name for name in names if name.endswith((".tmp", ".snapshot"))] == [
            f"{log.cut:020d}.snapshot"
        ]
        assert min(filter(None, map(first_seq_of, names))) == log.cut + 1
        if self.keep_history:
            check_history(held, self.facts[:seq])
            assert [fact_of(e) for e in log.events_since(0, 10**6, 1 << 30)] == self.facts[:seq]
        log.close()
        return seq


class Step:
    """Writes on between the steps of a compaction, and ends the process at one of them.

    A number in place of a step's name: at so many removals or moves after the installation began.
    """

    def __init__(self, left: Left, step: str) -> None:
        self._left = left
        self._step = step
        self._count = 0

    def __call__(self, step: str) -> None:
        self._left.writer.write_all(3)
        if step == self._step:
            raise Interrupted
        if step == "staged" and self._step.isdigit():
            self._left.disk.watch = self._watch

    def _watch(self, verb: str, _path: str) -> None:
        self._count += verb in ("remove", "rename")
        if self._count > int(self._step):
            raise Interrupted


LEFT = [
    (step, keep) for keep in (False, True) for step in ("merged", "staged", "installed", "1", "3")
]


@pytest.fixture(scope="module", params=LEFT, ids=[f"{step}-{keep}" for step, keep in LEFT])
def left(request: pytest.FixtureRequest) -> Left:
    step, keep = request.param
    if step == "installed" and keep:
        step = "2"  # by then all are archived
    return Left(step, keep)


def crashes(disk: SimulatedFiles) -> Iterator[tuple[SimulatedFiles, bool]]:
    """Yield the disk as a kill and as power losses leave it, and whether the page cache is lost."""
    yield disk.fork(), False
    pending = disk.pending_bytes()
    for kept in sorted({0, pending}):
        for names in range(len(disk.name_changes) + 1):
            yield disk.after_power_loss(kept, names), True


def shots_of_opening(disk: SimulatedFiles) -> list[SimulatedFiles]:
    """Open a disk, and give it as it was before each storage call of that, and after the last."""
    shots: list[SimulatedFiles] = []
    disk.watch = lambda _verb, _path: shots.append(disk.fork())
    opened_log(disk, SMALL)
    disk.watch = None
    return [*shots, disk.fork()]


def test_the_disk_has_what_only_a_crash_leaves_together(left: Left) -> None:
    names = left.disk.names(DIRECTORY)
    cut = max(int(name[:20]) for name in names if name.endswith(".snapshot"))
    superseded = [seq for seq in filter(None, map(first_seq_of, names)) if seq <= cut]
    snapshots = sum(name.endswith(".snapshot") for name in names)
    if left.name == "2 True":
        assert snapshots == 2
    else:
        assert superseded or snapshots == 2
    found = verify(left.disk, DIRECTORY, lambda _done, _all: None)
    assert found.is_sound, found.damage
    assert len(found.notes) == 2, "superseded files, and a torn tail"


@tally.at_least(300)
def test_an_opening_that_clears_up_may_crash_at_any_call(left: Left) -> None:
    for first, is_lost in crashes(left.disk):
        least = left.synced_seq if is_lost else left.last_seq
        settled = left.check(first.fork(), least)
        for shot in shots_of_opening(first):
            for second, is_lost_now in crashes(shot):
                left.check(second, left.synced_seq if is_lost_now else settled)


def test_it_may_crash_again_and_again_and_then_goes_on(left: Left) -> None:
    disk, number = left.disk.fork(), 0
    while True:
        shots = shots_of_opening(disk.fork())
        if number >= len(shots) - 1:
            break
        disk = shots[number].fork()  # each life comes one call further than the one before
        disk.locks.clear()
        number += 1
    left.check(disk.fork(), left.last_seq)
    log, held = opened_log(disk, SMALL)
    writer = writer_of(log, held, left.facts, 12)
    writer.append([Event(log.last_seq + 1, NOW_MS + 10**6, 1, "new", b"{}")])
    compact_log(disk, log, keep_history=left.keep_history)
    writer.write_all(5)
    log.close()
    log, held = opened_log(disk, SMALL)
    check_held(held, writer.facts)
    assert verify(disk, DIRECTORY, lambda _done, _all: None).is_sound
