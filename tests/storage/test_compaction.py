"""A compacted log holds the state that a replay of all of it gives, answers to repeats included."""

import errno

import pytest

from lithair.core.event import Event, EventKind, Flags
from lithair.core.idempotency import COMMANDS_MAX, KEYED_MAX, KEYED_MS_MAX
from lithair.core.upgrade import Upgrade
from lithair.errors import DamagedLog, StorageFull
from lithair.storage.compaction import CompactionPlan, PresentForm, compact, remove_leftovers
from lithair.storage.event_log import EventLog, LogOptions
from lithair.storage.merge_table import COMMAND_BYTES_MAX, COMMAND_MS_MAX, Memory, RememberedEvent
from lithair.storage.snapshot import Snapshot
from tests.storage.compacting import (
    FORM,
    KEEPING_FORM,
    check_held,
    check_history,
    compact_log,
    nothing_done,
    opened_log,
    subject_of,
    writer_of,
)
from tests.storage.samples import DIRECTORY, NOW_MS, WIDER_STAMP, Writer, fact_of
from tests.support.simulated_files import Failure, SimulatedFiles

SEEDS = range(40)


def written(seed: int, batches: int = 60) -> tuple[SimulatedFiles, EventLog, Writer]:
    disk = SimulatedFiles()
    log, held = opened_log(disk)
    writer = writer_of(log, held, [], seed)
    writer.write_all(batches)
    return disk, log, writer


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_merged_is_what_a_replay_gives(seed: int) -> None:
    disk, log, writer = written(seed, 1 + seed * 3)
    for more in (0, 1, 20, 7):
        writer.write_all(more)
        compact_log(disk, log, keep_history=seed % 2 == 0)
        _, held = opened_log(disk.fork())
        check_held(held, writer.facts)
        if seed % 2 == 0:
            check_history(held, writer.facts)
    writer.write_all(5)
    log, held = opened_log(disk.fork())
    check_held(held, writer.facts)
    assert log.cut < log.last_seq


def test_the_space_of_what_was_replaced_comes_back() -> None:
    disk = SimulatedFiles()
    log, held = opened_log(disk)
    writer = writer_of(log, held, [], 3)
    for _ in range(400):
        events = writer.batch()
        for event in events:
            event.command_id = event.key_hash = b""
        writer.append(events)
    before = log.size_bytes
    compact_log(disk, log)
    live = sum(len(payload) + len(key) + 56 for key, payload in writer.alive.items())
    assert log.size_bytes < min(before / 3, live + 100 * len(writer.alive) + 5000)
    assert log.size_bytes == sum(
        disk.open(f"{DIRECTORY}/{n}").size() for n in disk.names(DIRECTORY)
    )


def test_an_open_log_reads_from_the_snapshot_as_soon_as_it_is_there() -> None:
    disk, log, writer = written(4)
    old = {key: log.read(writer.last[key]) for key in writer.alive}
    compact_log(disk, log)
    assert log.snapshot is not None
    for block in log.snapshot.items():
        for key, place, length in zip(block.keys, block.places, block.lengths, strict=True):
            assert fact_of(log.snapshot.read(place, length)) == fact_of(old.pop(key))
    assert not old


def test_nothing_new_is_no_work() -> None:
    disk, log, _ = written(5)
    assert compact_log(disk, log)
    names = disk.names(DIRECTORY)
    assert compact_log(disk, log) == ""
    assert disk.names(DIRECTORY) == names


def test_the_kept_fields_are_in_the_index() -> None:
    disk, log, writer = written(6)
    compact_log(disk, log, form=KEEPING_FORM)
    assert log.snapshot is not None
    assert log.snapshot.header.kept == ("subject",)
    cells = {
        key: cell
        for block in log.snapshot.items()
        for key, cell in zip(block.keys, block.cells, strict=True)
    }
    assert cells == {key: subject_of(payload) for key, payload in writer.alive.items()}


def test_items_of_an_older_declaration_get_the_present_form() -> None:
    disk, log, writer = written(7)
    compact_log(disk, log)
    writer.write_all(20)
    log.close()
    seen: list[bytes] = []

    def upgrade(payload: bytes, time_ms: int, key: str) -> bytes:
        seen.append(payload)
        return payload[:-1] + b',"more":null}'

    def upgrade_for(fingerprint: bytes, _description: bytes) -> Upgrade | None:
        return None if fingerprint == WIDER_STAMP.fingerprint else upgrade

    form = FORM._replace(
        fingerprint=WIDER_STAMP.fingerprint,
        description=WIDER_STAMP.description,
        upgrade_for=upgrade_for,
    )
    wide, held = opened_log(disk, stamp=WIDER_STAMP)
    again = writer_of(wide, held, writer.facts, 8)
    again.write_all(20)
    compact_log(disk, wide, form=form)
    _, found = opened_log(disk.fork(), stamp=WIDER_STAMP)
    last = len(writer.facts)
    for key, fact in found.items.items():
        payload = again.alive[key]
        assert fact[5] == (payload[:-1] + b',"more":null}' if fact[0] <= last else payload)
    seen.clear()
    again.write_all(1)
    compact_log(disk, wide, form=form)
    assert seen == []  # all of it has the present form by now


