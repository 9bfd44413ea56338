"""Segments and frames: how records follow each other in a log.

Owns the grammar of a segment file; pure. Law: every header and frame says the crc of what came
before it, so the log is one chain, and nothing outside that chain is ever taken for a part of it.

    segment := header frame* [closing]
    header  := magic:8 version:u32 crc:u32 len:u32 prev_crc:u32 first_seq:u64 synced_seq:u64
               created_ms:u64 fingerprint:16 name_len:u16 description_len:u32 name description
    frame   := "LTfr" crc:u32 len:u32 prev_crc:u32 synced_seq:u64 first_seq:u64 n:u32 record{n}
    closing := "CLOS" crc:u32 36:u32  prev_crc:u32 last_seq:u64   last_seq+1:u64 0:u32

Integers are little-endian. `crc` is zlib's CRC-32 of everything that follows it within the header
or frame; `len` counts the whole header or frame. `prev_crc` is the crc of what the log holds just
before: of the frame, or of the header when that is a segment's first frame; for a header, of the
last frame of the segment before, 0 in the first one. A frame is one commit; its records have the
seqs first_seq, first_seq + 1, ... Everything up to and including `synced_seq` was on the disk when
the frame was written (when the segment appeared, in a header).
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from lithair.core.event import Event, Position
from lithair.core.record import (
    AUTHORED_FLAG,
    FIXED,
    KEYED,
    KEYED_FLAG,
    KIND_MAX,
    KNOWN_FLAGS,
    NO_COMMAND,
    RECORD_BYTES_MIN,
    author_at,
    encode_record,
    record_length,
    unknown_record,
)
from lithair.errors import UnknownFormat

FORMAT_VERSION: Final = 1
SEGMENT_MAGIC: Final = b"\x89LTLOG\r\n"  # not text, and damaged visibly by a text-mode copy
DATA_MAGIC: Final = b"LTfr"
CLOSING_MAGIC: Final = b"CLOS"  # differs from the other in several bits of every byte
# Neither can begin a frame inside a key or an item's JSON: the first byte of any `len` up to
# FRAME_BYTES_MAX, read from its end, is a control character, and those have none.

_HEADER: Final = struct.Struct("<8sIIIIQQQ16sHI")
_HEADER_CHECKED: Final = struct.Struct("<IIQQQ16sHI")  # what the crc covers of _HEADER
HEADER_BYTES_MIN: Final = _HEADER.size
HEADER_BYTES_MAX: Final = 16 << 20  # a description is a few KiB; a length past this is no header
_HEAD: Final = struct.Struct("<4sIIIQQI")  # magic crc len prev_crc synced_seq first_seq n
_HEAD_CHECKED: Final = struct.Struct("<IIQQI")  # what the crc covers of _HEAD
FRAME_HEAD_BYTES: Final = _HEAD.size
FRAME_BYTES_MAX: Final = (1 << 29) - 1  # see DATA_MAGIC; far above any batch of requests
CLOSING_BYTES: Final = FRAME_HEAD_BYTES
_CRC: Final = struct.Struct("<I")
_N: Final = struct.Struct("<I")
_N_AT: Final = FRAME_HEAD_BYTES - _N.size
INDEX_EVERY_BYTES: Final = 64 << 10  # of a segment: one index entry, so 100 KiB of RAM per 64 MiB

# What `records_in` yields for each record.
RawRecord = tuple[
    int, int, int, int, int, int, str, bytes, bytes, int, int, bytes, bytes, int
]  # offset length seq time_ms kind flags key payload command_id prev_segment prev_offset
#    key_hash body_hash status


class BadHeader(ValueError):
    """These bytes are not the header of a segment as it was written."""


class SegmentHeader(msgspec.Struct, frozen=True):
    """What a segment says about itself; `description` is the schema's, as JSON."""

    model_name: str
    first_seq: int
    synced_seq: int
    created_ms: int
    prev_crc: int
    fingerprint: bytes
    description: bytes


