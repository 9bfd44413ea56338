"""One server for the tests of a module."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

import pytest

from lithair import connect
from lithair.client import Client, Handle
from tests.client.library import PAGE, Book, Reader, Tally, library
from tests.support.leaks import no_process_left

if TYPE_CHECKING:
    from lithair.actors.background import Server

M = TypeVar("M", Book, Reader, Tally)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Server]":
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LT_MAX_TAKE", str(PAGE))
        app = library(tmp_path_factory.mktemp("library"))
        with no_process_left(), app.running() as server:
            yield server


@pytest.fixture(scope="module")
def client(server: "Server") -> Iterator[Client]:
    with connect(server.run_dir) as client:
        yield client


@pytest.fixture
def books(client: Client) -> Handle[Book]:
    """Give a handle of a model that is empty."""
    return emptied(client.model(Book))


@pytest.fixture
def readers(client: Client) -> Handle[Reader]:
    return emptied(client.model(Reader))


@pytest.fixture
def tallies(client: Client) -> Handle[Tally]:
    return emptied(client.model(Tally))


def emptied(handle: Handle[M]) -> Handle[M]:
    for item in handle.iterate():
        handle.apply_replicated_delete(item.id)
    return handle
