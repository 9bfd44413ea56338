"""A disk in memory that keeps only what was synced.

Stands in for `OsFiles` (both pass tests/storage/test_files_contract.py) and adds what a test needs:
a look at every call, calls that fail, a disk that is full, and the disk as a power loss leaves it.

Law of this disk: a write is in the page cache at once and on the disk after `sync`; a name is there
at once and durable after `sync_directory` of its directory; a rename from one directory to another
is one change, durable after that of either. A failed sync leaves its bytes in the cache, called
clean, and never writes them: syncing that file again is our mistake, and an AssertionError here.
"""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

PAGE_BYTES = 4096

Pending = tuple[int, bytes | None]  # a write (offset, bytes), or a cut (length, None)


@dataclass(eq=False)
class Inode:
    """A file's bytes: as everybody sees them, as they are on the disk, and what lies between."""

    cached: bytes = b""
    synced: bytes = b""
    pending: tuple[Pending, ...] = ()
    sync_failed: bool = False
    open_n: int = 0  # how many have it open; one that forgets to close it has it open for ever


@dataclass
class NameChange:
    """A change of a directory that is not synced yet."""

    removed: str | None
    added: str | None
    inode: Inode | None


def applied(data: bytes, change: Pending) -> bytes:
    """Give `data` after a write or a cut."""
    at, new = change
    if new is None:
        return data[:at]
    if len(data) < at:
        data += bytes(at - len(data))
    return data[:at] + new + data[at + len(new) :]


class Failure:
    """Fails chosen calls: `verb` (or any) from the `after`-th on, `times` times."""

    def __init__(self, code: int, verb: str = "", after: int = 0, times: int = 1) -> None:
        self.code = code
        self.verb = verb
        self.after = after
        self.times = times

    def strike(self, verb: str) -> bool:
        if self.verb and verb != self.verb:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        return self.times >= 0


@dataclass
class SimulatedFiles:
    """The disk; `watch` is called with the verb and the path before every call that changes it."""

    names_cached: dict[str, Inode] = field(default_factory=dict[str, Inode])
    names_synced: dict[str, Inode] = field(default_factory=dict[str, Inode])
    name_changes: list[NameChange] = field(default_factory=list[NameChange])
    directories: set[str] = field(default_factory=lambda: {"/"})
    locks: dict[str, str] = field(default_factory=dict[str, str])
    capacity_bytes: int = 1 << 40
    free_bytes_max: int = 1 << 40  # others have the rest; what is written here takes nothing of it
    write_bytes_max: int = 1 << 40  # a single write takes no more
    failures: list[Failure] = field(default_factory=list[Failure])
    watch: Callable[[str, str], None] | None = None
    is_at_hand: bool = True  # False: the page cache holds nothing, whatever was fetched
    watch_reads: Callable[[str], None] | None = None  # with the path, before every one that waits

    # What the tests do to it

    def fork(self) -> "SimulatedFiles":
        """Give the disk as the next process finds it after this one was killed."""
        twins: dict[int, Inode] = {}

        def twin(inode: Inode) -> Inode:
            if id(inode) not in twins:
                twins[id(inode)] = replace(inode, open_n=0)
            return twins[id(inode)]

        return SimulatedFiles(
            {path: twin(inode) for path, inode in self.names_cached.items()},
            {path: twin(inode) for path, inode in self.names_synced.items()},
            [
                NameChange(c.removed, c.added, twin(c.inode) if c.inode else None)
                for c in self.name_changes
            ],
            set(self.directories),
        )

    def pending_bytes(self) -> int:
        """Count the unsynced bytes of all files; a cut counts one."""
        return sum(
            len(data) if data is not None else 1
            for inode in self.names_cached.values()
            for _, data in inode.pending
        )

    def after_power_loss(
        self, kept_bytes: int = 0, kept_names: int = 0, lost_pages: Sequence[int] = ()
    ) -> "SimulatedFiles":
        """Give the disk as a power loss leaves it.

        Of the unsynced bytes of each file the first `kept_bytes` made it, of the unsynced names
        the first `kept_names`; `lost_pages` of each file made it not at all.
        """
        names = dict(self.names_synced)
        for change in self.name_changes[:kept_names]:
            if change.removed:
                names.pop(change.removed, None)
            if change.added and change.inode:
                names[change.added] = change.inode
        disk = SimulatedFiles(directories=set(self.directories))
        for path, inode in names.items():
            data = _kept(inode, kept_bytes, lost_pages)
            disk.names_cached[path] = disk.names_synced[path] = Inode(data, data)
        return disk

    def with_bytes(self, path: str, data: bytes) -> "SimulatedFiles":
        """Give the disk with one file's bytes replaced, all of it synced."""
        disk = self.fork()
        disk.names_cached[path] = disk.names_synced[path] = Inode(data, data)
        return disk

    # The port

    def _call(self, verb: str, path: str) -> None:
        if self.watch:
            self.watch(verb, path)
        for failure in self.failures:
            if failure.strike(verb):
                raise OSError(failure.code, os.strerror(failure.code), path)

    def used_bytes(self) -> int:
        return sum(len(inode.cached) for inode in self.names_cached.values())

    def make_directory(self, path: str) -> None:
        path = os.path.normpath(path)
        while path not in self.directories:
            self._call("make_directory", path)
            self.directories.add(path)
            path = os.path.dirname(path)

    def names(self, directory: str) -> list[str]:
        if os.path.normpath(directory) not in self.directories:
            raise FileNotFoundError(errno.ENOENT, "No such directory", directory)
        inside = os.path.join(os.path.normpath(directory), "")
        return sorted(
            path[len(inside) :]
            for path in self.names_cached
            if path.startswith(inside) and "/" not in path[len(inside) :]
        )

    def _inode(self, path: str) -> Inode:
        try:
            return self.names_cached[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "No such file", path) from None

    def open(self, path: str, *, writable: bool = False) -> "SimulatedFile":
        return SimulatedFile(self, path, self._inode(path), writable)

    def create(self, path: str) -> "SimulatedFile":
        self._call("create", path)
        if path in self.names_cached:
            raise FileExistsError(errno.EEXIST, "File exists", path)
        inode = Inode()
        self.names_cached[path] = inode
        self.name_changes.append(NameChange(None, path, inode))
        return SimulatedFile(self, path, inode, True)

    def open_alone(self, path: str) -> "SimulatedFile | None":
        inode = self._inode(path)
        names = [name for name, each in self.names_cached.items() if each is inode]
        return None if inode.open_n or len(names) > 1 else self.open(path, writable=True)

    def rename(self, old: str, new: str) -> None:
        self._call("rename", old)
        inode = self._inode(old)
        del self.names_cached[old]
        self.names_cached[new] = inode
        self.name_changes.append(NameChange(old, new, inode))

    def link(self, path: str, name: str) -> None:
        self._call("link", path)
        inode = self._inode(path)
        if name in self.names_cached:
            raise FileExistsError(errno.EEXIST, "File exists", name)
        self.names_cached[name] = inode
        self.name_changes.append(NameChange(None, name, inode))

    def remove_directory(self, path: str) -> None:
        self._call("remove_directory", path)
        path = os.path.normpath(path)
        if self.names(path) or any(os.path.dirname(each) == path for each in self.directories):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        self.directories.remove(path)

    def remove(self, path: str) -> None:
        self._call("remove", path)
        self._inode(path)
        del self.names_cached[path]
        self.name_changes.append(NameChange(path, None, None))

    def sync_directory(self, path: str) -> None:
        self._call("sync_directory", path)
        inside, unsynced = os.path.normpath(path), list[NameChange]()
        for change in self.name_changes:
            touched = {os.path.dirname(name) for name in (change.removed, change.added) if name}
            if inside not in touched:
                unsynced.append(change)
                continue
            if change.removed:
                self.names_synced.pop(change.removed, None)
            if change.added and change.inode:
                self.names_synced[change.added] = change.inode
        self.name_changes = unsynced

    def free_bytes(self, directory: str) -> int | None:
        assert os.path.normpath(directory) in self.directories
        return max(0, min(self.capacity_bytes - self.used_bytes(), self.free_bytes_max))

    def total_bytes(self, directory: str) -> int | None:
        assert os.path.normpath(directory) in self.directories
        return self.capacity_bytes

    def try_lock(self, path: str, holder: str) -> "SimulatedLock | None":
        if path in self.locks:
            return None
        self.locks[path] = holder
        return SimulatedLock(self, path)

    def lock_holder(self, path: str) -> str:
        return self.locks.get(path, "").strip()


