"""What lies before a log's segments is read from the archive, and what was dropped says so."""

import pytest

from lithair.cli.verify import summary_of
from lithair.core.event import Position
from lithair.errors import DamagedLog, Dropped
from tests.storage.interrupted import ARCHIVE, Compacted, paths, seen
from tests.storage.samples import Fact, fact_of


def test_events_are_read_across_archive_and_log() -> None:
    compacted = Compacted(keep_history=True)
    log = compacted.check()
    for seq in range(0, len(compacted.facts), 7):
        read: list[Fact] = []
        while len(read) < 40 and seq + len(read) < log.last_seq:
            page = log.events_since(seq + len(read), 9, 2000)
            assert page
            read += map(fact_of, page)
        assert read == compacted.facts[seq : seq + len(read)]
    assert log.events_since(log.last_seq, 9, 2000) == []
    assert log.oldest[0] == 0


def test_what_was_dropped_says_from_where_on_it_can_be_had() -> None:
    compacted = Compacted()
    log = compacted.check()
    assert log.snapshot is not None
    for seq in (0, 1, log.cut - 1):
        with pytest.raises(Dropped) as dropped:
            log.events_since(seq, 10, 10_000)
        assert (dropped.value.oldest, dropped.value.oldest_ms) == (
            log.cut,
            log.snapshot.header.time_ms,
        )
    assert (
        list(map(fact_of, log.events_since(log.cut, 5, 1 << 20)))
        == compacted.facts[log.cut : log.cut + 5]
    )
    with pytest.raises(Dropped) as dropped:
        log.read(Position(1, 100))
    assert dropped.value.oldest == log.cut == log.oldest[0]


def test_verify_says_what_it_has_found_of_snapshot_and_archive() -> None:
    compacted = Compacted(keep_history=True)
    found = seen(compacted.disk)
    said = summary_of(found)
    assert f": {len(compacted.facts)} events, a snapshot of event {compacted.log.cut}," in said
    archived = len(paths(compacted.disk, ".raftlog", ARCHIVE))
    assert f" segments, {archived} in the archive, {found.size_bytes} bytes" in said
    snapshot = compacted.log.snapshot
    assert snapshot is not None
    assert found.size_bytes > snapshot.size_bytes + archived * 1000


def test_a_gap_in_the_archive_is_found_by_reading_over_it() -> None:
    compacted = Compacted(keep_history=True)
    archived = paths(compacted.disk, ".raftlog", ARCHIVE)
    disk = compacted.disk.fork()
    disk.remove(archived[2])
    gap = [int(path[-28:-8]) for path in archived[2:4]]
    found = seen(disk)
    assert found.is_sound
    assert any(f"from {gap[0]} to {gap[1] - 1} are not in the archive" in n for n in found.notes)
    log = compacted.check(disk)
    assert log.oldest[0] == 0
    read: list[Fact] = []
    while len(read) < gap[0] - 1:
        read += map(fact_of, log.events_since(len(read), 4, 10_000))
    with pytest.raises(Dropped) as dropped:
        log.events_since(len(read), 4, 10_000)
    assert read == compacted.facts[: gap[0] - 1]
    assert dropped.value.oldest == gap[1] - 1
    assert log.oldest[0] == log.cut
    assert fact_of(log.events_since(gap[1] - 1, 1, 1)[0]) == compacted.facts[gap[1] - 1]
    with pytest.raises(Dropped):
        log.read(Position(gap[0], 200))


def test_a_damaged_record_of_snapshot_or_archive_is_damage_when_it_is_read() -> None:
    compacted = Compacted(keep_history=True)
    disk = compacted.disk.fork()
    log = compacted.check(disk)
    assert log.snapshot is not None
    block = next(log.snapshot.items())
    place, length = block.places[0], block.lengths[0]
    archived = paths(disk, ".raftlog", ARCHIVE)[0]
    event = log.events_since(0, 1, 1)[0]
    for path, at in (
        (log.snapshot.path, place),
        (archived, disk.names_cached[archived].cached.index(b"subject", 1000)),
    ):
        inode = disk.names_cached[path]
        inode.cached = inode.cached[: at + 20] + b"!!" + inode.cached[at + 22 :]
    with pytest.raises(DamagedLog) as damage:
        log.read_item(Position(1, 1), place, length)
    assert (damage.value.path, damage.value.offset) == (log.snapshot.path, place)
    assert log.damaged == {(log.snapshot.path, place)}
    with pytest.raises(DamagedLog, match=archived):
        log.events_since(0, 10_000, 1 << 30)
    assert log.events_since(0, 1, 1) == [event]
    assert {d.path for d in seen(disk).damage} == {log.snapshot.path, archived}
