"""Purging archived segments: what is erased, what stays as it is, and what is refused."""

import os

import pytest

from lithair.core.event import ERASED, Event
from lithair.core.frame import records_in
from lithair.errors import DamagedLog, LithairError, StorageFull
from lithair.storage.event_log import LogOptions
from lithair.storage.purge import PurgedFiles, PurgePlan, purge_files
from lithair.storage.segment import FrameScan, read_segment
from tests.storage.samples import DIRECTORY, Fact, Writer, opened
from tests.support.simulated_files import Failure, SimulatedFiles

ARCHIVE = f"{DIRECTORY}/archive"
SMALL = LogOptions(segment_bytes_max=1500, lock_wait_s=0)
CANARY = b"canary-of-whoever-was-here"


def nothing_done(done: int, total: int) -> None:
    """Take no notice of progress."""


def archived(seed: int, batches: int = 40) -> tuple[SimulatedFiles, Writer]:
    """Give a disk whose sealed segments were moved to the archive, all but the last."""
    disk = SimulatedFiles()
    log, found = opened(disk, SMALL)
    writer = Writer(log, found, seed)
    writer.write_all(batches)
    log.close()
    disk.make_directory(ARCHIVE)
    for name in segments_in(disk, DIRECTORY)[:-1]:
        disk.rename(f"{DIRECTORY}/{name}", f"{ARCHIVE}/{name}")
    disk.sync_directory(DIRECTORY)
    disk.sync_directory(ARCHIVE)
    return disk, writer


def segments_in(disk: SimulatedFiles, directory: str) -> list[str]:
    return [name for name in disk.names(directory) if name.endswith(".raftlog")]


def facts_of(disk: SimulatedFiles) -> list[Fact]:
    """Read the archive as a chain from its first segment to the one that is still live."""
    facts: list[Fact] = []
    prev_crc = 0
    paths = [(ARCHIVE, name) for name in segments_in(disk, ARCHIVE)]
    for directory, name in [*paths, (DIRECTORY, segments_in(disk, DIRECTORY)[-1])]:
        file = disk.open(os.path.join(directory, name))
        segment = read_segment(file, directory, name)
        assert segment.header.prev_crc == prev_crc, f"{name} does not continue the one before it"
        scan = FrameScan(segment, file, segment.size)
        for buffer, end in scan.runs():
            if directory == ARCHIVE:
                facts += [record[2:9] + record[11:] for record in records_in(buffer, 0, end)]
        prev_crc = scan.prev_crc
    return facts


def archived_facts(writer: Writer, disk: SimulatedFiles) -> list[Fact]:
    first_live = int(segments_in(disk, DIRECTORY)[-1][:20])
    return [fact for fact in writer.facts if fact[0] < first_live]


def is_meant(fact: Fact, key: str, last_seq: int) -> bool:
    return fact[4] == key and fact[0] <= last_seq


def check_erased(disk: SimulatedFiles, before: list[Fact], key: str, last_seq: int) -> None:
    """Fail unless just the records that are meant are erased."""
    found = facts_of(disk)
    assert len(found) == len(before)
    for fact, was in zip(found, before, strict=True):
        if is_meant(was, key, last_seq):
            assert fact[:2] == was[:2]
            assert (fact[2], fact[4], set(fact[5])) == (ERASED, "", {0})
            assert not any(fact[7:])
        else:
            assert fact == was


