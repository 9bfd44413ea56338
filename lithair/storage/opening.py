"""Opening a log: from what the files hold to a log that can be appended to.

Law: `Opening(...)` and `frames` change no segment; `finish` changes them only after `frames` has
found every byte in order. Each step of `finish` can be done again, so neither a full disk nor a
crash between two of them takes anything.
"""

import logging
import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from lithair.errors import DamagedLog, SchemaChanged
from lithair.storage.active_segment import ActiveSegment, LogStamp
from lithair.storage.archive import Archive
from lithair.storage.files import TEMPORARY_SUFFIX, Files, Readable, place_file, write_whole
from lithair.storage.recovery import CarriedBytes, Tail, inspect_last, sealed_end
from lithair.storage.segment import (
    NO_END,
    FrameScan,
    Segment,
    first_seq_of,
    read_bytes,
    read_segment,
    segment_name,
    segment_names,
)
from lithair.storage.segment_table import SegmentTable
from lithair.storage.snapshot import Snapshot, check_link, snapshot_names

TORN_SUFFIX: Final = ".torn"

log = logging.getLogger(__name__)


class ReplayedFrames(NamedTuple):
    """A run of checked frames: `records_in(buffer, start, end)` gives their records.

    A record's offset in the segment is `base_offset` + its offset in the buffer.
    """

    segment: int
    buffer: bytes
    start: int
    end: int
    base_offset: int
    fingerprint: bytes
    description: bytes


