"""Whatever a crash leaves of a compaction: the state is what was acknowledged, history when kept.

A script of batches with compactions between them is run on the simulated disk; before each of its
storage calls, those of the merge, the installation and the removal included, the disk is kept.
Each kept disk is opened as a kill and as power losses leave it, and some of these openings are
crashed again at each of their own storage calls.
"""

from typing import NamedTuple

import pytest

from lithair.core.event import EventKind
from lithair.storage.event_log import LogOptions
from lithair.storage.segment import SUFFIX, first_seq_of
from lithair.storage.snapshot import snapshot_names
from tests.fault.tally import Tally
from tests.storage.compacting import (
    check_held,
    check_history,
    compact_log,
    opened_log,
    writer_of,
)
from tests.storage.samples import DIRECTORY, Fact
from tests.support.simulated_files import SimulatedFiles

BATCHES = (60, 25, 1, 0, 40)  # before each compaction; some are written during each, too
STEPS = ("sealed", "merged", "staged", "installed", "removed")
ANSWERS_ONE_IN = 11
RECOVERIES_EVERY = 73  # of the states, one in so many is crashed again at each call of its recovery
SMALL = LogOptions(segment_bytes_max=1500, lock_wait_s=0)
ARCHIVE = f"{DIRECTORY}/archive"
tally = Tally()


class Shot(NamedTuple):
    """The disk before a storage call, and what may be there after a crash at that moment."""

    disk: SimulatedFiles
    what: str
    acknowledged: int
    in_flight: int


class Script:
    """A run of the script."""

    def __init__(self, keep_history: bool) -> None:
        self.keep_history = keep_history
        self.shots: list[Shot] = []
        self.ends = {0}
        self.compacted = 0
        self.disk = SimulatedFiles(write_bytes_max=3000)
        self.log, held = opened_log(self.disk, SMALL)
        self.writer = writer_of(self.log, held, [], 7)
        self.in_flight = 0
        self.is_compacting = False
        self.disk.watch = self._keep
        for batches in BATCHES:
            for _ in range(batches):
                self._write()
            self.is_compacting = True
            name = compact_log(
                self.disk, self.log, keep_history=keep_history, between=lambda _: self._write()
            )
            self.is_compacting = False
            self.compacted += bool(name)
        self.log.close()
        self._keep("end", "")

    @property
    def facts(self) -> list[Fact]:
        return self.writer.facts

    def _keep(self, verb: str, path: str) -> None:
        if self.is_compacting or len(self.shots) % 3 == 0:  # the rest is in test_crash_states
            disk = self.disk.fork()
            self.shots.append(Shot(disk, f"{verb} {path}", self.log.last_seq, self.in_flight))

    def _write(self) -> None:
        events = self.writer.batch()
        self.in_flight = events[-1].seq
        self.ends.add(self.in_flight)
        self.writer.append(events)

    def check(self, disk: SimulatedFiles, shot: Shot) -> None:
        """Open a disk; fail unless it holds what it must, and what is superseded is gone."""
        tally.add()
        log, held = opened_log(disk, SMALL)
        seq = log.last_seq
        assert shot.acknowledged <= seq <= shot.in_flight, shot.what
        assert seq in self.ends, shot.what
        check_held(held, self.facts[:seq], ANSWERS_ONE_IN)
        if self.keep_history:
            check_history(held, self.facts[:seq])
        check_names(disk, log.cut)
        log.close()


def check_names(disk: SimulatedFiles, cut: int) -> None:
    """Fail when a file lies there that is of no more use."""
    names = disk.names(DIRECTORY)
    assert [name for name in names if name.endswith(".tmp")] == []
    assert len(snapshot_names(disk, DIRECTORY)) == bool(cut)
    seqs = [first_seq_of(name) or 0 for name in names if name.endswith(SUFFIX)]
    assert min(seqs) == cut + 1


@pytest.fixture(scope="module", params=[False, True], ids=["dropping", "keeping"])
def script(request: pytest.FixtureRequest) -> Script:
    keep_history: bool = request.param
    return Script(keep_history)


def test_the_script_compacts_items_of_every_kind_again_and_again(script: Script) -> None:
    assert script.compacted == len(BATCHES)
    assert {fact[2] for fact in script.facts} == {
        EventKind.CREATE,
        EventKind.UPDATE,
        EventKind.DELETE,
    }
    verbs = {shot.what.split()[0] for shot in script.shots}
    assert {"create", "write", "sync", "rename", "sync_directory"} <= verbs
    assert script.keep_history or "remove" in verbs


def crashes(shot: Shot) -> list[SimulatedFiles]:
    """Give the disk as a kill and as power losses at this moment leave it."""
    pending = shot.disk.pending_bytes()
    found = [shot.disk.fork()]
    for kept in sorted({0, 1, pending // 3, pending - 1, pending} - {-1}):
        names = range(len(shot.disk.name_changes) + 1)
        found += [shot.disk.after_power_loss(kept, count) for count in names]
    if pending > 2 * 4096:
        found.append(shot.disk.after_power_loss(pending, len(shot.disk.name_changes), [1]))
    return found


@tally.at_least(2_000)
def test_a_crash_at_any_storage_call_of_a_compaction_loses_nothing(script: Script) -> None:
    for shot in script.shots:
        for disk in crashes(shot):
            script.check(disk, shot)


@tally.at_least(2_200)
def test_a_crash_during_the_recovery_from_one_loses_nothing_either(script: Script) -> None:
    number = 0
    for shot in script.shots:
        for disk in crashes(shot):
            number += 1
            if number % RECOVERIES_EVERY == 0:
                crash_recovery(script, disk, shot)


def crash_recovery(script: Script, disk: SimulatedFiles, shot: Shot) -> None:
    again: list[SimulatedFiles] = []
    disk.watch = lambda _verb, _path: again.append(disk.fork())
    log, _ = opened_log(disk, SMALL)
    disk.watch = None
    log.close()
    for second in again:
        for third in crashes(shot._replace(disk=second)):
            script.check(third, shot)
