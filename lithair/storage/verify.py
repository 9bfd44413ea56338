"""Verify: every byte of a log checked, without its lock and without a change.

Law: what opening the log would refuse is reported as damage here, and each record's own checksum
is checked as well. A server that writes meanwhile is no damage: its unfinished frame looks like a
torn tail, and when files were replaced under our eyes, we look again.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from lithair.core.frame import FRAME_HEAD_BYTES, encode_closing, frame_offsets
from lithair.core.record import BadRecord, decode_record, record_length
from lithair.errors import DamagedLog
from lithair.storage.archive import archive_path
from lithair.storage.files import File, Files
from lithair.storage.frame_check import FrameCheck
from lithair.storage.recovery import inspect_last, sealed_end
from lithair.storage.segment import (
    NO_END,
    SUFFIX,
    FrameScan,
    Segment,
    first_seq_of,
    read_segment,
    segment_names,
)
from lithair.storage.snapshot import SNAPSHOT_SUFFIX, Snapshot, check_link, cut_of, snapshot_names
from lithair.storage.snapshot_check import SnapshotCheck

LOOKS_MAX: Final = 3  # an opening of the log replaces files once; it does not go on doing so

Progress = Callable[[int, int], None]  # bytes done, bytes in all


class Damage(msgspec.Struct, frozen=True):
    """One place that is not as it was written."""

    path: str
    offset: int
    what: str


class Verified(msgspec.Struct):
    """What a check of a directory found."""

    directory: str
    model: str = ""
    events: int = 0
    segments: int = 0
    snapshot_seq: int = 0  # the last event that its snapshot includes; 0: there is none
    archived: int = 0  # segments
    size_bytes: int = 0
    damage: list[Damage] = []
    notes: list[str] = []

    @property
    def is_sound(self) -> bool:
        return not self.damage


def directories_with_logs(files: Files, directory: str) -> list[str]:
    """Give `directory` if it holds a log, or else those right below it that do."""
    names = files.names(directory)
    if _holds_log(names):
        return [directory]
    found: list[str] = []
    for name in names:
        below = os.path.join(directory, name)
        try:
            if _holds_log(files.names(below)):
                found.append(below)
        except OSError:  # a file, or closed to us
            continue
    return found


def _holds_log(names: list[str]) -> bool:
    return any(name.endswith((SUFFIX, SNAPSHOT_SUFFIX)) for name in names)


def verify(files: Files, directory: str, progress: Progress) -> Verified:
    """Check a model's directory, running or not; raises UnknownFormat, OSError."""
    for look in range(LOOKS_MAX):
        is_last = look + 1 == LOOKS_MAX
        before = _sizes(files, directory)
        try:
            found = _Check(files, directory, progress).run()
        except FileNotFoundError:  # a compaction has just taken it away
            if is_last:
                raise
            continue
        if found.is_sound or is_last or _sizes(files, directory) == before:
            return found
    raise AssertionError("the last look returns")


def _sizes(files: Files, directory: str) -> list[tuple[str, int]]:
    """Give what changes when a log is opened or written while we look at it."""
    sizes: list[tuple[str, int]] = []
    for name in files.names(directory):
        try:
            file = files.open(os.path.join(directory, name))
        except OSError:  # gone meanwhile, or a directory
            continue
        sizes.append((name, file.size()))
        file.close()
    return sizes