def _kept(inode: Inode, kept_bytes: int, lost_pages: Sequence[int]) -> bytes:
    data = inode.synced
    for at, new in inode.pending:
        if kept_bytes <= 0:
            break
        part = new if new is None else new[:kept_bytes]
        kept_bytes -= 1 if part is None else len(part)
        data = applied(data, (at, part))
    for page in lost_pages:
        begin = page * PAGE_BYTES
        old = inode.synced[begin : begin + PAGE_BYTES]  # what was synced of the page stays
        end = min(begin + PAGE_BYTES, len(data))
        data = data[:begin] + old + bytes(max(0, end - begin - len(old))) + data[end:]
    return data


class SimulatedFile:
    """An open file of the simulated disk."""

    def __init__(self, disk: SimulatedFiles, path: str, inode: Inode, writable: bool) -> None:
        self._disk = disk
        self._path = path
        self._inode = inode
        self._writable = writable
        self._is_open = True
        inode.open_n += 1

    def _check_writable(self) -> None:
        if not self._writable:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self._path)

    def read(self, length: int, offset: int) -> bytes:
        if self._disk.watch_reads:
            self._disk.watch_reads(self._path)
        return self._inode.cached[offset : offset + length]

    def read_at_hand(self, length: int, offset: int) -> bytes | None:
        data = self._inode.cached[offset : offset + length]
        return data if self._disk.is_at_hand and len(data) == length else None

    def write(self, data: bytes | memoryview, offset: int) -> int:
        self._check_writable()
        disk, inode = self._disk, self._inode
        disk._call("write", self._path)
        room = disk.capacity_bytes - disk.used_bytes() + max(0, len(inode.cached) - offset)
        if room <= 0 and len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)
        taken = bytes(data[: min(room, disk.write_bytes_max)])
        inode.cached = applied(inode.cached, (offset, taken))
        inode.pending = (*inode.pending, (offset, taken))
        return len(taken)

    def sync(self) -> None:
        assert not self._inode.sync_failed, f"{self._path} is synced again after a failed sync"
        try:
            self._disk._call("sync", self._path)
        except OSError:
            self._inode.sync_failed = True
            self._inode.pending = ()
            raise
        self._inode.synced = self._inode.cached
        self._inode.pending = ()

    def cut(self, length: int) -> None:
        self._check_writable()
        self._disk._call("cut", self._path)
        self._inode.cached = self._inode.cached[:length]
        self._inode.pending = (*self._inode.pending, (length, None))

    def size(self) -> int:
        return len(self._inode.cached)

    def close(self) -> None:
        self._inode.open_n -= self._is_open
        self._is_open = self._writable = False


class SimulatedLock:
    """A held lock of the simulated disk."""

    def __init__(self, disk: SimulatedFiles, path: str) -> None:
        self._disk = disk
        self._path = path

    def release(self) -> None:
        self._disk.locks.pop(self._path, None)
