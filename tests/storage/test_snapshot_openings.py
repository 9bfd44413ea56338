"""Opening a log that begins with a snapshot, and reading what lies before its segments."""

import os

import pytest
from msgspec.structs import replace

from lithair.core.event import Position
from lithair.core.frame import decode_header, encode_header
from lithair.errors import DamagedLog, Dropped, SchemaChanged
from lithair.storage.compaction import CompactionPlan, compact
from lithair.storage.event_log import EventLog, LogStamp
from lithair.storage.log_past import PLACE_OFFSET
from lithair.storage.snapshot import Snapshot, snapshot_name
from lithair.storage.verify import Verified, verify
from tests.storage.compacting import (
    FORM,
    check_held,
    check_history,
    compact_log,
    nothing_done,
    opened_log,
    writer_of,
)
from tests.storage.samples import ALWAYS, DIRECTORY, NOW_MS, Fact, Writer, fact_of
from tests.support.simulated_files import Failure, SimulatedFiles

ARCHIVE = f"{DIRECTORY}/archive"


class Interrupted(Exception):
    """The process ends here."""


class Compacted:
    """A log that was compacted twice and written to before, between and after."""

    def __init__(self, *, keep_history: bool = False, until: str = "removed") -> None:
        """The second compaction goes `until` a step, and the process ends there."""
        self.disk = SimulatedFiles()
        self.log, held = opened_log(self.disk)
        self.writer: Writer = writer_of(self.log, held, [], 5)
        self.writer.write_all(60)
        compact_log(self.disk, self.log, keep_history=keep_history)
        self.writer.write_all(50)

        def stop(step: str) -> None:
            if step == until:
                self.writer.write_all(20)
                raise Interrupted

        with pytest.raises(Interrupted):
            compact_log(self.disk, self.log, keep_history=keep_history, between=stop)

    @property
    def facts(self) -> list[Fact]:
        return self.writer.facts

    def check(self, disk: SimulatedFiles | None = None) -> EventLog:
        log, held = opened_log(disk or self.disk.fork())
        check_held(held, self.facts)
        return log


def paths(disk: SimulatedFiles, suffix: str, directory: str = DIRECTORY) -> list[str]:
    return [os.path.join(directory, n) for n in disk.names(directory) if n.endswith(suffix)]


def seen(disk: SimulatedFiles) -> Verified:
    return verify(disk, DIRECTORY, lambda _done, _all: None)


def refusal(disk: SimulatedFiles) -> DamagedLog:
    before = {name: inode.cached for name, inode in disk.names_cached.items()}
    with pytest.raises(DamagedLog) as refused:
        opened_log(disk)
    assert {name: inode.cached for name, inode in disk.names_cached.items()} == before
    return refused.value


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("until", ["merged", "staged", "installed", "removed"])
def test_what_was_superseded_goes_with_the_next_opening(keep: bool, until: str) -> None:
    compacted = Compacted(keep_history=keep, until=until)
    disk = compacted.disk.fork()
    was_sound = seen(disk)
    assert was_sound.is_sound, was_sound.damage
    assert bool(was_sound.notes) == (until != "removed")
    log = compacted.check(disk)
    [snapshot] = paths(disk, ".snapshot")
    assert log.snapshot is not None
    assert log.snapshot.path == snapshot
    assert paths(disk, ".raftlog")[0] == f"{DIRECTORY}/{log.cut + 1:020d}.raftlog"
    assert log.has_archive == keep
    if keep:
        assert paths(disk, ".raftlog", ARCHIVE)[0].endswith(f"{1:020d}.raftlog")
        check_history(opened_log(log_closed(log, disk))[1], compacted.facts)
    found = seen(disk)
    assert found.is_sound, found.damage
    assert not found.notes
    assert found.events == len(compacted.facts)


def log_closed(log: EventLog, disk: SimulatedFiles) -> SimulatedFiles:
    log.close()
    return disk


