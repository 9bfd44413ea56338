"""A failed sync ends the log's use; what it took is decided by what is on the disk.

The simulated disk fails the test itself when a file is synced again after a failed sync.
"""

import errno

import pytest

from lithair.errors import SyncFailed
from tests.storage.samples import ALWAYS, INTERVAL, Writer, opened
from tests.support.simulated_files import Failure, SimulatedFiles


def written(batches: int = 5) -> tuple[SimulatedFiles, Writer]:
    disk = SimulatedFiles()
    log, found = opened(disk, ALWAYS)
    writer = Writer(log, found, 1)
    writer.write_all(batches)
    return disk, writer


def test_a_failed_sync_makes_the_log_unusable() -> None:
    disk, writer = written()
    last = writer.log.last_seq
    disk.failures.append(Failure(errno.EIO, "sync"))
    batch = writer.batch()
    for _ in range(3):
        with pytest.raises(SyncFailed):
            writer.log.append(batch)
    with pytest.raises(SyncFailed):
        writer.log.sync()
    assert writer.log.last_seq == last
    assert writer.log.events_since(0, 1000, 1 << 20)[-1].seq == last
    writer.log.close()
    assert not disk.locks


def test_the_batch_of_a_failed_sync_is_gone_with_the_power() -> None:
    disk, writer = written()
    disk.failures.append(Failure(errno.EIO, "sync"))
    with pytest.raises(SyncFailed):
        writer.log.append(writer.batch())
    _, found = opened(disk.after_power_loss())
    assert found.facts == writer.facts


def test_the_batch_of_a_failed_sync_counts_once_it_is_really_on_the_disk() -> None:
    """The page cache calls it clean; the next opening writes and syncs it anew, in a new file."""
    disk, writer = written()
    disk.failures.append(Failure(errno.EIO, "sync"))
    batch = writer.batch()
    with pytest.raises(SyncFailed):
        writer.log.append(batch)
    killed = disk.fork()
    log, found = opened(killed)
    assert log.last_seq == batch[-1].seq
    assert log.synced_seq == log.last_seq
    assert found.facts[: len(writer.facts)] == writer.facts
    _, after = opened(killed.after_power_loss())
    assert after.facts == found.facts


def test_a_failed_interval_sync_keeps_what_was_synced_before() -> None:
    disk = SimulatedFiles()
    log, found = opened(disk, INTERVAL)
    writer = Writer(log, found, 2)
    writer.write_all(3)
    log.sync()
    synced = log.synced_seq
    writer.write_all(2)
    disk.failures.append(Failure(errno.EIO, "sync"))
    with pytest.raises(SyncFailed):
        log.sync()
    with pytest.raises(SyncFailed):
        log.append(writer.batch())
    log.close()
    _, lost = opened(disk.after_power_loss(), INTERVAL)
    assert lost.facts == writer.facts[:synced]
    _, killed = opened(disk.fork(), INTERVAL)
    assert killed.facts == writer.facts


@pytest.mark.parametrize("verb", ["sync", "sync_directory", "rename", "create"])
def test_a_failure_while_rolling_takes_nothing_that_was_acknowledged(verb: str) -> None:
    disk, writer = written(0)
    while writer.log.size_bytes < ALWAYS.segment_bytes_max:
        writer.append(writer.batch())
    disk.failures.append(Failure(errno.EIO, verb))
    with pytest.raises(SyncFailed):
        writer.log.append(writer.batch())
    writer.log.close()
    for after in (disk.fork(), disk.after_power_loss()):
        _, found = opened(after)
        assert found.facts == writer.facts


@pytest.mark.parametrize("verb", ["sync", "sync_directory", "rename", "create", "write", "cut"])
def test_a_failure_while_opening_takes_nothing_either(verb: str) -> None:
    disk, writer = written()
    in_use = disk.fork()
    in_use.failures.append(Failure(errno.EIO, verb))
    with pytest.raises(SyncFailed):
        opened(in_use)
    assert not in_use.locks
    for after in (in_use.fork(), in_use.after_power_loss()):
        _, found = opened(after)
        assert found.facts == writer.facts


def test_a_failed_sync_at_the_close_leaves_the_log_as_after_a_crash() -> None:
    disk, writer = written()
    disk.failures.append(Failure(errno.EIO, "sync"))
    with pytest.raises(SyncFailed):
        writer.log.close()
    assert not disk.locks
    for after in (disk.fork(), disk.after_power_loss()):
        again, found = opened(after)
        assert found.facts == writer.facts
        Writer(again, found, 3).write_all(2)
        _, later = opened(after.after_power_loss())
        assert later.facts[: len(writer.facts)] == writer.facts


def test_a_directory_that_can_not_be_synced_for_want_of_room_ends_the_log_s_use() -> None:
    """The new segment has its name by then: what went on in the old one would not be read again."""
    disk, writer = written()
    disk.failures.append(Failure(errno.ENOSPC, "sync_directory"))
    with pytest.raises(SyncFailed):
        writer.log.seal()
    with pytest.raises(SyncFailed):
        writer.log.append(writer.batch())
    writer.log.close()
    _, found = opened(disk.fork())
    assert found.facts == writer.facts
