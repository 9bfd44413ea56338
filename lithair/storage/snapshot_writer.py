"""Writing a snapshot: rows one by one, in the order of the file.

    writer = SnapshotWriter(files, directory, header)
    writer.add_item(...)*  writer.add_remembered(...)*  writer.add_grave(...)*
    name = writer.finish()                               or: writer.give_up()

Law: nothing is there under the snapshot's name before all of it is on the disk; one that has this
name already is replaced whole. In memory are never more than the rows of one block, what waits to
be written, and the lookup's 16 bytes an item.
"""

import contextlib
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final
from zlib import crc32

from lithair.core.event import Event, Position
from lithair.core.lookup import PAGE_ENTRIES, Entry, encode_page, lookup_hash
from lithair.core.record import encode_record
from lithair.core.snapshot import (
    BLOCK_BYTES_MAX,
    BLOCK_ROWS_MAX,
    GRAVES,
    ITEMS,
    REMEMBERED,
    GraveBlock,
    ItemBlock,
    Part,
    RememberedBlock,
    SnapshotHeader,
    Trailer,
    decode_snapshot_header,
    empty_graves,
    empty_items,
    empty_remembered,
    encode_block,
    encode_snapshot_header,
    encode_trailer,
)
from lithair.storage.files import TEMPORARY_SUFFIX, File, Files, write_whole
from lithair.storage.snapshot import SNAPSHOT_SUFFIX, snapshot_name

UNFINISHED_SUFFIX: Final = SNAPSHOT_SUFFIX + TEMPORARY_SUFFIX
WRITE_BYTES: Final = 256 << 10  # at once: a long write holds a core, whoever else wants it
SYNC_BYTES: Final = 256 << 10  # what the syncs of those who serve wait behind
BUCKET_BITS: Final = 8  # the lookup is sorted in 256 parts, each a list of its own


