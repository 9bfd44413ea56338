"""Snapshot files: written in one go, read by any thread.

Law: a snapshot has its name only when it is whole and on the disk; what is read of it was checked,
or DamagedLog says where it is not as it was written. The format is core/snapshot.py's.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from lithair.core.event import Event
from lithair.core.lookup import (
    PAGE_BYTES,
    BadSnapshot,
    Entry,
    decode_page,
    places_of,
)
from lithair.core.payloads import payloads_in
from lithair.core.record import (
    RECORD_BYTES_MIN,
    BadRecord,
    check_record,
    decode_record,
    record_length,
)
from lithair.core.snapshot import (
    GRAVES,
    ITEMS,
    REMEMBERED,
    SNAPSHOT_HEADER_BYTES_MIN,
    TRAILER_BYTES_MIN,
    Block,
    DecodedSnapshotHeader,
    GraveBlock,
    ItemBlock,
    Part,
    RememberedBlock,
    SnapshotHeader,
    Trailer,
    check_run,
    decode_block,
    decode_snapshot_header,
    decode_trailer,
    snapshot_header_length,
    trailer_length,
)
from lithair.errors import DamagedLog, UnknownFormat
from lithair.storage.files import File, Files
from lithair.storage.segment import Segment

SNAPSHOT_SUFFIX: Final = ".snapshot"
NAME_DIGITS: Final = 20
RUN_BYTES: Final = 1 << 20  # a read while going through the records
RECORD_READ_BYTES: Final = 4 << 10  # a read of a record whose length is not known: most fit

T = TypeVar("T")


def snapshot_name(cut: int) -> str:
    """Give the file name of the snapshot of the state at event `cut`."""
    return f"{cut:0{NAME_DIGITS}d}{SNAPSHOT_SUFFIX}"


def cut_of(name: str) -> int | None:
    """Give the cut that a file name says, or None when it is no snapshot's."""
    digits = name.removesuffix(SNAPSHOT_SUFFIX)
    if len(digits) != NAME_DIGITS or len(name) != NAME_DIGITS + len(SNAPSHOT_SUFFIX):
        return None
    return int(digits) if digits.isascii() and digits.isdigit() else None


def snapshot_names(files: Files, directory: str) -> list[str]:
    """Give the names of a directory's snapshots, the newest last; refuse names like them."""
    names = [name for name in files.names(directory) if name.endswith(SNAPSHOT_SUFFIX)]
    for name in names:
        if not cut_of(name):
            raise DamagedLog(
                os.path.join(directory, name),
                0,
                "a snapshot's name is its last event's number in 20 digits; move this file away",
                directory,
            )
    return names


