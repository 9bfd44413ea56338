"""A segment that is filled with zeros ahead is the same log, whatever happens to it."""

import errno
from itertools import combinations

import pytest

from lithair.core.event import Event
from lithair.errors import StorageFull, SyncFailed
from lithair.storage.active_segment import AHEAD_BYTES_MAX, AHEAD_SHARE
from lithair.storage.event_log import LogOptions
from lithair.storage.log_reader import LogReader, paths_to
from lithair.storage.segment import SUFFIX
from lithair.storage.verify import Verified, verify
from tests.fault.test_crash_states import Script, tally
from tests.fault.test_holes import before_the_sync
from tests.storage.backups import BACKUP, backed_up
from tests.storage.samples import ALWAYS, DIRECTORY, Writer, fact_of, opened
from tests.support.simulated_files import PAGE_BYTES, Failure, SimulatedFiles

NEVER = 1 << 40
FILLED = LogOptions(segment_bytes_max=2048, lock_wait_s=0, ahead_from_bytes=0)
WIDE = LogOptions(segment_bytes_max=1 << 20, lock_wait_s=0, ahead_from_bytes=0)
WIDE_PLAIN = LogOptions(segment_bytes_max=1 << 20, lock_wait_s=0, ahead_from_bytes=NEVER)
PATH = f"{DIRECTORY}/00000000000000000001.raftlog"
BATCHES = 40  # some five segments


def written(batches: int, options: LogOptions = FILLED) -> tuple[SimulatedFiles, Writer]:
    disk = SimulatedFiles()
    log, found = opened(disk, options)
    writer = Writer(log, found, 5)
    writer.write_all(batches)
    return disk, writer


def segments(disk: SimulatedFiles, directory: str = DIRECTORY) -> dict[str, bytes]:
    """Give the bytes of all segments by name, in log order."""
    names = [name for name in disk.names(directory) if name.endswith(SUFFIX)]
    return {name: disk.names_cached[f"{directory}/{name}"].cached for name in names}


def takes(writer: Writer, events: list[Event]) -> bool:
    """Append if there is room; tell whether there was."""
    try:
        writer.append(events)
    except StorageFull:
        return False
    return True


def checked(disk: SimulatedFiles) -> Verified:
    return verify(disk, DIRECTORY, lambda _done, _all: None)


def test_the_files_are_those_of_a_log_that_is_not_filled_but_for_zeros_at_the_end() -> None:
    (disk, writer), (plain_disk, plain) = written(BATCHES), written(BATCHES, ALWAYS)
    found, expected = segments(disk), segments(plain_disk)
    assert list(found) == list(expected)
    assert len(found) > 4
    *sealed, active = found
    assert [found[name] for name in sealed] == [expected[name] for name in sealed]
    zeros = len(found[active]) - len(expected[active])
    assert found[active] == expected[active] + bytes(zeros)
    assert 0 < zeros <= len(expected[active]) // AHEAD_SHARE
    assert writer.log.size_bytes == plain.log.size_bytes == sum(map(len, expected.values()))
    writer.log.close()
    plain.log.close()
    assert segments(disk) == segments(plain_disk)


