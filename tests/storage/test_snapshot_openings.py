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
from tests.storage.compacting import (
    FORM,
    check_held,
    check_history,
    nothing_done,
    opened_log,
    writer_of,
)
from tests.storage.interrupted import ARCHIVE, Compacted, paths, refusal, seen
from tests.storage.samples import ALWAYS, DIRECTORY, NOW_MS
from tests.support.simulated_files import Failure, SimulatedFiles


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
