"""File trees: a directory of plain files, read into memory as a whole.

Law: what is read lies in the directory itself: names that begin with a dot, links that lead out of
it, and whatever is no plain file are left out.
"""

import os
import stat

import msgspec


class FileEntry(msgspec.Struct, frozen=True):
    """A file's bytes, and when they last changed."""

    content: bytes
    modified_s: float


FileTree = dict[str, FileEntry]  # by the path below the directory, with "/" between names


class TreeTooLarge(OSError):
    """The files of a directory are larger together than its reader takes."""


def read_tree(directory: str, bytes_max: int) -> FileTree:
    """Read every file; OSError when one can't be read, TreeTooLarge beyond `bytes_max`."""
    root = os.path.realpath(directory)
    inside = root.rstrip(os.sep) + os.sep
    tree: FileTree = {}
    left = bytes_max
    for parent, directories, names in os.walk(root, onerror=_raise, followlinks=False):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(parent, name)
            if name.startswith(".") or not os.path.realpath(path).startswith(inside):
                continue
            entry = _read(path)
            if entry is None:
                continue
            left -= len(entry.content)
            if left < 0:
                raise TreeTooLarge(f"{directory}: its files are over {bytes_max} bytes together")
            tree[os.path.relpath(path, root).replace(os.sep, "/")] = entry
    return tree


def _read(path: str) -> FileEntry | None:
    # Non-blocking, so that a named pipe is not waited for before it is left out.
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:  # a link to nothing, or gone since it was listed
        return None
    with open(number, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            return None
        return FileEntry(file.read(), found.st_mtime)


def _raise(error: OSError) -> None:
    raise error
