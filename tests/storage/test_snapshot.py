"""A snapshot gives back what was written into it, in any amount, and notices what was not."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lithair.core.event import Event, Flags, Position
from lithair.core.lookup import PAGE_ENTRIES
from lithair.core.snapshot import ItemBlock, SnapshotHeader, empty_items, encode_snapshot_header
from lithair.errors import DamagedLog, LithairError, UnknownFormat
from lithair.storage import snapshot_writer
from lithair.storage.snapshot import Snapshot, snapshot_names
from lithair.storage.snapshot_check import SnapshotCheck, raise_damage
from lithair.storage.snapshot_writer import SnapshotWriter
from tests.support.simulated_files import Failure, SimulatedFiles

DIRECTORY = "/data/emails"
NAME = "00000000000000001000.snapshot"
PATH = f"{DIRECTORY}/{NAME}"
HEADER = SnapshotHeader(
    model_name="Email",
    cut=1000,
    time_ms=1_700_000_001_000,
    prev_crc=0xDEADBEEF,
    created_ms=1_700_000_002_000,
    fingerprint=b"fingerprint-0001",
    description=b'{"fields":[["subject","str"]]}',
    kept=("subject", "größe"),
)
Item = tuple[Event, Position, bytes]


def item(number: int, key: str, payload: bytes = b"{}") -> Item:
    event = Event(number, 1_700_000_000_000 + number, 1 + number % 2, key, payload)
    event.prev = Position(1, number) if number % 2 else None
    event.flags = Flags.BULK if number % 7 == 0 else 0
    if number % 3 == 0:
        event.command_id = number.to_bytes(16, "big")
    if number % 5 == 0:
        event.key_hash, event.body_hash, event.status = b"k" * 16, b"b" * 16, 201
    event.fingerprint = HEADER.fingerprint  # as a read gives it
    return event, Position(1 + number // 100, number * 7), b'["%d"]' % number


def items(count: int) -> list[Item]:
    return [item(number, f"key-{number}é") for number in range(1, count + 1)]


class Written:
    """A snapshot that is being written on a disk of its own."""

    def __init__(self, rows: Sequence[Item], header: SnapshotHeader = HEADER) -> None:
        self.disk = SimulatedFiles()
        self.disk.make_directory(DIRECTORY)
        self.writer = SnapshotWriter(self.disk, DIRECTORY, header)
        self.places = {row[0].seq: self.writer.add_item(*row) for row in rows}

    def finish(self) -> Snapshot:
        return Snapshot.open(self.disk, DIRECTORY, self.writer.finish())

    def finished(self) -> SimulatedFiles:
        self.writer.finish()
        return self.disk


def rows_of(blocks: Iterator[ItemBlock]) -> list[tuple[str, int, int, Position, int, int, bytes]]:
    found: list[tuple[str, int, int, Position, int, int, bytes]] = []
    for block in blocks:
        homes = map(Position, block.segments, block.offsets)
        cells = block.cells or [b""] * len(block.keys)
        columns = (block.seqs, block.times, homes, block.places, block.lengths, cells)
        found += zip(block.keys, *columns, strict=True)
    return found


def check_all(snapshot: Snapshot) -> int:
    return sum(SnapshotCheck(snapshot, raise_damage).run())


def test_what_was_written_is_read() -> None:
    rows = items(900)
    snapshot = Written(rows).finish()
    assert snapshot.header == HEADER
    assert (snapshot.item_count, snapshot.path) == (900, PATH)
    for (event, home, cell), row in zip(rows, rows_of(snapshot.items()), strict=True):
        place, length = row[4:6]
        assert row == (event.key, event.seq, event.time_ms, home, place, length, cell)
        assert snapshot.read(place, length) == event
        assert snapshot.read(place) == event
        assert snapshot.find(event.key) == event
    assert snapshot.find("nobody") is None
    assert 0 < check_all(snapshot) < snapshot.size_bytes


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
contents = st.lists(
    st.tuples(texts, st.binary(max_size=200)), max_size=60, unique_by=lambda t: t[0]
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(contents, st.integers(1, 9), st.booleans(), st.integers(0, 20), st.integers(0, 20))
def test_any_amount_of_anything_is_read_as_it_was_written(
    monkeypatch: pytest.MonkeyPatch,
    held: list[tuple[str, bytes]],
    rows_max: int,
    has_cells: bool,
    remembered: int,
    graves: int,
) -> None:
    monkeypatch.setattr(snapshot_writer, "BLOCK_ROWS_MAX", rows_max)
    monkeypatch.setattr(snapshot_writer, "WRITE_BYTES", 100)
    header = HEADER if has_cells else replace(HEADER, kept=())
    rows = [item(n, key, payload) for n, (key, payload) in enumerate(held, 1)]
    written = Written(rows, header)
    others = [item(n, f"gone-{n}", b"{}")[0] for n in range(100, 100 + remembered)]
    for event, *_ in rows[::2]:
        written.writer.add_remembered(event, *written.places[event.seq])
    for event in others:
        written.writer.add_remembered(event, 0, 0)
    for number in range(graves):
        written.writer.add_grave(f"grave-{number}", Position(number, 9))
    snapshot = written.finish()
    check_all(snapshot)
    assert snapshot.header == header
    found = rows_of(snapshot.items())
    assert [row[0] for row in found] == [key for key, _ in held]
    assert [row[6] for row in found] == [row[2] if has_cells else b"" for row in rows]
    assert [snapshot.read(row[4], row[5]) for row in found] == [row[0] for row in rows]
    assert [snapshot.find(key) for key, _ in held] == [row[0] for row in rows]
    known = [event for event, *_ in rows[::2]] + others
    read = [
        (snapshot.read(place, length), command_id, key_hash, body_hash)
        for block in snapshot.remembered()
        for place, length, command_id, key_hash, body_hash in zip(
            block.places,
            block.lengths,
            block.command_ids,
            block.key_hashes,
            block.body_hashes,
            strict=True,
        )
    ]
    assert read == [(e, e.command_id, e.key_hash, e.body_hash) for e in known]
    assert [snapshot.command_events(event.seq) for event in known] == [[event] for event in known]
    dead = [
        (key, Position(segment, offset))
        for block in snapshot.graves()
        for key, segment, offset in zip(block.keys, block.segments, block.offsets, strict=True)
    ]
    assert dead == [(f"grave-{number}", Position(number, 9)) for number in range(graves)]
    assert (snapshot.remembered_count, snapshot.grave_count) == (len(known), graves)


def test_a_command_is_found_by_any_of_its_events_across_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshot_writer, "BLOCK_ROWS_MAX", 3)
    written = Written([])
    commands = {seq: bytes([1 + seq // 10]) * 16 for seq in range(5, 38)}
    for seq, command_id in commands.items():
        written.writer.add_remembered(Event(seq, seq, 1, f"{seq}", b"{}", command_id), 0, 0)
    snapshot = written.finish()
    for seq, command_id in commands.items():
        events = snapshot.command_events(seq)
        assert events is not None
        assert [e.seq for e in events] == [s for s, c in commands.items() if c == command_id]
    for forgotten in (1, 4, 38, 10**6):
        assert snapshot.command_events(forgotten) is None


def test_items_that_are_added_together_are_like_those_added_singly() -> None:
    rows = items(300)
    one, other = Written(rows), Written([])
    data = one.finish()
    records = [data.bytes_at(length, place) for place, length in one.places.values()]
    for begin in (0, 120):
        block = empty_items()
        for event, home, cell in rows[begin : 120 if begin == 0 else 300]:
            block.keys.append(event.key)
            block.seqs.append(event.seq)
            block.times.append(event.time_ms)
            block.segments.append(home.segment)
            block.offsets.append(home.offset)
            block.cells.append(cell)
        other.writer.add_items(block, records[begin : begin + len(block.keys)])
    disk = other.finished()
    assert disk.names_cached[PATH].cached == one.disk.names_cached[PATH].cached


def test_a_key_is_found_among_many_by_reading_a_few_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = items(40 * PAGE_ENTRIES)
    snapshot = Written(rows).finish()
    reads: list[int] = []
    read = snapshot.page

    def counted(number: int) -> list[tuple[int, int]]:
        reads.append(number)
        return read(number)

    monkeypatch.setattr(snapshot, "page", counted)
    for event, *_ in rows[::10]:
        assert snapshot.find(event.key) == event
        assert snapshot.find(event.key + "?") is None
    assert len(reads) < 5 * 2 * len(rows[::10])


def test_a_long_record_is_read_and_found() -> None:
    rows = [item(1, "short"), item(2, "long", b'"%s"' % (b"x" * 3_000_000)), item(3, "other")]
    snapshot = Written(rows).finish()
    check_all(snapshot)
    assert snapshot.find("long") == rows[1][0]
    runs = [run for block in snapshot.items() for run in snapshot.payloads(block)]
    assert [payload for run in runs for payload in run] == [row[0].payload for row in rows]


def test_it_is_synced_piece_by_piece_and_has_its_name_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_writer, "WRITE_BYTES", 1000)
    monkeypatch.setattr(snapshot_writer, "SYNC_BYTES", 4000)
    written = Written([])
    calls: list[str] = []
    written.disk.watch = lambda verb, _path: calls.append(verb)
    for row in items(200):
        written.writer.add_item(*row)
        assert snapshot_names(written.disk, DIRECTORY) == []
        assert written.disk.pending_bytes() <= 5000
    written.writer.finish()
    assert calls.count("sync") > 4
    assert calls[-3:] == ["sync", "rename", "sync_directory"]


def test_one_that_is_given_up_leaves_nothing() -> None:
    written = Written(items(10))
    written.writer.give_up()
    assert written.disk.names(DIRECTORY) == []
    again = Written(items(10))
    again.disk.failures = [Failure(28, "write")]
    with pytest.raises(OSError, match="No space"):
        again.writer.finish()
    again.writer.give_up()
    assert again.disk.names(DIRECTORY) == []


def small() -> SimulatedFiles:
    written = Written(items(12))
    for event, *_ in items(12)[::3]:
        written.writer.add_remembered(event, *written.places[event.seq])
    written.writer.add_remembered(Event(999, 1, 3, "gone", b"{}", b"c" * 16), 0, 0)
    written.writer.add_grave("gone", Position(3, 4))
    return written.finished()


def refusal(disk: SimulatedFiles) -> LithairError:
    with pytest.raises(LithairError) as refused:
        check_all(Snapshot.open(disk, DIRECTORY, NAME))
    return refused.value


def test_every_flipped_bit_is_noticed() -> None:
    disk = small()
    data = disk.names_cached[PATH].cached
    flips = 0
    for at in range(len(data)):
        if at % 64 and not any(data[at - 32 : at + 32]):
            continue  # amid the lookup's zeros
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            error = refusal(disk.with_bytes(PATH, bytes(changed)))
            flips += 1
            assert isinstance(error, DamagedLog)
            assert error.path == PATH
            assert error.offset <= at
            assert f"{PATH}: damaged at offset {error.offset}" in str(error)
    assert flips > 8 * 2000


def test_one_that_is_cut_short_or_grown_is_noticed() -> None:
    disk = small()
    data = disk.names_cached[PATH].cached
    for length in range(0, len(data), 7):
        assert isinstance(refusal(disk.with_bytes(PATH, data[:length])), DamagedLog)
    for more in (b"\0", data, data[-60:]):
        assert isinstance(refusal(disk.with_bytes(PATH, data + more)), DamagedLog)
    for at in (100, 2000, len(data) - 80):
        assert isinstance(refusal(disk.with_bytes(PATH, data[:at] + b"!" + data[at:])), DamagedLog)


def test_parts_of_another_snapshot_are_noticed() -> None:
    """The same items, a second later: only the checksums hang together differently."""
    disk = small()
    data = disk.names_cached[PATH].cached
    later = replace(HEADER, created_ms=HEADER.created_ms + 1)
    other = Written(items(12), later).finished().names_cached[PATH].cached
    begin = len(encode_snapshot_header(HEADER))
    assert isinstance(refusal(disk.with_bytes(PATH, other[:begin] + data[begin:])), DamagedLog)


def test_a_renamed_one_is_refused_with_its_right_name() -> None:
    disk = small()
    other = "00000000000000001001.snapshot"
    disk.rename(PATH, f"{DIRECTORY}/{other}")
    with pytest.raises(DamagedLog, match=NAME):
        Snapshot.open(disk, DIRECTORY, other)


def test_a_name_that_is_almost_a_snapshots_is_refused() -> None:
    for name in ("1000.snapshot", "copy.snapshot", "0" * 20 + ".snapshot"):
        disk = small().with_bytes(f"{DIRECTORY}/{name}", b"x")
        with pytest.raises(DamagedLog, match="move this file away"):
            snapshot_names(disk, DIRECTORY)


def test_an_unknown_version_is_refused_with_both_numbers() -> None:
    disk = small()
    data = disk.names_cached[PATH].cached
    error = refusal(
        disk.with_bytes(PATH, data[:8] + (7).to_bytes(4, "little") + b"!!!!" + data[16:])
    )
    assert isinstance(error, UnknownFormat)
    assert PATH in str(error)
    assert "version 7" in str(error)
    assert "reads 1" in str(error)


@pytest.mark.parametrize("content", [b"", b"hello", bytes(300), b"\x89LTSNP\r\n\x01"])
def test_a_foreign_file_with_a_snapshots_name_is_refused(content: bytes) -> None:
    assert "damaged at offset 0" in str(refusal(small().with_bytes(PATH, content)))
