"""Sources: the Python files of a project, and when they last changed.

Law: looks only; what can't be looked at is as if it were not there. Directories that hold no source
of the project are left out: hidden ones, virtual environments, caches, packages of others.
"""

import os
from typing import Final

NOT_OURS: Final = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist"})
FILES_MAX: Final = 10_000  # some 20 ms a look; a larger tree is no one project

Seen = dict[str, tuple[int, int]]  # path -> when it was changed (ns), how long it is


def look_at_sources(directory: str) -> Seen:
    """Give every .py file below a directory."""
    seen: Seen = {}
    waiting = [directory]
    while waiting and len(seen) < FILES_MAX:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        if any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in NOT_OURS and not entry.name.startswith("."):
                        waiting.append(entry.path)
                elif entry.name.endswith(".py"):
                    status = entry.stat()
                    seen[entry.path] = (status.st_mtime_ns, status.st_size)
            except OSError:
                continue
    return seen


def read_source(path: str) -> bytes | None:
    """Read a file; None when it is gone."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None
