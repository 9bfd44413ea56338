"""A log read by another process than its own, up to an event: for looks into the past.

Law: it locks, changes and creates nothing. It reads what the log's owner said lies where (`view`);
a file that a compaction has taken away meanwhile is `Dropped`: ask the owner again.
"""

import os
from collections.abc import Iterator
from typing import Final

import msgspec

from lithair.core.event import Event, Position
from lithair.core.frame import CLOSING_BYTES, SegmentHeader
from lithair.errors import DamagedLog, Dropped, LithairError
from lithair.storage.files import Files
from lithair.storage.log_files import LogFiles
from lithair.storage.opening import ReplayedFrames, chained, checked_end
from lithair.storage.segment import FrameScan, Segment, first_seq_of, read_segment
from lithair.storage.segment_table import SegmentTable
from lithair.storage.snapshot import Snapshot, check_link

PLACE_OFFSET: Final = (1 << 63) - 1  # the bits of a place that say where in the snapshot


class LogPaths(msgspec.Struct, frozen=True):
    """What leads to the state after event `seq`: a snapshot or none, and the segments after it.

    `segments` are in log order, each with the offset at which it ends for us; 0 is all of it.
    """

    directory: str
    seq: int
    segments: tuple[tuple[str, int], ...]
    snapshot: str = ""


def paths_to(view: LogFiles, seq: int, *, from_snapshot: bool) -> LogPaths:
    """Choose from a log's files those that lead to `seq`; without the snapshot, from event 1 on."""
    segments: list[tuple[int, str, int]] = []
    if not from_snapshot:
        segments += [
            (first_seq_of(os.path.basename(path)) or 0, path, 0) for path in view.archive or ()
        ]
    segments += [(segment.first_seq, segment.path, 0) for segment in view.sealed]
    segments.append((view.active.first_seq, view.active.path, view.active_end))
    kept = tuple((path, end) for first_seq, path, end in segments if first_seq <= seq)
    snapshot = view.snapshot if from_snapshot else ""
    return LogPaths(view.directory, seq, kept, snapshot)


class LogReader:
    """The files of a log, open for reading; see `LogPaths`. Close it."""

    def __init__(self, files: Files, paths: LogPaths) -> None:
        """Open all of them and read their headers.

        Raises Dropped (a file has gone), DamagedLog, UnknownFormat, LithairError.
        """
        self.last_seq = paths.seq
        self.snapshot: Snapshot | None = None
        self._directory = paths.directory
        self._table = SegmentTable(files, paths.directory)
        try:
            if paths.snapshot:
                folder, name = os.path.split(paths.snapshot)
                self.snapshot = Snapshot.open(files, folder, name)
            for path, end in paths.segments:
                self._add(files, path, end)
            self._check_begin()
        except FileNotFoundError as error:
            self.close()
            raise Dropped(f"a compaction has taken {error.filename} away") from error
        except OSError as error:
            self.close()
            raise LithairError(f"{paths.directory}: the log can't be read: {error}") from error
        except BaseException:
            self.close()
            raise

    def _add(self, files: Files, path: str, end: int) -> None:
        folder, name = os.path.split(path)
        file = files.open(path)
        segment = read_segment(file, folder, name)
        if end:
            segment.end = segment.size = end
        self._table.add(segment, file)

    def _check_begin(self) -> None:
        """Check that the segments begin where they have to, and that this is not all of later."""
        cut = self.snapshot.header.cut if self.snapshot else 0
        if cut > self.last_seq:
            raise Dropped(f"the log was compacted up to event {cut} meanwhile")
        segments = self._table.segments
        if segments:
            check_link(self.snapshot, segments[0])
        elif cut < self.last_seq:
            what = f"the segment that begins with event {cut + 1} is missing"
            raise DamagedLog(self._directory, 0, what, self._directory)

    def replay(self) -> Iterator[ReplayedFrames]:
        """Yield all frames after the snapshot in order, checked, that of `last_seq` among them."""
        for segment, file, scan, following in chained(self._table):
            header: SegmentHeader = segment.header
            for buffer, end in scan.runs():
                base = scan.offset - end
                yield ReplayedFrames(
                    header.first_seq, buffer, 0, end, base, header.fingerprint, header.description
                )
                if scan.next_seq > self.last_seq:
                    return
            self._check_end(segment, scan, following)
            if following is not None:
                checked_end(segment, file, scan, following)

    def _check_end(self, segment: Segment, scan: FrameScan, following: Segment | None) -> None:
        """Refuse a segment that can't be read to its end; one that is missing is not there yet."""
        expected = following.first_seq if following else self.last_seq + 1
        if scan.next_seq >= expected:
            return
        if segment.size - scan.offset > CLOSING_BYTES:
            raise segment.damaged(scan.offset, f"event {scan.next_seq} is not readable")
        raise Dropped(f"the segment that begins with event {scan.next_seq} is being archived")

    def description_of(self, fingerprint: bytes) -> bytes | None:
        """Give the schema that records with this fingerprint were written under."""
        return self._table.description_of(fingerprint)

    def read_item(self, position: Position, place: int, length: int) -> Event:
        """Read an item's last record: at `place` in the snapshot, or at home. Raises DamagedLog."""
        if place and self.snapshot is not None:
            return self.snapshot.read(place & PLACE_OFFSET, length)
        return self._table.read(position, length)

    def read_at_hand(
        self, place: int, segment: int, offset: int, length: int, fingerprint: bytes
    ) -> bytes | bytearray | None:
        """Read the same, unchecked, where that needs no waiting; None: not so, or an older form."""
        if place and self.snapshot is not None:
            return self.snapshot.read_at_hand(place & PLACE_OFFSET, length, fingerprint)
        return self._table.read_at_hand(segment, offset, length, fingerprint)

    def close(self) -> None:
        """Let go of the files."""
        if self.snapshot is not None:
            self.snapshot.close()
        self._table.close()
