"""Room for a merge: how large a snapshot will be, and whether the disk has so much to spare.

Law: asked when everything was read and nothing is written. A snapshot that would take the room of
the writes beside it is not begun: those who write are answered 507 for the sake of nobody else. The
size is estimated from above, but for what the cells and the present form of the items make of them:
that is taken from some of them. What does not fit after all is given up by whoever writes it.
"""

from typing import Final, NamedTuple

from lithair.core.lookup import PAGE_BYTES, PAGE_ENTRIES
from lithair.errors import StorageFull
from lithair.storage.files import Files

RESERVE_BYTES_MAX: Final = 64 << 20  # a segment of new events
RESERVE_SHARE: Final = 10  # one tenth of a small disk

# Of a row in a block: its numbers, and the heads of its texts and bytes.
ITEM_BYTES: Final = 40 + 2 * 5
REMEMBERED_BYTES: Final = 28 + 3 * (2 + 16)
GRAVE_BYTES: Final = 12 + 5
OTHER_BYTES: Final = 8192  # header, trailer, and the heads of columns


class Volume(NamedTuple):
    """What is to be written, counted."""

    items: int
    item_key_bytes: int
    record_bytes: int  # of items, and of remembered events that are no item's last
    remembered: int
    graves: int
    grave_key_bytes: int


class Sample(NamedTuple):
    """What some items were found to need."""

    growth: float = 1.0  # of a record in the present form, in proportion to what it was
    cell_bytes: float = 0.0  # of an item's kept fields


def snapshot_bytes(volume: Volume, sample: Sample, description: bytes) -> int:
    """Estimate the size of a snapshot."""
    records = volume.record_bytes * sample.growth
    items = volume.items * (ITEM_BYTES + sample.cell_bytes) + volume.item_key_bytes
    pages = -(-volume.items // PAGE_ENTRIES) * PAGE_BYTES
    graves = volume.graves * GRAVE_BYTES + volume.grave_key_bytes
    rest = volume.remembered * REMEMBERED_BYTES + len(description) + OTHER_BYTES
    return int(records + items) + pages + graves + rest


def check_room(files: Files, directory: str, needed: int) -> None:
    """Refuse what would fill the disk; raises StorageFull, OSError."""
    free, total = files.free_bytes(directory), files.total_bytes(directory)
    if free is None or total is None:
        return
    reserve = min(RESERVE_BYTES_MAX, total // RESERVE_SHARE)
    if needed + reserve > free:
        raise StorageFull(
            f"{directory}: the disk is too full to compact the log: the snapshot needs {needed}"
            f" bytes, {reserve} have to stay free, and only {free} are"
        )