def test_a_small_log_is_as_long_as_its_records_and_a_long_one_has_a_bound() -> None:
    options = LogOptions(lock_wait_s=0)
    disk, writer = written(0, options)
    seen = 0
    while writer.log.size_bytes < 5 * AHEAD_BYTES_MAX:
        records_bytes = writer.log.size_bytes
        zeros = len(disk.names_cached[PATH].cached) - records_bytes
        assert zeros <= min(AHEAD_BYTES_MAX, records_bytes // AHEAD_SHARE)
        assert zeros == 0 or records_bytes > options.ahead_from_bytes
        seen = max(seen, zeros)
        writer.append(writer.batch(20))
    assert seen > AHEAD_BYTES_MAX - 10_000


def test_most_writes_go_over_zeros() -> None:
    """What it is for: the file does not grow, so a sync has nothing but bytes to write."""
    disk, writer = written(200, WIDE)
    lengths = [len(disk.names_cached[PATH].cached) for _ in writer.write(100)]
    assert len(set(lengths)) < len(lengths) // 5


@tally.at_least(2_000)
def test_a_crash_at_any_storage_call_loses_only_what_was_unsynced() -> None:
    script = Script(FILLED, BATCHES)
    assert {"write", "cut", "sync", "rename"} <= {shot.verb for shot in script.shots}
    for number, shot in enumerate(script.shots):
        script.check(shot.disk.fork(), shot.acknowledged, shot.in_flight)
        pending = shot.disk.pending_bytes()
        for kept in {*range(number % 23, pending, 23), pending}:
            for names in range(len(shot.disk.name_changes) + 1):
                lost = shot.disk.after_power_loss(kept, names)
                script.check(lost, shot.synced, shot.in_flight)


def test_a_file_that_grew_by_zeros_without_its_frame_is_the_log_before() -> None:
    """A power loss may leave the length and not the bytes, or a frame without some of its pages."""
    disk, writer = written(60, WIDE)
    acknowledged = len(writer.facts)
    in_flight, pages = before_the_sync(disk, writer)
    for count in range(1, len(pages) + 1):
        for lost in combinations(pages, count):
            after = in_flight.after_power_loss(1 << 30, 0, lost)
            log, found = opened(after, WIDE)
            only_zeros = lost[0] * PAGE_BYTES >= writer.log.size_bytes
            assert found.facts == writer.facts[: len(writer.facts) if only_zeros else acknowledged]
            Writer(log, found, 6).write_all(2)
            assert checked(after).is_sound


def test_zeros_are_cut_off_without_a_word_and_anything_else_is_kept_aside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk, writer = written(20, WIDE)
    data = disk.names_cached[PATH].cached
    end = writer.log.size_bytes
    log, found = opened(disk.fork(), WIDE)
    assert found.facts == writer.facts
    assert not caplog.records
    for at in range(end, len(data)):
        changed = bytearray(data)
        changed[at] = 0x40
        after = disk.with_bytes(PATH, bytes(changed))
        log, found = opened(after, WIDE)
        assert found.facts == writer.facts
        [torn] = [name for name in after.names(DIRECTORY) if name.endswith(".torn")]
        assert after.names_cached[f"{DIRECTORY}/{torn}"].cached == bytes(changed[end : at + 1])
        assert log.size_bytes == sum(map(len, segments(after).values()))


def test_a_disk_that_has_room_for_a_write_takes_it_though_not_the_zeros() -> None:
    outcomes: set[bool] = set()
    for room in range(0, 3000, 45):
        disk, writer = written(20, WIDE)
        plain_disk, plain = written(20, WIDE_PLAIN)
        zeros = disk.used_bytes() - plain_disk.used_bytes()
        batch = writer.batch(16)  # more than the zeros have room for
        assert zeros < sum(len(event.payload) for event in batch)
        disk.capacity_bytes = disk.used_bytes() + room
        plain_disk.capacity_bytes = plain_disk.used_bytes() + room + zeros
        fits = takes(writer, batch)
        assert fits == takes(plain, plain.batch(16)), f"room for {room} and {zeros} zeros"
        assert writer.log.size_bytes == plain.log.size_bytes
        outcomes.add(fits)
        disk.capacity_bytes = 1 << 40
        assert checked(disk).notes == []
        writer.log.seal()
        assert writer.log.size_bytes == sum(map(len, segments(disk).values()))
        writer.write_all(3)
        _, found = opened(disk.after_power_loss(), WIDE)
        assert found.facts == writer.facts
    assert outcomes == {True, False}


def test_a_segment_that_has_no_room_for_zeros_goes_on_without_them() -> None:
    disk, writer = written(20, WIDE)
    grown = len(disk.names_cached[PATH].cached)
    while len(disk.names_cached[PATH].cached) == grown:
        disk.failures = [Failure(errno.ENOSPC, "write", after=1)]
        writer.append(writer.batch())
    disk.failures = []
    writer.write_all(5)
    assert len(disk.names_cached[PATH].cached) == writer.log.size_bytes
    _, found = opened(disk.after_power_loss(), WIDE)
    assert found.facts == writer.facts


@pytest.mark.parametrize("verb", ["cut", "sync"])
def test_zeros_that_can_not_be_taken_off_end_the_use_of_the_log(verb: str) -> None:
    """The simulated disk fails the test when a file is synced again after a failed sync."""
    disk, writer = written(20, WIDE)
    disk.failures.append(Failure(errno.EIO, verb))
    with pytest.raises(SyncFailed):
        writer.log.seal()
    with pytest.raises(SyncFailed):
        writer.log.append(writer.batch())
    writer.log.close()
    for after in (disk.fork(), disk.after_power_loss()):
        _, found = opened(after, WIDE)
        assert found.facts == writer.facts


def test_readers_backups_and_verify_see_the_records_and_no_zeros() -> None:
    (disk, writer), (plain_disk, plain) = written(50, WIDE), written(50, WIDE_PLAIN)
    log, facts = writer.log, writer.facts
    assert [fact_of(event) for event in log.events_since(0, 10**6, 1 << 40)] == facts
    reader = LogReader(disk, paths_to(log.view(), log.last_seq, from_snapshot=False))
    runs = list(reader.replay())
    assert sum(run.end - run.start for run in runs) == log.size_bytes - runs[0].base_offset
    seen = checked(disk)
    assert (seen.is_sound, seen.notes, seen.events) == (True, [], len(facts))
    assert seen.size_bytes == log.size_bytes
    backed_up(disk, log)
    backed_up(plain_disk, plain.log)
    folder = f"{BACKUP}/emails"
    assert segments(disk, folder) == segments(plain_disk, folder)


class Interruption:
    """Writes to a log before one of the reads of its disk, counted from 0."""

    def __init__(self, disk: SimulatedFiles, writer: Writer, reads: int) -> None:
        self.disk = disk
        self.writer = writer
        self.reads = reads

    def __call__(self, _path: str) -> None:
        if self.reads == 0:
            self.writer.write_all(3)
        self.reads -= 1


def test_verify_finds_a_log_sound_that_is_written_to_before_any_of_its_reads() -> None:
    """Frames appear where zeros were, and each says that those before it were on the disk."""
    disk, _ = written(150, WIDE)
    reads: list[str] = []
    disk.watch_reads = reads.append
    assert checked(disk).is_sound
    for number in range(len(reads)):
        disk, writer = written(150, WIDE)
        disk.watch_reads = Interruption(disk, writer, number)
        seen = checked(disk)
        assert seen.is_sound, f"written to before read {number}: {seen.damage}"


def test_zeros_that_can_not_be_cut_off_for_want_of_room_lose_nothing() -> None:
    """File systems that copy what they change need room to make a file shorter."""
    disk, writer = written(20, WIDE)
    disk.failures.append(Failure(errno.ENOSPC, "cut"))
    with pytest.raises(StorageFull):
        writer.log.seal()
    disk.failures.clear()
    writer.write_all(5)
    disk.failures.append(Failure(errno.ENOSPC, "cut"))
    writer.log.close()
    _, found = opened(disk.fork(), WIDE)
    assert found.facts == writer.facts
