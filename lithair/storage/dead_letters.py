"""Dead letters: the events that a listener has given up.

Owns the file `dead-letters.ndjson` in a listener's directory. Law: a letter is on the disk before
the cursor moves past its event. Only the listener's process appends; a line that a crash has cut
off is no letter, its event comes again. A letter that is done with is overwritten with spaces where
it stands, so that nobody who reads or appends meanwhile is disturbed.

    file   := ((letter | " "*) LF)*
    letter := {"seq", "operation", "model", "id", "item", "timestamp",
               "error", "failed_at", "tries"}
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from lithair.errors import LithairError
from lithair.storage.files import File, Files, write_whole

LETTERS_NAME: Final = "dead-letters.ndjson"
LOCK_NAME: Final = "dead-letters.lock"  # held by who shortens the file, or looks for lines to erase
READ_BYTES: Final = 1 << 20
NOTHING: Final = b" \0"  # what an erased line consists of


class Letter(msgspec.Struct, frozen=True):
    """An event and why it was given up; times are RFC 3339."""

    seq: int
    operation: str
    model: str
    id: str
    item: msgspec.Raw
    timestamp: str
    error: str
    failed_at: str
    tries: int


class Line(NamedTuple):
    """Where a letter stands in its file."""

    offset: int
    length: int  # without the end of the line
    letter: Letter


_decode = msgspec.json.Decoder(Letter).decode
_encode = msgspec.json.Encoder().encode


class DeadLetters:
    """The dead letters of one listener; only its own process makes this. Raises OSError."""

    def __init__(self, files: Files, directory: str) -> None:
        """Open them, without what a crash has left of a line; there may be none."""
        self._files = files
        self._directory = directory
        self._last: tuple[int, str] | None = None
        self.count = 0
        self._end = 0
        self._file = _open(files, directory)
        if self._file is None:
            return
        for line in _lines(self._file):
            self.count += 1
            self._last = (line.letter.seq, line.letter.id)
        self._end = self._file.size()
        whole = _whole_bytes(self._file)
        if whole < self._end or (whole and not self.count):
            self._shorten(whole if self.count else 0)

    def append(self, letter: Letter) -> None:
        """Keep a letter, durably; one that is there already (its cursor was not) is kept once."""
        key = (letter.seq, letter.id)
        if key == self._last:
            return
        file = self._file or self._create()
        line = _encode(letter) + b"\n"
        try:
            write_whole(file, line, self._end)
            file.sync()
        except OSError:
            with contextlib.suppress(OSError):  # at the next opening then
                file.cut(self._end)
            raise
        self._end += len(line)
        self._last = key
        self.count += 1

    def lines(self) -> Iterator[Line]:
        """Give all letters, oldest first."""
        if self._file is not None:
            yield from _lines(self._file)

    def erase(self, line: Line) -> None:
        """Be done with a letter, durably."""
        assert self._file is not None, "a letter that was read"
        _blank(self._file, line)
        self._file.sync()
        self._last = None
        self.count -= 1
        if not self.count:
            self._shorten(0)

    def recount(self) -> None:
        """Count again: a purge may have erased some."""
        self.count = sum(1 for _ in self.lines())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _create(self) -> File:
        self._file = self._files.create(os.path.join(self._directory, LETTERS_NAME))
        self._files.sync_directory(self._directory)
        return self._file

    def _shorten(self, length: int) -> None:
        """Cut the file, unless somebody is looking for lines in it; then another time."""
        assert self._file is not None
        lock = self._files.try_lock(os.path.join(self._directory, LOCK_NAME), f"{os.getpid()}\n")
        if lock is None:
            return
        try:
            self._file.cut(length)
            self._end = length
        finally:
            lock.release()


def read_letters(files: Files, directory: str) -> Iterator[Letter]:
    """Give the dead letters in a listener's directory, oldest first; its process may run."""
    file = _open(files, directory, writable=False)
    if file is None:
        return
    try:
        for line in _lines(file):
            yield line.letter
    finally:
        file.close()


def erase_letters(files: Files, directory: str, is_meant: Callable[[Letter], bool]) -> int:
    """Erase the letters that are meant, durably, while the listener's process may run; count them.

    Raises LithairError while somebody else does the same, or shortens the file: it takes a moment.
    """
    file = _open(files, directory)
    if file is None:
        return 0
    lock = files.try_lock(os.path.join(directory, LOCK_NAME), f"{os.getpid()}\n")
    if lock is None:
        file.close()
        raise LithairError(
            f"{directory}: its dead letters are being changed; try again", status=503
        )
    try:
        meant = [line for line in _lines(file) if is_meant(line.letter)]
        for line in meant:
            _blank(file, line)
        if meant:
            file.sync()
        return len(meant)
    finally:
        lock.release()
        file.close()


def _open(files: Files, directory: str, *, writable: bool = True) -> File | None:
    try:
        return files.open(os.path.join(directory, LETTERS_NAME), writable=writable)
    except FileNotFoundError:
        return None


def _blank(file: File, line: Line) -> None:
    write_whole(file, b" " * line.length, line.offset)


def _lines(file: File) -> Iterator[Line]:
    for offset, text in _whole_lines(file):
        bare = text.strip(NOTHING)
        if not bare:
            continue
        try:
            letter = _decode(bare)
        except msgspec.DecodeError:
            continue  # somebody has edited the file; what it says is left as it is
        yield Line(offset, len(text), letter)


def _whole_lines(file: File) -> Iterator[tuple[int, bytes]]:
    """Give the lines that have an end, without it, and their offsets."""
    rest, rest_at, offset = b"", 0, 0
    while data := file.read(READ_BYTES, offset):
        offset += len(data)
        *lines, left = (rest + data).split(b"\n")
        for text in lines:
            yield rest_at, text
            rest_at += len(text) + 1
        rest = left


def _whole_bytes(file: File) -> int:
    """Give where the last line that has an end ends."""
    return max((offset + len(text) + 1 for offset, text in _whole_lines(file)), default=0)
