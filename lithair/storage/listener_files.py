"""A listener's directory: `listeners/<name>` in the directory of its model.

Owns the names of its files, the row of failures, and what the command line asks of a listener that
may run or not. Law: a request is a file, made whole or not at all; the listener's process looks
for it before each try and each second while it waits, and removes it once it is carried out.

    cursor               storage.listener_cursor
    dead-letters.ndjson  storage.dead_letters
    failing              the present row of failures, as JSON (core.listening.Failing); without the
                         file there is none: removing it enables a listener that is disabled, and
                         has one that waits try again at once
    skip                 {"seq": N}       the event N is given up if it is the one that fails
    replay               {"seqs": [...]}  these dead letters are tried again; [] means all
    recount              {}               a purge has erased dead letters
"""

import contextlib
import os
from typing import Final, TypeVar

import msgspec

from lithair.core.listening import Failing
from lithair.storage.dead_letters import Letter, erase_letters
from lithair.storage.files import Files, place_file, write_whole
from lithair.storage.listener_cursor import CursorFile

LISTENERS_NAME: Final = "listeners"
FAILING_NAME: Final = "failing"
SKIP_NAME: Final = "skip"
REPLAY_NAME: Final = "replay"
RECOUNT_NAME: Final = "recount"
REQUEST_BYTES_MAX: Final = 1 << 20  # of a file that we have written ourselves

T = TypeVar("T")


class Skip(msgspec.Struct, frozen=True):
    """Give up the event `seq`, if it is the one that the listener is failing at."""

    seq: int


class Recount(msgspec.Struct, frozen=True):
    """Count the dead letters again."""


class Replay(msgspec.Struct, frozen=True):
    """Try these dead letters again; none named means all."""

    seqs: tuple[int, ...] = ()


def listener_directory(model_directory: str, name: str) -> str:
    """Give the directory of the listener `name` of the model kept in `model_directory`."""
    return os.path.join(model_directory, LISTENERS_NAME, name)


def listener_names(files: Files, model_directory: str) -> list[str]:
    """Give the names of all listeners that ever were, declared now or not."""
    try:
        return files.names(os.path.join(model_directory, LISTENERS_NAME))
    except FileNotFoundError:
        return []


def erase_item(files: Files, model_directory: str, item_id: str, last_seq: int) -> int:
    """Erase an item's events up to `last_seq` from all dead letters, durably; count them.

    The listeners may run. Raises OSError, LithairError.
    """

    def is_meant(letter: Letter) -> bool:
        return letter.id == item_id and letter.seq <= last_seq

    erased = 0
    for name in listener_names(files, model_directory):
        found = erase_letters(files, listener_directory(model_directory, name), is_meant)
        if found:
            ListenerFiles(files, model_directory, name).ask_recount()
        erased += found
    return erased


class ListenerFiles:
    """The files of one listener. Raises OSError."""

    def __init__(self, files: Files, model_directory: str, name: str) -> None:
        self.files = files
        self.directory = listener_directory(model_directory, name)

    def open_cursor(self, *, writable: bool = False) -> CursorFile | None:
        """Open the cursor; None when there is none yet. Raises DamagedCursor."""
        try:
            return CursorFile.open(self.files, self.directory, writable=writable)
        except FileNotFoundError:
            return None

    def failing(self) -> Failing | None:
        """Give the present row of failures."""
        return self._read(FAILING_NAME, Failing)

    def keep_failing(self, failing: Failing) -> None:
        self._write(FAILING_NAME, failing)

    def end_failing(self) -> None:
        """Forget the row of failures: it is over, or the listener is to try again at once."""
        self._remove(FAILING_NAME)

    def skip(self) -> Skip | None:
        """Give what is to be skipped."""
        return self._read(SKIP_NAME, Skip)

    def ask_skip(self, seq: int) -> None:
        """Have the event `seq` given up, if it is the one that the listener is failing at."""
        self._write(SKIP_NAME, Skip(seq))

    def end_skip(self) -> None:
        self._remove(SKIP_NAME)

    def replay(self) -> Replay | None:
        """Give which dead letters are to be tried again."""
        return self._read(REPLAY_NAME, Replay)

    def ask_replay(self, seqs: tuple[int, ...] = ()) -> None:
        """Have dead letters tried again: these, or all."""
        self._write(REPLAY_NAME, Replay(seqs))

    def end_replay(self) -> None:
        self._remove(REPLAY_NAME)

    def ask_recount(self) -> None:
        """Have the dead letters counted again."""
        self._write(RECOUNT_NAME, Recount())

    def take_recount(self) -> bool:
        """Tell whether they are to be counted again; says so once."""
        is_asked = self._read(RECOUNT_NAME, Recount) is not None
        if is_asked:
            self._remove(RECOUNT_NAME)
        return is_asked

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            file = self.files.open(os.path.join(self.directory, name))
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(file.read(REQUEST_BYTES_MAX, 0), type=kind)
        except msgspec.DecodeError:
            return None  # not one of ours
        finally:
            file.close()

    def _write(self, name: str, value: msgspec.Struct) -> None:
        data = msgspec.json.encode(value)
        self.files.make_directory(self.directory)
        place_file(
            self.files, self.directory, name, lambda file: write_whole(file, data, 0)
        ).close()

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.files.remove(os.path.join(self.directory, name))
