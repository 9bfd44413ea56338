"""Snapshots: the state of a model at one point of its log, as bytes.

Owns the grammar of a snapshot file; pure. Law: every byte is under a checksum that hangs on the
header's, and the trailer says where each part lies, so what opened is whole, and a part that is
read alone is checked alone. Opening needs header, trailer and blocks, never the records.

    snapshot := header section* page* trailer           file name: the cut, 20 digits, ".snapshot"
    header   := magic:8 version:u32 crc:u32 len:u32 prev_crc:u32 cut:u64 time_ms:u64 created_ms:u64
                fingerprint:16 name_len:u16 kept_len:u32 description_len:u32 name kept description
    section  := record* block
    record   := as in the log (core/record.py)
    block    := column*
    column   := len:u32 data               numbers: an array; texts and bytes: a MessagePack array
    page     := of the lookup: key -> place (core/lookup.py)
    trailer  := part{part_n} header_crc:u32 part_n:u32 page_n:u64 item_n:u64 remembered_n:u64
                grave_n:u64 len:u32 crc:u32 magic:8
    part     := kind:u32 crc:u32 records_at:u64 block_at:u64 block_len:u32 n:u32 first_seq:u64

Integers and the numbers of columns are little-endian; `crc` is zlib's CRC-32. A header's covers
what follows it in the header, a trailer's what comes before it in the trailer, a part's the block.
A part says where a section lies: its records begin at `records_at`, its block of `n` rows at
`block_at`. Sections, pages and trailer follow each other without a gap, first all sections of
items (kind 1), then of remembered events (2), then of graves (3; without records).

The state is that at event `cut`, which was at `time_ms`; the segment that begins with the next
event says `prev_crc`. An item's record is that of its last event, with its payload as of the schema
in the header, and all else as it was. The rows of a block, in columns (u64 "Q", i64 "q", u32 "I"):

    items      := keys:text seqs:Q times:q segments:Q offsets:I places:Q lengths:I cells:bytes
    remembered := seqs:Q times:q places:Q lengths:I
                  command_ids:bytes key_hashes:bytes body_hashes:bytes
    graves     := keys:text segments:Q offsets:I

Items are in creation order; `segments` and `offsets` are the item's home (where the record was
written in the log), `places` and `lengths` where it lies here; `cells` are JSON arrays of the
fields that `kept` (a JSON array) names, and there are none when it names none. Remembered events
ascend; one that is not an item's last has its record before the block.
"""

import struct
import sys
from array import array
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from zlib import crc32

import msgspec

from lithair.core.lookup import PAGE_BYTES, BadSnapshot
from lithair.core.record import (
    FIXED,
    KEYED,
    KEYED_FLAG,
    KIND_MAX,
    KNOWN_FLAGS,
    RECORD_BYTES_MIN,
    BadRecord,
    check_record,
    unknown_record,
)
from lithair.errors import UnknownFormat

SNAPSHOT_VERSION: Final = 1
HEADER_MAGIC: Final = b"\x89LTSNP\r\n"  # not text, and damaged visibly by a text-mode copy
TRAILER_MAGIC: Final = b"LTSNPend"
BLOCK_ROWS_MAX: Final = 4096  # a model decodes a block of its items beside reads: a millisecond
BLOCK_BYTES_MAX: Final = 16 << 20  # of keys and cells: a block is decoded at once
HEADER_BYTES_LIMIT: Final = 16 << 20  # a description is a few KiB; a length past this is no header

ITEMS: Final = 1
REMEMBERED: Final = 2
GRAVES: Final = 3

_HEADER: Final = struct.Struct("<8sIIIIQQQ16sHII")
_HEADER_CHECKED: Final = struct.Struct("<IIQQQ16sHII")  # what the crc covers of _HEADER
_HEADER_CRC_AT: Final = 12
SNAPSHOT_HEADER_BYTES_MIN: Final = _HEADER.size
_U32: Final = struct.Struct("<I")
_PART: Final = struct.Struct("<IIQQIIQ")
_COUNTS: Final = struct.Struct("<IIQQQQ")
_FOOT: Final = struct.Struct("<II8s")
TRAILER_BYTES_MIN: Final = _COUNTS.size + _FOOT.size


class SnapshotHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot says about itself; see the grammar."""

    model_name: str
    cut: int
    time_ms: int
    prev_crc: int
    created_ms: int
    fingerprint: bytes
    description: bytes
    kept: tuple[str, ...] = ()


class ItemBlock(msgspec.Struct):
    """Up to BLOCK_ROWS_MAX items in creation order; `cells` is empty when no field is kept."""

    keys: list[str]
    seqs: "array[int]"
    times: "array[int]"
    segments: "array[int]"
    offsets: "array[int]"
    places: "array[int]"
    lengths: "array[int]"
    cells: list[bytes]


class RememberedBlock(msgspec.Struct):
    """Events whose command or Idempotency-Key is remembered, ascending; b"" stands for none."""

    seqs: "array[int]"
    times: "array[int]"
    places: "array[int]"
    lengths: "array[int]"
    command_ids: list[bytes]
    key_hashes: list[bytes]
    body_hashes: list[bytes]


class GraveBlock(msgspec.Struct):
    """Where the last record of each deleted item was written in the log."""

    keys: list[str]
    segments: "array[int]"
    offsets: "array[int]"


Block = ItemBlock | RememberedBlock | GraveBlock

# A block's columns in order: "t" texts, "b" bytes, else the type code of an array.
COLUMNS: Final[dict[int, str]] = {ITEMS: "tQqQIQIb", REMEMBERED: "QqQIbbb", GRAVES: "tQI"}


def encode_snapshot_header(header: SnapshotHeader) -> bytes:
    """Give the first bytes of a snapshot file."""
    assert len(header.fingerprint) == 16, f"a fingerprint of {len(header.fingerprint)} bytes"
    name, kept = header.model_name.encode(), msgspec.json.encode(header.kept)
    length = _HEADER.size + len(name) + len(kept) + len(header.description)
    assert length <= HEADER_BYTES_LIMIT, f"a snapshot header of {length} bytes"
    fixed = _HEADER_CHECKED.pack(
        length,
        header.prev_crc,
        header.cut,
        header.time_ms,
        header.created_ms,
        header.fingerprint,
        len(name),
        len(kept),
        len(header.description),
    )
    checked = b"".join((fixed, name, kept, header.description))
    return HEADER_MAGIC + _U32.pack(SNAPSHOT_VERSION) + _U32.pack(crc32(checked)) + checked


class DecodedSnapshotHeader(NamedTuple):
    """A header, its length (where the first section begins) and its crc."""

    header: SnapshotHeader
    length: int
    crc: int


def snapshot_header_length(buffer: bytes) -> int:
    """Give the length that a header claims, to read that much; it is bounded."""
    if len(buffer) < _HEADER.size:
        return _HEADER.size
    return min(int(_HEADER.unpack_from(buffer)[3]), HEADER_BYTES_LIMIT)


def decode_snapshot_header(buffer: bytes) -> DecodedSnapshotHeader:
    """Read a header from a snapshot's first bytes; raise BadSnapshot or UnknownFormat."""
    if buffer[:8] != HEADER_MAGIC[: len(buffer)]:
        raise BadSnapshot("this is not a snapshot of a Lithair model")
    if len(buffer) < _HEADER.size:
        raise BadSnapshot(f"the file ends in its header, after {len(buffer)} bytes")
    _, version, crc, length, prev_crc, cut, time_ms, created_ms, fingerprint, *lengths = (
        _HEADER.unpack_from(buffer)
    )
    held = _HEADER.size <= length <= len(buffer)
    intact = held and crc32(memoryview(buffer)[_HEADER_CRC_AT + 4 : length]) == crc
    if version != SNAPSHOT_VERSION and not intact:
        raise UnknownFormat(
            f"snapshot version {version}, and this version of Lithair reads {SNAPSHOT_VERSION};"
            " use the version that wrote it"
        )
    if version != SNAPSHOT_VERSION:
        raise BadSnapshot(f"the header is of version {SNAPSHOT_VERSION}, yet says {version}")
    if not intact or _HEADER.size + sum(lengths) != length:
        raise BadSnapshot("the snapshot's header does not have the checksum it was written with")
    kept_at = _HEADER.size + lengths[0]
    text_at = kept_at + lengths[1]
    header = SnapshotHeader(
        model_name=str(buffer[_HEADER.size : kept_at], "utf-8", "replace"),
        cut=cut,
        time_ms=time_ms,
        prev_crc=prev_crc,
        created_ms=created_ms,
        fingerprint=fingerprint,
        description=bytes(buffer[text_at:length]),
        kept=msgspec.json.decode(buffer[kept_at:text_at], type=tuple[str, ...]),
    )
    return DecodedSnapshotHeader(header, length, crc)