def test_a_purged_item_is_nowhere_in_the_snapshot() -> None:
    disk, log, writer = written(9)
    compact_log(disk, log, keep_history=True)
    gone, anew = sorted(writer.alive)[:2]
    for key in (gone, anew):
        change(writer, key, EventKind.DELETE)
    change(writer, anew, EventKind.CREATE)
    left = set(writer.alive)
    assert gone not in left
    plan = CompactionPlan(log.seal(), NOW_MS, keep_history=True, purge=(gone, anew, "never there"))
    name = compact(disk, DIRECTORY, plan, KEEPING_FORM, nothing_done)
    snapshot = Snapshot.open(disk, DIRECTORY, name)
    assert snapshot.find(gone) is None
    assert {key for block in snapshot.items() for key in block.keys} == left
    assert gone not in [key for block in snapshot.graves() for key in block.keys]
    for block in snapshot.remembered():
        for place, length in zip(block.places, block.lengths, strict=True):
            event = snapshot.read(place, length)
            assert event.key != gone
            assert event.key != anew or event.seq == len(writer.facts)  # another item


def change(writer: Writer, key: str, kind: EventKind) -> None:
    """Delete an item, or make it anew."""
    seq = writer.log.last_seq + 1
    payload = writer.alive.get(key, b'{"subject":""}')
    event = Event(seq, NOW_MS + seq, kind, key, payload, b"c%015d" % seq, prev=writer.last[key])
    writer.append([event])


