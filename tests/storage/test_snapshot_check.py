"""A damaged snapshot: every damaged record, block and page is told, each by its own offset."""

import pytest

from lithair.core.event import Event, Position
from lithair.core.lookup import PAGE_BYTES, PAGE_ENTRIES
from lithair.core.snapshot import ItemBlock
from lithair.errors import DamagedLog
from lithair.storage import snapshot_writer
from lithair.storage.snapshot import Snapshot
from lithair.storage.snapshot_check import SnapshotCheck
from tests.storage.test_snapshot import DIRECTORY, NAME, PATH, Written, items
from tests.support.simulated_files import SimulatedFiles

COUNT = 600
LENGTH_AT = 4  # of a record
BODY_AT = 30


def made(count: int = COUNT) -> SimulatedFiles:
    """Give a disk with a snapshot of items, remembered events, and a grave."""
    written = Written(items(count))
    for number in range(700, 710):
        written.writer.add_remembered(Event(number, 1, 3, f"g{number}", b"{}", b"c" * 16), 0, 0)
    written.writer.add_remembered(items(count)[2][0], *written.places[3])
    written.writer.add_grave("gone", Position(3, 4))
    return written.finished()


def changed(disk: SimulatedFiles, *offsets: int) -> SimulatedFiles:
    data = bytearray(disk.names_cached[PATH].cached)
    for offset in offsets:
        data[offset] ^= 0x10
    return disk.with_bytes(PATH, bytes(data))


def damage_in(disk: SimulatedFiles) -> list[int]:
    """Check the snapshot to its end; give where it is damaged."""
    snapshot = Snapshot.open(disk, DIRECTORY, NAME)
    found: list[DamagedLog] = []
    for _ in SnapshotCheck(snapshot, found.append).run():
        pass
    assert all(each.path == PATH for each in found)
    return [each.offset for each in found]


def blocks_of(disk: SimulatedFiles) -> list[ItemBlock]:
    return list(Snapshot.open(disk, DIRECTORY, NAME).items())


def test_every_damaged_record_is_told_by_its_own_offset() -> None:
    disk = made()
    places = blocks_of(disk)[0].places
    hit = [places[at] for at in (0, 7, 8, 300, COUNT - 1)]
    assert damage_in(changed(disk, *(place + BODY_AT for place in hit))) == hit
    for place in (places[0], places[300], places[COUNT - 1]):
        assert damage_in(changed(disk, place + LENGTH_AT)) == [place]
        assert damage_in(changed(disk, place + LENGTH_AT + 3)) == [place]


def test_a_remembered_event_among_the_items_is_told_once() -> None:
    disk = made()
    [remembered] = Snapshot.open(disk, DIRECTORY, NAME).remembered()
    assert min(remembered.places) == remembered.places[-1] == blocks_of(disk)[0].places[2]
    hit = sorted(remembered.places)[:4]
    assert damage_in(changed(disk, *(place + BODY_AT for place in hit))) == hit


def test_behind_a_damaged_index_the_records_lengths_lead_on() -> None:
    disk = made()
    places = blocks_of(disk)[0].places
    block_at = Snapshot.open(disk, DIRECTORY, NAME).parts[0].block_at
    hit = [places[at] for at in (5, 300, COUNT - 1)]
    found = damage_in(changed(disk, block_at, *(place + BODY_AT for place in hit)))
    assert found == [block_at, *hit]
    found = damage_in(changed(disk, block_at, places[5] + LENGTH_AT, places[300] + BODY_AT))
    assert found == [block_at, places[5]]


def test_every_block_and_every_page_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_writer, "BLOCK_ROWS_MAX", 100)
    disk = made()
    snapshot = Snapshot.open(disk, DIRECTORY, NAME)
    blocks = [part.block_at for part in snapshot.parts]
    assert len(blocks) == COUNT // 100 + 2
    assert damage_in(changed(disk, *blocks)) == blocks
    pages = [snapshot.page_at(number) for number in range(snapshot.page_count)]
    assert len(pages) == -(-COUNT // PAGE_ENTRIES) > 2
    assert damage_in(changed(disk, *(page + PAGE_BYTES - 1 for page in pages))) == pages
    both = [blocks[1], pages[1]]
    assert damage_in(changed(disk, *both)) == both


def test_a_flipped_bit_is_one_damaged_place() -> None:
    disk = made(12)
    for at in range(300, len(disk.names_cached[PATH].cached) - PAGE_BYTES - 600):
        assert len(damage_in(changed(disk, at))) == 1, at


def test_what_a_model_says_of_its_items_names_the_damaged_one() -> None:
    """Not the read that it was a part of."""
    disk = made()
    items = blocks_of(disk)[0]
    place = items.places[400]
    with pytest.raises(DamagedLog) as damage:
        for _ in Snapshot.open(changed(disk, place + BODY_AT), DIRECTORY, NAME).payloads(items):
            pass
    assert damage.value.offset == place
