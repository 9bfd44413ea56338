"""The segments of an open log: which there are, which are open, and reading from them.

Law: readers in any thread see a segment only when it can be read, and keep what they hold: a file
that the table forgets stays open until its last reader lets go of it.
"""

import threading
from bisect import bisect_right
from typing import Final

from lithair.core.event import Event, Position
from lithair.errors import DamagedLog
from lithair.storage.files import Files, Readable
from lithair.storage.log_files import LogFiles
from lithair.storage.recovery import CarriedBytes
from lithair.storage.segment import RecordWalk, Segment, read_record

OPEN_SEGMENTS_MAX: Final = 256  # file descriptors per model; the usual limit is 1024 a process


class SegmentTable:
    """The segments in log order; `add` is the writer's, the rest anyone's."""

    def __init__(self, files: Files, directory: str) -> None:
        self._files = files
        self.directory = directory
        self._open: dict[int, tuple[Segment, Readable]] = {}
        self._opening = threading.Lock()  # around changes of `_open`; look-ups need none
        self.segments: list[Segment] = []

    def add(self, segment: Segment, file: Readable) -> None:
        """Put a segment at the end, in place of the last one if that begins with the same seq."""
        with self._opening:
            self._hold(segment, file)
        kept = self.segments
        if kept and kept[-1].first_seq == segment.first_seq:
            kept = kept[:-1]
        self.segments = [*kept, segment]

    def held(self, segment: Segment) -> Readable:
        """Give the segment's open file."""
        held = self._open.get(segment.first_seq)
        return held[1] if held else self._reopened(segment)[1]

    def _reopened(self, segment: Segment) -> tuple[Segment, Readable]:
        with self._opening:
            held = self._open.get(segment.first_seq)
            if held is None:
                held = self._hold(segment, self._files.open(segment.path))
        return held

    def _hold(self, segment: Segment, file: Readable) -> tuple[Segment, Readable]:
        """Keep a file open; too many of them, and the one opened first that is on disk goes."""
        if len(self._open) >= OPEN_SEGMENTS_MAX and segment.first_seq not in self._open:
            for first_seq, (_, old) in self._open.items():
                if not isinstance(old, CarriedBytes):
                    del self._open[first_seq]
                    break
        held = self._open[segment.first_seq] = (segment, file)
        return held

    def close(self) -> None:
        """Forget all files; each closes when nobody reads it any more."""
        with self._opening:
            self._open = {}

    def view(self) -> LogFiles:
        """Give what lies where at this moment."""
        segments = self.segments
        active = segments[-1]
        file = self.held(active)
        return LogFiles(self.directory, tuple(segments[:-1]), active, file, active.end)

    def size_bytes(self) -> int:
        return sum(segment.size for segment in self.segments)

    def read(self, position: Position, length: int) -> Event:
        """Read one record; `length` 0 when it is not known. Raises DamagedLog."""
        held = self._open.get(position.segment)
        if held is None:
            held = self._reopened(self._named(position))
        return read_record(held[0], held[1], position.offset, length)

    def _named(self, position: Position) -> Segment:
        for segment in self.segments:
            if segment.first_seq == position.segment:
                return segment
        raise DamagedLog(
            self.directory,
            position.offset,
            f"no segment begins with event {position.segment}",
            self.directory,
        )

    def _walk_to(self, seq: int) -> tuple[Segment, RecordWalk]:
        """Stand before the first record of the frame that holds `seq`, which is committed."""
        segments = self.segments
        segment = segments[bisect_right(segments, seq, key=lambda each: each.first_seq) - 1]
        file = self.held(segment)
        walk = RecordWalk(segment, file, segment.mark_before(seq))
        walk.seek(seq)
        return segment, walk

    def events_between(self, after: int, last: int, max_events: int, max_bytes: int) -> list[Event]:
        """Give events from `after` + 1 up to `last`, in order; one at least when there is one."""
        events: list[Event] = []
        room = max_bytes
        while after < last and room > 0 and len(events) < max_events:
            segment, walk = self._walk_to(after + 1)
            walk.skip(after + 1 - walk.frame_seq)
            segment_last = min(last, self._last_seq_of(segment, last))
            while after < segment_last and room > 0 and len(events) < max_events:
                event, length = walk.next_event()
                events.append(event)
                room -= length
                after = event.seq
        return events

    def _last_seq_of(self, segment: Segment, last: int) -> int:
        segments = self.segments
        at = bisect_right(segments, segment.first_seq, key=lambda each: each.first_seq)
        return segments[at].first_seq - 1 if at < len(segments) else last

    def command_events(self, seq: int) -> list[Event]:
        """Give the events of the frame holding `seq` that came from the same command as it."""
        _, walk = self._walk_to(seq)
        events = walk.frame_events()
        asked = next(event for event in events if event.seq == seq)
        if not asked.command_id:
            return [asked]
        return [event for event in events if event.command_id == asked.command_id]