def encode_header(header: SegmentHeader) -> bytes:
    """Give the first bytes of a segment file."""
    assert len(header.fingerprint) == 16, f"a fingerprint of {len(header.fingerprint)} bytes"
    name = header.model_name.encode()
    length = HEADER_BYTES_MIN + len(name) + len(header.description)
    assert length <= HEADER_BYTES_MAX, f"a segment header of {length} bytes"
    checked = b"".join(
        (
            _HEADER_CHECKED.pack(
                length,
                header.prev_crc,
                header.first_seq,
                header.synced_seq,
                header.created_ms,
                header.fingerprint,
                len(name),
                len(header.description),
            ),
            name,
            header.description,
        )
    )
    return SEGMENT_MAGIC + _N.pack(FORMAT_VERSION) + _CRC.pack(crc32(checked)) + checked


class DecodedHeader(NamedTuple):
    """A header, its length (where the first frame begins) and its crc (what that one links to)."""

    header: SegmentHeader
    length: int
    crc: int


def header_length(buffer: bytes) -> int:
    """Give the length that a header claims, to read that much; at most HEADER_BYTES_MAX."""
    if len(buffer) < HEADER_BYTES_MIN:
        return HEADER_BYTES_MIN
    return min(int(_HEADER.unpack_from(buffer)[3]), HEADER_BYTES_MAX)


def decode_header(buffer: bytes) -> DecodedHeader:
    """Read a header from a segment's first bytes; raise BadHeader or UnknownFormat."""
    if buffer[: len(SEGMENT_MAGIC)] != SEGMENT_MAGIC[: len(buffer)]:
        raise BadHeader("this is not a segment of a Lithair event log")
    if len(buffer) < HEADER_BYTES_MIN:
        raise BadHeader(f"the file ends in its header, after {len(buffer)} bytes")
    (
        _,
        version,
        crc,
        length,
        prev_crc,
        first_seq,
        synced_seq,
        created_ms,
        fingerprint,
        name,
        text,
    ) = _HEADER.unpack_from(buffer)
    held = HEADER_BYTES_MIN <= length <= len(buffer)
    intact = held and crc32(memoryview(buffer)[16:length]) == crc
    if version != FORMAT_VERSION and not intact:
        raise UnknownFormat(
            f"format version {version}, and this version of Lithair reads {FORMAT_VERSION};"
            " use the version that wrote it"
        )
    if version != FORMAT_VERSION:
        raise BadHeader(f"the header is of format {FORMAT_VERSION}, yet says {version}")
    if not intact or HEADER_BYTES_MIN + name + text != length:
        raise BadHeader("the segment's header does not have the checksum it was written with")
    description = bytes(buffer[HEADER_BYTES_MIN + name : length])
    model_name = str(buffer[HEADER_BYTES_MIN : HEADER_BYTES_MIN + name], "utf-8", "replace")
    header = SegmentHeader(
        model_name, first_seq, synced_seq, created_ms, prev_crc, fingerprint, description
    )
    return DecodedHeader(header, length, crc)


class FrameHead(NamedTuple):
    """The fixed part of a frame, as it claims to be."""

    magic: bytes
    crc: int
    length: int
    prev_crc: int
    synced_seq: int
    first_seq: int
    n: int


def frame_head(buffer: bytes, offset: int) -> FrameHead:
    """Read a frame's fixed part, unchecked; FRAME_HEAD_BYTES must be there."""
    return FrameHead._make(_HEAD.unpack_from(buffer, offset))


def frame_is_intact(buffer: bytes, offset: int) -> bool:
    """Tell whether a whole frame, data or closing, with a right checksum begins at `offset`."""
    if len(buffer) - offset < FRAME_HEAD_BYTES:
        return False
    head = frame_head(buffer, offset)
    if head.magic != DATA_MAGIC and head.magic != CLOSING_MAGIC:
        return False
    if not FRAME_HEAD_BYTES <= head.length <= len(buffer) - offset:
        return False
    return crc32(memoryview(buffer)[offset + 8 : offset + head.length]) == head.crc


