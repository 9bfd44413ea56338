"""Removal: files that a log does not need any more leave the disk without holding others up.

Law: all of them lose their names first, durably, so none is ever found short; then each is removed.
One that nobody else has open is made shorter step by step before: to free the bytes of a large file
at once takes some disks long (those that are told of it above all), and a sync of those who write
has to wait for it. A crash leaves names that the next opening of the log removes.
"""

from collections.abc import Callable, Iterable
from typing import Final

from lithair.storage.files import TEMPORARY_SUFFIX, Files

STEP_BYTES: Final = 4 << 20  # freed at once: a millisecond or less


def remove_gently(
    files: Files, directory: str, paths: Iterable[str], rest: Callable[[], None]
) -> None:
    """Remove files of a directory; `rest` is called after each step. Raises OSError."""
    gone: list[str] = []
    for path in paths:
        gone.append(path + TEMPORARY_SUFFIX)
        files.rename(path, gone[-1])
    files.sync_directory(directory)
    for path in gone:
        _shorten(files, path, rest)
        files.remove(path)
        rest()
    files.sync_directory(directory)


def _shorten(files: Files, path: str, rest: Callable[[], None]) -> None:
    file = files.open_alone(path)
    if file is None:
        return
    try:
        left = file.size()
        while left > STEP_BYTES:
            left -= STEP_BYTES
            file.cut(left)
            rest()
    finally:
        file.close()