class Snapshot:
    """A snapshot that is open for reading; made by `open`. Every method may be used by any thread.

    It stays readable when its file is removed or replaced, until the last reader lets go of it.
    """

    def __init__(
        self, path: str, file: File, decoded: DecodedSnapshotHeader, trailer: Trailer
    ) -> None:
        self.path = path
        self.header: SnapshotHeader = decoded.header
        self.size_bytes: int = file.size()
        self.item_count: int = trailer.item_n
        self.remembered_count: int = trailer.remembered_n
        self.grave_count: int = trailer.grave_n
        self.parts: tuple[Part, ...] = tuple(trailer.parts)
        self.page_count: int = trailer.page_n
        self._file = file
        self._decoded = decoded
        self._trailer = trailer
        self._parts: dict[int, list[Part]] = {
            kind: [part for part in trailer.parts if part.kind == kind]
            for kind in (ITEMS, REMEMBERED, GRAVES)
        }
        self._first_seqs = [part.first_seq for part in self._parts[REMEMBERED]]
        self._lookup_at: int = trailer.parts[-1].end if trailer.parts else decoded.length

    @classmethod
    def open(cls, files: Files, directory: str, name: str) -> "Snapshot":
        """Open a snapshot and check its header and trailer.

        Raises DamagedLog, UnknownFormat, OSError.
        """
        path = os.path.join(directory, name)
        file = files.open(path)
        try:
            return cls(path, file, *_read_ends(file, path))
        except BaseException:
            file.close()
            raise

    @property
    def directory(self) -> str:
        return os.path.dirname(self.path)

    def close(self) -> None:
        """Let go of the file; nobody may read any more."""
        self._file.close()

    def damaged(self, offset: int, what: str) -> DamagedLog:
        """Say that this snapshot is damaged at `offset`."""
        return DamagedLog(self.path, offset, what, self.directory)

    def bytes_at(self, length: int, offset: int) -> bytes:
        """Read from it, unchecked; what the disk can't read is damaged as well."""
        try:
            return self._file.read(length, offset)
        except OSError as error:
            raise self.damaged(offset, f"the disk can't read it: {error}") from error

    def items(self) -> Iterator[ItemBlock]:
        """Yield the index of all items in creation order, each block checked."""
        return self._blocks(ITEMS, ItemBlock)

    def remembered(self) -> Iterator[RememberedBlock]:
        """Yield the remembered events in log order, each block checked."""
        return self._blocks(REMEMBERED, RememberedBlock)

    def graves(self) -> Iterator[GraveBlock]:
        """Yield the deleted items, each block checked."""
        return self._blocks(GRAVES, GraveBlock)

    def _blocks(self, kind: int, expected: type[T]) -> Iterator[T]:
        for part in self._parts[kind]:
            block = self.block(part)
            assert isinstance(block, expected)
            yield block

    def block(self, part: Part) -> Block:
        """Give the rows of a section; raises DamagedLog."""
        data = self.bytes_at(part.block_len, part.block_at)
        try:
            return decode_block(part, data)
        except BadSnapshot as error:
            raise self.damaged(part.block_at, str(error)) from error

    def payloads(self, items: ItemBlock) -> Iterator[list[bytes]]:
        """Yield the items of a block whole, in its order, some at a time; raises DamagedLog.

        Their records lie one behind the other, so what is read at once is chosen by their places.
        """
        places, lengths = items.places, items.lengths
        row, rows = 0, len(places)
        while row < rows:
            begin = places[row]
            stop = bisect_right(places, begin + RUN_BYTES, row + 1)
            size = places[stop - 1] + lengths[stop - 1] - begin
            buffer = self.bytes_at(size, begin)
            if len(buffer) != size:
                raise self.damaged(begin, f"{size} bytes belong here, and {len(buffer)} are there")
            found = payloads_in(buffer, begin, places[row:stop], lengths[row:stop])
            row += len(found)
            if row < stop:
                raise self.damaged(places[row], _what_is_wrong(buffer, places[row] - begin))
            yield found

    def runs(self, part: Part, begin: int = 0) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, whole checked records) through a section, from `begin` on.

        Raises DamagedLog at the first record that is not as it was written.
        """
        at, want = begin or part.records_at, RUN_BYTES
        while at < part.block_at:
            left = part.block_at - at
            buffer = self.bytes_at(min(want, left), at)
            try:
                end = check_run(buffer)
            except BadRecord as error:
                raise self.damaged(at, str(error)) from error
            if end == 0:
                want = record_length(buffer, 0) if len(buffer) >= RECORD_BYTES_MIN else left + 1
                if not len(buffer) < want <= left:
                    raise self.damaged(at, "here a record begins, but these bytes are none")
                continue  # a record longer than a read
            want = RUN_BYTES
            yield at, buffer[:end]
            at += end

    def read(self, offset: int, length: int = 0) -> Event:
        """Read and check one record, with one positioned read when its length is given.

        Raises DamagedLog.
        """
        buffer = self.bytes_at(length or RECORD_READ_BYTES, offset)
        try:
            if not length and len(buffer) >= RECORD_BYTES_MIN:
                length = record_length(buffer, 0)
                if len(buffer) < length <= self._lookup_at - offset:
                    buffer = self.bytes_at(length, offset)
            event = decode_record(buffer, 0)
        except BadRecord as error:
            raise self.damaged(offset, str(error)) from error
        event.fingerprint = self.header.fingerprint
        return event

    def read_at_hand(
        self, offset: int, length: int, fingerprint: bytes
    ) -> bytes | bytearray | None:
        """Read a record, unchecked, where that needs no waiting; see `Readable.read_at_hand`.

        None as well when its items are of another schema than `fingerprint`.
        """
        if self.header.fingerprint != fingerprint:
            return None
        return self._file.read_at_hand(length, offset)

    def find(self, key: str) -> Event | None:
        """Give an item's last event up to the cut, None when it was not there then."""
        for place in places_of(key, self._trailer.page_n, self.page):
            event = self.read(place)
            if event.key == key:
                return event
        return None

    def page(self, number: int) -> list[Entry]:
        """Give the entries of a page of the lookup; raises DamagedLog."""
        offset = self.page_at(number)
        try:
            return decode_page(self.bytes_at(PAGE_BYTES, offset), number, self._decoded.crc)
        except BadSnapshot as error:
            raise self.damaged(offset, str(error)) from error

    def page_at(self, number: int) -> int:
        """Give the offset of a page of the lookup."""
        return self._lookup_at + number * PAGE_BYTES

    def check_bytes(self) -> Iterator[int]:
        """Read all of it, each part by its checksum; yields how many bytes that were.

        Raises DamagedLog.
        """
        for part in self.parts:
            self.block(part)
            yield part.block_len
            yield from map(len, (run for _, run in self.runs(part)))
        for number in range(self.page_count):
            self.page(number)
            yield PAGE_BYTES

    def command_events(self, seq: int) -> list[Event] | None:
        """Give the events of the command that led to event `seq`; None when it was forgotten."""
        found = bisect_right(self._first_seqs, seq) - 1
        if found < 0:
            return None
        rows = _rows_of(self._remembered_block(found))
        at = bisect_right(rows, seq, key=lambda row: row[0]) - 1
        if rows[at][0] != seq:
            return None
        command = rows[at][3]
        if not command:
            return [self.read(*rows[at][1:3])]
        # A command's events follow each other, and that may be across blocks.
        begin, before = found, found
        while rows[0][3] == command and before > 0:
            before -= 1
            rows = _rows_of(self._remembered_block(before)) + rows
        while rows[-1][3] == command and begin + 1 < len(self._first_seqs):
            begin += 1
            rows += _rows_of(self._remembered_block(begin))
        return [self.read(place, length) for _, place, length, by in rows if by == command]

    def _remembered_block(self, number: int) -> RememberedBlock:
        block = self.block(self._parts[REMEMBERED][number])
        assert isinstance(block, RememberedBlock)
        return block


