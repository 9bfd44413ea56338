"""The one port through which the project touches files, and the real disk behind it.

Law: every file call of the log goes through `Files` and `File`, so that tests can drop unsynced
bytes, fail the n-th call, keep holes and fill the disk (tests/support/simulated_files.py); both
pass the same contract tests. Errors are OSError, as the operating system gives them. Paths are
text; a `File` stays readable when its name is renamed over or removed, until it is closed.
"""

import contextlib
import errno
import fcntl
import os
import signal
from collections.abc import Callable
from typing import Final, Protocol

# The disk, or this user's share of it, is full; a file-size limit counts as a full disk too.
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

# A read that gives what is in the page cache and has the disk begin on the rest: Linux (preadv2).
NO_WAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)
NOT_TOLD: Final = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


def is_no_room(error: OSError) -> bool:
    """Tell whether a call failed because nothing more fits, so that it may be tried again later."""
    return error.errno in NO_ROOM


class Readable(Protocol):
    """Bytes with offsets; reads may come from any thread."""

    def read(self, length: int, offset: int) -> bytes:
        """Read up to `length` bytes; fewer only where they end."""
        ...

    def read_at_hand(self, length: int, offset: int) -> bytes | bytearray | None:
        """Read exactly `length` bytes, if they are there without waiting for the disk.

        None when they are not: they are being fetched now, so a `read` soon after waits less, and
        many that are asked for one after the other are fetched together. None as well for what
        can't be read; `read` says why. Where the system can't tell, this waits.
        """
        ...


class File(Readable, Protocol):
    """One open file; offsets and lengths are bytes."""

    def write(self, data: bytes | memoryview, offset: int) -> int:
        """Write to the operating system; gives how many bytes it took, maybe not all."""
        ...

    def sync(self) -> None:
        """Return when the file's bytes and length are on stable storage (fdatasync)."""
        ...

    def cut(self, length: int) -> None:
        """Shorten the file to `length`."""
        ...

    def size(self) -> int: ...

    def close(self) -> None: ...


class Lock(Protocol):
    """An exclusive hold of a lock file; it ends with `release` or with the process."""

    def release(self) -> None: ...


class Files(Protocol):
    """A disk."""

    def make_directory(self, path: str) -> None:
        """Make a directory and those above it, durably; one that exists is fine."""
        ...

    def names(self, directory: str) -> list[str]:
        """Give the names in a directory, sorted."""
        ...

    def open(self, path: str, *, writable: bool = False) -> File: ...

    def create(self, path: str) -> File:
        """Make a new, empty, writable file; one that exists is an error."""
        ...

    def open_alone(self, path: str) -> File | None:
        """Open, writable, a file that nobody else has open and that has no other name.

        None where that is not so, or can't be known.
        """
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in place of what had it; durable after `sync_directory`."""
        ...

    def link(self, path: str, name: str) -> None:
        """Give a file another name beside the one it has; durable after `sync_directory`.

        One that exists is an error; so are another file system, and one without such links.
        """
        ...

    def remove(self, path: str) -> None: ...

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory."""
        ...

    def sync_directory(self, path: str) -> None: ...

    def free_bytes(self, directory: str) -> int | None:
        """Give how many bytes can still be written there; None: no bound is known."""
        ...

    def total_bytes(self, directory: str) -> int | None:
        """Give the size of what that directory is on; None: no bound is known."""
        ...

    def try_lock(self, path: str, holder: str) -> Lock | None:
        """Take a lock file and write who holds it, or give None when it is taken."""
        ...

    def lock_holder(self, path: str) -> str:
        """Give what the holder of a lock file wrote into it."""
        ...


