"""Verify: every byte of a log checked, without its lock and without a change.

Law: what opening the log would refuse is reported as damage here, and each record's own checksum
is checked as well. A server that writes meanwhile is no damage: its unfinished frame looks like a
torn tail, and when files were replaced under our eyes, we look again.
"""

import os
from collections.abc import Callable
from typing import Final

import msgspec

from lithair.core.frame import FRAME_HEAD_BYTES, frame_offsets
from lithair.core.record import BadRecord, decode_record, record_length
from lithair.errors import DamagedLog
from lithair.storage.files import File, Files
from lithair.storage.opening import check_first
from lithair.storage.recovery import inspect_last, sealed_end
from lithair.storage.segment import (
    NO_END,
    SUFFIX,
    FrameScan,
    Segment,
    read_segment,
    segment_names,
)

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
    return any(name.endswith(SUFFIX) for name in names)


def verify(files: Files, directory: str, progress: Progress) -> Verified:
    """Check a model's directory, running or not; raises UnknownFormat, OSError."""
    for _ in range(LOOKS_MAX - 1):
        before = _sizes(files, directory)
        found = _Check(files, directory, progress).run()
        if found.is_sound or _sizes(files, directory) == before:
            return found
    return _Check(files, directory, progress).run()


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
        found = self._found
        try:
            names = segment_names(self._files, found.directory)
        except DamagedLog as damage:
            self._add(damage)
            return found
        looked_at = [self._read_header(name, name == names[0]) for name in names]
        found.segments = len(names)
        found.size_bytes = sum(each[0].size for each in looked_at if each)
        for each, following in zip(looked_at, [*looked_at[1:], None], strict=True):
            if each is None:
                continue
            is_last = each is looked_at[-1]
            try:
                self._check_segment(*each, following[0] if following else None, is_last)
            except DamagedLog as damage:
                self._add(damage)
            each[1].close()
        return found

    def _add(self, damage: DamagedLog) -> None:
        self._found.damage.append(Damage(damage.path, damage.offset, damage.what))

    def _read_header(self, name: str, is_first: bool) -> tuple[Segment, File] | None:
        found = self._found
        try:
            file = self._files.open(os.path.join(found.directory, name))
            segment = read_segment(file, found.directory, name)
            if is_first:
                check_first(segment)
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
        self, segment: Segment, file: File, following: Segment | None, is_last: bool
    ) -> None:
        """Check all frames; how the segment has to end is not known when the next is unreadable."""
        found = self._found
        end_seq = following.first_seq if following else NO_END
        scan = FrameScan(segment, file, segment.end, end_seq)
        for buffer, end in scan.runs():
            self._check_records(segment, buffer, end, scan.offset - end)
            self._done += end
            self._progress(self._done, found.size_bytes)
        found.events += scan.next_seq - segment.first_seq
        if following:
            rest = file.read(segment.size - scan.offset, scan.offset)
            superseded = segment.size - sealed_end(segment, scan, rest, following.header)
            if superseded:
                found.notes.append(
                    f"{segment.path}: {superseded} superseded bytes at its end, left by an opening"
                    " that was interrupted; the next one cuts them off"
                )
        if not is_last:
            return
        tail = inspect_last(segment, file, segment.header.created_ms)
        if tail.torn:
            found.notes.append(
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
                except BadRecord as error:
                    raise segment.damaged(base + at, f"event {seq}: {error}") from error
                if event.seq != seq:
                    raise segment.damaged(base + at, f"event {event.seq}, where {seq} belongs")
                at += record_length(buffer, at)
            if at != offset + head.length:
                raise segment.damaged(base + at, "a frame's records do not fill it")