def check_link(snapshot: Snapshot | None, segment: Segment) -> None:
    """Refuse a segment that can't be the first of a log that begins with this snapshot."""
    cut, prev_crc = (snapshot.header.cut, snapshot.header.prev_crc) if snapshot else (0, 0)
    if segment.first_seq != cut + 1:
        behind = f" behind the snapshot of event {cut}" if cut else ""
        raise segment.damaged(
            0, f"the log begins here{behind}, with event {segment.first_seq}: segments are missing"
        )
    if cut and segment.header.prev_crc != prev_crc:
        raise segment.damaged(0, f"this segment does not continue the snapshot of event {cut}")


def _what_is_wrong(buffer: bytes, offset: int) -> str:
    """Say it of a record that is not as it was written."""
    try:
        length = check_record(buffer, offset)
    except BadRecord as error:
        return str(error)
    return f"the index says another length than the record's {length} bytes"


def _rows_of(block: RememberedBlock) -> list[tuple[int, int, int, bytes]]:
    """Give (seq, place, length, command id) of each row."""
    return list(zip(block.seqs, block.places, block.lengths, block.command_ids, strict=True))


def _read_ends(file: File, path: str) -> tuple[DecodedSnapshotHeader, Trailer]:
    """Read header and trailer, each checked and against the name."""
    directory, name = os.path.split(path)

    def damaged(offset: int, what: str) -> DamagedLog:
        return DamagedLog(path, offset, what, directory)

    def read(length: int, offset: int) -> bytes:
        try:
            return file.read(length, offset)
        except OSError as error:
            raise damaged(offset, f"the disk can't read it: {error}") from error

    start = read(SNAPSHOT_HEADER_BYTES_MIN, 0)
    start += read(snapshot_header_length(start) - len(start), len(start))
    decoded = _checked(lambda: decode_snapshot_header(start), path, damaged, 0)
    cut = decoded.header.cut
    if cut != cut_of(name):
        right = snapshot_name(cut)
        raise damaged(0, f"the file was renamed: its header says that its name is {right}")
    size = file.size()
    foot_at = max(size - TRAILER_BYTES_MIN, 0)
    length = trailer_length(read(TRAILER_BYTES_MIN, foot_at))
    if not TRAILER_BYTES_MIN <= length <= size - decoded.length:
        raise damaged(foot_at, "the file does not end with the trailer of a snapshot")
    trailer_at = size - length
    data = read(length, trailer_at)
    return decoded, _checked(
        lambda: decode_trailer(data, decoded, trailer_at), path, damaged, trailer_at
    )


def _checked(
    decode: Callable[[], T], path: str, damaged: Callable[[int, str], DamagedLog], offset: int
) -> T:
    try:
        return decode()
    except BadSnapshot as error:
        raise damaged(offset, str(error)) from error
    except UnknownFormat as error:
        raise UnknownFormat(f"{path}: {error}") from error
