"""A snapshot of version 1, committed as it was written, is read for ever, and still written so."""

from pathlib import Path

import pytest

from lithair.core.event import Position
from lithair.storage.files import OsFiles
from lithair.storage.snapshot import Snapshot
from lithair.storage.snapshot_writer import SnapshotWriter

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*/*.snapshot"))


@pytest.mark.parametrize("path", GOLDEN, ids=[path.parent.name for path in GOLDEN])
def test_a_golden_snapshot_is_written_again_byte_for_byte(path: Path, tmp_path: Path) -> None:
    golden = Snapshot.open(OsFiles(), str(path.parent), path.name)
    assert sum(golden.check_bytes()) > 0
    writer = SnapshotWriter(OsFiles(), str(tmp_path), golden.header)
    last: dict[int, tuple[int, int]] = {}
    for items in golden.items():
        for row, key in enumerate(items.keys):
            event = golden.read(items.places[row], items.lengths[row])
            assert golden.find(key) == event
            home = Position(items.segments[row], items.offsets[row])
            last[event.seq] = writer.add_item(event, home, items.cells[row])
    for known in golden.remembered():
        for seq, place, length in zip(known.seqs, known.places, known.lengths, strict=True):
            writer.add_remembered(golden.read(place, length), *last.get(seq, (0, 0)))
    for graves in golden.graves():
        for key, segment, offset in zip(graves.keys, graves.segments, graves.offsets, strict=True):
            writer.add_grave(key, Position(segment, offset))
    written = tmp_path / writer.finish()
    assert written.name == path.name
    assert written.read_bytes() == path.read_bytes()
    counts = (golden.item_count, golden.remembered_count, golden.grave_count)
    assert all(counts), counts


def test_there_are_golden_snapshots() -> None:
    assert len(GOLDEN) >= 2
