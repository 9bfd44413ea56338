"""A segment gone through to its end, over damaged frames: what is damaged, and what is not.

Law: every record that is not as it was written is reported once, with its own offset; a frame
whose records all are, and which is not whole nevertheless, with the frame's. Within a damaged frame
it goes on where a record's length leads to the record of the next event, behind it at the next
intact frame. It never takes anything for good that the chain, from there on, does not hold.
"""

from collections.abc import Callable, Iterator
from typing import Final

from lithair.core.frame import (
    CLOSING_BYTES,
    CLOSING_MAGIC,
    DATA_MAGIC,
    FRAME_HEAD_BYTES,
    encode_closing,
    frame_head,
    frame_is_intact,
)
from lithair.core.record import RECORD_BYTES_MIN, BadRecord, check_record, record_length
from lithair.errors import DamagedLog
from lithair.storage.files import Readable
from lithair.storage.segment import NO_END, FrameScan, Segment, read_bytes

_SEQ_AT: Final = 8  # of a record: behind its crc and length
_SEQ_BYTES: Final = 8

Report = Callable[[DamagedLog], None]


class FrameCheck:
    """One way through a segment that is not a log's last; `report` is told of each damage."""

    def __init__(self, segment: Segment, file: Readable, end_seq: int, report: Report) -> None:
        self.scan = FrameScan(segment, file, segment.end, end_seq)
        self.rest = b""  # behind the last frame, once all runs were given
        self.is_lost = False  # what follows a damaged frame could not be made out
        self._segment = segment
        self._file = file
        self._end_seq = end_seq
        self._report = report

    def runs(self) -> Iterator[tuple[bytes, int]]:
        """Yield whole frames as `FrameScan.runs` does. Raises DamagedLog where it can't be read."""
        while True:
            yield from self.scan.runs()
            at = self.scan.offset
            self.rest = read_bytes(self._segment, self._file, self._segment.size - at, at)
            if self._is_at_end() or not self._goes_on():
                return

    def _is_at_end(self) -> bool:
        scan, rest = self.scan, self.rest
        if scan.next_seq >= self._end_seq or not rest:
            return True
        if rest == encode_closing(scan.prev_crc, scan.next_seq - 1):
            return True
        # Where it has to end is not known when the next segment's header can't be read.
        return self._end_seq == NO_END and next_frame(rest, 0) == len(rest)

    def _goes_on(self) -> bool:
        """Report what is damaged here, and go to the next intact frame."""
        scan, rest = self.scan, self.rest
        at = next_frame(rest, 0)
        if at == 0:
            what = f"event {scan.next_seq} is not readable: this frame does not continue the log"
            self._report(self._segment.damaged(scan.offset, what))
        else:
            for damage in damage_before(self._segment, rest[:at], scan.offset, scan.next_seq):
                self._report(damage)
        if at < len(rest):
            head = frame_head(rest, at)
            is_other = (head.prev_crc, head.first_seq) != (scan.prev_crc, scan.next_seq)
            is_next = head.first_seq >= scan.next_seq and head.first_seq <= self._end_seq
            if is_next and is_other and (at > 0 or head.magic == DATA_MAGIC):
                scan.offset += at
                scan.prev_crc, scan.next_seq = head.prev_crc, head.first_seq
                return True
        self.is_lost = True
        return False


def next_frame(data: bytes, start: int) -> int:
    """Give where the first intact frame begins, `len(data)` when there is none."""
    at = start
    while at < len(data):
        found = [i for i in (data.find(m, at) for m in (DATA_MAGIC, CLOSING_MAGIC)) if i >= 0]
        if not found:
            break
        at = min(found)
        if frame_is_intact(data, at):
            return at
        at += 1
    return len(data)


def damage_before(segment: Segment, data: bytes, base: int, seq: int) -> Iterator[DamagedLog]:
    """Tell what is damaged in frames that are not intact; `data` lies at `base`, ends with one."""
    at = 0
    while at < len(data):
        length = _claimed(data, at)
        stop = at + length
        if not length or (stop < len(data) and data[stop : stop + 4] != DATA_MAGIC):
            stop = len(data)
        yield from _damage_in(segment, data[at:stop], base + at, seq)
        at = stop
        if len(data) - at >= FRAME_HEAD_BYTES:
            seq = frame_head(data, at).first_seq


def _claimed(data: bytes, at: int) -> int:
    """Give the length that a frame says, 0 when it can't be that."""
    if len(data) - at < FRAME_HEAD_BYTES:
        return 0
    length = frame_head(data, at).length
    return length if CLOSING_BYTES <= length <= len(data) - at else 0


def _damage_in(segment: Segment, frame: bytes, base: int, seq: int) -> Iterator[DamagedLog]:
    """Tell which records of one frame are damaged; of itself, when none is, or its head is too."""
    is_head_good = len(frame) >= FRAME_HEAD_BYTES
    if is_head_good:
        head = frame_head(frame, 0)
        is_head_good = (head.magic, head.length, head.first_seq) == (DATA_MAGIC, len(frame), seq)
    records = list(_damaged_records(segment, frame, base, seq))
    if not records or not is_head_good:
        yield segment.damaged(base, f"event {seq} is not readable")
    yield from records


def _damaged_records(segment: Segment, frame: bytes, base: int, seq: int) -> Iterator[DamagedLog]:
    at = FRAME_HEAD_BYTES
    while len(frame) - at >= RECORD_BYTES_MIN:
        try:
            at += check_record(frame, at)
        except BadRecord as error:
            yield segment.damaged(base + at, f"event {seq}: {error}")
            length = record_length(frame, at)
            at += length
            if length < RECORD_BYTES_MIN or not _is_record_of(frame, at, seq + 1):
                return
        seq += 1


def _is_record_of(frame: bytes, at: int, seq: int) -> bool:
    """Tell whether the record of event `seq` seems to begin here, or the frame ends."""
    seq_at = at + _SEQ_AT
    found = frame[seq_at : seq_at + _SEQ_BYTES]
    return at == len(frame) or found == seq.to_bytes(_SEQ_BYTES, "little")
