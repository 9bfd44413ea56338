"""What an import leaves beside its input: how far it is, and the rows that were refused.

Law: how far it is never says more than was committed, whenever the process is killed; at worst it
says less. The refused rows are kept as far as that says, so that none stands there twice.
"""

import contextlib
import os
from typing import Final

from lithair.errors import LithairError
from lithair.storage.files import TEMPORARY_SUFFIX, File, Files, write_whole

READ_BYTES_MAX: Final = 1 << 16  # of the file that says how far it is


class ProgressFile:
    """A small file that is exchanged whole; synced it is not: an old one does no harm."""

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self.path = path

    def read(self) -> bytes | None:
        try:
            file = self._files.open(self.path)
        except OSError:
            return None
        try:
            return file.read(READ_BYTES_MAX, 0)
        finally:
            file.close()

    def write(self, data: bytes) -> None:
        """Put it in the place of what was there; raises OSError."""
        temporary = self.path + TEMPORARY_SUFFIX
        with contextlib.suppress(FileNotFoundError):
            self._files.remove(temporary)
        file = self._files.create(temporary)
        try:
            write_whole(file, data, 0)
        finally:
            file.close()
        self._files.rename(temporary, self.path)

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self._files.remove(self.path)


class RefusedRows:
    """The file of refused rows, one JSON object a line; it is made with the first one."""

    def __init__(self, files: Files, path: str, kept_bytes: int) -> None:
        """Go on behind what an import has kept that was broken off; 0 begins anew."""
        self._files = files
        self.path = path
        self.size = 0
        self._file: File | None = None
        if os.path.isdir(path) or (os.path.exists(path) and not os.path.isfile(path)):
            raise LithairError(f"{path} is no file for refused rows: name another with --bad")
        try:
            if kept_bytes and os.path.isfile(path):
                self._file = files.open(path, writable=True)
                self.size = min(kept_bytes, self._file.size())
                self._file.cut(self.size)
            else:
                with contextlib.suppress(FileNotFoundError):
                    files.remove(path)
        except OSError as error:
            raise self._failed(error) from error

    def append(self, lines: bytes) -> None:
        """Add some; LithairError when they can't be kept."""
        try:
            if self._file is None:
                self._file = self._files.create(self.path)
            write_whole(self._file, lines, self.size)
        except OSError as error:
            raise self._failed(error) from error
        self.size += len(lines)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _failed(self, error: OSError) -> LithairError:
        return LithairError(
            f"{self.path}, for rows that are refused, can't be written: {error.strerror};"
            " name another with --bad"
        )
