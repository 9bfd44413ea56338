"""A purge that is cut off at any storage call: a readable archive, and it is carried on.

The purge is run once on the simulated disk; before each of its storage calls the disk is kept.
Each kept disk is looked at as a killed process leaves it, and as a power loss does with every
prefix of the unsynced bytes' pages and every prefix of the changes of names; and in each of them
the purge is asked for again, and cut off there, too.
"""

from collections.abc import Iterator

import pytest

from lithair.core.event import ERASED
from lithair.storage.purge import PurgePlan, purge_files
from tests.fault.tally import Tally
from tests.storage.samples import DIRECTORY, Fact
from tests.storage.test_purge import (
    ARCHIVE,
    archived,
    archived_facts,
    check_erased,
    facts_of,
    nothing_done,
    segments_in,
)
from tests.support.simulated_files import SimulatedFiles

SEEDS = (1, 2, 3)
tally = Tally()  # 5,780 states when last counted


class Case:
    """An archive, and an item of it that has records in several segments."""

    def __init__(self, seed: int) -> None:
        self.disk, writer = archived(seed, batches=60)
        torn = self.disk.create(f"{DIRECTORY}/{'0' * 19}1-9-9.torn")
        torn.write(b"torn", 0)
        torn.sync()
        self.disk.sync_directory(DIRECTORY)
        self.before = archived_facts(writer, self.disk)
        keys = [fact[4] for fact in self.before]
        self.key = max(keys, key=keys.count)
        self.plan = PurgePlan(self.key, self.before[-1][0], 0)
        self.names = segments_in(self.disk, ARCHIVE)

    def purge(self, disk: SimulatedFiles) -> None:
        purge_files(disk, DIRECTORY, self.plan, nothing_done)

    def shots(self, disk: SimulatedFiles) -> list[SimulatedFiles]:
        """Purge; gives the disk as it was before each call that changes it."""
        found: list[SimulatedFiles] = []
        disk.watch = lambda _verb, _path: found.append(disk.fork())
        self.purge(disk)
        disk.watch = None
        return found

    def check(self, disk: SimulatedFiles) -> None:
        """Fail unless the archive is a chain in which each record is as it was, or erased."""
        tally.add()
        assert segments_in(disk, ARCHIVE) == self.names
        for fact, was in zip(facts_of(disk), self.before, strict=True):
            assert fact == was or (was[4] == self.key and self.is_erased(fact, was))

    def is_erased(self, fact: Fact, was: Fact) -> bool:
        return fact[:3] == (*was[:2], ERASED) and not any(fact[5])


@pytest.fixture(scope="module", params=SEEDS)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


def after_crash(shot: SimulatedFiles) -> Iterator[SimulatedFiles]:
    """Give the disk as a kill and as power losses leave it."""
    yield shot.fork()
    pending = shot.pending_bytes()
    for kept in sorted({0, 1, pending // 2, max(0, pending - 1), pending}):
        for names in range(len(shot.name_changes) + 1):
            yield shot.after_power_loss(kept, names)


def test_the_item_has_records_in_several_segments(case: Case) -> None:
    disk = case.disk.fork()
    done = purge_files(disk, DIRECTORY, case.plan, nothing_done)
    assert done.segments >= 2
    assert done.torn == 1
    check_erased(disk, case.before, case.key, case.plan.last_seq)


@tally.at_least(300)
def test_a_crash_at_any_call_leaves_a_readable_archive_and_the_purge_is_carried_on(
    case: Case,
) -> None:
    for shot in case.shots(case.disk.fork()):
        for disk in after_crash(shot):
            case.check(disk)
            case.purge(disk)
            check_erased(disk, case.before, case.key, case.plan.last_seq)
            assert not any(name.endswith((".torn", ".tmp")) for name in disk.names(DIRECTORY))
            assert not any(name.endswith(".tmp") for name in disk.names(ARCHIVE))


@tally.at_least(1_300)
def test_a_crash_of_the_purge_that_carries_on_is_no_different(case: Case) -> None:
    for shot in case.shots(case.disk.fork())[::3]:
        for again in case.shots(shot.after_power_loss(0, 0))[::2]:
            for disk in after_crash(again):
                case.check(disk)
                case.purge(disk)
                check_erased(disk, case.before, case.key, case.plan.last_seq)


def test_what_a_purge_has_said_to_be_done_stays_done_without_power(case: Case) -> None:
    disk = case.disk.fork()
    case.purge(disk)
    lost = disk.after_power_loss(0, 0)
    check_erased(lost, case.before, case.key, case.plan.last_seq)
    assert not any(name.endswith(".torn") for name in lost.names(DIRECTORY))