@pytest.mark.parametrize("seed", range(12))
def test_just_the_items_records_are_erased_and_the_chain_to_the_live_log_holds(seed: int) -> None:
    disk, writer = archived(seed)
    before = archived_facts(writer, disk)
    key = before[seed * 3 % len(before)][4]
    last_seq = before[-1][0] if seed % 3 else before[len(before) // 2][0]
    sizes = [disk.open(f"{ARCHIVE}/{name}").size() for name in segments_in(disk, ARCHIVE)]
    done = purge_files(disk, DIRECTORY, PurgePlan(key, last_seq, 0), nothing_done)
    check_erased(disk, before, key, last_seq)
    assert sizes == [disk.open(f"{ARCHIVE}/{name}").size() for name in segments_in(disk, ARCHIVE)]
    is_in_any = any(is_meant(fact, key, last_seq) for fact in before)
    assert bool(done.segments) is is_in_any


def test_a_segment_without_the_item_is_not_written_again_and_twice_is_as_once() -> None:
    disk, writer = archived(3)
    before = archived_facts(writer, disk)
    key = before[0][4]
    written: list[str] = []
    disk.watch = lambda verb, path: written.append(path) if verb == "create" else None
    plan = PurgePlan(key, before[-1][0], 0)
    done = purge_files(disk, DIRECTORY, plan, nothing_done)
    assert 0 < done.segments == len(written) < len(segments_in(disk, ARCHIVE))
    written.clear()
    assert purge_files(disk, DIRECTORY, plan, nothing_done) == PurgedFiles(0, 0)
    assert not written


def test_torn_tails_and_half_written_files_go_whatever_they_hold() -> None:
    disk, writer = archived(4)
    for path in (f"{DIRECTORY}/1-2-3.torn", f"{ARCHIVE}/{'0' * 19}1.raftlog.tmp"):
        file = disk.create(path)
        file.write(CANARY, 0)
        file.sync()
        file.close()
    before = archived_facts(writer, disk)
    done = purge_files(disk, DIRECTORY, PurgePlan("nobody", before[-1][0], 0), nothing_done)
    assert done == PurgedFiles(segments=0, torn=1)
    names = disk.names(DIRECTORY) + disk.names(ARCHIVE)
    assert not [name for name in names if name.endswith((".torn", ".tmp"))]
    assert facts_of(disk) == before


def test_without_an_archive_there_is_nothing_to_do() -> None:
    disk = SimulatedFiles()
    log, _ = opened(disk)
    log.close()
    plan = PurgePlan("a", 5, 0)
    assert purge_files(disk, DIRECTORY, plan, nothing_done) == PurgedFiles(0, 0)


def test_damage_in_the_archive_is_told_and_the_purge_can_be_asked_for_again() -> None:
    disk, writer = archived(5)
    before = archived_facts(writer, disk)
    key, name = before[0][4], segments_in(disk, ARCHIVE)[-1]
    path = f"{ARCHIVE}/{name}"
    sound = disk.open(path).read(1 << 20, 0)
    damaged = disk.with_bytes(path, sound[:300] + bytes([sound[300] ^ 1]) + sound[301:])
    plan = PurgePlan(key, before[-1][0], 0)
    with pytest.raises(DamagedLog, match=name):
        purge_files(damaged, DIRECTORY, plan, nothing_done)
    mended = damaged.with_bytes(path, sound)
    purge_files(mended, DIRECTORY, plan, nothing_done)
    check_erased(mended, before, key, plan.last_seq)


def test_what_the_compaction_has_left_behind_stops_the_purge() -> None:
    disk, _ = archived(6)
    live = segments_in(disk, DIRECTORY)[-1]
    with pytest.raises(LithairError, match=f"{live} should be gone since the compaction up to"):
        purge_files(disk, DIRECTORY, PurgePlan("a", 5, int(live[:20])), nothing_done)


def test_a_full_disk_stops_the_purge_and_changes_nothing() -> None:
    disk, writer = archived(7)
    before = archived_facts(writer, disk)
    disk.failures.append(Failure(28, "write"))
    plan = PurgePlan(before[0][4], before[-1][0], 0)
    with pytest.raises(StorageFull):
        purge_files(disk, DIRECTORY, plan, nothing_done)
    assert facts_of(disk) == before
    assert not [name for name in disk.names(ARCHIVE) if name.endswith(".tmp")]
    purge_files(disk, DIRECTORY, plan, nothing_done)
    check_erased(disk, before, plan.key, plan.last_seq)


def test_nothing_of_the_item_is_in_the_bytes_of_the_archive_afterwards() -> None:
    disk = SimulatedFiles()
    log, found = opened(disk, SMALL)
    writer = Writer(log, found, 8)
    for turn in range(30):
        payload = b'{"who":"%s","n":%d}' % (CANARY, turn)
        event = Event(log.last_seq + 1, 1, 1 if turn == 0 else 2, "the-canary", payload)
        event.key_hash, event.body_hash, event.command_id = CANARY[:16], CANARY[1:17], CANARY[2:18]
        event.prev = writer.last.get("the-canary")
        writer.append([event])
        writer.write_all(2)
    last_seq = log.last_seq
    log.close()
    disk.make_directory(ARCHIVE)
    for name in segments_in(disk, DIRECTORY)[:-1]:
        disk.rename(f"{DIRECTORY}/{name}", f"{ARCHIVE}/{name}")
    held = [name for name in disk.names(ARCHIVE) if CANARY[3:15] in bytes_of(disk, name)]
    assert len(held) > 3
    purge_files(disk, DIRECTORY, PurgePlan("the-canary", last_seq, 0), nothing_done)
    for name in disk.names(ARCHIVE):
        data = bytes_of(disk, name)
        for trace in (b"the-canary", CANARY[3:15]):
            assert trace not in data


def bytes_of(disk: SimulatedFiles, name: str) -> bytes:
    return disk.open(f"{ARCHIVE}/{name}").read(1 << 20, 0)
