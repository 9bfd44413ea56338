"""Where `lithair listeners` finds listeners: through a server that runs, or by a directory.

Law: what is read of them there is `storage.listener_book`'s, so both ways show the same.
"""

import contextlib
import os
from collections.abc import Sequence
from typing import Final, cast

from lithair.cli.server import NotReachable, ask
from lithair.client.calls import Calls, PartialItem
from lithair.client.connection import Connection
from lithair.errors import LithairError, NotFound
from lithair.storage.files import OsFiles
from lithair.storage.listener_book import Doing, Place
from lithair.storage.listener_files import listener_names
from lithair.storage.places import is_directory

LISTENER: Final = "listener"
STATS_TIMEOUT_S: Final = 5.0  # a model that does not answer is not waited for: it is left out
NOT_RUNNING: Final = ". Without a server, name a model's directory with --data-dir"


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
