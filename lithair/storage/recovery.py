"""Recovery: what a log's last bytes mean, and what follows from it.

Owns the decision between a torn tail and damage. Law: nothing that was acknowledged as synced is
ever dropped, nothing that may not be on the disk is ever taken as committed before it was written
and synced anew, and what can be neither is refused.

Power loss can leave later pages of an unsynced frame on the disk without earlier ones, so intact
frames after a hole are normal. The first bad frame is a torn tail, unless

- an intact later frame's `synced_seq`, or the segment's header, says that it was on the disk; or
- it stands where a closing frame does and no tear (a cut, or 512-byte sectors of zeros) of the
  closing frame or of a data frame looks like that: every byte of a closing frame is predictable.

Zeros up to the end of the file hold nothing: a segment that is appended to is filled ahead with
them, and they are taken off before anything follows it. They are cut off like a torn tail, and not
kept.

Only the last segment can have a torn tail: a log rolls to a new segment after syncing the old one.
What follows the last seq known to be synced is carried into a new segment, which appears whole,
and only then cut off the old one. When that was interrupted, the old one has bytes at or past the
next segment's first seq: they are superseded, and cut at the next opening.
"""

from itertools import pairwise
from typing import Final, NamedTuple

from lithair.core.event import Position
from lithair.core.frame import (
    CLOSING_BYTES,
    CLOSING_MAGIC,
    DATA_MAGIC,
    SegmentHeader,
    Shift,
    decode_header,
    encode_closing,
    encode_header,
    frame_head,
    frame_is_intact,
    frame_offsets,
    relink_frames,
)
from lithair.storage.files import Readable
from lithair.storage.segment import FrameScan, Segment

SECTOR_BYTES: Final = 512  # what a disk writes whole or not at all


class Carried(NamedTuple):
    """A segment that has to be written before the log may go on: header and frames."""

    segment: Segment
    data: bytes
    last_crc: int


class Tail(NamedTuple):
    """What the last segment turned out to hold."""

    kept_end: int  # up to here it stays as it is
    frames_end: int  # the same, without a closing frame
    kept_crc: int  # of the last thing kept, closing frame included: what comes next links to it
    last_seq: int
    torn: bytes  # what follows the last good frame, without zeros at its end; to be kept aside
    torn_offset: int
    carried: Carried | None  # the good frames past `kept_end`


class CarriedBytes:
    """The bytes of a carried segment while it is not on the disk yet, to be read like a file."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, length: int, offset: int) -> bytes:
        return self._data[offset : offset + length]

    def read_at_hand(self, length: int, offset: int) -> bytes | None:
        data = self.read(length, offset)
        return data if len(data) == length else None


def inspect_last(segment: Segment, file: Readable, now_ms: int) -> Tail:
    """Decide what the last segment of a log holds; raises DamagedLog. Reads only."""
    size = segment.end
    scan = FrameScan(segment, file, size)
    rest = _run_to_rest(scan, file, size)
    last_seq = scan.next_seq - 1
    closing = encode_closing(scan.prev_crc, last_seq)
    if rest[:CLOSING_BYTES] == closing:
        if len(rest) > CLOSING_BYTES:
            raise segment.damaged(scan.offset + CLOSING_BYTES, "bytes follow the closing frame")
        crc = frame_head(closing, 0).crc
        return Tail(size, scan.offset, crc, last_seq, b"", size, None)
    _refuse_damage(segment, scan, rest, closing)
    torn = rest.rstrip(b"\0")
    if scan.synced_seq >= last_seq:
        return Tail(scan.offset, scan.offset, scan.prev_crc, last_seq, torn, scan.offset, None)
    kept_end, kept_crc = _unsynced_from(segment, file, scan)
    carried = _carry(segment, file, (kept_end, scan.offset), scan, now_ms)
    return Tail(kept_end, kept_end, kept_crc, last_seq, torn, scan.offset, carried)


def _run_to_rest(scan: FrameScan, file: Readable, size: int) -> bytes:
    """Go through the good frames; give what is behind them.

    A server may be writing over the zeros there. So the frames are looked at once more after the
    rest was read: what the rest can hold of a later frame was synced after the one before it.
    """
    scan.run_through()
    while True:
        offset = scan.offset
        rest = file.read(size - offset, offset)
        scan.run_through()
        if scan.offset == offset:
            return rest


def _refuse_damage(segment: Segment, scan: FrameScan, rest: bytes, closing: bytes) -> None:
    """Raise DamagedLog unless `rest` can be what a crash left of unsynced writes."""
    seq = scan.next_seq
    if scan.synced_seq >= seq:
        raise segment.damaged(
            scan.offset, f"event {seq} is not readable, and it was on the disk before"
        )
    later = _frame_after(rest, seq)
    if later >= 0:
        raise segment.damaged(
            scan.offset,
            f"event {seq} is not readable, and the frame at offset {scan.offset + later} says that"
            " it was on the disk",
        )
    if (
        len(rest) == CLOSING_BYTES
        and not is_tear(rest, closing, scan.offset)
        and not _may_be_torn_data(rest, scan.offset)
    ):
        raise segment.damaged(scan.offset, "the closing frame is not as it was written")


def _frame_after(rest: bytes, seq: int) -> int:
    """Find an intact frame that says that `seq` was synced; -1 when there is none."""
    at = 0
    while True:
        found = [i for i in (rest.find(m, at) for m in (DATA_MAGIC, CLOSING_MAGIC)) if i >= 0]
        if not found:
            return -1
        at = min(found)
        if not frame_is_intact(rest, at):
            at += 1
            continue
        head = frame_head(rest, at)
        if head.synced_seq >= seq:
            return at
        at += head.length


def is_tear(found: bytes, written: bytes, offset: int) -> bool:
    """Tell whether a crash can leave `found` of `written`: cut short, or with zeroed sectors."""
    if len(found) > len(written):
        return False
    for begin, end in _sectors(offset, len(found)):
        piece = found[begin:end]
        if piece != written[begin:end] and any(piece):
            return False
    return True


def _may_be_torn_data(rest: bytes, offset: int) -> bool:
    begin, end = _sectors(offset, len(rest))[0]
    first = rest[begin:end].rstrip(b"\0")[: len(DATA_MAGIC)]
    return first == DATA_MAGIC[: len(first)]


def _sectors(offset: int, length: int) -> list[tuple[int, int]]:
    """Cut `length` bytes that lie at `offset` of a file where the disk's sectors end."""
    cuts = [0, *range(SECTOR_BYTES - offset % SECTOR_BYTES, length, SECTOR_BYTES), length]
    return list(pairwise(cuts))


