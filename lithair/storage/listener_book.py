"""The listener book: what is read of listeners in the directories of models, and asked of them.

Law: what is told of a listener is read from its files, so whoever asks is told the same; who knows
the server adds which of them it runs, and how far each model is. What is asked of one is a file in
its directory, which its process looks for.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from lithair.core.as_of import rfc3339
from lithair.core.listening import Failing
from lithair.errors import Conflict, LithairError, NotFound
from lithair.phase import SERVING
from lithair.storage.dead_letters import Letter, read_letters
from lithair.storage.files import OsFiles
from lithair.storage.listener_cursor import DamagedCursor
from lithair.storage.listener_files import ListenerFiles, listener_names
from lithair.storage.places import is_ours

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


def dead_letters(found: Found) -> list[Letter]:
    """Give all dead letters of a listener, the oldest first."""
    return list(read_letters(OsFiles(), found.files.directory))


def skip(found: Found) -> int:
    """Have the event given up that a listener fails at; gives its seq. NotFound without one."""
    failing = found.files.failing()
    if failing is None:
        raise NotFound(f"{found.name} fails at no event; nothing is skipped")
    found.files.ask_skip(failing.seq)
    return failing.seq


def replay(found: Found, seqs: Sequence[int]) -> list[int]:
    """Have dead letters tried again, these or all; gives which. NotFound for one not there."""
    held = [letter.seq for letter in dead_letters(found)]
    missing = sorted(set(seqs) - set(held))
    if missing:
        raise NotFound(f"{found.name} has no dead letter of event {', '.join(map(str, missing))}")
    meant = [seq for seq in held if not seqs or seq in seqs]
    if meant:
        found.files.ask_replay(tuple(seqs))
    return meant


def enable(found: Found) -> Failing | None:
    """Have a listener try its event again at once; gives what it failed at, None: at nothing."""
    failing = found.files.failing()
    if failing is not None:
        found.files.end_failing()
    return failing


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