def test_a_log_goes_on_from_a_snapshot_alone() -> None:
    """As a restoration to the cut leaves it: no segment follows."""
    compacted = Compacted()
    disk = compacted.disk.fork()
    for path in paths(disk, ".raftlog"):
        disk.remove(path)
    log, held = opened_log(disk)
    facts = compacted.facts[: log.cut]
    check_held(held, facts)
    assert log.last_seq == log.synced_seq == log.cut > 0
    assert log.events_since(log.cut, 10, 1000) == []
    writer = writer_of(log, held, facts, 6)
    writer.write_all(10)
    log.close()
    log, held = opened_log(disk)
    check_held(held, writer.facts)
    assert seen(disk).is_sound


def test_a_missing_segment_behind_the_snapshot_is_named() -> None:
    compacted = Compacted()
    disk = compacted.disk.fork()
    first, second, *_ = paths(disk, ".raftlog")
    disk.remove(first)
    error = refusal(disk)
    assert error.path == second
    assert "behind the snapshot" in error.what
    assert "segments are missing" in error.what
    assert not seen(disk).is_sound


def test_segments_that_a_snapshot_includes_need_the_one_that_follows() -> None:
    compacted = Compacted(until="merged")
    disk = compacted.disk.fork()
    cut = int(os.path.basename(paths(disk, ".snapshot")[-1])[:20])
    for path in paths(disk, ".raftlog"):
        if int(os.path.basename(path)[:20]) > cut:
            disk.remove(path)
    assert "the next one is missing" in refusal(disk).what


def test_without_its_snapshot_a_log_is_refused() -> None:
    compacted = Compacted()
    disk = compacted.disk.fork()
    disk.remove(paths(disk, ".snapshot")[0])
    error = refusal(disk)
    assert error.path == paths(disk, ".raftlog")[0]
    assert "segments are missing" in error.what
    assert not seen(disk).is_sound


def test_a_segment_that_does_not_continue_the_snapshot_is_refused() -> None:
    compacted = Compacted()
    disk = compacted.disk.fork()
    path = paths(disk, ".raftlog")[0]
    data = disk.names_cached[path].cached
    decoded = decode_header(data)
    alien = encode_header(replace(decoded.header, prev_crc=decoded.header.prev_crc ^ 1))
    disk = disk.with_bytes(path, alien + data[decoded.length :])
    error = refusal(disk)
    assert (error.path, error.offset) == (path, 0)
    assert "does not continue the snapshot" in error.what
    assert path in {damage.path for damage in seen(disk).damage}