class OsFile:
    """A file of the operating system.

    Closes itself when nothing refers to it any more, so a reader in another thread that still
    holds it can go on while the log forgets it.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._no_wait = NO_WAIT  # 0: this system or file system can only wait

    def read(self, length: int, offset: int) -> bytes:
        data = os.pread(self._fd, length, offset)
        if len(data) == length or not data:
            return data
        parts = [data]  # a signal, or Linux's limit of 2 GiB a call, can end a read early
        got = len(data)
        while got < length and (data := os.pread(self._fd, length - got, offset + got)):
            parts.append(data)
            got += len(data)
        return b"".join(parts)

    def read_at_hand(self, length: int, offset: int) -> bytes | bytearray | None:
        try:
            if not self._no_wait:
                data = self.read(length, offset)
                return data if len(data) == length else None
            found = bytearray(length)
            got = os.preadv(self._fd, (found,), offset, self._no_wait)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno in NOT_TOLD:
                self._no_wait = 0
            return None
        return found if got == length else None

    def write(self, data: bytes | memoryview, offset: int) -> int:
        return os.pwrite(self._fd, data, offset)

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def cut(self, length: int) -> None:
        os.ftruncate(self._fd, length)

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # nobody is there to hear of it
            self.close()


class OsLock:
    """A held flock; the file itself stays, or two processes could hold locks of two files."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class OsFiles:
    """The disk of the operating system."""

    def make_directory(self, path: str) -> None:
        missing: list[str] = []
        above = os.path.abspath(path)
        while not os.path.isdir(above):
            missing.append(above)
            above = os.path.dirname(above)
        for directory in reversed(missing):
            with contextlib.suppress(FileExistsError):  # another process was quicker
                os.mkdir(directory)
            self.sync_directory(os.path.dirname(directory))

    def names(self, directory: str) -> list[str]:
        return sorted(os.listdir(directory))

    def open(self, path: str, *, writable: bool = False) -> OsFile:
        return OsFile(os.open(path, os.O_RDWR if writable else os.O_RDONLY))

    def create(self, path: str) -> OsFile:
        return OsFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))

    def open_alone(self, path: str) -> OsFile | None:
        fd = os.open(path, os.O_RDWR)
        try:
            # Who opens it in between waits, and we are told by a signal that nobody acts on.
            fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)  # given when no other one is open
            is_alone = os.fstat(fd).st_nlink == 1
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError:
            is_alone = False
        if is_alone:
            return OsFile(fd)
        os.close(fd)
        return None

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def link(self, path: str, name: str) -> None:
        os.link(path, name)

    def remove(self, path: str) -> None:
        os.remove(path)

    def remove_directory(self, path: str) -> None:
        os.rmdir(path)

    def sync_directory(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def free_bytes(self, directory: str) -> int | None:
        disk = os.statvfs(directory)  # of some network file systems it says nothing but zeros
        return disk.f_bavail * disk.f_frsize if disk.f_blocks else None

    def total_bytes(self, directory: str) -> int | None:
        disk = os.statvfs(directory)
        return disk.f_blocks * disk.f_frsize or None

    def try_lock(self, path: str, holder: str) -> OsLock | None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError:
            os.close(fd)
            raise
        with contextlib.suppress(OSError):  # on a full disk the lock holds, without a name
            os.ftruncate(fd, 0)
            os.pwrite(fd, holder.encode(), 0)
        return OsLock(fd)

    def lock_holder(self, path: str) -> str:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(100).strip()


def write_whole(file: File, data: bytes | bytearray | memoryview, offset: int) -> None:
    """Write all of `data` to the operating system, in as many calls as it takes."""
    view = memoryview(data)
    written = file.write(view, offset)
    while written < len(data):
        written += file.write(view[written:], offset + written)


def place_file(files: Files, directory: str, name: str, write: Callable[[File], None]) -> File:
    """Make a file that is either there whole and synced, or not there; give it still open.

    Temporary name, sync, rename, sync the directory. When that fails the temporary file is removed
    and the error raised, unless the name was given already: then the file is whole in any case.
    """
    temporary = os.path.join(directory, name + TEMPORARY_SUFFIX)
    with contextlib.suppress(FileNotFoundError):
        files.remove(temporary)
    file = files.create(temporary)
    try:
        write(file)
        file.sync()
        files.rename(temporary, os.path.join(directory, name))
    except OSError:
        file.close()
        with contextlib.suppress(OSError):  # removed at the next opening then
            files.remove(temporary)
        raise
    files.sync_directory(directory)
    return file


TEMPORARY_SUFFIX: Final = ".tmp"