class _Check:
    """One look at a directory."""

    def __init__(self, files: Files, directory: str, progress: Progress) -> None:
        self._files = files
        self._progress = progress
        self._done = 0
        self._found = Verified(directory)

    def run(self) -> Verified:
        found, directory = self._found, self._found.directory
        try:
            snapshots = snapshot_names(self._files, directory)
            names = segment_names(self._files, directory)
        except DamagedLog as damage:
            self._add(damage)
            return found
        snapshot = self._open_snapshot(snapshots)
        cut = found.snapshot_seq
        live = [
            self._read_header(directory, name) for name in names if (first_seq_of(name) or 0) > cut
        ]
        past = [self._read_header(*place) for place in self._past(names)]
        found.archived, found.segments, found.events = len(past), len(live), cut
        self._note_superseded(snapshots[:-1], len(names) - len(live))
        found.size_bytes = sum(each[0].size for each in (*past, *live) if each)
        found.size_bytes += snapshot.size_bytes if snapshot else 0
        if snapshot is not None:
            self._look(lambda: self._check_snapshot(snapshot))
        if live and live[0] and (snapshot is not None or not cut):
            first = live[0][0]
            self._look(lambda: check_link(snapshot, first))
        opened = [*past, *live]
        for at, each in enumerate(opened):
            if each is not None:
                following = opened[at + 1] if at + 1 < len(opened) else None
                is_last = at + 1 == len(opened)
                self._look(partial(self._check_segment, *each, following, is_last))
                each[1].close()
        return found

    def _look(self, check: Callable[[], None]) -> None:
        try:
            check()
        except DamagedLog as damage:
            self._add(damage)

    def _add(self, damage: DamagedLog) -> None:
        self._found.damage.append(Damage(damage.path, damage.offset, damage.what))

    def _open_snapshot(self, names: list[str]) -> Snapshot | None:
        """Open the newest one; the segments before its cut don't matter, even if it is damaged."""
        found = self._found
        if not names:
            return None
        found.snapshot_seq = cut_of(names[-1]) or 0
        try:
            snapshot = Snapshot.open(self._files, found.directory, names[-1])
        except DamagedLog as damage:
            self._add(damage)
            return None
        found.model = snapshot.header.model_name
        return snapshot

    def _check_snapshot(self, snapshot: Snapshot) -> None:
        for count in SnapshotCheck(snapshot, self._add).run():
            self._done += count
            self._progress(self._done, self._found.size_bytes)
        snapshot.close()

    def _past(self, names: list[str]) -> list[tuple[str, str]]:
        """Give folder and name of the segments that are archived, or are going to be."""
        folder, cut = archive_path(self._found.directory), self._found.snapshot_seq
        try:
            archived = segment_names(self._files, folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except DamagedLog as damage:
            self._add(damage)
            return []
        places = dict.fromkeys(names, self._found.directory) | dict.fromkeys(archived, folder)
        past = sorted(name for name in places if (first_seq_of(name) or 0) <= cut)
        return [(places[name], name) for name in past]

    def _note_superseded(self, snapshots: list[str], segments: int) -> None:
        found = self._found
        if snapshots or segments:
            found.notes.append(
                f"{found.directory}: the snapshot of event {found.snapshot_seq} supersedes"
                f" {segments} segments and {len(snapshots)} snapshots that are still there, left by"
                " a compaction that was interrupted; the next opening removes or archives them"
            )

    def _read_header(self, directory: str, name: str) -> tuple[Segment, File] | None:
        found = self._found
        try:
            file = self._files.open(os.path.join(directory, name))
            segment = read_segment(file, directory, name)
            found.model = found.model or segment.header.model_name
            if segment.header.model_name != found.model:
                raise segment.damaged(
                    0, f"this is a segment of {segment.header.model_name}, not of {found.model}"
                )
        except DamagedLog as damage:
            self._add(damage)
            return None
        return segment, file

    def _check_segment(
        self, segment: Segment, file: File, next_one: tuple[Segment, File] | None, is_last: bool
    ) -> None:
        """Check all frames; how the segment has to end is not known when the next is unreadable."""
        found = self._found
        following = next_one[0] if next_one else None
        end_seq = following.first_seq if following else NO_END
        check = FrameCheck(segment, file, end_seq, self._add)
        scan = check.scan
        for buffer, end in scan.runs() if is_last else check.runs():
            self._check_records(segment, buffer, end, scan.offset - end)
            self._done += end
            self._progress(self._done, found.size_bytes)
        is_past = segment.first_seq <= found.snapshot_seq
        found.events += 0 if is_past else scan.next_seq - segment.first_seq
        if following and not check.is_lost:
            self._check_end(segment, scan, check.rest, following, is_past)
        if is_last:
            self._check_tail(segment, file)

    def _check_end(
        self, segment: Segment, scan: FrameScan, rest: bytes, following: Segment, is_past: bool
    ) -> None:
        """Check that the following segment goes on from here."""
        is_whole = rest in (b"", encode_closing(scan.prev_crc, scan.next_seq - 1))
        if is_past and is_whole and scan.next_seq < following.first_seq:
            self._found.notes.append(
                f"{segment.path}: the events from {scan.next_seq} to {following.first_seq - 1} are"
                " not in the archive; nothing before them is read any more"
            )
            return
        superseded = segment.size - sealed_end(segment, scan, rest, following.header)
        if superseded:
            self._found.notes.append(
                f"{segment.path}: {superseded} superseded bytes at its end, left by an opening"
                " that was interrupted; the next one cuts them off"
            )

    def _check_tail(self, segment: Segment, file: File) -> None:
        tail = inspect_last(segment, file, segment.header.created_ms)
        zeros = segment.size - tail.torn_offset - len(tail.torn)
        self._found.size_bytes -= zeros
        if tail.torn:
            self._found.notes.append(
                f"{segment.path}: {len(tail.torn)} bytes at offset {tail.torn_offset} are no whole"
                " frame: a write in progress, or the torn tail of a crash, which the next opening"
                " cuts off"
            )

    def _check_records(self, segment: Segment, buffer: bytes, end: int, base: int) -> None:
        """Check each record of a run of frames by its own checksum, its seq and its place."""
        for offset, head in frame_offsets(buffer, 0, end):
            at = offset + FRAME_HEAD_BYTES
            for seq in range(head.first_seq, head.first_seq + head.n):
                try:
                    event = decode_record(buffer, at)
                    if event.seq != seq:
                        raise BadRecord(f"event {event.seq} is here")
                except BadRecord as error:
                    self._add(segment.damaged(base + at, f"event {seq}: {error}"))
                    break
                at += record_length(buffer, at)
            else:
                if at != offset + head.length:
                    self._add(segment.damaged(base + at, "a frame's records do not fill it"))
