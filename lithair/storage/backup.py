"""Backups: a consistent copy of one model's log, taken while it is written to.

Law: what is copied is the log up to one event, its *cut*, as it was committed at one moment.
Nothing of the log is changed or held up. Files that never change again (sealed segments, the
snapshot, the archive) get a second name in the backup; where the target is another file system,
they are kept from going away by a temporary name beside them, or by being open, and then copied.
The active segment is copied up to its last commit, every frame checked, and closed. What fails
leaves nothing behind. All is synced when this returns; what makes a backup of it is the manifest,
written by whoever gathers the models.

    folder := segment{1,} [snapshot] ["archive/" segment*]      as in a model's directory
"""

import contextlib
import errno
import logging
import os
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from lithair.core.frame import encode_closing
from lithair.errors import LithairError, StorageFull
from lithair.storage.archive import ARCHIVE_NAME
from lithair.storage.backup_manifest import BackupFile
from lithair.storage.files import TEMPORARY_SUFFIX, File, Files, is_no_room, write_whole
from lithair.storage.log_files import LogFiles
from lithair.storage.segment import FrameScan, read_bytes, segment_name

STAGED_SUFFIX: Final = ".backup" + TEMPORARY_SUFFIX  # an opening removes what a crash leaves
COPY_BYTES: Final = 1 << 20  # a read while copying
SYNC_EVERY_BYTES: Final = 8 << 20  # one sync of 600 MB holds everybody's up for 150 ms
VIEWS_MAX: Final = 100  # a compaction takes files away once, between our view and our links
SETTLE_S: Final = 0.1  # and is installed within a moment, if the disk is not very busy
# What a file system answers that has no hard links, or not between these two places.
NO_LINK: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})

log = logging.getLogger(__name__)


class TakenLog(NamedTuple):
    """What was put into a folder: the log up to event `cut`."""

    cut: int
    files: tuple[BackupFile, ...]


def back_up(files: Files, view: Callable[[], LogFiles], folder: str) -> TakenLog:
    """Copy a log, of which `view` says what lies where, into `folder`, new or empty; any thread.

    Raises LithairError (409: something is in the folder; 422: it can't be made; or what the system
    says), StorageFull, DamagedLog. Nothing of the folder is left then.
    """
    try:
        check_free(files, folder)
    except OSError as error:
        raise no_place(folder, error) from error
    try:
        for attempt in range(VIEWS_MAX):
            taking = _Taking(files, folder)
            found = view()
            if not found.is_settled:
                time.sleep(SETTLE_S)
                continue
            try:
                return taking.run(found)
            except _Gone as gone:
                taking.undo()
                log.info("%s went away while it was backed up; view %d", gone, attempt + 1)
            except BaseException:
                taking.undo()
                raise
            finally:
                taking.release()
    except OSError as error:
        kind = StorageFull if is_no_room(error) else LithairError
        raise kind(f"{folder}: the backup failed: {error}") from error
    raise LithairError(f"{folder}: the files of the log went away {VIEWS_MAX} times: try again")


def no_place(directory: str, error: Exception) -> LithairError:
    """Say that a backup's directory can't be made; what the system says of it is logged only."""
    log.warning("%s can't be a backup's directory: %s", directory, error)
    if isinstance(error, OSError) and is_no_room(error):
        return StorageFull("There is no room for the backup's directory")
    return LithairError(
        "The backup's directory can't be made, or can't be read: name another one; the log says"
        " what the system answered",
        status=422,
    )


def check_free(files: Files, directory: str) -> bool:
    """Refuse a directory that something is in, tell whether there is an empty one.

    Raises LithairError with status 409, OSError.
    """
    try:
        names = files.names(directory)
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        raise LithairError(f"{directory} is no directory: name a new one", status=409) from None
    if names:
        raise LithairError(
            f"{directory} is not empty ({names[0]} is in it): name a new or an empty directory",
            status=409,
        )
    return True


class _Gone(Exception):
    """A file of the view is not there any more."""


