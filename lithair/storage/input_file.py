"""Input: the bytes of a file that is imported, or of stdin, a part at a time.

Law: a regular file, stdin or not, can be told from every other one by its content, before it is
read; a pipe can't.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from lithair.errors import LithairError

STDIN: Final = "-"
READ_BYTES: Final = 1 << 20
DIGEST_BYTES: Final = 16


class InputFile:
    """What is read; LithairError where it can't be."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.consumed = 0
        try:
            self._fd = 0 if path == STDIN else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            status = os.fstat(self._fd)
        except OSError as error:
            raise self._unreadable(error) from error
        if stat.S_ISDIR(status.st_mode):
            os.close(self._fd)
            raise LithairError(f"{path} is a directory: name a file")
        self.is_regular = stat.S_ISREG(status.st_mode)
        self.size = status.st_size if self.is_regular else None

    def __enter__(self) -> "InputFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._fd:
            os.close(self._fd)

    @property
    def part(self) -> float | None:
        """Tell how much was read, 1 is all; None where the end is not known."""
        return self.consumed / self.size if self.size else None

    def digest(self) -> bytes | None:
        """Hash all of it, without consuming it; None of a pipe."""
        if not self.is_regular:
            return None
        found = hashlib.blake2b(digest_size=DIGEST_BYTES)
        offset = 0
        try:
            while data := os.pread(self._fd, READ_BYTES, offset):
                found.update(data)
                offset += len(data)
        except OSError as error:
            raise self._unreadable(error) from error
        return found.digest()

    def chunks(self) -> Iterator[bytes]:
        """Give what there is, from the beginning of a file, in order; once."""
        while True:
            try:
                if self.is_regular:
                    data = os.pread(self._fd, READ_BYTES, self.consumed)
                else:
                    data = os.read(self._fd, READ_BYTES)
            except OSError as error:
                raise self._unreadable(error) from error
            if not data:
                return
            self.consumed += len(data)
            yield data

    def _unreadable(self, error: OSError) -> LithairError:
        return LithairError(f"{self.path} can't be read: {error.strerror}")
