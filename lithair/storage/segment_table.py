"""The segments of an open log: which there are, which are open, and reading from them.

Law: readers in any thread see a segment only when it can be read, and keep what they hold: a file
that the table forgets stays open until its last reader lets go of it.
"""

import threading
from bisect import bisect_right
from collections.abc import Collection
from typing import Final

from lithair.core.event import Event, Position
from lithair.errors import DamagedLog, Dropped
from lithair.storage.files import Files, Readable
from lithair.storage.log_files import LogFiles
from lithair.storage.recovery import CarriedBytes
from lithair.storage.segment import EventPage, RecordWalk, Segment, described_in, read_record

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

    def forget(self, first_seqs: Collection[int]) -> None:
        """Take segments out; whoever reads them holds their files."""
        self.segments = [each for each in self.segments if each.first_seq not in first_seqs]
        with self._opening:
            held = self._open.items()
            self._open = {seq: each for seq, each in held if seq not in first_seqs}

    def held(self, segment: Segment) -> Readable:
        """Give the segment's open file; raises Dropped when it was taken away."""
        held = self._open.get(segment.first_seq)
        return held[1] if held else self._reopened(segment)[1]

    def _reopened(self, segment: Segment) -> tuple[Segment, Readable]:
        with self._opening:
            held = self._open.get(segment.first_seq)
            if held is None:
                try:
                    file = self._files.open(segment.path)
                except FileNotFoundError:  # a compaction has just taken it away
                    raise Dropped(f"{segment.path} was dropped") from None
                held = self._hold(segment, file)
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

    def description_of(self, fingerprint: bytes) -> bytes | None:
        """Give the schema that segments with this fingerprint describe."""
        return described_in(self.segments, fingerprint)

    def size_bytes(self) -> int:
        return sum(segment.size for segment in self.segments)

    def read(self, position: Position, length: int) -> Event:
        """Read one record; `length` 0 when it is not known.

        Raises DamagedLog, Dropped when its segment is not here any more.
        """
        held = self._open.get(position.segment)
        if held is None:
            held = self._reopened(self._named(position))
        return read_record(held[0], held[1], position.offset, length)

    def read_at_hand(
        self, segment: int, offset: int, length: int, fingerprint: bytes
    ) -> bytes | bytearray | None:
        """Read a record, unchecked, where that needs no waiting; see `Readable.read_at_hand`.

        None as well when its segment is not open, or of another schema than `fingerprint`.
        """
        held = self._open.get(segment)
        if held is None or held[0].header.fingerprint != fingerprint:
            return None
        return held[1].read_at_hand(length, offset)

    def _named(self, position: Position) -> Segment:
        for segment in self.segments:
            if segment.first_seq == position.segment:
                return segment
        segments = self.segments
        if segments and position.segment < segments[0].first_seq:
            raise Dropped(f"no segment begins with event {position.segment}")
        raise DamagedLog(
            self.directory,
            position.offset,
            f"no segment begins with event {position.segment}",
            self.directory,
        )

    def _walk_to(self, seq: int, *, is_page: bool = False) -> tuple[Segment, RecordWalk]:
        """Stand before the first record of the frame that holds `seq`, which is committed.

        For a page it may be within the frame, before `seq`.
        """
        segments = self.segments
        at = bisect_right(segments, seq, key=lambda each: each.first_seq) - 1
        if at < 0:
            raise Dropped(f"event {seq} was dropped")
        segment = segments[at]
        file = self.held(segment)
        if is_page:
            walk = RecordWalk.to_page(segment, file, seq)
        else:
            walk = RecordWalk(segment, file, segment.mark_before(seq))
        if not walk.seek(seq):
            raise segment.damaged(segment.end, f"event {seq} is not readable")
        return segment, walk

    def fill(self, page: EventPage, last: int) -> None:
        """Add the events after the page's last one, up to `last`, as far as they fit.

        Raises Dropped when the next one is not here any more, and DamagedLog.
        """
        while page.after < last and not page.is_full:
            segment, walk = self._walk_to(page.after + 1, is_page=True)
            segment_last = min(last, self._last_seq_of(segment, last))
            page.fill(walk, segment_last)
            if page.after < segment_last and not page.is_full:
                raise segment.damaged(segment.end, f"event {page.after + 1} is not readable")

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