def empty_items() -> ItemBlock:
    seqs, times, segments = array("Q"), array("q"), array("Q")
    return ItemBlock([], seqs, times, segments, array("I"), array("Q"), array("I"), [])


def empty_remembered() -> RememberedBlock:
    return RememberedBlock(array("Q"), array("q"), array("Q"), array("I"), [], [], [])


def empty_graves() -> GraveBlock:
    return GraveBlock([], array("Q"), array("I"))


def encode_block(block: Block) -> bytes:
    """Give the bytes of a block."""
    parts: list[bytes] = []
    for name in block.__struct_fields__:
        column: list[str] | list[bytes] | array[int] = getattr(block, name)
        if isinstance(column, list):
            data = msgspec.msgpack.encode(column)
        else:
            data = _in_file_order(column).tobytes()
        parts += (_U32.pack(len(data)), data)
    return b"".join(parts)


def _in_file_order(column: "array[int]") -> "array[int]":
    """Swap the bytes of the numbers on a machine that has them the other way round."""
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column


def decode_block(part: "Part", data: bytes) -> Block:
    """Check and read the block of a part; raise BadSnapshot.

    At C speed: a million items' keys, cells and numbers take 0.2 s (bench/opening.py).
    """
    if len(data) != part.block_len or crc32(data) != part.crc:
        raise BadSnapshot("a block does not have the checksum it was written with")
    found: list[Any] = []  # of the types that the block's class says
    view, at = memoryview(data), 0
    try:
        for code in COLUMNS[part.kind]:
            (length,) = _U32.unpack_from(data, at)
            at += _U32.size
            found.append(_column(code, view[at : at + length]))
            at += length
    except (struct.error, ValueError) as error:
        raise BadSnapshot(f"a block's columns can't be read: {error}") from error
    lengths = {len(column) for column in found}
    is_bare = part.kind == ITEMS and not found[-1]  # no kept fields: no cells
    if at != len(data) or lengths - ({0} if is_bare else set()) != {part.n}:
        raise BadSnapshot(f"a block of {part.n} rows has columns of {sorted(lengths)}")
    block: Block = _BLOCKS[part.kind](*found)
    return block


def _column(code: str, data: memoryview) -> "list[str] | list[bytes] | array[int]":
    if code == "t":
        return _decode_texts(data)
    if code == "b":
        return _decode_bytes(data)
    column: array[int] = array(code)
    column.frombytes(data)
    return _in_file_order(column)


_BLOCKS: Final = {ITEMS: ItemBlock, REMEMBERED: RememberedBlock, GRAVES: GraveBlock}
_decode_texts = msgspec.msgpack.Decoder(list[str]).decode
_decode_bytes = msgspec.msgpack.Decoder(list[bytes]).decode


class Part(NamedTuple):
    """Where a section lies: its records up to its block, and the block's rows and checksum."""

    kind: int
    crc: int
    records_at: int
    block_at: int
    block_len: int
    n: int
    first_seq: int  # of remembered events; 0 elsewhere

    @property
    def end(self) -> int:
        return self.block_at + self.block_len


class Trailer(msgspec.Struct, frozen=True):
    """Where the parts of a snapshot lie, and how much there is of each kind."""

    parts: tuple[Part, ...]
    page_n: int
    item_n: int
    remembered_n: int
    grave_n: int

    @property
    def counts(self) -> dict[int, int]:
        return {ITEMS: self.item_n, REMEMBERED: self.remembered_n, GRAVES: self.grave_n}