class EncodedFrame(NamedTuple):
    """A frame's bytes, its crc, and where its records lie in the file: (offset, length) each."""

    data: bytes
    crc: int
    records: list[tuple[int, int]]


def encode_frame(
    events: Sequence[Event], prev_crc: int, synced_seq: int, at: Position
) -> EncodedFrame:
    """Give the frame of `events`, to be written at `at`; `prev_index` is resolved here."""
    offset = at.offset + FRAME_HEAD_BYTES
    records: list[tuple[int, int]] = []
    parts = [b""]
    for event in events:
        prev = event.prev
        if event.prev_index >= 0:
            prev = Position(at.segment, records[event.prev_index][0])
        record = encode_record(event, prev)
        parts.append(record)
        records.append((offset, len(record)))
        offset += len(record)
    length = offset - at.offset
    assert length <= FRAME_BYTES_MAX, f"a frame of {length} bytes: the caller bounds batches"
    parts[0] = _HEAD_CHECKED.pack(length, prev_crc, synced_seq, events[0].seq, len(events))
    checked = b"".join(parts)
    crc = crc32(checked)
    return EncodedFrame(DATA_MAGIC + _CRC.pack(crc) + checked, crc, records)


def encode_closing(prev_crc: int, last_seq: int) -> bytes:
    """Give the closing frame of a segment whose last frame has the crc `prev_crc`."""
    checked = _HEAD_CHECKED.pack(CLOSING_BYTES, prev_crc, last_seq, last_seq + 1, 0)
    return CLOSING_MAGIC + _CRC.pack(crc32(checked)) + checked


class CheckedRun(NamedTuple):
    """How far a buffer holds whole frames that continue the chain."""

    end: int  # where the first byte lies that is not one of them
    prev_crc: int  # of the last of them
    next_seq: int
    synced_seq: int  # the greatest that they say
    marks: list[tuple[int, int]]  # (first seq, offset in the buffer), one per INDEX_EVERY_BYTES


def check_frames(
    buffer: bytes, start: int, prev_crc: int, next_seq: int, end_seq: int
) -> CheckedRun:
    """Check the frames from `start` on, up to the one that holds `end_seq` or the first bad one.

    Module-level with local names: 0.5 us a frame of one 300-byte record (bench/event_log.py).
    """
    unpack, head_bytes, data_magic = _HEAD.unpack_from, FRAME_HEAD_BYTES, DATA_MAGIC
    frame_bytes_min = FRAME_HEAD_BYTES + RECORD_BYTES_MIN
    view = memoryview(buffer)
    end = len(buffer)
    offset, mark = start, start
    synced_seq = 0
    marks: list[tuple[int, int]] = []
    while end - offset >= head_bytes:
        magic, crc, length, linked, synced, first_seq, n = unpack(buffer, offset)
        stop = offset + length
        if (
            magic != data_magic
            or stop > end
            or linked != prev_crc
            or first_seq != next_seq
            or length < frame_bytes_min
            or first_seq >= end_seq
            or crc32(view[offset + 8 : stop]) != crc
        ):
            break
        if offset >= mark:
            marks.append((first_seq, offset))
            mark = offset + INDEX_EVERY_BYTES
        prev_crc = crc
        next_seq = first_seq + n
        if synced > synced_seq:
            synced_seq = synced
        offset = stop
    return CheckedRun(offset, prev_crc, next_seq, synced_seq, marks)


