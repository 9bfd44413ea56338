"""Whole files: what is written for somebody else, such as an export: there completely, or not.

Law: the name leads to what was there before until everything is written and synced, then to all of
it. What a killed process leaves is a file with another name, ending in `.tmp`. Only its owner may
read it.
"""

import contextlib
import os
import secrets
from types import TracebackType
from typing import Final

from lithair.errors import LithairError
from lithair.storage.files import TEMPORARY_SUFFIX, Files, write_whole

BUFFER_BYTES: Final = 1 << 20
NAME_BYTES: Final = 4  # of randomness: two that write the same file don't write into each other's


class WholeFile:
    """A file under way; leaving it with an error, or without `finish`, is as if it never was."""

    def __init__(self, files: Files, path: str) -> None:
        """Begin it; LithairError when there can't be such a file."""
        self._files = files
        self.path = os.path.realpath(path)  # a link stays one, and leads to the new file
        self._temporary = f"{self.path}.{secrets.token_hex(NAME_BYTES)}{TEMPORARY_SUFFIX}"
        self._buffer = bytearray()
        self._written = 0
        if os.path.exists(self.path) and not os.path.isfile(self.path):
            raise LithairError(f"{path} is no file that could be replaced: name another, or -")
        try:
            self._file = files.create(self._temporary)
        except OSError as error:
            raise LithairError(f"{path} can't be written: {error.strerror}") from error

    def __enter__(self) -> "WholeFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        with contextlib.suppress(OSError):  # it has its name already
            self._files.remove(self._temporary)

    def write(self, data: bytes) -> None:
        """Add to it; LithairError when there is no room."""
        self._buffer += data
        if len(self._buffer) >= BUFFER_BYTES:
            self._flush()

    def finish(self) -> None:
        """Give it its name, in place of what had it, durably."""
        self._flush()
        try:
            self._file.sync()
            self._files.rename(self._temporary, self.path)
            self._files.sync_directory(os.path.dirname(self.path))
        except OSError as error:
            raise self._failed(error) from error

    def _flush(self) -> None:
        try:
            write_whole(self._file, self._buffer, self._written)
        except OSError as error:
            raise self._failed(error) from error
        self._written += len(self._buffer)
        self._buffer = bytearray()

    def _failed(self, error: OSError) -> LithairError:
        return LithairError(f"{self.path} can't be written: {error.strerror}; nothing is kept")
