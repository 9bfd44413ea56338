"""Backups of a whole server: every model copies itself at the same moment, then it is written down.

Law: the manifest is written once all models have answered well; otherwise what they have copied is
taken away again, as far as their processes have answered. Each model is consistent by itself; what
two models hold is of moments that lie milliseconds apart.
"""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Final, NamedTuple

import msgspec

from lithair.client.calls import Call
from lithair.client.connection import Connection
from lithair.core.as_of import rfc3339
from lithair.errors import LithairError, StorageFull
from lithair.internal import NOT_BACKED_UP
from lithair.storage.backup import check_free, no_place
from lithair.storage.backup_manifest import (
    MANIFEST_NAME,
    Manifest,
    ModelBackup,
    discard,
    write_manifest,
)
from lithair.storage.files import Files, is_no_room
from lithair.storage.places import is_within
from lithair.wire.messages import Reply
from lithair.wire.protocol import Verb

TIMEOUT_S: Final = 6 * 86_400.0  # a terabyte to another, slow disk
LOOK_S: Final = 0.5  # how often the caller is told how far it is

Watch = Callable[[Sequence[str], int], None]  # the models that are done, of how many

_decode = msgspec.json.Decoder(ModelBackup).decode


class Source(NamedTuple):
    """A model to back up: its name, and the directory of its log."""

    name: str
    directory: str


def folders_of(sources: Sequence[Source]) -> list[str]:
    """Give each model's folder in a backup: its directory's name, or its own if that is shared."""
    names = [os.path.basename(os.path.normpath(source.directory)) for source in sources]
    folders = [
        name if names.count(name) == 1 else source.name
        for name, source in zip(names, sources, strict=True)
    ]
    is_clear = len(set(folders)) == len(folders) and MANIFEST_NAME not in folders
    return folders if is_clear else [source.name for source in sources]


def check_elsewhere(models: Sequence[Source], target: str) -> None:
    """Refuse a directory that is in a model's own, where the log would take it for its files."""
    for model in models:
        if model.directory and is_within(target, model.directory):  # without one, it is in RAM
            raise LithairError(
                "A backup can't be made in a model's own data directory or below it: name a"
                " directory elsewhere",
                status=422,
            )


def back_up_all(
    files: Files, connection: Connection, models: Sequence[Source], target: str, watch: Watch
) -> Manifest:
    """Make a backup of a server's models in `target`, an absolute path: new, or empty.

    Those that are not backed up are left out; their directories are no place for one either.
    Blocks until it is finished; `watch` is called meanwhile and may raise, which ends the wait.
    Raises LithairError: of status 409 when something is in the directory, 422 when it is a model's
    own or can't be made; StorageFull; what a model has answered.
    """
    try:
        check_elsewhere(models, target)
        was_there = check_free(files, target)
    except (OSError, ValueError) as error:  # ValueError: no system has such a path
        raise no_place(target, error) from error
    sources = [model for model in models if model.name not in NOT_BACKED_UP]
    replies = _Replies(connection, sources, target)
    try:
        replies.wait(watch)
        return write_manifest(files, target, _now(), replies.made())
    except OSError as error:
        replies.discard(files, keep_target=was_there)
        kind = StorageFull if is_no_room(error) else LithairError
        raise kind(f"{target}: the backup can't be finished: {error}") from error
    except LithairError:
        replies.discard(files, keep_target=was_there)
        raise


class _Replies:
    """What the models answer."""

    def __init__(self, connection: Connection, sources: Sequence[Source], target: str) -> None:
        self._target = target
        self._waiting: dict[str, Future[Reply]] = {}
        self._calls: dict[str, Call[ModelBackup]] = {}
        for source, folder in zip(sources, folders_of(sources), strict=True):
            call = Call(Verb.BACKUP, _decode, os.path.join(target, folder))
            self._calls[source.name] = call
            self._waiting[source.name] = connection.start(source.name, call)

    def wait(self, watch: Watch) -> None:
        """Wait until each has answered, well or not."""
        while True:
            done = [name for name, reply in self._waiting.items() if reply.done()]
            watch(done, len(self._waiting))
            if len(done) == len(self._waiting):
                return
            left = [reply for reply in self._waiting.values() if not reply.done()]
            wait(left, LOOK_S, FIRST_COMPLETED)

    def made(self) -> tuple[ModelBackup, ...]:
        """Give what they have made; raises what the first one has answered that made nothing."""
        return tuple(
            self._calls[name].result(reply.result()) for name, reply in self._waiting.items()
        )

    def discard(self, files: Files, *, keep_target: bool) -> None:
        """Take away what was made, by those that have answered."""
        made: list[ModelBackup] = []
        for name, reply in self._waiting.items():
            if reply.done():
                with contextlib.suppress(LithairError):
                    made.append(self._calls[name].result(reply.result()))
        discard(files, self._target, made, keep_target=keep_target)


def _now() -> str:
    return rfc3339(time.time_ns() // 1_000_000)