def _unsynced_from(segment: Segment, file: Readable, scan: FrameScan) -> tuple[int, int]:
    """Find the first frame past the synced seq: its offset, and the crc that it links to."""
    seq = scan.synced_seq + 1
    segment.marks = scan.marks
    begin = segment.mark_before(seq)
    buffer = file.read(scan.offset - begin, begin)
    for offset, head in frame_offsets(buffer, 0, len(buffer)):
        if head.first_seq >= seq:
            return begin + offset, head.prev_crc
    raise segment.damaged(begin, f"event {seq} does not begin a frame, and it has to")


def _carry(
    segment: Segment, file: Readable, between: tuple[int, int], scan: FrameScan, now_ms: int
) -> Carried:
    """Make the segment that holds the unsynced frames, for the same schema as they were made."""
    begin, end = between
    buffer = file.read(end - begin, begin)
    first = frame_head(buffer, 0)
    is_whole = begin == segment.start  # the new segment takes the old one's name and place
    header = SegmentHeader(
        model_name=segment.header.model_name,
        first_seq=first.first_seq,
        synced_seq=scan.next_seq - 1,
        created_ms=now_ms,
        prev_crc=segment.header.prev_crc if is_whole else first.prev_crc,
        fingerprint=segment.header.fingerprint,
        description=segment.header.description,
    )
    head = encode_header(header)
    decoded = decode_header(head)
    shift = Shift(Position(segment.first_seq, begin), Position(header.first_seq, decoded.length))
    data = head + relink_frames(buffer, decoded.crc, shift)
    carried = Segment(segment.directory, decoded, len(data))
    check = FrameScan(carried, CarriedBytes(data), len(data))
    check.run_through()
    assert check.offset == len(data), "the carried frames make a chain"
    assert check.next_seq == scan.next_seq, "all of them are carried"
    carried.marks = check.marks
    return Carried(carried, data, check.prev_crc)


def sealed_end(segment: Segment, scan: FrameScan, rest: bytes, following: SegmentHeader) -> int:
    """Check how a segment that another follows ends; give the length that it has to have.

    `scan` has gone up to the following segment's first seq, `rest` is what comes then. Raises
    DamagedLog.
    """
    if scan.next_seq != following.first_seq:
        raise segment.damaged(
            scan.offset,
            f"event {scan.next_seq} is not readable"
            if rest
            else f"the segment ends before event {scan.next_seq}, and the next one begins with"
            f" {following.first_seq}: bytes or a whole segment are missing",
        )
    if following.prev_crc == scan.prev_crc:
        return scan.offset  # the rest, if any, is superseded
    closing = encode_closing(scan.prev_crc, scan.next_seq - 1)
    if following.prev_crc != frame_head(closing, 0).crc:
        raise segment.damaged(
            scan.offset,
            f"the segment that begins with event {following.first_seq} does not continue this one",
        )
    if not is_tear(rest, closing, scan.offset):
        raise segment.damaged(scan.offset, "the closing frame is not as it was written")
    return segment.end
