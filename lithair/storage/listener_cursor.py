"""A listener's cursor: up to which event it has handled everything.

Owns the file `cursor` in a listener's directory. Law: a slot whose checksum is not right is never
trusted, and between two syncs only one of the two slots is written: so whatever a crash leaves of
that one, the other holds the position that was synced last. A position is written when its event
was handled, never before.

    cursor := slot zeros slot zeros         the second slot at 4096; 8192 bytes altogether
    slot   := "LTcu" crc:u32 turn:u64 seq:u64 listing:u8 after_len:u16 after

Integers are little-endian; `crc` is zlib's CRC-32 of everything behind it. The slot with the higher
`turn` counts. With `listing` 1 the listener is still being given the items that were there at
`seq`, of which it has handled all up to the one with the id `after` ("": none yet).
"""

import os
import struct
from typing import Final, NamedTuple
from zlib import crc32

from lithair.errors import LithairError
from lithair.storage.files import File, Files, place_file, write_whole

CURSOR_NAME: Final = "cursor"
SLOT_EVERY_BYTES: Final = 4096  # a page: no write of one slot touches the other
CURSOR_BYTES: Final = 2 * SLOT_EVERY_BYTES

_MAGIC: Final = b"LTcu"
_HEAD: Final = struct.Struct("<4sIQQBH")  # magic crc turn seq listing after_len
_CHECKED_FROM: Final = 8  # of a slot's bytes: behind its magic and its crc


class DamagedCursor(LithairError):
    """Neither position of a cursor's file can be trusted."""


class Cursor(NamedTuple):
    """Everything up to event `seq` was handled; `after`, if not None: see `listing` above."""

    seq: int
    after: str | None = None


class CursorFile:
    """The cursor of one listener. One process writes it; others may read it meanwhile."""

    def __init__(self, path: str, file: File) -> None:
        self._path = path
        self._file = file
        self._turn = 0
        self._slot = 0  # the one that is written until the next sync
        self._is_synced = True
        self.cursor = self.read()

    @classmethod
    def open(cls, files: Files, directory: str, *, writable: bool = False) -> "CursorFile":
        """Open it; raises FileNotFoundError, DamagedCursor.

        Whoever writes to it syncs it first: its writer before may have died without.
        """
        path = os.path.join(directory, CURSOR_NAME)
        opened = cls(path, files.open(path, writable=writable))
        if writable:
            opened.sync()
        return opened

    @classmethod
    def place(cls, files: Files, directory: str, cursor: Cursor) -> "CursorFile":
        """Make it, durably, in place of one that may be there."""
        files.make_directory(directory)
        first = _slot_bytes(1, cursor)

        def write(file: File) -> None:
            write_whole(file, first + bytes(CURSOR_BYTES - len(first)), 0)

        file = place_file(files, directory, CURSOR_NAME, write)
        return cls(os.path.join(directory, CURSOR_NAME), file)

    def read(self) -> Cursor:
        """Give the position that the file holds now."""
        slots = [self._read_slot(number) for number in (0, 1)]
        found = [slot for slot in slots if slot is not None]
        if not found:
            raise DamagedCursor(
                f"{self._path}: neither of the two positions in it is as it was written. Nothing"
                " was changed. Remove the file, and the listener begins anew at the next start"
            )
        turn, number, cursor = max(found)
        self._turn = turn
        if self._is_synced:
            self._slot = 1 - number
        return cursor

    def reread(self) -> None:
        """Take over what another process has written."""
        self.cursor = self.read()

    def move(self, cursor: Cursor) -> None:
        """Hand a position to the operating system; from now on the death of a process keeps it."""
        self._turn += 1
        data = _slot_bytes(self._turn, cursor)
        write_whole(self._file, data, self._slot * SLOT_EVERY_BYTES)
        self.cursor = cursor
        self._is_synced = False

    @property
    def is_synced(self) -> bool:
        """Whether nothing was written since the last sync."""
        return self._is_synced

    def sync(self) -> None:
        """Return when the position is on the disk."""
        self._file.sync()
        if not self._is_synced:
            self._slot = 1 - self._slot
            self._is_synced = True

    def close(self) -> None:
        self._file.close()

    def _read_slot(self, number: int) -> tuple[int, int, Cursor] | None:
        data = self._file.read(SLOT_EVERY_BYTES, number * SLOT_EVERY_BYTES)
        if len(data) < _HEAD.size:
            return None
        magic, crc, turn, seq, listing, after_len = _HEAD.unpack_from(data)
        end = _HEAD.size + after_len
        if magic != _MAGIC or end > len(data) or crc32(data[_CHECKED_FROM:end]) != crc:
            return None
        after = data[_HEAD.size : end].decode() if listing else None
        return turn, number, Cursor(seq, after)


def _slot_bytes(turn: int, cursor: Cursor) -> bytes:
    after = (cursor.after or "").encode()
    assert _HEAD.size + len(after) <= SLOT_EVERY_BYTES, "an id has 255 characters at most"
    listing = cursor.after is not None
    head = _HEAD.pack(_MAGIC, 0, turn, cursor.seq, listing, len(after))
    checked = head[_CHECKED_FROM:] + after
    return _MAGIC + struct.pack("<I", crc32(checked)) + checked
