"""Segments: the files of a log, by name, and how their frames are read.

Law: a file name, `%020d.raftlog`, is the first seq that the segment can hold, and its header says
the same; what is read here is checked before it is given out, or DamagedLog says where it is not.
"""

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from lithair.core.event import Event
from lithair.core.frame import (
    CLOSING_MAGIC,
    DATA_MAGIC,
    FRAME_HEAD_BYTES,
    HEADER_BYTES_MIN,
    BadHeader,
    DecodedHeader,
    SegmentHeader,
    check_frames,
    decode_header,
    frame_head,
    header_length,
)
from lithair.core.record import RECORD_BYTES_MIN, BadRecord, decode_record, record_length
from lithair.errors import DamagedLog, UnknownFormat
from lithair.storage.files import File, Files, Readable

SUFFIX: Final = ".raftlog"
NAME_DIGITS: Final = 20
READ_BYTES: Final = 256 << 10  # a read while scanning: large enough that calls don't matter
STOPS_MAX: Final = 256  # of a segment; about as many readers go through one at a time
RECORD_READ_BYTES: Final = 4 << 10  # a read of a record whose length is not known: most fit
NO_END: Final = 1 << 64  # past every seq


def segment_name(first_seq: int) -> str:
    """Give the file name of the segment that begins with `first_seq`."""
    return f"{first_seq:0{NAME_DIGITS}d}{SUFFIX}"


def first_seq_of(name: str) -> int | None:
    """Give the first seq that a file name says, or None when it is no segment's."""
    digits = name.removesuffix(SUFFIX)
    if len(digits) != NAME_DIGITS or len(name) != NAME_DIGITS + len(SUFFIX):
        return None
    return int(digits) if digits.isascii() and digits.isdigit() else None


class Stop(NamedTuple):
    """A record within a frame that a reader has come to: its place, and what is left from it on."""

    frame_seq: int
    frame_at: int
    offset: int
    left: int


class Segment:
    """One file of the log, and what is known of it.

    `end` is where its last readable frame ends, `size` the file's length: of the active segment
    without the zeros that it is filled with ahead. `end` only grows while
    the segment is written, and `marks` is only appended to: other threads may read both.
    """

    def __init__(self, directory: str, decoded: DecodedHeader, end: int) -> None:
        self.first_seq: int = decoded.header.first_seq
        self.directory = directory
        self.path = os.path.join(directory, segment_name(self.first_seq))
        self.header: SegmentHeader = decoded.header
        self.start: int = decoded.length  # of its first frame
        self.header_crc: int = decoded.crc
        self.end = end
        self.size = end
        self.marks: list[tuple[int, int]] = []  # (first seq of a frame, its offset), ascending
        self.stops: dict[int, Stop] = {}  # by seq: where pages have ended within a frame

    def damaged(self, offset: int, what: str) -> DamagedLog:
        """Say that this segment is damaged at `offset`."""
        return DamagedLog(self.path, offset, what, self.directory)

    def learn(self, walk: "RecordWalk") -> None:
        """Keep in mind where a walk has come to, for the next one."""
        if walk.frame_seq > (self.marks[-1][0] if self.marks else self.first_seq):
            self.marks.append((walk.frame_seq, walk.frame_at))

    def leave(self, seq: int, stop: Stop) -> None:
        """Keep in mind where a page has ended: the next one begins there, in a frame of many."""
        if len(self.stops) >= STOPS_MAX:
            self.stops = {}
        self.stops[seq] = stop

    def mark_before(self, seq: int) -> int:
        """Give the offset of a frame that begins at or before `seq`, close to it."""
        at = bisect_right(self.marks, (seq, NO_END)) - 1
        return self.marks[at][1] if at >= 0 else self.start


def described_in(segments: Iterable[Segment], fingerprint: bytes) -> bytes | None:
    """Give the schema that one of these segments describes under this fingerprint."""
    for segment in segments:
        if segment.header.fingerprint == fingerprint:
            return segment.header.description
    return None


def segment_names(files: Files, directory: str) -> list[str]:
    """Give the names of a directory's segments in log order; refuse names like them."""
    names = [name for name in files.names(directory) if name.endswith(SUFFIX)]
    for name in names:
        if not first_seq_of(name):
            raise DamagedLog(
                os.path.join(directory, name),
                0,
                "a segment's name is its first sequence number in 20 digits; move this file away",
                directory,
            )
    return names


