"""Restoring: a backup becomes directories of models again, to its end or up to an event.

Law: what is read is checked before it counts, and every model is known to be restorable before the
first byte is written. A restored log ends exactly after the event that was asked for, in the middle
of a commit if that is where it is; what it holds is byte for byte what it was, but for the number
of records in that last frame. What fails leaves nothing behind; when the process is killed, no
folder opens as a shorter log than it should have been: its beginning appears last.
"""

import contextlib
import os
from collections.abc import Callable
from itertools import pairwise

import msgspec

from lithair.core.as_of import AsOf, rfc3339
from lithair.core.frame import (
    encode_closing,
    encode_header,
    frame_offsets,
    records_in,
    shorten_frame,
)
from lithair.errors import LithairError, Mistakes, StorageFull
from lithair.storage.archive import ARCHIVE_NAME
from lithair.storage.backup import COPY_BYTES, GrowingFile, check_free
from lithair.storage.backup_manifest import Manifest, ModelBackup, missing_files, read_manifest
from lithair.storage.files import TEMPORARY_SUFFIX, Files, is_no_room, place_file
from lithair.storage.model_folder import ModelFolder, WayTo
from lithair.storage.recovery import sealed_end
from lithair.storage.segment import FrameScan, Segment, read_bytes, segment_name
from lithair.storage.snapshot import Snapshot
from lithair.storage.snapshot_check import SnapshotCheck, raise_damage

Progress = Callable[[int, int], None]  # bytes done, bytes in all


class Restored(msgspec.Struct, frozen=True):
    """One model that was restored: up to its event `last_seq`, which was at `time`."""

    name: str
    class_name: str
    directory: str
    last_seq: int
    time: str | None


def restore(
    files: Files,
    backup: str,
    target: str,
    point: AsOf,
    models: tuple[str, ...],
    progress: Progress,
) -> list[Restored]:
    """Restore models of a backup (none named: all) below `target`, which is new or empty.

    Raises DamagedLog, Dropped (a compaction dropped what was asked for), UnknownFormat, Mistakes,
    StorageFull, LithairError.
    """
    try:
        manifest = read_manifest(files, backup)
        chosen = _chosen(manifest, backup, models)
        if point.is_seq and len(chosen) != 1:
            names = ", ".join(model.name for model in chosen)
            raise Mistakes([f"each model counts its own events: name one of {names} with --model"])
        for damage in missing_files(files, backup, chosen):
            raise damage
        check_free(files, target)
        return _Restoring(files, target, progress).run(backup, chosen, point)
    except OSError as error:
        kind = StorageFull if is_no_room(error) else LithairError
        raise kind(f"{backup} can't be restored to {target}: {error}") from error


def _chosen(manifest: Manifest, backup: str, names: tuple[str, ...]) -> tuple[ModelBackup, ...]:
    if not names:
        return manifest.models
    chosen: dict[str, ModelBackup] = {}
    for name in names:
        found = [m for m in manifest.models if name in (m.name, m.class_name, m.folder)]
        if len(found) != 1:
            known = ", ".join(f"{model.class_name} ({model.name})" for model in manifest.models)
            raise Mistakes([f"{backup} has no model {name!r}; it has {known or 'none'}."])
        chosen[found[0].name] = found[0]
    return tuple(chosen.values())


