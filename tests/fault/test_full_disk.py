"""A full disk: writes are undone and tried afresh, and what is there is served."""

import errno
from collections.abc import Iterator

import pytest

from lithair.errors import StorageFull, SyncFailed
from lithair.storage.event_log import EventLog
from tests.storage.samples import ALWAYS, DIRECTORY, INTERVAL, WIDER_STAMP, Writer, fact_of, opened
from tests.support.simulated_files import Failure, SimulatedFiles

PLENTY = 1 << 40


def written(batches: int = 5) -> tuple[SimulatedFiles, Writer]:
    disk = SimulatedFiles()
    log, found = opened(disk, ALWAYS)
    writer = Writer(log, found, 1)
    writer.write_all(batches)
    return disk, writer


def test_an_append_without_room_is_undone_and_the_next_one_works() -> None:
    disk, writer = written()
    batch = writer.batch(3)
    for room in range(0, 300, 7):
        disk.capacity_bytes = disk.used_bytes() + room
        before = disk.used_bytes()
        with pytest.raises(StorageFull):
            writer.log.append(batch)
        assert disk.used_bytes() == before
        assert writer.log.last_seq == len(writer.facts)
    disk.capacity_bytes = PLENTY
    writer.append(batch)
    writer.write_all(3)
    _, found = opened(disk.after_power_loss())
    assert found.facts == writer.facts


def test_a_disk_that_takes_few_bytes_at_a_time_gets_all_of_them() -> None:
    disk, writer = written()
    disk.write_bytes_max = 13
    writer.write_all(5)
    _, found = opened(disk.after_power_loss())
    assert found.facts == writer.facts


def test_a_quota_or_a_file_size_limit_is_a_full_disk_too() -> None:
    disk, writer = written()
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        disk.failures.append(Failure(code, "write"))
        with pytest.raises(StorageFull):
            writer.log.append(writer.batch())
    writer.write_all(1)


def test_a_write_that_fails_otherwise_ends_the_use_of_the_log() -> None:
    disk, writer = written()
    disk.failures.append(Failure(errno.EIO, "write"))
    with pytest.raises(SyncFailed):
        writer.log.append(writer.batch())
    with pytest.raises(SyncFailed):
        writer.log.append(writer.batch())
    _, found = opened(disk.fork())
    assert found.facts == writer.facts


def test_a_write_that_can_not_be_undone_ends_the_use_of_the_log() -> None:
    disk, writer = written()
    disk.capacity_bytes = disk.used_bytes() + 20
    disk.failures.append(Failure(errno.EIO, "cut"))
    with pytest.raises(SyncFailed):
        writer.log.append(writer.batch())
    disk.capacity_bytes = PLENTY
    _, found = opened(disk.fork())
    assert found.facts == writer.facts


def test_a_roll_without_room_is_tried_again_by_the_next_append() -> None:
    disk, writer = written(0)
    while writer.log.size_bytes < ALWAYS.segment_bytes_max:
        writer.append(writer.batch())
    batch = writer.batch()
    disk.capacity_bytes = disk.used_bytes() + 10
    for _ in range(2):
        with pytest.raises(StorageFull):
            writer.log.append(batch)
        assert not [name for name in disk.names(DIRECTORY) if name.endswith(".tmp")]
    disk.capacity_bytes = PLENTY
    writer.append(batch)
    _, found = opened(disk.after_power_loss())
    assert found.facts == writer.facts


def full_disks() -> Iterator[tuple[SimulatedFiles, Writer]]:
    """Give disks that were full when a log with something to carry and something torn is opened."""
    for batches, options in ((0, ALWAYS), (1, ALWAYS), (9, ALWAYS), (40, ALWAYS), (12, INTERVAL)):
        disk = SimulatedFiles()
        log, found = opened(disk, options)
        writer = Writer(log, found, batches)
        writer.write_all(batches)
        log.append(writer.batch())
        whole = disk.fork()
        disk.write_bytes_max = 60
        disk.failures.append(Failure(errno.EIO, "write", after=1))
        disk.failures.append(Failure(errno.EIO, "cut"))
        with pytest.raises(SyncFailed):
            log.append(writer.batch())
        for torn in (whole, disk.fork()):
            for room in (0, 30, 90, 200, 500):
                full = torn.fork()
                full.capacity_bytes = full.used_bytes() + room
                yield full, writer


def test_a_log_opened_on_a_full_disk_serves_what_it_has_and_recovers() -> None:
    seen_read_only = 0
    for disk, writer in full_disks():
        log, found = opened(disk)
        assert found.facts[: len(writer.facts)] == writer.facts[: len(found.facts)]
        if not is_read_only(log):
            continue
        seen_read_only += 1
        again = Writer(log, found, 5)
        batch = again.batch()
        with pytest.raises(StorageFull):
            log.append(batch)
        assert not log.retry_writable()
        check_reads(again)
        disk.capacity_bytes = PLENTY
        assert log.retry_writable()
        assert not is_read_only(log)
        assert log.synced_seq == log.last_seq
        check_reads(again)  # no position has changed
        again.append(batch)
        again.write_all(3)
        check_reads(again)
        _, later = opened(disk.after_power_loss())
        assert later.facts == again.facts
        assert later.places[: len(again.places) - 1] == again.places[:-1]
    assert seen_read_only > 20


def is_read_only(log: EventLog) -> bool:
    return log.is_read_only  # a look each time: type checkers think that it can't change


def check_reads(writer: Writer) -> None:
    for fact, (position, length) in zip(writer.facts, writer.places, strict=True):
        assert fact_of(writer.log.read(position, length)) == fact
    assert [fact_of(event) for event in writer.log.events_since(0, 10**6, 1 << 40)] == writer.facts


def test_an_append_is_enough_to_leave_the_read_only_state() -> None:
    disk, writer = written()
    killed = disk.fork()
    killed.failures.append(Failure(errno.ENOSPC, "create", times=2))
    log, found = opened(killed)
    assert is_read_only(log)
    again = Writer(log, found, 6)
    with pytest.raises(StorageFull):
        log.append(again.batch())
    again.write_all(1)
    assert not is_read_only(log)
    assert found.facts == writer.facts


def test_a_changed_schema_on_a_full_disk_is_tried_again_in_steps() -> None:
    """The carried segment fits, the empty one for the new schema does not at first."""
    disk, writer = written()
    killed = disk.fork()
    killed.failures.append(Failure(errno.ENOSPC, "create", after=1, times=2))
    log, found = opened(killed, stamp=WIDER_STAMP)
    assert log.is_read_only
    assert not log.retry_writable()
    assert log.retry_writable()
    again = Writer(log, found, 6)
    again.write_all(2)
    check_reads(again)
    _, later = opened(killed.after_power_loss(), stamp=WIDER_STAMP)
    assert later.facts == again.facts
    assert found.facts == writer.facts