def test_damage_stops_the_merge_and_nothing_is_changed() -> None:
    disk, log, _ = written(10, 80)
    cut = log.seal()
    names = disk.names(DIRECTORY)
    segments = [name for name in names if name.endswith(".raftlog")][:-1]
    assert len(segments) > 2
    for name in (segments[0], segments[len(segments) // 2], segments[-1]):
        path = f"{DIRECTORY}/{name}"
        data = disk.open(path).read(1 << 20, 0)
        for at in (0, 130, len(data) // 2, len(data) - 1):
            bad = disk.with_bytes(path, data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
            with pytest.raises(DamagedLog) as caught:
                compact(bad, DIRECTORY, CompactionPlan(cut, NOW_MS), FORM, nothing_done)
            assert caught.value.path == path
            assert bad.names(DIRECTORY) == names


def test_a_missing_segment_stops_the_merge() -> None:
    disk, log, _ = written(11, 80)
    cut = log.seal()
    names = [name for name in disk.names(DIRECTORY) if name.endswith(".raftlog")]
    for name in names:
        less = disk.fork()
        less.remove(f"{DIRECTORY}/{name}")
        with pytest.raises(DamagedLog):
            compact(less, DIRECTORY, CompactionPlan(cut, NOW_MS), FORM, nothing_done)


def test_a_disk_that_gets_full_stops_the_merge_wherever_it_is_and_leaves_nothing_behind() -> None:
    """Others write as well: what was free before the merge may be gone in the midst of it."""
    disk, log, writer = written(12)
    cut = log.seal()
    names = disk.names(DIRECTORY)
    plan = CompactionPlan(cut, NOW_MS)
    whole = disk.fork()
    whole.write_bytes_max = 500
    calls: list[str] = []
    whole.watch = lambda verb, _: calls.append(verb)
    compact(whole, DIRECTORY, plan, FORM, nothing_done)
    writes = calls.count("write")
    assert writes > 10
    full = disk
    for after in range(writes):
        full = disk.fork()
        full.write_bytes_max = 500
        full.failures = [Failure(errno.ENOSPC, "write", after, times=1 << 30)]
        with pytest.raises(StorageFull):
            compact(full, DIRECTORY, plan, FORM, nothing_done)
        assert full.names(DIRECTORY) == names
    full.failures = []
    _, held = opened_log(full)
    check_held(held, writer.facts)


@pytest.mark.parametrize("form", [FORM, KEEPING_FORM], ids=["plain", "keeping"])
@pytest.mark.parametrize("keep_history", [False, True])
def test_a_snapshot_that_would_fill_the_disk_is_not_begun(
    form: PresentForm, keep_history: bool
) -> None:
    disk, log, _ = written(12)
    plan = CompactionPlan(log.seal(), NOW_MS, keep_history)
    whole = disk.fork()
    compact(whole, DIRECTORY, plan, form, nothing_done)
    size = whole.used_bytes() - disk.used_bytes()

    def attempt(room: int) -> tuple[bool, list[str]]:
        """Compact where so much is left beside the reserve; gives what was done to the disk."""
        tight, calls = disk.fork(), list[str]()
        tight.watch = lambda verb, _: calls.append(verb)
        tight.capacity_bytes = (disk.used_bytes() + room) * 10 // 9  # of which a tenth stays free
        try:
            compact(tight, DIRECTORY, plan, form, nothing_done)
        except StorageFull:
            return False, calls
        return True, calls

    for room in (0, size // 2, size - 1):
        assert attempt(room) == (False, [])
    assert attempt(size + size // 4 + 10_000)[0]


def test_a_large_disk_has_to_keep_64_mib_free() -> None:
    disk, log, _ = written(12)
    plan = CompactionPlan(log.seal(), NOW_MS)
    disk.capacity_bytes = 10 << 30
    disk.free_bytes_max = 64 << 20
    with pytest.raises(StorageFull, match="67108864 have to stay free, and only 67108864 are"):
        compact(disk, DIRECTORY, plan, FORM, nothing_done)
    disk.free_bytes_max += 1 << 20
    compact(disk, DIRECTORY, plan, FORM, nothing_done)


def test_progress_counts_up_to_all_of_it() -> None:
    disk, log, _ = written(13)
    seen: list[tuple[int, int]] = []
    plan = CompactionPlan(log.seal(), NOW_MS)
    compact(disk, DIRECTORY, plan, FORM, lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] > 0


def test_what_a_killed_merge_left_is_removed() -> None:
    disk, log, _ = written(14)
    plan = CompactionPlan(log.seal(), NOW_MS)
    names = disk.names(DIRECTORY)
    left: list[SimulatedFiles] = []
    disk.watch = lambda verb, _: left.append(disk.fork()) if verb == "sync" else None
    compact(disk, DIRECTORY, plan, FORM, nothing_done)
    assert left[0].names(DIRECTORY) != names
    remove_leftovers(left[0], DIRECTORY)
    assert left[0].names(DIRECTORY) == names


# What is remembered


def bulk(log: EventLog, count: int, number: int) -> list[Event]:
    """Give the events of one bulk command."""
    command_id = b"bulk %11d" % number
    seqs = range(log.last_seq + 1, log.last_seq + 1 + count)
    return [
        Event(s, NOW_MS + s, EventKind.CREATE, f"i{s}", b"{}", command_id, Flags.BULK) for s in seqs
    ]


def test_a_bulk_over_the_border_of_what_is_remembered_is_remembered_whole() -> None:
    disk = SimulatedFiles()
    log, held = opened_log(disk, LogOptions(lock_wait_s=0))
    writer = writer_of(log, held, [], 1)
    for number in range(40):
        writer.append(bulk(log, 1000, number))
    assert len(writer.facts) > COMMANDS_MAX
    compact_log(disk, log)
    assert log.snapshot is not None
    border = len(writer.facts) - COMMANDS_MAX
    first = border // 1000 * 1000 + 1
    seqs = [seq for block in log.snapshot.remembered() for seq in block.seqs]
    assert seqs == list(range(first, len(writer.facts) + 1))
    events = log.command_events(first)
    assert len(events) == 1000


def remembered(seq: int, time_ms: int, key_hash: bytes, command_id: bytes = b"") -> RememberedEvent:
    return RememberedEvent(seq, time_ms, seq, 9, command_id, key_hash, b"b" * 16)


def test_keyed_answers_are_remembered_for_a_day() -> None:
    day = KEYED_MS_MAX
    memory = Memory(cut=10**6, now_ms=NOW_MS)
    memory.add(remembered(1, NOW_MS - day - 1, b"a" * 16, b"one"))
    memory.add(remembered(2, NOW_MS - day, b"b" * 16, b"two"))
    memory.add(remembered(3, NOW_MS - day, b"b" * 16, b"two"))
    memory.add(remembered(4, NOW_MS, b"a" * 16))
    assert [event.seq for event in memory.kept()] == [2, 3, 4]


def test_a_hundred_thousand_keyed_answers_are_remembered() -> None:
    memory = Memory(cut=10**6, now_ms=NOW_MS)
    for seq in range(1, KEYED_MAX + 5_001):
        memory.add(remembered(seq, NOW_MS + seq, b"%16d" % seq))
    assert [event.seq for event in memory.kept()] == list(range(5_001, KEYED_MAX + 5_001))


def test_the_records_of_commands_alone_are_bounded() -> None:
    memory = Memory(cut=100, now_ms=NOW_MS)
    for seq in range(1, 101):
        key_hash = b"k" * 16 if seq in (2, 3) else b""
        event = remembered(seq, NOW_MS, key_hash, b"c%015d" % (seq // 2))
        memory.add(event._replace(length=COMMAND_BYTES_MAX // 10))
    assert [event.seq for event in memory.kept()] == [2, 3, *range(90, 101)]


def test_the_records_of_commands_alone_go_when_nobody_can_wait_for_an_answer() -> None:
    memory = Memory(cut=100, now_ms=NOW_MS)
    for seq in range(1, 7):
        time_ms = NOW_MS - COMMAND_MS_MAX - 4 + seq
        key_hash = b"k" * 16 if seq == 2 else b""
        memory.add(remembered(seq, time_ms, key_hash, b"c%015d" % seq))
    assert [event.seq for event in memory.kept()] == [2, 4, 5, 6]
