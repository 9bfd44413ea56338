"""Where a model's listeners are, as its process sees it: up to where each has handled the log.

Owns the making of their cursors. Law: a cursor is made, durably, when its listener is declared for
the first time, before anything is served: so "from now on" means from the start of the server, and
no write that it has answered is missed. One that lies beyond the log's end (the log was replaced by
an older one) is put back there. Nothing else is written here.
"""

import logging
import os
from collections.abc import Sequence
from typing import Final, NamedTuple

from lithair.declaration import ListenerDeclaration
from lithair.errors import LithairError
from lithair.storage.files import Files
from lithair.storage.listener_cursor import Cursor, CursorFile, DamagedCursor
from lithair.storage.listener_files import ListenerFiles

AGAIN_MS: Final = 1000  # after a cursor could not be made: the disk is full, maybe

log = logging.getLogger(__name__)


class Heard(NamedTuple):
    """The event up to which `name`, the one that is least far, has handled everything."""

    seq: int
    name: str


class ListenerBehind(LithairError):
    """What has to be compacted was not handled yet; the message names the listener."""

    status = 409


class ListenerWatch:
    """The listeners of one model; `turn` is called by its loop (see `upkeep.Keeper`)."""

    def __init__(
        self, files: Files, directory: str, declared: Sequence[ListenerDeclaration], seq: int
    ) -> None:
        """Make or find each one's cursor; `seq` is the log's last event."""
        self._files = files
        self._directory = directory
        self._missing = list(declared)
        self._cursors: dict[str, CursorFile] = {}
        self._damaged: set[str] = set()
        self._seq = seq
        self._again_ms = 0
        self._fd = os.eventfd(0, os.EFD_CLOEXEC)  # never readable
        self._settle()

    def fileno(self) -> int:
        return self._fd

    def turn(self, now_ms: int) -> bool:
        """Make the cursors that could not be made before; nothing is left to do at once."""
        if self._missing and now_ms >= self._again_ms:
            self._again_ms = now_ms + AGAIN_MS
            self._settle()
        return False

    def close(self) -> None:
        for cursor in self._cursors.values():
            cursor.close()
        os.close(self._fd)

    def handled(self) -> dict[str, int]:
        """Give up to which event each listener has handled everything; 0 where that is unknown."""
        unknown = dict.fromkeys([*(one.name for one in self._missing), *self._damaged], 0)
        return unknown | {name: self._read(name).seq for name in self._cursors}

    def least(self) -> Heard:
        """Give the one that is least far, as the disk has it: a power loss takes nothing of that.

        Any thread; it waits for the disk. Raises OSError.
        """
        found = [Heard(0, one.name) for one in self._missing]
        found += [Heard(0, name) for name in self._damaged]
        for name, cursor in list(self._cursors.items()):
            seq = self._read(name).seq
            cursor.sync()
            found.append(Heard(seq, name))
        return min(found)

    def _read(self, name: str) -> Cursor:
        try:
            return self._cursors[name].read()
        except DamagedCursor:  # the listener's process says so
            return Cursor(0)

    def _settle(self) -> None:
        missing = list(self._missing)
        self._missing.clear()
        for declared in missing:
            try:
                self._cursors[declared.name] = self._settled(declared)
            except DamagedCursor as error:
                self._damaged.add(declared.name)
                log.error("the listener %s: %s", declared.name, error)
            except OSError as error:
                self._missing.append(declared)
                log.warning("the listener %s has no cursor yet: %s", declared.name, error)

    def _settled(self, declared: ListenerDeclaration) -> CursorFile:
        files = ListenerFiles(self._files, self._directory, declared.name)
        cursor = files.open_cursor(writable=True)
        if cursor is None:
            seq = 0 if declared.from_beginning else self._seq
            log.info("the listener %s is new: it begins behind event %d", declared.name, seq)
            return CursorFile.place(self._files, files.directory, Cursor(seq))
        if cursor.cursor.seq > self._seq:
            log.warning(
                "the listener %s had handled the events up to %d of another log: it goes on behind"
                " event %d, the end of this one",
                declared.name,
                cursor.cursor.seq,
                self._seq,
            )
            cursor.move(Cursor(self._seq))
            cursor.sync()
        return cursor