def encode_trailer(trailer: Trailer, header_crc: int) -> bytes:
    """Give the last bytes of a snapshot file."""
    body = b"".join(_PART.pack(*part) for part in trailer.parts)
    body += _COUNTS.pack(
        header_crc,
        len(trailer.parts),
        trailer.page_n,
        trailer.item_n,
        trailer.remembered_n,
        trailer.grave_n,
    )
    body += _U32.pack(len(body) + _FOOT.size)
    return body + _U32.pack(crc32(body)) + TRAILER_MAGIC


def trailer_length(foot: bytes) -> int:
    """Give the trailer's length from the last TRAILER_BYTES_MIN bytes of a file; 0 for none."""
    if len(foot) < TRAILER_BYTES_MIN or not foot.endswith(TRAILER_MAGIC):
        return 0
    return int(_FOOT.unpack_from(foot, len(foot) - _FOOT.size)[0])


def decode_trailer(data: bytes, header: DecodedSnapshotHeader, trailer_at: int) -> Trailer:
    """Read the trailer that lies at `trailer_at`; raise BadSnapshot.

    Checked as well: the parts, the pages and the trailer follow each other without a gap.
    """
    length, crc, _ = _FOOT.unpack_from(data, len(data) - _FOOT.size)
    if length != len(data) or crc32(memoryview(data)[:-12]) != crc:
        raise BadSnapshot("the trailer does not have the checksum it was written with")
    counts_at = len(data) - _FOOT.size - _COUNTS.size
    header_crc, part_n, *rest = _COUNTS.unpack_from(data, counts_at)
    if header_crc != header.crc or part_n * _PART.size != counts_at:
        raise BadSnapshot("the trailer belongs to another snapshot")
    parts = tuple(Part(*fields) for fields in _PART.iter_unpack(data[:counts_at]))
    trailer = Trailer(parts, *rest)
    at, kind = header.length, ITEMS
    counted = dict.fromkeys(COLUMNS, 0)
    for part in parts:
        if part.kind not in COLUMNS:
            raise UnknownFormat(
                f"a part of kind {part.kind}, which this version of Lithair does not know;"
                " use the version that wrote it"
            )
        if part.records_at != at or part.block_at < at or part.kind < kind:
            raise BadSnapshot(f"a part begins at {part.records_at}, where {at} was expected")
        at, kind = part.end, part.kind
        counted[kind] += part.n
    if at + trailer.page_n * PAGE_BYTES != trailer_at or counted != trailer.counts:
        raise BadSnapshot("the parts do not fill the file")
    return trailer


def check_run(buffer: bytes) -> int:
    """Check whole records from the buffer's begin on; give where they end.

    Before one that is there and not as it was written; BadRecord when that is the first.
    """
    at, held = 0, len(buffer)
    length_of = _RECORD_HEAD.unpack_from
    try:
        while held - at >= RECORD_BYTES_MIN and length_of(buffer, at)[1] <= held - at:
            at += check_record(buffer, at)
    except BadRecord:
        if at == 0:
            raise
    return at


def identities_in(buffer: bytes) -> Iterator[tuple[int, int, int, str]]:
    """Yield (offset, length, seq, key) of each record in a run of whole, checked ones.

    Raises UnknownFormat for one that this version does not know.
    """
    unpack, fixed_bytes, keyed_bytes = FIXED.unpack_from, RECORD_BYTES_MIN, KEYED.size
    at, held = 0, len(buffer)
    while at < held:
        _, length, seq, _, kind, flags, key_len, *_ = unpack(buffer, at)
        if not 0 < kind <= KIND_MAX or flags & ~KNOWN_FLAGS:
            raise unknown_record(seq, kind, flags)
        key_at = at + fixed_bytes + (keyed_bytes if flags & KEYED_FLAG else 0)
        yield at, length, seq, str(buffer[key_at : key_at + key_len], "utf-8", "replace")
        at += length


_RECORD_HEAD: Final = struct.Struct("<II")
