"""Reading from an open log: by place, by seq, by command; by one thread while another writes."""

import threading
from pathlib import Path

import pytest

from lithair.core.event import Event, Flags, Position
from lithair.core.record import decode_record
from lithair.errors import DamagedLog, LithairError, SyncFailed
from lithair.storage.event_log import EventLog, LogOptions
from lithair.storage.files import OsFiles
from lithair.storage.segment import READ_BYTES, STOPS_MAX
from lithair.storage.segment_table import OPEN_SEGMENTS_MAX
from tests.storage.samples import (
    ALWAYS,
    DIRECTORY,
    NOW_MS,
    STAMP,
    WIDER_STAMP,
    Writer,
    fact_of,
    opened,
    replayed,
)
from tests.support.simulated_files import SimulatedFiles


def written(batches: int = 60) -> tuple[SimulatedFiles, Writer]:
    disk = SimulatedFiles()
    log, found = opened(disk)
    writer = Writer(log, found, 3)
    writer.write_all(batches)
    return disk, writer


def test_every_record_is_read_by_its_place() -> None:
    disk, writer = written()
    for log in (writer.log, opened(disk.fork())[0]):
        for fact, (position, length) in zip(writer.facts[:-6], writer.places, strict=False):
            assert fact_of(log.read(position, length)) == fact
            assert fact_of(log.read(position)) == fact


def test_what_is_at_hand_is_the_record_at_its_place_of_the_schema_asked_for() -> None:
    disk, writer = written()
    for fact, (position, length) in zip(writer.facts[:-6], writer.places, strict=False):
        found = writer.log.read_at_hand(0, *position, length, STAMP.fingerprint)
        assert found is not None
        assert fact_of(decode_record(bytes(found), 0)) == fact
        assert writer.log.read_at_hand(0, *position, length, WIDER_STAMP.fingerprint) is None
        assert writer.log.read_at_hand(1 << 63, *position, length, STAMP.fingerprint) is None
    disk.is_at_hand = False
    position, length = writer.places[0]
    assert writer.log.read_at_hand(0, *position, length, STAMP.fingerprint) is None
    assert fact_of(writer.log.read(position, length)) == writer.facts[0]
    assert writer.log.read_at_hand(0, 1 << 40, 100, 100, STAMP.fingerprint) is None


def test_an_item_is_walked_backwards_by_prev() -> None:
    _, writer = written()
    key = max(writer.last, key=lambda key: sum(fact[4] == key for fact in writer.facts))
    walked: list[int] = []
    position: Position | None = writer.last[key]
    while position:
        event = writer.log.read(position)
        assert event.key == key
        walked.append(event.seq)
        position = event.prev
    assert walked[::-1] == [fact[0] for fact in writer.facts if fact[4] == key]
    assert len(walked) > 2


def test_a_long_record_is_read_without_knowing_its_length() -> None:
    log, _ = opened(SimulatedFiles())
    payload = b'{"body":"%s"}' % (b"x" * 300_000)
    [placed] = log.append([Event(1, NOW_MS, 1, "long", payload)]).placed
    assert log.read(placed.position).payload == payload


def test_a_record_that_fails_its_checksum_is_damage() -> None:
    disk, writer = written()
    for (position, length), fact in zip(writer.places[:40], writer.facts, strict=False):
        path = f"{DIRECTORY}/{position.segment:020d}.raftlog"
        inode = disk.names_cached[path]
        good = inode.cached
        at = position.offset + fact[0] % length
        inode.cached = good[:at] + bytes([good[at] ^ 0x20]) + good[at + 1 :]
        for known in (length, 0):
            with pytest.raises(DamagedLog) as damage:
                writer.log.read(position, known)
            assert (damage.value.path, damage.value.offset) == (path, position.offset)
        with pytest.raises(DamagedLog):
            writer.log.events_since(fact[0] - 1, 1, 1 << 20)
        inode.cached = good


def test_a_position_in_no_segment_is_damage() -> None:
    _, writer = written()
    with pytest.raises(DamagedLog):
        writer.log.read(Position(999_999, 100), 80)
    with pytest.raises(DamagedLog):
        writer.log.read(Position(1, 1 << 30), 80)


def test_events_since_any_seq_are_complete_and_bounded() -> None:
    disk, writer = written()
    for log in (writer.log, opened(disk.fork())[0]):
        for seq in range(len(writer.facts) + 1):
            assert [fact_of(e) for e in log.events_since(seq, 5, 1 << 30)] == writer.facts[
                seq : seq + 5
            ]
        assert [fact_of(e) for e in log.events_since(0, 1 << 30, 1 << 30)] == writer.facts
        assert log.events_since(len(writer.facts) + 10, 5, 1 << 30) == []
        for limit in (1, 300, 1000):
            some = log.events_since(7, 1 << 30, limit)
            sizes = [length for _, length in writer.places[7:]]
            assert some
            assert sum(sizes[: len(some) - 1]) < limit <= sum(sizes[: len(some)])


def test_the_index_by_seq_finds_events_in_long_segments() -> None:
    disk, options = SimulatedFiles(), LogOptions(lock_wait_s=0)
    log, _ = opened(disk, options)
    payload = b'{"x":"%s"}' % (b"y" * 500)
    for seq in range(1, 1500):
        log.append([Event(seq, NOW_MS, 1, f"{seq}", payload)])
    for each in (log, opened(disk.fork(), options)[0]):  # as written, and as replayed
        for seq in (1, 2, 119, 120, 121, 700, 1499):
            assert [e.key for e in each.events_since(seq - 1, 1, 1)] == [f"{seq}"]