class SnapshotWriter:
    """Writes one snapshot. Raises OSError; after that only `give_up` is of use."""

    def __init__(
        self,
        files: Files,
        directory: str,
        header: SnapshotHeader,
        on_write: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin the file, under a temporary name; what an earlier attempt left there goes.

        `on_write` is called after each piece that is on the disk.
        """
        assert header.cut > 0, "there is no snapshot of nothing"
        self._files = files
        self._directory = directory
        self._on_write = on_write
        self.name: str = snapshot_name(header.cut)
        self._temporary = os.path.join(directory, self.name + TEMPORARY_SUFFIX)
        with contextlib.suppress(FileNotFoundError):
            files.remove(self._temporary)
        self._file: File = files.create(self._temporary)
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._written = 0
        self._synced = 0
        self._end = 0  # of the file, with what is gathered
        data = encode_snapshot_header(header)
        self._header_crc = decode_snapshot_header(data).crc
        self._has_cells = bool(header.kept)
        self._parts: list[Part] = []
        self._counts = {ITEMS: 0, REMEMBERED: 0, GRAVES: 0}
        self._buckets = [array("Q") for _ in range(1 << BUCKET_BITS)]  # hash, place, hash, ...
        self._kind: int = ITEMS
        self._items: ItemBlock = empty_items()
        self._remembered: RememberedBlock = empty_remembered()
        self._graves: GraveBlock = empty_graves()
        self._block_bytes = 0
        self._put(data)
        self._section_at = self._end

    def add_item(self, event: Event, home: Position, cell: bytes) -> tuple[int, int]:
        """Add an item, in creation order: its last event, and where that was written in the log.

        `cell` are its kept fields; nothing when the header keeps none. Gives the record's place
        here and its length.
        """
        assert self._kind == ITEMS, "items come first"
        block = self._items
        place, length = self._put_record(event)
        hashed = lookup_hash(event.key)
        self._buckets[hashed >> (64 - BUCKET_BITS)].extend((hashed, place))
        block.keys.append(event.key)
        block.seqs.append(event.seq)
        block.times.append(event.time_ms)
        block.segments.append(home.segment)
        block.offsets.append(home.offset)
        block.places.append(place)
        block.lengths.append(length)
        if self._has_cells:
            block.cells.append(cell)
        self._count(len(event.key) + len(cell), len(block.keys))
        return place, length

    def add_items(self, rows: ItemBlock, records: Sequence[bytes]) -> "array[int]":
        """Add items as `add_item` does, by their records; gives the places of these.

        Columns of `rows` that are about places here are made here. They end up in one block.
        """
        assert self._kind == ITEMS, "items come first"
        if len(self._items.keys) + len(rows.keys) > BLOCK_ROWS_MAX:
            self._end_section()
        rows.lengths = array("I", map(len, records))
        rows.places = array("Q", accumulate(rows.lengths, initial=self._end))
        rows.places.pop()
        self._put(b"".join(records))
        buckets, shift = self._buckets, 64 - BUCKET_BITS
        for key, place in zip(rows.keys, rows.places, strict=True):
            hashed = lookup_hash(key)
            buckets[hashed >> shift].extend((hashed, place))
        for name in rows.__struct_fields__:
            getattr(self._items, name).extend(getattr(rows, name))
        self._counts[ITEMS] += len(rows.keys) - 1
        text_bytes = sum(map(len, rows.keys)) + sum(map(len, rows.cells))
        self._count(text_bytes, len(self._items.keys))
        return rows.places

    def add_remembered(self, event: Event, place: int, length: int) -> None:
        """Add an event whose command or key is remembered, after all items, by ascending seq.

        `place` and `length` are what `add_item` gave for its record, 0 when it is no item's last:
        it is written here then.
        """
        self._turn_to(REMEMBERED)
        block = self._remembered
        if not place:
            place, length = self._put_record(event)
        block.seqs.append(event.seq)
        block.times.append(event.time_ms)
        block.places.append(place)
        block.lengths.append(length)
        block.command_ids.append(event.command_id)
        block.key_hashes.append(event.key_hash)
        block.body_hashes.append(event.body_hash)
        self._count(0, len(block.seqs))

    def add_grave(self, key: str, home: Position) -> None:
        """Add a deleted item, last of all: where its last record was written in the log."""
        self._turn_to(GRAVES)
        block = self._graves
        block.keys.append(key)
        block.segments.append(home.segment)
        block.offsets.append(home.offset)
        self._count(len(key), len(block.keys))

    def finish(self) -> str:
        """Write lookup and trailer, put all of it on the disk, give it its name; gives that."""
        self._end_section()
        page_n = 0
        for page_n, entries in enumerate(self._pages(), 1):
            self._put(encode_page(page_n - 1, entries, self._header_crc))
        counts = self._counts
        trailer = Trailer(
            tuple(self._parts), page_n, counts[ITEMS], counts[REMEMBERED], counts[GRAVES]
        )
        self._put(encode_trailer(trailer, self._header_crc))
        self._write()
        self._file.sync()
        self._file.close()
        self._files.rename(self._temporary, os.path.join(self._directory, self.name))
        self._files.sync_directory(self._directory)
        return self.name

    def give_up(self) -> None:
        """Leave nothing behind; what can't be removed goes with the next opening of the log."""
        self._file.close()
        with contextlib.suppress(OSError):
            self._files.remove(self._temporary)

    def _turn_to(self, kind: int) -> None:
        assert kind >= self._kind, "items, then remembered events, then graves"
        if kind != self._kind:
            self._end_section()
            self._kind = kind

    def _count(self, text_bytes: int, rows: int) -> None:
        """Count a row that was added; a block that is full ends its section."""
        self._block_bytes += text_bytes
        self._counts[self._kind] += 1
        if rows >= BLOCK_ROWS_MAX or self._block_bytes >= BLOCK_BYTES_MAX:
            self._end_section()

    def _end_section(self) -> None:
        kind, first_seq = self._kind, 0
        if kind == ITEMS:
            n, data = len(self._items.keys), encode_block(self._items)
            self._items = empty_items()
        elif kind == REMEMBERED:
            n, data = len(self._remembered.seqs), encode_block(self._remembered)
            first_seq = self._remembered.seqs[0] if n else 0
            self._remembered = empty_remembered()
        else:
            n, data = len(self._graves.keys), encode_block(self._graves)
            self._graves = empty_graves()
        if n:
            at = self._end
            part = Part(kind, crc32(data), self._section_at, at, len(data), n, first_seq)
            self._parts.append(part)
            self._put(data)
            self._section_at = self._end
        self._block_bytes = 0

    def _pages(self) -> Iterator[list[Entry]]:
        page: list[Entry] = []
        for bucket in self._buckets:
            for entry in sorted(zip(bucket[::2], bucket[1::2], strict=True)):
                page.append(entry)
                if len(page) == PAGE_ENTRIES:
                    yield page
                    page = []
        if page:
            yield page

    def _put_record(self, event: Event) -> tuple[int, int]:
        record, place = encode_record(event, event.prev), self._end
        self._put(record)
        return place, len(record)

    def _put(self, data: bytes) -> None:
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        self._end += len(data)
        if self._gathered_bytes >= WRITE_BYTES:
            self._write()

    def _write(self) -> None:
        """Write what is gathered, piece by piece."""
        data = memoryview(b"".join(self._gathered))
        self._gathered, self._gathered_bytes = [], 0
        for begin in range(0, len(data), WRITE_BYTES):
            piece = data[begin : begin + WRITE_BYTES]
            write_whole(self._file, piece, self._written)
            self._written += len(piece)
            if self._written - self._synced >= SYNC_BYTES:
                self._file.sync()
                self._synced = self._written
                self._on_write()
