"""Files that are kept in RAM and on no disk: of a store that ends with its process.

Law: the contract of `Files` is kept, but nothing outlasts the object. Threads may read while
another one writes.
"""

import errno
import os

from lithair.storage.files import File, Lock


class MemoryFile:
    """One open file; what it holds is shared by all that have it open."""

    def __init__(self, path: str, content: bytearray, *, writable: bool) -> None:
        self._path = path
        self._content = content
        self._writable = writable

    def read(self, length: int, offset: int) -> bytes:
        return bytes(self._content[offset : offset + length])

    def read_at_hand(self, length: int, offset: int) -> bytes | None:
        data = self.read(length, offset)
        return data if len(data) == length else None

    def write(self, data: bytes | memoryview, offset: int) -> int:
        self._check_writable()
        gap = offset - len(self._content)
        if gap > 0:
            self._content += bytes(gap)
        self._content[offset : offset + len(data)] = data
        return len(data)

    def sync(self) -> None:
        """Do nothing: there is no stabler storage."""

    def cut(self, length: int) -> None:
        self._check_writable()
        del self._content[length:]

    def size(self) -> int:
        return len(self._content)

    def close(self) -> None:
        self._writable = False

    def _check_writable(self) -> None:
        if not self._writable:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self._path)


class MemoryLock:
    """A held lock of a disk in RAM."""

    def __init__(self, holders: dict[str, str], path: str) -> None:
        self._holders = holders
        self._path = path

    def release(self) -> None:
        self._holders.pop(self._path, None)


class MemoryFiles:
    """A disk in RAM."""

    def __init__(self) -> None:
        self._contents: dict[str, bytearray] = {}
        self._directories = {"/"}
        self._holders: dict[str, str] = {}  # lock file -> who holds it

    def make_directory(self, path: str) -> None:
        path = os.path.normpath(path)
        while path not in self._directories:
            self._directories.add(path)
            path = os.path.dirname(path)

    def names(self, directory: str) -> list[str]:
        inside = os.path.normpath(directory)
        if inside not in self._directories:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), directory)
        return sorted(
            os.path.basename(path)
            for path in (*self._contents, *self._directories)
            if os.path.dirname(path) == inside and path != inside
        )

    def open(self, path: str, *, writable: bool = False) -> File:
        return MemoryFile(path, self._content(path), writable=writable)

    def create(self, path: str) -> File:
        self._check_free(path)
        self._contents[path] = bytearray()
        return MemoryFile(path, self._contents[path], writable=True)

    def open_alone(self, path: str) -> File | None:
        self._content(path)
        return None  # nobody counts who has it open

    def rename(self, old: str, new: str) -> None:
        self._contents[new] = self._content(old)
        if old != new:
            del self._contents[old]

    def link(self, path: str, name: str) -> None:
        content = self._content(path)
        self._check_free(name)
        self._contents[name] = content

    def remove(self, path: str) -> None:
        self._content(path)
        del self._contents[path]

    def remove_directory(self, path: str) -> None:
        if self.names(path):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        self._directories.remove(os.path.normpath(path))

    def sync_directory(self, path: str) -> None:
        """Do nothing: there is no stabler storage."""

    def free_bytes(self, directory: str) -> int | None:
        return None  # memory that is short is nobody's to divide

    def total_bytes(self, directory: str) -> int | None:
        return None

    def try_lock(self, path: str, holder: str) -> Lock | None:
        if path in self._holders:
            return None
        self._holders[path] = holder
        return MemoryLock(self._holders, path)

    def lock_holder(self, path: str) -> str:
        return self._holders.get(path, "").strip()

    def _content(self, path: str) -> bytearray:
        try:
            return self._contents[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None

    def _check_free(self, path: str) -> None:
        if path in self._contents:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