def test_pages_go_through_a_long_frame_from_where_the_last_one_ended() -> None:
    """However many readers go through it, and wherever they turn aside, each misses nothing."""
    disk = SimulatedFiles()
    log, _ = opened(disk)
    count = 2 * STOPS_MAX
    log.append([Event(1, NOW_MS, 1, "first", b"{}", b"x" * 16)])
    bulk = [
        Event(n + 2, NOW_MS, 1, f"{n}", b'{"n":%d}' % n, b"y" * 16, Flags.BULK)
        for n in range(count)
    ]
    log.append(bulk)
    log.append([Event(count + 2, NOW_MS, 1, "last", b"{}", b"z" * 16)])
    keys = ["first", *(f"{n}" for n in range(count)), "last"]
    ats = {1: 0, 3: 0, 7: 0}  # how many each reader takes at a time, and where it stands
    while min(ats.values()) < len(keys):
        for size, at in ats.items():
            page = log.events_since(at, size, 1 << 20)
            assert [event.key for event in page] == keys[at : at + size]
            ats[size] = at + len(page)
    for seq in (2, 5, count):  # of which each was where a page ended
        assert len(log.command_events(seq)) == count
    assert max(len(segment.stops) for segment in log._table.segments) <= STOPS_MAX


def test_the_events_of_a_command_are_found_from_any_of_them() -> None:
    log, _ = opened(SimulatedFiles())
    one, two, none = bytes([1] * 16), bytes([2] * 16), b""
    commands = [one, none, two, two, one, two]
    log.append([Event(1, NOW_MS, 1, "before", b"{}", command_id=two)])
    events = [
        Event(seq, NOW_MS, 1, f"{seq}", b"{}", command_id=command, flags=Flags.BULK)
        for seq, command in enumerate(commands, 2)
    ]
    log.append(events)
    for index, command in enumerate(commands):
        seq = index + 2
        found = [event.seq for event in log.command_events(seq)]
        same = [at + 2 for at, other in enumerate(commands) if other == command]
        assert found == (same if command else [seq])
    assert [event.seq for event in log.command_events(1)] == [1]


def test_more_segments_than_may_be_open_are_read_all_the_same(tmp_path: Path) -> None:
    tiny = LogOptions(segment_bytes_max=150, durability="os", lock_wait_s=0)
    log = EventLog.open(OsFiles(), str(tmp_path), STAMP, tiny, NOW_MS)
    writer = Writer(log, replayed(log), 5)
    writer.write_all(OPEN_SEGMENTS_MAX + 100)
    for _ in range(2):
        for fact, (position, length) in zip(writer.facts, writer.places, strict=True):
            assert fact_of(log.read(position, length)) == fact
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    assert open_files < OPEN_SEGMENTS_MAX + 60
    log.close()
    assert len(list(Path("/proc/self/fd").iterdir())) < 60


def test_a_thread_reads_while_another_appends(tmp_path: Path) -> None:
    """Readers see whole, committed events only, through rolls and reopened files."""
    options = LogOptions(segment_bytes_max=20_000, durability="os", lock_wait_s=0)
    log = EventLog.open(OsFiles(), str(tmp_path), STAMP, options, NOW_MS)
    writer = Writer(log, replayed(log), 6)
    wrong: list[BaseException] = []
    done = threading.Event()

    def read_on() -> None:
        try:
            seen = 0
            while not (done.is_set() and seen == log.last_seq):
                events = log.events_since(seen, 50, 1 << 20)
                assert [event.seq for event in events] == list(
                    range(seen + 1, seen + 1 + len(events))
                )
                seen += len(events)
                for position, length in writer.places[-20:]:
                    log.read(position, length)
                if seen:
                    assert log.command_events(seen)[-1].seq <= log.last_seq
        except BaseException as error:  # noqa: BLE001
            wrong.append(error)

    readers = [threading.Thread(target=read_on) for _ in range(2)]
    for reader in readers:
        reader.start()
    writer.write_all(1500)
    done.set()
    for reader in readers:
        reader.join(timeout=30)
    assert not wrong
    assert [fact_of(e) for e in log.events_since(0, 1 << 30, 1 << 30)] == writer.facts
    log.close()


def test_a_closed_log_takes_nothing_any_more() -> None:
    disk, writer = written(3)
    batch = writer.batch()
    writer.log.close()
    with pytest.raises(SyncFailed, match="closed"):
        writer.log.append(batch)
    assert opened(disk, ALWAYS)[1].facts == writer.facts


def test_frames_longer_than_a_read_are_replayed_and_carried() -> None:
    disk, options = SimulatedFiles(), LogOptions(lock_wait_s=0, durability="os")
    log, found = opened(disk, options)
    writer = Writer(log, found, 9)
    for size in (1, 6000, 2, 3000, 1):
        writer.append(writer.batch(size))
    assert log.size_bytes > 4 * READ_BYTES
    for stamp in (STAMP, WIDER_STAMP):
        again, found = opened(disk.fork(), options, stamp)
        assert found.facts == writer.facts
        assert found.places == writer.places
        assert [fact_of(e) for e in again.events_since(0, 1 << 30, 1 << 30)] == writer.facts
        assert len(again.events_since(5000, 10, 1)) == 1


def test_a_directory_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(LithairError, match=f"{tmp_path}/file/log"):
        EventLog.open(OsFiles(), f"{tmp_path}/file/log", STAMP, ALWAYS, NOW_MS)
    (tmp_path / "log" / "00000000000000000001.raftlog").mkdir(parents=True)
    with pytest.raises(LithairError, match=f"{tmp_path}/log"):
        EventLog.open(OsFiles(), f"{tmp_path}/log", STAMP, ALWAYS, NOW_MS)