class _Restoring:
    """One restoration."""

    def __init__(self, files: Files, target: str, progress: Progress) -> None:
        self._files = files
        self._target = target
        self._progress = progress
        self._made: list[str] = []
        self._directories: list[str] = []
        self._done = 0
        self._total = 0

    def run(self, backup: str, chosen: tuple[ModelBackup, ...], point: AsOf) -> list[Restored]:
        folders: list[ModelFolder] = []
        self._total = sum(model.size_bytes for model in chosen)
        try:
            for model in chosen:
                directory = os.path.join(backup, model.folder)
                folders.append(ModelFolder(self._files, directory, model.cut))
            ways = [folder.way_to(point) for folder in folders]
            self._make_directory(self._target)
            return [
                self._restore(model, folder, way)
                for model, folder, way in zip(chosen, folders, ways, strict=True)
            ]
        except BaseException:
            self._undo()
            raise
        finally:
            for folder in folders:
                folder.close()

    def _undo(self) -> None:
        for path in self._made:
            with contextlib.suppress(OSError):
                self._files.remove(path)
        for directory in reversed(self._directories):
            with contextlib.suppress(OSError):
                self._files.remove_directory(directory)

    def _make_directory(self, path: str) -> None:
        try:
            self._files.names(path)
        except FileNotFoundError:
            self._directories.append(path)
            self._files.make_directory(path)

    def _restore(self, model: ModelBackup, folder: ModelFolder, way: WayTo) -> Restored:
        directory = os.path.join(self._target, model.folder)
        self._make_directory(directory)
        if folder.has_archive:
            archive = os.path.join(directory, ARCHIVE_NAME)
            self._make_directory(archive)
            if way.from_snapshot:
                self._copy_archive(folder, way, archive)
        time_ms = self._cut_last(folder, way, directory)
        for pair in reversed(list(pairwise(way.segments))):
            self._copy_sealed(folder, way, pair, directory)
        if way.from_snapshot and folder.snapshot is not None:
            self._copy_snapshot(folder.snapshot, directory)
            time_ms = time_ms or folder.snapshot.header.time_ms
        time = rfc3339(time_ms) if way.seq and time_ms else None
        return Restored(model.name, model.class_name, directory, way.seq, time)

    def _copy_archive(self, folder: ModelFolder, way: WayTo, directory: str) -> None:
        """Copy the archive, of which the first segment after the cut is the continuation."""
        segments = folder.before_cut()
        for segment, following in pairwise([*segments, way.segments[0]]):
            self._copy_sealed(folder, way, (segment, following), directory)

    def _copy_sealed(
        self, folder: ModelFolder, way: WayTo, pair: tuple[Segment, Segment], directory: str
    ) -> None:
        """Copy a segment that another follows, checked up to where that one begins."""
        segment, following = pair
        file = folder.opened(segment)
        scan = FrameScan(segment, file, segment.end, following.first_seq)

        def write(growing: GrowingFile) -> None:
            growing.write(read_bytes(segment, file, segment.start, 0), 0)
            for buffer, end in scan.runs():
                growing.write(buffer[:end], scan.offset - end)
                self._advance(end)
            rest = read_bytes(segment, file, segment.size - scan.offset, scan.offset)
            if scan.next_seq < following.first_seq and _ends(scan, rest):
                self._pass_gap(folder, segment, way)
                growing.write(rest, scan.offset)
                return
            end = sealed_end(segment, scan, rest, following.header)
            growing.write(rest[: end - scan.offset], scan.offset)

        self._place(directory, segment_name(segment.first_seq), write)
        file.close()

    def _pass_gap(self, folder: ModelFolder, segment: Segment, way: WayTo) -> None:
        """Go on where segments were taken out of an archive; raises what that means otherwise."""
        snapshot = folder.snapshot
        if snapshot is None or segment.first_seq > folder.cut:
            raise segment.damaged(segment.end, "the segment that continues this one is missing")
        if not way.from_snapshot:
            raise folder.dropped(snapshot)

    def _cut_last(self, folder: ModelFolder, way: WayTo, directory: str) -> int:
        """Copy the last segment up to the event, close it; give that event's time, 0 for none."""
        segment = way.segments[-1]
        name = segment_name(segment.first_seq)
        if segment.first_seq > way.seq:
            empty = msgspec.structs.replace(segment.header, synced_seq=way.seq)
            self._place(directory, name, lambda growing: growing.write(encode_header(empty), 0))
            return 0
        file = folder.opened(segment)
        scan = FrameScan(segment, file, segment.end, way.seq + 1)
        last_frame = b""

        def write(growing: GrowingFile) -> None:
            nonlocal last_frame
            growing.write(read_bytes(segment, file, segment.start, 0), 0)
            at, crc = segment.start, segment.header_crc
            for buffer, end in scan.runs():
                data, last_frame, crc = _up_to(buffer[:end], way.seq)
                growing.write(data, at)
                at += len(data)
                self._advance(end)
            if scan.next_seq <= way.seq:
                rest = read_bytes(segment, file, segment.size - scan.offset, scan.offset)
                if _ends(scan, rest):
                    self._pass_gap(folder, segment, way)
                raise segment.damaged(scan.offset, f"event {scan.next_seq} is not readable")
            growing.write(encode_closing(crc, way.seq), at)

        self._place(directory, name, write)
        file.close()
        return [record[3] for record in records_in(last_frame, 0, len(last_frame))][-1]

    def _copy_snapshot(self, snapshot: Snapshot, directory: str) -> None:
        for _ in SnapshotCheck(snapshot, raise_damage).run():
            pass
        file = self._files.open(snapshot.path)

        def write(growing: GrowingFile) -> None:
            at = 0
            while data := file.read(COPY_BYTES, at):
                growing.write(data, at)
                at += len(data)
                self._advance(len(data))

        self._place(directory, os.path.basename(snapshot.path), write)
        file.close()

    def _place(self, directory: str, name: str, write: Callable[[GrowingFile], None]) -> None:
        """Make a file that appears whole; what is left of it goes when the restoration fails."""
        path = os.path.join(directory, name)
        self._made += (path, path + TEMPORARY_SUFFIX)
        place_file(self._files, directory, name, lambda file: write(GrowingFile(file))).close()

    def _advance(self, count: int) -> None:
        self._done += count
        self._progress(self._done, self._total)


def _ends(scan: FrameScan, rest: bytes) -> bool:
    """Say whether a segment ends in order where a scan has come to."""
    return rest in (b"", encode_closing(scan.prev_crc, scan.next_seq - 1))


def _up_to(frames: bytes, seq: int) -> tuple[bytes, bytes, int]:
    """Give whole frames up to an event, the last of them as it is then, and its crc."""
    offset, head = list(frame_offsets(frames, 0, len(frames)))[-1]
    last = frames[offset:]
    if head.first_seq + head.n - 1 <= seq:
        return frames, last, head.crc
    last, crc = shorten_frame(last, seq + 1 - head.first_seq)
    return frames[:offset] + last, last, crc