class Opening:
    """A log that was found, and is not ready yet."""

    def __init__(self, files: Files, directory: str, stamp: LogStamp, now_ms: int) -> None:
        """Read all headers and the last segment; leftovers of files that never appeared go."""
        self.table = SegmentTable(files, directory)
        self.last_seq = 0
        self.synced_seq = 0
        self.is_checked = False  # `frames` has come to its end
        self._files = files
        self._directory = directory
        self.stamp = stamp
        self._now_ms = now_ms
        self._last_crc = 0
        self._tail: Tail | None = None
        self._torn_at: Segment | None = None
        self._cuts: dict[str, int] = {}  # path -> length, of segments with bytes past their end
        self._old_snapshots: list[str] = []  # names
        for name in files.names(directory):
            if name.endswith(TEMPORARY_SUFFIX):
                files.remove(os.path.join(directory, name))
        self.snapshot = self._find_snapshot()
        cut = self.snapshot.header.cut if self.snapshot else 0
        seqs = [seq for name in segment_names(files, directory) if (seq := first_seq_of(name))]
        self._superseded = [seq for seq in seqs if seq <= cut]
        for name in map(segment_name, seqs[len(self._superseded) :]):
            file = files.open(os.path.join(directory, name))
            segment = read_segment(file, directory, name)
            self._check_place(segment)
            self.table.add(segment, file)
        self.archive = Archive.find(files, directory)
        if self.table.segments:
            self._inspect_last(self.table.segments[-1])
        elif self.snapshot is not None:
            self._begin_behind(self.snapshot)

    def _find_snapshot(self) -> Snapshot | None:
        """Open the newest snapshot; those before it are superseded."""
        names = snapshot_names(self._files, self._directory)
        if not names:
            return None
        self._old_snapshots = names[:-1]
        snapshot = Snapshot.open(self._files, self._directory, names[-1])
        self._check_model(snapshot.path, snapshot.header.model_name)
        return snapshot

    def _check_model(self, path: str, model_name: str) -> None:
        if model_name != self.stamp.model_name:
            raise SchemaChanged(
                f"{path} belongs to the model {model_name!r}, not to"
                f" {self.stamp.model_name!r}; give each model a data directory of its own"
            )

    def _check_place(self, segment: Segment) -> None:
        """Refuse a segment that can't be this log's next one, as far as its header says."""
        self._check_model(segment.path, segment.header.model_name)
        if not self.table.segments:
            check_link(self.snapshot, segment)

    def _begin_behind(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot that no segment follows."""
        cut = snapshot.header.cut
        if self._superseded:  # a compaction is what leaves them, and it began the next one first
            path = os.path.join(self._directory, segment_name(self._superseded[-1]))
            what = f"the snapshot of event {cut} includes this segment, but the next one is missing"
            raise DamagedLog(path, 0, what, self._directory)
        self.last_seq = self.synced_seq = cut
        self._last_crc = snapshot.header.prev_crc

    def _inspect_last(self, segment: Segment) -> None:
        tail = inspect_last(segment, self.table.held(segment), self._now_ms)
        self._tail = tail
        self.last_seq = tail.last_seq
        self.synced_seq = tail.carried.segment.first_seq - 1 if tail.carried else tail.last_seq
        self._last_crc = tail.kept_crc
        self._torn_at = segment if tail.torn else None
        is_replaced = tail.carried and tail.carried.segment.path == segment.path
        if tail.kept_end < segment.size and not is_replaced:
            self._cuts[segment.path] = tail.kept_end
        segment.end = tail.frames_end
        segment.size = tail.kept_end
        if tail.carried:
            self.table.add(tail.carried.segment, CarriedBytes(tail.carried.data))

    def frames(self) -> Iterator[ReplayedFrames]:
        """Yield all frames in order, checked; raises DamagedLog.

        Empty runs are among them while a snapshot is checked: it is, all of it, before anything
        that it supersedes is given up.
        """
        if self.snapshot is not None and (self._superseded or self._old_snapshots):
            stamp = self.snapshot.header.fingerprint, self.snapshot.header.description
            for _ in self.snapshot.check_bytes():
                yield ReplayedFrames(0, b"", 0, 0, 0, *stamp)
        for segment, file, scan, following in chained(self.table):
            header = segment.header
            for buffer, end in scan.runs():
                base = scan.offset - end
                yield ReplayedFrames(
                    header.first_seq, buffer, 0, end, base, header.fingerprint, header.description
                )
            length = checked_end(segment, file, scan, following)
            if length < segment.size:
                self._cuts.setdefault(segment.path, length)
                segment.size = length
            segment.end = scan.offset
            segment.marks = scan.marks
        self.is_checked = True

    def finish(self) -> ActiveSegment:
        """Keep the torn tail aside, write what is carried, cut what is superseded, begin anew.

        What a compaction that was interrupted has left goes first: the disk may be full. Raises
        OSError; it may be called again then.
        """
        assert self.is_checked, "nothing is changed before all was checked"
        self._give_up_superseded()
        if self._tail and self._torn_at:
            self._keep_torn(self._torn_at, self._tail)
            self._torn_at = None
        carried = self._tail.carried if self._tail else None
        active: ActiveSegment | None = None
        if carried:
            active = ActiveSegment.place(
                self._files, carried.segment, carried.data, carried.last_crc
            )
            self.table.add(active.segment, active.file)
            self._last_crc = carried.last_crc
        self._cut()
        if active is None or not self._is_of_this_schema(active.segment):
            active = self._begin()
            self.table.add(active.segment, active.file)
        self._tail = None  # it can hold as many bytes as a segment
        return active

    def _give_up_superseded(self) -> None:
        """Remove or archive what the snapshot has superseded; what can't be waits for another time.

        In any order: the snapshot has its name, so the log begins with it whatever else is there.
        """
        names, self._old_snapshots = self._old_snapshots, []
        seqs, self._superseded = self._superseded, []
        try:
            if self.archive is None:
                names += map(segment_name, seqs)
            else:
                self.archive.remove_leftovers()
                if seqs:
                    self.archive.take(seqs)
            for name in names:
                self._files.remove(os.path.join(self._directory, name))
        except OSError as error:
            log.warning("%s: not all that was compacted is removed: %s", self._directory, error)

    def _keep_torn(self, segment: Segment, tail: Tail) -> None:
        """Put the bytes past the last good frame into a file of their own, for people to see."""
        name = f"{segment.first_seq:020d}-{tail.torn_offset}-{self._now_ms}{TORN_SUFFIX}"
        place_file(
            self._files, self._directory, name, lambda file: write_whole(file, tail.torn, 0)
        ).close()
        log.warning(
            "%s: a torn tail of %d bytes at offset %d was cut off and kept as %s",
            segment.path,
            len(tail.torn),
            tail.torn_offset,
            name,
        )

    def _cut(self) -> None:
        """Take superseded bytes off. Unsynced: should they come back, they are cut again."""
        for path, length in self._cuts.items():
            file = self._files.open(path, writable=True)
            file.cut(length)
            file.close()
        self._cuts = {}

    def _is_of_this_schema(self, segment: Segment) -> bool:
        header = segment.header
        return (header.fingerprint, header.description) == self.stamp[1:]

    def _begin(self) -> ActiveSegment:
        """Begin an empty segment, in place of the last one if that is empty too."""
        segments = self.table.segments
        prev_crc = self._last_crc
        if segments and segments[-1].first_seq == self.last_seq + 1:
            prev_crc = segments[-1].header.prev_crc
        link = (prev_crc, self._now_ms)
        return ActiveSegment.begin(self._files, self._directory, self.stamp, self.last_seq, link)


def chained(
    table: SegmentTable,
) -> Iterator[tuple[Segment, Readable, FrameScan, Segment | None]]:
    """Yield each segment with a scan that stops where the following one begins."""
    segments = table.segments
    for at, segment in enumerate(segments):
        following = segments[at + 1] if at + 1 < len(segments) else None
        file = table.held(segment)
        end_seq = following.first_seq if following else NO_END
        yield segment, file, FrameScan(segment, file, segment.end, end_seq), following


def checked_end(
    segment: Segment, file: Readable, scan: FrameScan, following: Segment | None
) -> int:
    """Check that a scan came to the segment's end; give the length that the file has to have."""
    if following is None:
        if scan.offset != segment.end:
            raise segment.damaged(scan.offset, f"event {scan.next_seq} is not readable")
        return segment.size
    rest = read_bytes(segment, file, segment.size - scan.offset, scan.offset)
    return sealed_end(segment, scan, rest, following.header)
