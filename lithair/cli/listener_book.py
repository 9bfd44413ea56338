"""The listener book: where `lithair listeners` finds listeners, and what it reads of them.

Owns the two ways to their directories: through a server that runs, which tells its models' ones,
and by naming a model's own. Law: what is shown of a listener is read from its files, so both ways
show the same; the server adds which of them it runs, and how far each model is.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, cast

import msgspec

from lithair.cli.server import NotReachable, ask
from lithair.client.calls import Calls, PartialItem
from lithair.client.connection import Connection
from lithair.core.as_of import rfc3339
from lithair.core.listening import Failing
from lithair.errors import Conflict, LithairError, NotFound
from lithair.phase import SERVING
from lithair.storage.dead_letters import read_letters
from lithair.storage.files import OsFiles
from lithair.storage.listener_cursor import DamagedCursor
from lithair.storage.listener_files import ListenerFiles, listener_names
from lithair.storage.places import is_directory, is_ours

LISTENER: Final = "listener"
STATS_TIMEOUT_S: Final = 5.0  # a model that does not answer is not waited for: it is left out
NOT_RUNNING: Final = ". Without a server, name a model's directory with --data-dir"

LIVE: Final = "live"
FAILING: Final = "failing"
DISABLED: Final = "disabled"
DAMAGED: Final = "damaged"
UNDECLARED: Final = "undeclared"  # its directory is there, and the server has no such listener


class Doing(NamedTuple):
    """What a listener's process does, as `lithair status` has it."""

    phase: str
    detail: str


class Place(NamedTuple):
    """A model's directory; `processes` are those of the server's listeners, None: no server.

    `seq` is the model's last event, None where that is not known.
    """

    model: str
    directory: str
    processes: Mapping[str, Doing] | None = None
    seq: int | None = None


class Row(msgspec.Struct, frozen=True):
    """A row of failures, as it is shown; times are RFC 3339."""

    seq: int
    tries: int
    since: str
    last: str
    error: str
    disabled: str | None


class Listed(msgspec.Struct, frozen=True):
    """A listener as it is shown; `state` is None where nothing fails and no server was asked."""

    name: str
    model: str
    state: str | None
    seq: int | None  # everything up to this event was handled
    behind: int | None
    dead_letters: int
    failing: Row | None
    detail: str  # what `lithair status` says of its process
    asked: tuple[str, ...]  # requests that were not carried out yet: skip, replay
    directory: str


class Found(NamedTuple):
    """One listener that was named."""

    name: str
    place: Place
    files: ListenerFiles


def places(run_dir: str | None, data_dirs: Sequence[str], *, has_seq: bool = False) -> list[Place]:
    """Give the directories of models: those that are named, or all of a running server.

    NotReachable without a server, NotFound for a directory that is not there.
    """
    if not data_dirs:
        return _served(run_dir, has_seq=has_seq)
    named = [os.path.abspath(each) for each in data_dirs]
    for directory in named:
        if not is_directory(directory):
            raise NotFound(f"there is no directory {directory}")
    return [Place(os.path.basename(directory), directory) for directory in named]


def listed(place: Place) -> list[Listed]:
    """Read all listeners of a model."""
    files = OsFiles()
    return [_read(place, name) for name in listener_names(files, place.directory)]


def find(found: Sequence[Place], name: str) -> Found:
    """Find a listener whose files may be changed; NotFound, Conflict when several have the name."""
    files = OsFiles()
    having = [place for place in found if name in listener_names(files, place.directory)]
    if not having:
        raise NotFound(f"there is no listener {name!r}; see: lithair listeners list")
    if len(having) > 1:
        directories = ", ".join(place.directory for place in having)
        raise Conflict(
            f"{len(having)} models have a listener {name!r}; name one's directory with --data-dir:"
            f" {directories}"
        )
    own = ListenerFiles(files, having[0].directory, name)
    if not is_ours(own.directory):
        raise LithairError(
            f"{own.directory} belongs to another user: run this command as that one, or its process"
            " could not read what it is asked"
        )
    return Found(name, having[0], own)


def _served(run_dir: str | None, *, has_seq: bool) -> list[Place]:
    try:
        models = cast("list[dict[str, str]]", ask(run_dir, {"ask": "where"})["models"])
    except NotReachable as error:
        raise NotReachable(f"{error}{NOT_RUNNING}") from None
    status = cast("list[dict[str, str]]", ask(run_dir, {"ask": "status"})["processes"])
    processes = {
        one["name"]: Doing(one["phase"], one["detail"]) for one in status if one["kind"] == LISTENER
    }
    found: list[Place] = []
    connection = Connection(run_dir, STATS_TIMEOUT_S)
    try:
        for model in models:
            name, directory = model["name"], model["directory"]
            if directory and listener_names(OsFiles(), directory):
                seq = _seq_of(connection, name) if has_seq else None
                found.append(Place(name, directory, processes, seq))
    finally:
        connection.close()
    return found


def _seq_of(connection: Connection, model: str) -> int | None:
    with contextlib.suppress(LithairError):  # it is being started, or has failed
        return connection.wait(model, Calls[PartialItem](model).stats()).seq
    return None


def _read(place: Place, name: str) -> Listed:
    files = ListenerFiles(OsFiles(), place.directory, name)
    seq: int | None = None
    damage: str | None = None
    try:
        cursor = files.open_cursor()
        if cursor is not None:
            seq = cursor.cursor.seq
            cursor.close()
    except DamagedCursor:
        damage = DAMAGED
    failing = files.failing()
    doing = (place.processes or {}).get(name)
    asked = [("skip", files.skip()), ("replay", files.replay())]
    return Listed(
        name=name,
        model=place.model,
        state=damage or _state(place.processes, name, failing),
        seq=seq,
        behind=None if seq is None or place.seq is None else max(0, place.seq - seq),
        dead_letters=sum(1 for _ in read_letters(OsFiles(), files.directory)),
        failing=None if failing is None else _row(failing),
        detail="" if doing is None else doing.detail,
        asked=tuple(what for what, request in asked if request is not None),
        directory=files.directory,
    )


def _state(processes: Mapping[str, Doing] | None, name: str, failing: Failing | None) -> str | None:
    if processes is not None and name not in processes:
        return UNDECLARED
    if failing is not None:
        return FAILING if failing.disabled_ms is None else DISABLED
    if processes is None:
        return None
    return LIVE if processes[name].phase == SERVING else processes[name].phase


def _row(failing: Failing) -> Row:
    return Row(
        seq=failing.seq,
        tries=failing.tries,
        since=rfc3339(failing.since_ms),
        last=rfc3339(failing.last_ms),
        error=failing.error,
        disabled=None if failing.disabled_ms is None else rfc3339(failing.disabled_ms),
    )
