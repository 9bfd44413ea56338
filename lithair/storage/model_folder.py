"""A model's folder in a backup: which files it holds, and which of them lead to an event.

Law: a log that begins at the snapshot and one that begins with event 1, where the archive has all
of it, are the same log; which of them is used is decided by the event that is wanted, and nothing
before the oldest possible one is ever made up.
"""

import os
from typing import NamedTuple

from lithair.core.as_of import UNBOUND, AsOf, rfc3339
from lithair.core.frame import CLOSING_BYTES, records_in
from lithair.errors import DamagedLog, Dropped, LithairError
from lithair.storage.archive import ARCHIVE_NAME
from lithair.storage.files import File, Files
from lithair.storage.segment import (
    NO_END,
    FrameScan,
    RecordWalk,
    Segment,
    read_segment,
    segment_names,
)
from lithair.storage.snapshot import Snapshot, snapshot_names


class WayTo(NamedTuple):
    """How to get to the state after event `seq`: by these segments, from the snapshot or not."""

    seq: int
    segments: list[Segment]  # in log order; those from the one after `seq` on are left out
    from_snapshot: bool


class ModelFolder:
    """The files of one model, of which nothing changes any more. Close it."""

    def __init__(self, files: Files, directory: str, last_seq: int) -> None:
        """Read all headers; raises DamagedLog, UnknownFormat, OSError."""
        self.directory = directory
        self.last_seq = last_seq
        self._files = files
        self._live = self._segments(directory)
        archive = os.path.join(directory, ARCHIVE_NAME)
        try:
            self._archive = self._segments(archive)
            self.has_archive = True
        except FileNotFoundError:
            self._archive = []
            self.has_archive = False
        names = snapshot_names(files, directory)
        self.snapshot = Snapshot.open(files, directory, names[-1]) if names else None

    def close(self) -> None:
        if self.snapshot is not None:
            self.snapshot.close()

    def _segments(self, directory: str) -> list[Segment]:
        found: list[Segment] = []
        for name in segment_names(self._files, directory):
            file = self._files.open(os.path.join(directory, name))
            found.append(read_segment(file, directory, name))
            file.close()
        return found

    @property
    def cut(self) -> int:
        """The last event that the snapshot includes; 0 without one."""
        return self.snapshot.header.cut if self.snapshot else 0

    def opened(self, segment: Segment) -> File:
        return self._files.open(segment.path)

    def before_cut(self) -> list[Segment]:
        """Give the segments that the snapshot includes, for the archive; usually there already."""
        return [segment for segment in self._all() if segment.first_seq <= self.cut]

    def _all(self) -> list[Segment]:
        by_seq = {segment.first_seq: segment for segment in [*self._archive, *self._live]}
        return [by_seq[seq] for seq in sorted(by_seq)]

    def way_to(self, point: AsOf) -> WayTo:
        """Find the last event that `point` includes, and what leads there.

        Raises Dropped: a compaction has dropped it; LithairError: the backup ends before that seq;
        DamagedLog.
        """
        if point.is_seq and point.seq > self.last_seq:
            raise LithairError(
                f"{self.directory} ends with event {self.last_seq}: it does not hold {point.seq}"
            )
        snapshot = self.snapshot
        if snapshot is None or point.includes(snapshot.header.cut, snapshot.header.time_ms):
            return self._within(self._after_cut(), point, from_snapshot=snapshot is not None)
        whole = self._all()
        if not whole or whole[0].first_seq != 1:
            raise self.dropped(snapshot)
        return self._within(whole, point, from_snapshot=False)

    def dropped(self, snapshot: Snapshot) -> Dropped:
        """Say that nothing before the snapshot can be restored."""
        oldest, oldest_ms = snapshot.header.cut, snapshot.header.time_ms
        return Dropped(
            f"{self.directory}: a compaction has dropped what was before event {oldest}, which"
            f" is of {rfc3339(oldest_ms)}: that is the oldest possible point",
            oldest=oldest,
            oldest_ms=oldest_ms,
        )

    def _after_cut(self) -> list[Segment]:
        """Give the segments that follow the snapshot; those it includes may be there as well."""
        segments = [segment for segment in self._live if segment.first_seq > self.cut]
        first = segments[0] if segments else None
        if first is None or first.first_seq != self.cut + 1:
            what = f"the segment that begins with event {self.cut + 1} is missing"
            raise DamagedLog(self.directory, 0, what, os.path.dirname(self.directory))
        if self.snapshot and first.header.prev_crc != self.snapshot.header.prev_crc:
            raise first.damaged(0, "this segment does not continue what the snapshot includes")
        return segments

    def _within(self, segments: list[Segment], point: AsOf, *, from_snapshot: bool) -> WayTo:
        seq = min(point.seq, self.last_seq)
        if point.time_ms != UNBOUND:
            seq = self._last_by(segments, point.time_ms)
        kept = [segment for segment in segments if segment.first_seq <= seq]
        return WayTo(seq, kept or segments[:1], from_snapshot)

    def _last_by(self, segments: list[Segment], time_ms: int) -> int:
        """Give the last event up to that time; times never decrease within a log."""
        end_seq = NO_END
        for segment in reversed(segments):
            file = self.opened(segment)
            first_ms = _first_time(segment, file)
            if first_ms is not None and first_ms <= time_ms:
                seq = _last_within(FrameScan(segment, file, segment.end, end_seq), time_ms)
                file.close()
                return seq
            file.close()
            end_seq = segment.first_seq
        return end_seq - 1


def _first_time(segment: Segment, file: File) -> int | None:
    """Give the time of a segment's first event, None when it has none."""
    if segment.end - segment.start <= CLOSING_BYTES:
        return None
    event, _ = RecordWalk(segment, file, segment.start).next_event()
    return event.time_ms


def _last_within(scan: FrameScan, time_ms: int) -> int:
    """Give the last event of a scan up to that time."""
    seq = scan.next_seq - 1
    for buffer, end in scan.runs():
        for record in records_in(buffer, 0, end):
            if record[3] > time_ms:
                return seq
            seq = record[2]
    return seq