class _Taking:
    """One attempt: what it has linked, what it keeps from going away, what it has put there."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files = files
        self._folder = folder
        self._made: list[str] = []
        self._directories: list[str] = []
        self._staged: list[str] = []
        self._to_copy: list[tuple[str, File | None, str]] = []  # from, or from, to

    def run(self, found: LogFiles) -> TakenLog:
        """Take hold of everything first, and only then copy what has to be copied."""
        self._make_directory(self._folder)
        paths = [segment.path for segment in found.sealed]
        if found.snapshot:
            paths.append(found.snapshot)
        taken = [self._hold(found, path, "") for path in paths]
        if found.archive is not None:
            self._make_directory(os.path.join(self._folder, ARCHIVE_NAME))
            taken += [self._hold(found, path, ARCHIVE_NAME) for path in found.archive]
        cut, active = self._copy_active(found)
        for path, file, target in self._to_copy:
            self._copy(path, file, target)
        for directory in self._directories:
            self._files.sync_directory(directory)
        return TakenLog(cut, (*taken, active))

    def undo(self) -> None:
        """Take away what was made."""
        for path in self._made:
            with contextlib.suppress(OSError):
                self._files.remove(path)
        for directory in reversed(self._directories):
            with contextlib.suppress(OSError):
                self._files.remove_directory(directory)

    def release(self) -> None:
        """Let go of what was kept from going away."""
        for _, file, _ in self._to_copy:
            if file is not None:
                file.close()
        for path in self._staged:
            with contextlib.suppress(OSError):  # the next opening removes it
                self._files.remove(path)

    def _make_directory(self, path: str) -> None:
        self._directories.append(path)
        try:
            self._files.make_directory(path)
        except OSError as error:
            raise no_place(path, error) from error

    def _hold(self, found: LogFiles, path: str, inner: str) -> BackupFile:
        """Link a file into the folder; or see that it stays there until it is copied."""
        name = os.path.basename(path)
        target = os.path.join(self._folder, inner, name)
        staged = os.path.join(found.directory, name + STAGED_SUFFIX)
        try:
            if self._is_linked(path, target):
                self._made.append(target)
                size = self._size(target)
            elif self._is_staged(path, staged):
                self._to_copy.append((staged, None, target))
                size = self._size(staged)
            else:
                file = self._files.open(path)
                self._to_copy.append((path, file, target))
                size = file.size()
        except FileNotFoundError as error:
            raise _Gone(path) from error
        return BackupFile(os.path.join(inner, name), size)

    def _is_linked(self, path: str, name: str) -> bool:
        try:
            self._files.link(path, name)
        except OSError as error:
            if error.errno not in NO_LINK:
                raise
            return False
        return True

    def _is_staged(self, path: str, staged: str) -> bool:
        with contextlib.suppress(FileNotFoundError):
            self._files.remove(staged)
        if not self._is_linked(path, staged):
            return False
        self._staged.append(staged)
        return True

    def _size(self, path: str) -> int:
        file = self._files.open(path)
        size = file.size()
        file.close()
        return size

    def _copy(self, path: str, file: File | None, target: str) -> None:
        """Copy a file that does not change any more."""
        source = file or self._files.open(path)
        copy = self._create(target)
        at = 0
        while data := source.read(COPY_BYTES, at):
            copy.write(data, at)
            at += len(data)
        copy.close()
        source.close()

    def _copy_active(self, found: LogFiles) -> tuple[int, BackupFile]:
        """Copy the active segment up to its last commit, checked; give the last seq of it."""
        segment = found.active
        name = segment_name(segment.first_seq)
        copy = self._create(os.path.join(self._folder, name))
        copy.write(read_bytes(segment, found.active_file, segment.start, 0), 0)
        scan = FrameScan(segment, found.active_file, found.active_end)
        for buffer, end in scan.runs():
            copy.write(buffer[:end], scan.offset - end)
        if scan.offset != found.active_end:
            raise segment.damaged(scan.offset, f"event {scan.next_seq} is not readable")
        size, last_seq = scan.offset, scan.next_seq - 1
        if last_seq >= segment.first_seq:  # of an empty segment, the header says it all
            closing = encode_closing(scan.prev_crc, last_seq)
            copy.write(closing, size)
            size += len(closing)
        copy.close()
        return last_seq, BackupFile(name, size)

    def _create(self, path: str) -> "GrowingFile":
        copy = GrowingFile(self._files.create(path))
        self._made.append(path)
        return copy


class GrowingFile:
    """A file that is written from its begin to its end, and synced as it grows."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._unsynced = 0

    def write(self, data: bytes, offset: int) -> None:
        write_whole(self._file, data, offset)
        self._unsynced += len(data)
        if self._unsynced >= SYNC_EVERY_BYTES:
            self._file.sync()
            self._unsynced = 0

    def close(self) -> None:
        self._file.sync()
        self._file.close()