def test_a_damaged_newest_snapshot_is_refused_even_if_an_older_one_is_there() -> None:
    compacted = Compacted(until="merged")
    old, new = paths(compacted.disk, ".snapshot")
    data = compacted.disk.names_cached[new].cached
    for at in range(0, len(data), len(data) // 60):
        if not any(data[at - 8 : at + 8]):
            continue
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        error = refusal(compacted.disk.with_bytes(new, changed))
        assert error.path == new
        assert error.offset <= at
        assert [d.path for d in seen(compacted.disk.with_bytes(new, changed)).damage] == [new]
    without = compacted.disk.fork()
    without.remove(new)  # what a person may do then: the older one and all segments are there
    compacted.check(without)
    assert paths(without, ".snapshot") == [old]


def test_another_models_snapshot_is_refused() -> None:
    compacted = Compacted()
    stamp = LogStamp("Contact", b"x" * 16, b"{}")
    with pytest.raises(SchemaChanged, match="belongs to the model 'Email'"):
        EventLog.open(compacted.disk.fork(), DIRECTORY, stamp, ALWAYS, NOW_MS)


@pytest.mark.parametrize("verb", ["remove", "rename"])
def test_what_can_not_be_removed_is_logged_and_goes_the_next_time(
    verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    compacted = Compacted(until="merged", keep_history=verb == "rename")
    disk = compacted.disk.fork()
    disk.failures = [Failure(13, verb, times=1)]
    log = compacted.check(disk)
    assert "Permission denied" in caplog.text
    log.close()
    left = [path for path in paths(disk, ".raftlog") if int(path[-28:-8]) <= log.cut]
    assert left
    found = seen(disk)
    assert found.is_sound, found.damage
    compacted.check(disk).close()
    left = [path for path in paths(disk, ".raftlog") if int(path[-28:-8]) <= log.cut]
    assert not left
    assert len(paths(disk, ".snapshot")) == 1


def test_a_full_disk_gets_room_before_it_is_needed() -> None:
    compacted = Compacted(until="merged")
    disk = compacted.disk.fork()
    disk.capacity_bytes = disk.used_bytes()
    log = compacted.check(disk)
    assert not log.is_read_only


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


def test_places_of_both_snapshots_are_read_while_one_is_staged() -> None:
    disk = SimulatedFiles()
    log, held = opened_log(disk)
    writer = writer_of(log, held, [], 8)
    seen_parities: list[int] = []
    for _ in range(3):
        before = log.snapshot
        parity_before = seen_parities[-1] if seen_parities else 0
        writer.write_all(30)
        cut = log.seal()
        parity = log.stage(
            compact(disk, DIRECTORY, CompactionPlan(cut, NOW_MS), FORM, nothing_done)
        )
        assert log.snapshot is before
        check_places(log, opened_snapshot(disk, cut), parity)
        if before is not None:
            check_places(log, before, parity_before)
        for path in log.install(keep_history=False):
            disk.remove(path)
        check_places(log, opened_snapshot(disk, cut), parity)
        if before is not None:
            with pytest.raises(Dropped):
                check_places(log, before, parity_before)
        seen_parities.append(parity)
    assert seen_parities == [1 << 63, 0, 1 << 63]


def opened_snapshot(disk: SimulatedFiles, cut: int) -> Snapshot:
    return Snapshot.open(disk, DIRECTORY, snapshot_name(cut))


def check_places(log: EventLog, snapshot: Snapshot, parity: int) -> None:
    for block in snapshot.items():
        for key, place, length in zip(block.keys, block.places, block.lengths, strict=True):
            assert place <= PLACE_OFFSET
            assert log.read_item(Position(1, 1), place | parity, length).key == key


def test_a_snapshot_that_is_not_this_logs_is_not_staged() -> None:
    compacted, other = Compacted(), Compacted(until="merged")
    disk = compacted.disk.fork()
    log = compacted.check(disk)
    name = os.path.basename(paths(other.disk, ".snapshot")[0])
    alien = other.disk.names_cached[f"{DIRECTORY}/{name}"].cached
    disk.names_cached[f"{DIRECTORY}/{name}"] = disk.with_bytes("/x", alien).names_cached["/x"]
    with pytest.raises(DamagedLog, match="none of this log's"):
        log.stage(name)
    assert log.snapshot is not None
    assert log.snapshot.header.cut == log.cut


def test_sealing_begins_a_segment_only_where_something_is_new() -> None:
    disk = SimulatedFiles()
    log, held = opened_log(disk)
    assert log.seal() == 0
    assert len(paths(disk, ".raftlog")) == 1
    writer_of(log, held, [], 9).write_all(5)
    assert log.seal() == log.last_seq == log.seal()
    assert len(paths(disk, ".raftlog")) == 2
    view = log.view()
    assert view.active.first_seq == log.last_seq + 1
    assert [segment.first_seq for segment in view.sealed] == [1]


def test_a_view_never_shows_what_a_snapshot_supersedes() -> None:
    compacted = Compacted(keep_history=True)
    view = compacted.log.view()
    cut = compacted.log.cut
    assert view.snapshot == paths(compacted.disk, ".snapshot")[0]
    assert all(segment.first_seq > cut for segment in view.sealed)
    assert view.archive == tuple(paths(compacted.disk, ".raftlog", ARCHIVE))


def test_leftovers_of_files_that_never_appeared_are_removed() -> None:
    compacted = Compacted(keep_history=True)
    disk = compacted.disk.fork()
    for directory in (DIRECTORY, ARCHIVE):
        disk = disk.with_bytes(f"{directory}/{5:020d}.snapshot.tmp", b"x")
    compacted.check(disk).close()
    assert not paths(disk, ".tmp") + paths(disk, ".tmp", ARCHIVE)
