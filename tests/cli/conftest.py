"""One server for the tests of the commands that read and write items."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lithair.client import Handle
from tests.cli.library import PAGE, Book, Reader, library
from tests.support.commands import Done, lithair_here
from tests.support.leaks import no_process_left

if TYPE_CHECKING:
    from lithair.actors.background import Server

Run = Callable[..., Done]


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Server]":
    app = library(tmp_path_factory.mktemp("library"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LT_MAX_TAKE", str(PAGE))
        with no_process_left(), app.running() as server:
            patch.undo()  # it is the server's, and no other test's
            yield server


@pytest.fixture
def at_server(server: "Server", monkeypatch: pytest.MonkeyPatch) -> "Server":
    """Have the commands of one test find that server."""
    monkeypatch.setenv("LT_RUN_DIR", server.run_dir)
    return server


@pytest.fixture
def books(at_server: "Server") -> Handle[Book]:
    """Give a handle of a model that is empty."""
    handle = at_server.handle(Book)
    for book in handle.iterate():
        handle.apply_replicated_delete(book.id)
    return handle


@pytest.fixture
def readers(at_server: "Server") -> Handle[Reader]:
    handle = at_server.handle(Reader)
    for reader in handle.iterate():
        handle.apply_replicated_delete(reader.card)
    return handle


@pytest.fixture
def run(at_server: "Server", tmp_path: Path) -> Run:
    """Give what runs a command in a directory of the test, with that server."""
    return lambda *arguments: lithair_here(tmp_path, *map(str, arguments))