def records_in(buffer: bytes, start: int, end: int) -> Iterator[RawRecord]:
    """Yield the records of the frames that lie from `start` to `end`, whole and checked already.

    Raises UnknownFormat for a record of a kind or with flags that this version does not know.
    Module-level with local names: 0.4 us a record of 300 bytes (bench/event_log.py).
    """
    unpack, unpack_keyed, unpack_n = FIXED.unpack_from, KEYED.unpack_from, _N.unpack_from
    head_bytes, n_at, fixed_bytes = FRAME_HEAD_BYTES, _N_AT, RECORD_BYTES_MIN
    known_flags, no_command = KNOWN_FLAGS, NO_COMMAND
    offset = start
    while offset < end:
        (n,) = unpack_n(buffer, offset + n_at)
        offset += head_bytes
        for _ in range(n):
            _, length, seq, time_ms, kind, flags, key_len, command, prev_segment, prev_offset = (
                unpack(buffer, offset)
            )
            if not 0 < kind <= KIND_MAX or flags & ~known_flags:
                raise unknown_record(seq, kind, flags)
            at = offset + fixed_bytes
            key_hash = body_hash = b""
            status = 0
            if flags & KEYED_FLAG:
                key_hash, body_hash, status = unpack_keyed(buffer, at)
                at += KEYED.size
                flags &= ~KEYED_FLAG
            payload_at = at + key_len
            stop = payload_end = offset + length
            if flags & AUTHORED_FLAG:
                payload_end = author_at(buffer, stop)
                flags &= ~AUTHORED_FLAG
            yield (
                offset,
                length,
                seq,
                time_ms,
                kind,
                flags,
                buffer[at:payload_at].decode(),
                buffer[payload_at:payload_end],
                b"" if command == no_command else command,
                prev_segment,
                prev_offset,
                key_hash,
                body_hash,
                status,
            )
            offset = stop


def frame_offsets(buffer: bytes, start: int, end: int) -> Iterator[tuple[int, FrameHead]]:
    """Yield each frame's offset and fixed part in a run that was checked already."""
    offset = start
    while offset < end:
        head = frame_head(buffer, offset)
        yield offset, head
        offset += head.length


def shorten_frame(frame: bytes, n: int) -> tuple[bytes, int]:
    """Give a whole, checked frame with only the first `n` of its records, and its crc then."""
    head = frame_head(frame, 0)
    end = FRAME_HEAD_BYTES
    for _ in range(n):
        end += record_length(frame, end)
    checked = _HEAD_CHECKED.pack(end, head.prev_crc, head.synced_seq, head.first_seq, n)
    checked += frame[FRAME_HEAD_BYTES:end]
    crc = crc32(checked)
    return DATA_MAGIC + _CRC.pack(crc) + checked, crc


class Shift(NamedTuple):
    """A run of frames that moves: from an offset of a segment to one of another."""

    source: Position
    target: Position

    def moved(self, segment: int, offset: int) -> Position | None:
        """Give where a record lies after the move, None when it stays."""
        if segment != self.source.segment or offset < self.source.offset:
            return None
        return Position(self.target.segment, offset - self.source.offset + self.target.offset)


def relink_frames(buffer: bytes, prev_crc: int, shift: Shift) -> bytes:
    """Give whole, checked frames again as they have to be where they move to.

    They continue from `prev_crc`, and a record whose `prev` is among those that move says where
    that one lies then. Lengths stay, so the records' offsets move by what the run moves.
    """
    parts: list[bytes] = []
    for offset, head in frame_offsets(buffer, 0, len(buffer)):
        records = buffer[offset + FRAME_HEAD_BYTES : offset + head.length]
        if shift.source != shift.target:
            records = b"".join(_relinked(records, shift))
        checked = _HEAD_CHECKED.pack(head.length, prev_crc, *head[4:]) + records
        prev_crc = crc32(checked)
        parts += (DATA_MAGIC, _CRC.pack(prev_crc), checked)
    return b"".join(parts)


def _relinked(records: bytes, shift: Shift) -> Iterator[bytes]:
    offset = 0
    while offset < len(records):
        length = record_length(records, offset)
        record = records[offset : offset + length]
        fields = FIXED.unpack_from(record)
        prev = shift.moved(fields[8], fields[9])
        if prev is not None:
            checked = FIXED.pack(0, *fields[1:8], *prev)[4:] + record[RECORD_BYTES_MIN:]
            record = _CRC.pack(crc32(checked)) + checked
        yield record
        offset += length