def read_segment(file: File, directory: str, name: str) -> Segment:
    """Read a segment's header and check it against its name; its frames are not looked at."""
    path = os.path.join(directory, name)
    start = file.read(HEADER_BYTES_MIN, 0)
    length = header_length(start)
    if length > len(start):
        start = file.read(length, 0)
    try:
        decoded = decode_header(start)
    except BadHeader as error:
        raise DamagedLog(path, 0, str(error), directory) from error
    except UnknownFormat as error:
        raise UnknownFormat(f"{path}: {error}") from error
    if decoded.header.first_seq != first_seq_of(name):
        raise DamagedLog(
            path,
            0,
            f"the file was renamed: its header says that it begins with event"
            f" {decoded.header.first_seq}, so its name is {segment_name(decoded.header.first_seq)}",
            directory,
        )
    return Segment(directory, decoded, file.size())


def read_bytes(segment: Segment, file: Readable, length: int, offset: int) -> bytes:
    """Read from a segment; what the disk can't read is damaged as well."""
    try:
        return file.read(length, offset)
    except OSError as error:
        raise segment.damaged(offset, f"the disk can't read it: {error}") from error


class FrameScan:
    """Goes through a segment's frames in order, checking each against the chain.

    It stops at the end, at the frame that holds `end_seq`, or at the first frame that is not
    whole; `offset`, `prev_crc`, `next_seq` and `synced_seq` say how far it came.
    """

    def __init__(self, segment: Segment, file: Readable, end: int, end_seq: int = NO_END) -> None:
        self._segment = segment
        self._file = file
        self._end = end
        self._end_seq = end_seq
        self.offset: int = segment.start
        self.prev_crc: int = segment.header_crc
        self.next_seq: int = segment.first_seq
        self.synced_seq: int = segment.header.synced_seq
        self.marks: list[tuple[int, int]] = []

    def runs(self) -> Iterator[tuple[bytes, int]]:
        """Yield (buffer, end): whole frames from the buffer's begin to `end`; the buffer lies at
        `offset - end` in the file by then.
        """
        want = READ_BYTES
        while self.offset < self._end:
            left = self._end - self.offset
            buffer = read_bytes(self._segment, self._file, min(want, left), self.offset)
            run = check_frames(buffer, 0, self.prev_crc, self.next_seq, self._end_seq)
            if run.end == 0:
                want = claimed_length(buffer)
                if len(buffer) < want <= left:
                    continue  # a frame longer than a read
                return
            want = READ_BYTES
            self.marks.extend((seq, self.offset + at) for seq, at in run.marks)
            self.prev_crc = run.prev_crc
            self.next_seq = run.next_seq
            self.synced_seq = max(self.synced_seq, run.synced_seq)
            self.offset += run.end
            yield buffer, run.end

    def run_through(self) -> None:
        """Go as far as the frames are good, giving none of them out."""
        for _ in self.runs():
            pass


def claimed_length(buffer: bytes) -> int:
    """Give the length that the frame at the begin of `buffer` claims, 0 when there is none."""
    if len(buffer) < FRAME_HEAD_BYTES:
        return 0
    head = frame_head(buffer, 0)
    return head.length if head.magic == DATA_MAGIC else 0


