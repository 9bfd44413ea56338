"""Purge: an item erased from a model's archived segments and its listeners' dead letters; its torn
tails removed.

The live log is not touched: a compaction has dropped what it held of the item before this begins.
Law: each file is exchanged whole, by temporary name, sync and rename, and every file by itself
continues the chain, before and after. So a crash at any point leaves an archive that can be read,
and asking for the purge again carries it on. A file without a record of the item stays as it is.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from lithair.core.erasure import Target, erase, holds
from lithair.core.frame import CLOSING_BYTES, FRAME_HEAD_BYTES, frame_head, frame_offsets
from lithair.errors import LithairError, StorageFull
from lithair.storage.archive import archive_path
from lithair.storage.files import (
    TEMPORARY_SUFFIX,
    File,
    Files,
    is_no_room,
    place_file,
    write_whole,
)
from lithair.storage.listener_files import erase_item
from lithair.storage.opening import TORN_SUFFIX
from lithair.storage.segment import (
    FrameScan,
    Segment,
    first_seq_of,
    read_bytes,
    read_segment,
    segment_names,
)
from lithair.storage.snapshot import cut_of

COPY_BYTES: Final = 1 << 20
SYNC_BYTES: Final = 8 << 20  # at once, so that a slow disk takes no long time without a step

# (bytes done, of so many); called after each MiB or so, with the same again too.
Progress = Callable[[int, int], None]
OnStep = Callable[[], None]


class PurgePlan(msgspec.Struct, frozen=True):
    """What is to be erased: the item's events up to `last_seq`.

    It was deleted by then, and a snapshot at `cut` or later has replaced the log up to there.
    """

    key: str
    last_seq: int
    cut: int


class PurgedFiles(msgspec.Struct):
    """What was done: archived segments that held records of the item, and torn tails."""

    segments: int = 0
    torn: int = 0


class Extent(msgspec.Struct):
    """From the first frame that holds a record of the item to the end of the last."""

    begin: int
    last: int  # offset of the last such frame
    end: int


def purge_files(files: Files, directory: str, plan: PurgePlan, progress: Progress) -> PurgedFiles:
    """Erase an item from what lies beside the log in a model's directory.

    For one process at a time; a log may be open meanwhile. Raises DamagedLog (nothing behind the
    damage was looked at), StorageFull, LithairError; it can be asked for again then.
    """
    target = Target(plan.key.encode(), plan.last_seq)
    try:
        _check_dropped(files, directory, plan.cut)
        done = PurgedFiles()
        done.torn = _remove_torn(files, directory)
        erase_item(files, directory, plan.key, plan.last_seq)
        done.segments = _purge_archive(files, archive_path(directory), target, progress)
        return done
    except OSError as error:
        kind = StorageFull if is_no_room(error) else LithairError
        raise kind(f"{directory}: the purge could not be carried out: {error}") from error


def _check_dropped(files: Files, directory: str, cut: int) -> None:
    """Refuse while a file is there that the compaction should have taken away."""
    for name in files.names(directory):
        first_seq, snapshot_cut = first_seq_of(name), cut_of(name)
        is_segment = first_seq is not None and first_seq <= cut
        if is_segment or (snapshot_cut is not None and snapshot_cut < cut):
            raise LithairError(
                f"{os.path.join(directory, name)} should be gone since the compaction up to event"
                f" {cut}; restart the model's process, which removes it, and ask again"
            )


def _remove_torn(files: Files, directory: str) -> int:
    """Remove all torn tails: nobody can say whose bytes are in them."""
    names = [name for name in files.names(directory) if name.endswith(TORN_SUFFIX)]
    for name in names:
        files.remove(os.path.join(directory, name))
    if names:
        files.sync_directory(directory)
    return len(names)


def remove_purge_leftovers(files: Files, directory: str) -> None:
    """Remove what a purge that was ended has left; none may be running. Raises OSError."""
    archive = archive_path(directory)
    with suppress(FileNotFoundError):
        _remove_temporary(files, archive, files.names(archive))


def _remove_temporary(files: Files, archive: str, names: list[str]) -> None:
    for name in names:
        if name.endswith(TEMPORARY_SUFFIX):  # of a purge that was cut off; it may hold anything
            files.remove(os.path.join(archive, name))


def _purge_archive(files: Files, archive: str, target: Target, progress: Progress) -> int:
    try:
        names = files.names(archive)
    except FileNotFoundError:
        return 0
    _remove_temporary(files, archive, names)
    segments: list[Segment] = []
    for segment in _segments(files, archive):
        segments.append(segment)
        progress(0, 0)
    total = sum(segment.size for segment in segments)
    done = count = 0
    for segment in segments:
        count += _purge_segment(files, segment, target, partial(progress, done, total))
        done += segment.size
        progress(done, total)
    files.sync_directory(archive)  # a purge before this one may have been cut off right before it
    return count


def _segments(files: Files, archive: str) -> Iterator[Segment]:
    for name in segment_names(files, archive):
        file = files.open(os.path.join(archive, name))
        yield read_segment(file, archive, name)
        file.close()


def _purge_segment(files: Files, segment: Segment, target: Target, on_step: OnStep) -> bool:
    """Exchange a segment for one without the target's records; tells whether it held any."""
    file = files.open(segment.path)
    extent = _find(segment, file, target, on_step)
    if extent is None:
        file.close()
        return False
    name = os.path.basename(segment.path)

    def write(made: File) -> None:
        offset = synced = 0
        for piece in _pieces(segment, file, extent, target):
            write_whole(made, piece, offset)
            offset += len(piece)
            if offset - synced >= SYNC_BYTES:
                made.sync()
                synced = offset
            on_step()

    place_file(files, segment.directory, name, write).close()
    file.close()
    return True


def _find(segment: Segment, file: File, target: Target, on_step: OnStep) -> Extent | None:
    """Go through a segment, checking it; gives where its records are."""
    found: Extent | None = None
    scan = FrameScan(segment, file, segment.size)
    for buffer, end in scan.runs():
        on_step()
        if buffer.find(target.key, 0, end) < 0:
            continue
        run_at = scan.offset - end
        for offset, head in frame_offsets(buffer, 0, end):
            if not holds(buffer[offset : offset + head.length], target):
                continue
            at = run_at + offset
            if found is None:
                found = Extent(at, at, at + head.length)
            found.last, found.end = at, at + head.length
    if segment.size - scan.offset > CLOSING_BYTES:
        raise segment.damaged(scan.offset, f"event {scan.next_seq} is not readable")
    return found


def _pieces(segment: Segment, file: File, extent: Extent, target: Target) -> Iterator[bytes]:
    """Give a segment's bytes in order, without what the target's records held."""
    yield from _copied(segment, file, 0, extent.begin)
    offset, prev_crc = extent.begin, -1
    while offset < extent.end:
        head = read_bytes(segment, file, FRAME_HEAD_BYTES, offset)
        frame = read_bytes(segment, file, frame_head(head, 0).length, offset)
        crc, linked = frame_head(frame, 0).crc, frame_head(frame, 0).prev_crc
        settled_crc = crc if offset == extent.last else None
        erased = erase(frame, target, linked if prev_crc < 0 else prev_crc, settled_crc)
        prev_crc = frame_head(erased, 0).crc
        yield erased
        offset += len(frame)
    yield from _copied(segment, file, extent.end, segment.size)


def _copied(segment: Segment, file: File, begin: int, end: int) -> Iterator[bytes]:
    while begin < end:
        piece = read_bytes(segment, file, min(COPY_BYTES, end - begin), begin)
        yield piece
        begin += len(piece)
