"""Spools: bytes kept for a while, in RAM while they are few, else in a file without a name.

Owns what a long answer waits in until its reader has taken it. Law: nothing of a spool outlasts its
owner: its file has lost its name before the first byte is written, so the end of the process is the
end of it. All spools of a directory together leave as much room on its disk as they take.

Any thread may append, which is over before the first read; any may read. `close` may come while
they do: it waits for an append, and what comes after it is an OSError.
"""

import contextlib
import errno
import os
import secrets
import threading
from typing import Final

from lithair.storage.files import File, Files, OsFiles, write_whole

RAM_BYTES_MAX: Final = 1 << 20  # of one spool; most answers never need a file
SUFFIX: Final = ".spool"  # a name that is seen only if its process is killed within a microsecond
NAME_BYTES: Final = 8  # of randomness


class Spools:
    """The spools of one directory."""

    def __init__(self, directory: str, files: Files | None = None) -> None:
        self._directory = directory
        self._files = files or OsFiles()
        self._lock = threading.Lock()
        self.held_bytes = 0  # on the disk, all together

    def open(self) -> "Spool":
        """Make an empty spool."""
        return Spool(self)

    def place(self) -> File:
        """Make a file without a name; raises OSError."""
        path = os.path.join(self._directory, secrets.token_hex(NAME_BYTES) + SUFFIX)
        file = self._files.create(path)
        self._files.remove(path)
        return file

    def claim(self, count: int) -> None:
        """Count bytes that are about to be written; raises OSError when there is no room for them.

        Whoever else writes to that disk, such as a log, has as much left as all spools hold.
        """
        free = self._files.free_bytes(self._directory)
        with self._lock:
            if free is not None and self.held_bytes + count > free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._directory)
            self.held_bytes += count

    def give_back(self, count: int) -> None:
        """Count bytes that are not held any more."""
        with self._lock:
            self.held_bytes -= count


class Spool:
    """Bytes with offsets, appended only."""

    def __init__(self, spools: Spools) -> None:
        self._spools = spools
        self._ram = bytearray()
        self._file: File | None = None
        self._claimed = 0
        self._is_closed = False
        self._lock = threading.Lock()  # held by who appends or closes
        self.size = 0

    @property
    def is_in_ram(self) -> bool:
        """Tell whether reads and short appends touch no disk."""
        return self._file is None

    def append(self, data: bytes) -> int:
        """Add bytes and give their offset; raises OSError when there is no room for them."""
        with self._lock:
            if self._is_closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            offset = self.size
            if self._file is None and offset + len(data) <= RAM_BYTES_MAX:
                self._ram += data
            else:
                self._append_to_file(data)
            self.size = offset + len(data)
            return offset

    def read(self, length: int, offset: int) -> bytes:
        """Give bytes that were appended."""
        file = self._file  # held on to: it may be let go by another thread meanwhile
        if file is None:
            return bytes(memoryview(self._ram)[offset : offset + length])
        return file.read(length, offset)

    def close(self) -> None:
        """Let go of it all; the file is gone once no thread reads from it any more."""
        with self._lock:
            self._is_closed = True
            self._file = None
            self._ram = bytearray()
            self._spools.give_back(self._claimed)
            self._claimed = 0

    def _append_to_file(self, data: bytes) -> None:
        moved = len(self._ram)
        self._spools.claim(moved + len(data))
        self._claimed += moved + len(data)
        if self._file is None:
            file = self._spools.place()
            write_whole(file, self._ram, 0)
            self._file, self._ram = file, bytearray()
        write_whole(self._file, data, self.size)


def remove_left(files: Files, directory: str) -> None:
    """Remove what a process has left that was killed just when it made a spool's file."""
    for name in files.names(directory):
        if name.endswith(SUFFIX):
            with contextlib.suppress(FileNotFoundError):
                files.remove(os.path.join(directory, name))