class RecordWalk:
    """Reads the events of a segment from any frame on, each record checked by its own crc.

    For what was committed already, so a frame's crc is not needed again, and no more is read of a
    long frame than was asked for.
    """

    def __init__(self, segment: Segment, file: Readable, offset: int) -> None:
        self._segment = segment
        self._file = file
        self._buffer = b""
        self._base = offset  # of the buffer's first byte within the file
        self._at = 0  # within the buffer
        self.next_seq = 0  # of the record it stands before, once a frame was entered
        self.frame_seq = 0  # first seq of the frame that was entered last
        self.frame_at = offset  # where that begins
        self._left = 0  # records of that frame not walked over yet

    @classmethod
    def to_page(cls, segment: Segment, file: Readable, seq: int) -> "RecordWalk":
        """Begin where a page is to begin, or somewhere before it: `seek` goes on to it."""
        stop = segment.stops.get(seq)
        if stop is None:
            return cls(segment, file, segment.mark_before(seq))
        walk = cls(segment, file, stop.offset)
        walk.next_seq = seq
        walk.frame_seq, walk.frame_at, _, walk._left = stop
        return walk

    def leave(self) -> None:
        """Have the next page find the way back here, where there is none but by walking."""
        if self._left:
            stop = Stop(self.frame_seq, self.frame_at, self._base + self._at, self._left)
            self._segment.leave(self.next_seq, stop)

    def _fill(self, length: int) -> None:
        """See that `length` bytes from here on are in the buffer."""
        if len(self._buffer) - self._at >= length:
            return
        self._base += self._at
        self._at = 0
        self._buffer = read_bytes(self._segment, self._file, max(READ_BYTES, length), self._base)
        if len(self._buffer) < length:
            raise self._damaged("the file ends within a frame that was committed")

    def _damaged(self, what: str) -> DamagedLog:
        return self._segment.damaged(self._base + self._at, what)

    def enter_frame(self) -> None:
        """Step to the next frame; the last one must have been walked to its end."""
        self._fill(FRAME_HEAD_BYTES)
        head = frame_head(self._buffer, self._at)
        if head.magic != DATA_MAGIC:
            raise self._damaged("here a frame begins, but these bytes are none")
        self.frame_seq = self.next_seq = head.first_seq
        self.frame_at = self._base + self._at
        self._left = head.n
        self._at += FRAME_HEAD_BYTES

    def seek(self, seq: int) -> bool:
        """Go to the frame that holds `seq`, and stand before its first record, or before `seq`.

        False when the segment ends before.
        """
        if self._left and self.next_seq == seq:
            return True
        while not self.is_at_end():
            self._fill(FRAME_HEAD_BYTES)
            head = frame_head(self._buffer, self._at)
            if head.magic == DATA_MAGIC and head.first_seq + head.n <= seq:
                self._at += head.length  # maybe past the buffer: `_fill` goes there
                continue
            self.enter_frame()
            return True
        return False

    def is_at_end(self) -> bool:
        """Tell whether no frame follows: the segment ends here, or is closed."""
        if self._left:
            return False
        if self._base + self._at >= self._segment.end:
            return True
        self._fill(FRAME_HEAD_BYTES)
        return frame_head(self._buffer, self._at).magic == CLOSING_MAGIC

    def skip(self, count: int) -> None:
        """Step over records of this frame, unchecked."""
        for _ in range(count):
            self._fill(RECORD_BYTES_MIN)
            self._at += record_length(self._buffer, self._at)
            self._left -= 1
            self.next_seq += 1

    def next_event(self) -> tuple[Event, int]:
        """Give the next event, of this frame or the next, and its record's length."""
        if self._left == 0:
            self.enter_frame()
        self._fill(RECORD_BYTES_MIN)
        length = record_length(self._buffer, self._at)
        self._fill(min(length, self._segment.end - self._base - self._at))
        try:
            event = decode_record(self._buffer, self._at)
        except BadRecord as error:
            raise self._damaged(str(error)) from error
        event.fingerprint = self._segment.header.fingerprint
        self._at += length
        self._left -= 1
        self.next_seq += 1
        return event, length

    def frame_events(self) -> Sequence[Event]:
        """Give the events of the frame that was entered, from here to its end."""
        return [self.next_event()[0] for _ in range(self._left)]


class EventPage:
    """Events that are being gathered in order: so many, or so many bytes of records, at most."""

    def __init__(self, after: int, max_events: int, max_bytes: int) -> None:
        self.events: list[Event] = []
        self.after = after  # the last event that is in it, or the one before the first
        self._max_events = max_events
        self._room = max_bytes

    @property
    def is_full(self) -> bool:
        return self._room <= 0 or len(self.events) >= self._max_events

    def fill(self, walk: RecordWalk, last: int) -> None:
        """Take events up to `last`, or up to the segment's end; the walk stands in their frame."""
        walk.skip(self.after + 1 - walk.next_seq)
        while self.after < last and not self.is_full and not walk.is_at_end():
            event, length = walk.next_event()
            self.events.append(event)
            self._room -= length
            self.after = event.seq
        walk.leave()


def read_record(segment: Segment, file: Readable, offset: int, length: int) -> Event:
    """Read one record; `length` 0 when it is not known. Raises DamagedLog."""
    buffer = read_bytes(segment, file, length or RECORD_READ_BYTES, offset)
    try:
        if not length and len(buffer) >= RECORD_BYTES_MIN:
            length = record_length(buffer, 0)
            if len(buffer) < length <= segment.end - offset:
                buffer = read_bytes(segment, file, length, offset)
        event = decode_record(buffer, 0)
    except BadRecord as error:
        raise segment.damaged(offset, str(error)) from error
    event.fingerprint = segment.header.fingerprint
    return event
