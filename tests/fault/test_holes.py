"""Pages of an unsynced frame that reached the disk without earlier ones are a torn tail."""

from itertools import combinations

import pytest

from lithair.core.event import Event
from lithair.core.frame import CLOSING_BYTES, FRAME_HEAD_BYTES
from lithair.core.record import RECORD_BYTES_MIN
from lithair.errors import DamagedLog
from lithair.storage.event_log import LogOptions
from lithair.storage.recovery import SECTOR_BYTES
from tests.storage.samples import DIRECTORY, Writer, opened
from tests.support.simulated_files import PAGE_BYTES, SimulatedFiles

WIDE = LogOptions(segment_bytes_max=1 << 20, lock_wait_s=0)
WIDE_INTERVAL = LogOptions(segment_bytes_max=1 << 20, lock_wait_s=0, durability="interval")
PATH = f"{DIRECTORY}/00000000000000000001.raftlog"


def before_the_sync(disk: SimulatedFiles, writer: Writer) -> tuple[SimulatedFiles, range]:
    """Write a long frame; give the disk before its sync, and the pages that it may lose."""
    shots: list[SimulatedFiles] = []
    disk.watch = lambda verb, _path: shots.append(disk.fork()) if verb == "sync" else None
    writer.append(writer.batch(90))
    in_flight = shots[0]
    synced = len(in_flight.names_synced[PATH].synced)
    pages = range(synced // PAGE_BYTES, -(-len(in_flight.names_cached[PATH].cached) // PAGE_BYTES))
    return in_flight, pages


def test_a_hole_in_an_unsynced_frame_is_a_torn_tail() -> None:
    disk = SimulatedFiles()
    log, found = opened(disk, WIDE)
    writer = Writer(log, found, 1)
    writer.write_all(12)
    acknowledged = len(writer.facts)
    in_flight, pages = before_the_sync(disk, writer)
    assert len(pages) >= 4
    for count in range(1, len(pages) + 1):
        for lost in combinations(pages, count):
            after = in_flight.after_power_loss(1 << 30, 0, lost)
            _, found = opened(after, WIDE)
            assert found.facts == writer.facts[:acknowledged]
            kept = [name for name in after.names(DIRECTORY) if name.endswith(".torn")]
            assert len(kept) == (1 if count < len(pages) else 0), "nothing but zeros is not kept"


def test_a_hole_before_intact_unsynced_frames_is_a_torn_tail() -> None:
    """In interval mode several frames wait for one sync, and the disk writes them in any order."""
    disk = SimulatedFiles()
    log, found = opened(disk, WIDE_INTERVAL)
    writer = Writer(log, found, 2)
    writer.write_all(20)
    log.sync()
    synced = log.synced_seq
    ends = [(len(disk.names_cached[PATH].cached), synced)]
    ends += [(len(disk.names_cached[PATH].cached), seq) for seq in writer.write(120)]
    pages = range(ends[0][0] // PAGE_BYTES, -(-ends[-1][0] // PAGE_BYTES))
    assert len(pages) >= 4
    for count in (1, 2, 3):
        for lost in combinations(pages, count):
            hole = max(lost[0] * PAGE_BYTES, ends[0][0])
            expected = max(seq for end, seq in ends if end <= hole)
            _, found = opened(disk.after_power_loss(1 << 30, 0, lost), WIDE_INTERVAL)
            assert found.facts == writer.facts[:expected]


def test_a_hole_in_synced_frames_is_damage() -> None:
    disk = SimulatedFiles()
    log, found = opened(disk, WIDE)
    writer = Writer(log, found, 3)
    writer.write_all(150)
    data = disk.names_cached[PATH].cached
    assert len(data) > 4 * PAGE_BYTES
    for page in range(3):
        begin = page * PAGE_BYTES
        holed = data[:begin] + bytes(PAGE_BYTES) + data[begin + PAGE_BYTES :]
        with pytest.raises(DamagedLog) as refused:
            opened(disk.with_bytes(PATH, holed), WIDE)
        assert refused.value.path == PATH


def test_a_hole_in_carried_frames_is_damage() -> None:
    """What an opening carried over was synced, and the new segment's header says so."""
    disk = SimulatedFiles()
    log, found = opened(disk, WIDE_INTERVAL)
    Writer(log, found, 4).write_all(80)
    after = disk.fork()
    opened(after, WIDE_INTERVAL)
    data = after.names_cached[PATH].cached
    with pytest.raises(DamagedLog):
        opened(after.with_bytes(PATH, data[: len(data) // 2]), WIDE_INTERVAL)


def test_a_hole_left_by_a_crash_while_closing_is_a_torn_tail() -> None:
    """The closing frame vouches for all before it, so it may not reach the disk before that."""
    disk = SimulatedFiles()
    log, found = opened(disk, WIDE_INTERVAL)
    writer = Writer(log, found, 5)
    writer.write_all(100)
    shots: list[SimulatedFiles] = []
    disk.watch = lambda _verb, _path: shots.append(disk.fork())
    log.close()
    shots.append(disk.fork())
    pages = range(1, len(disk.names_cached[PATH].cached) // PAGE_BYTES + 1)
    assert len(pages) >= 3
    for shot in shots:
        for page in pages:
            _, found = opened(shot.after_power_loss(1 << 30, 0, [page]), WIDE_INTERVAL)
            assert found.facts == writer.facts[: len(found.facts)]
    assert len(found.facts) == len(writer.facts)


def test_a_zeroed_sector_of_a_closing_frame_is_a_tear() -> None:
    """In a segment that another follows too: nothing depends on those bytes."""
    for size in range(SECTOR_BYTES - CLOSING_BYTES, SECTOR_BYTES, 5):
        disk = SimulatedFiles()
        log, _ = opened(disk, WIDE)
        room = size - len(disk.names_cached[PATH].cached) - FRAME_HEAD_BYTES
        payload = bytes(room - RECORD_BYTES_MIN - 1)
        log.append([Event(1, 1, 1, "a", payload)])
        log.close()
        data = disk.names_cached[PATH].cached
        assert len(data) == size + CLOSING_BYTES
        after = disk.fork()
        opened(after, WIDE)[0].close()
        for torn in (
            data[:SECTOR_BYTES] + bytes(len(data) - SECTOR_BYTES),
            data[:size] + bytes(SECTOR_BYTES - size) + data[SECTOR_BYTES:],
            data[:size] + bytes(CLOSING_BYTES),
        ):
            for each in (disk, after):
                log, found = opened(each.with_bytes(PATH, torn), WIDE)
                assert log.last_seq == len(found.facts) == 1
