"""Calls over deaths of the model's process: they take longer, and are carried out once."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lithair import Client, Handle, connect
from lithair.aio import AsyncHandle
from lithair.aio import connect as connect_async
from tests.client.library import Tally, kill, library
from tests.support.leaks import no_process_left
from tests.support.waiting import wait_until

KILLS = 3
CLIENTS = 6
READY_MAX_S = 30.0


@pytest.fixture(scope="module")
def many_deaths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the run directory of a server whose models may die as often as they like."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LT_RESTART_LIMIT", "100000/30s")
        app = library(tmp_path_factory.mktemp("library"), Tally)
        with no_process_left(), app.running() as server:
            yield server.run_dir


@pytest.fixture
def lithair(many_deaths: str) -> Iterator[Client]:
    with connect(many_deaths) as client:
        yield client


def kill_beside(run_dir: str, written: list[int]) -> None:
    """Kill the process again and again; between two deaths every client has had two answers."""
    for _ in range(KILLS):
        before = list(written)
        wait_until(
            lambda before=before: all(  # type: ignore[misc]
                now >= then + 2 for now, then in zip(written, before, strict=True)
            ),
            "every client to go on",
            READY_MAX_S,
        )
        kill(run_dir, "tallys")


def check(handle: Handle[Tally], name: str, written: list[int]) -> None:
    for client, last in enumerate(written):
        numbers = [event.item.n for event in handle.history(f"{name}-{client}")]
        assert numbers == list(range(last + 1))


def test_threads_that_write_through_deaths_write_each_thing_once(lithair: Client) -> None:
    """Each number of each client is in its item's history, once and in order; nothing fails."""
    handle = lithair.model(Tally)
    written = [0] * CLIENTS
    is_over = threading.Event()

    def write(client: int) -> None:
        handle.create(Tally(id=f"thread-{client}"))
        while not is_over.is_set():
            number = written[client] + 1
            assert handle.patch(f"thread-{client}", {"n": number}).n == number
            written[client] = number

    with ThreadPoolExecutor(CLIENTS) as pool:
        writers = [pool.submit(write, client) for client in range(CLIENTS)]
        try:
            kill_beside(lithair.run_dir, written)
        finally:
            is_over.set()
        for writer in writers:
            writer.result()
    check(handle, "thread", written)


def test_tasks_that_write_through_deaths_write_each_thing_once(lithair: Client) -> None:
    """The same with asyncio."""
    written = [0] * CLIENTS
    is_over = threading.Event()

    async def write(handle: AsyncHandle[Tally], client: int) -> None:
        await handle.create(Tally(id=f"task-{client}"))
        while not is_over.is_set():
            number = written[client] + 1
            assert (await handle.patch(f"task-{client}", {"n": number})).n == number
            written[client] = number

    async def run() -> None:
        async with connect_async(lithair.run_dir) as client:
            handle = client.model(Tally)
            await asyncio.gather(*(write(handle, number) for number in range(CLIENTS)))

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, run())
        try:
            kill_beside(lithair.run_dir, written)
        finally:
            is_over.set()
        running.result()
    check(lithair.model(Tally), "task", written)


def test_a_handle_that_rested_over_a_death_goes_on(lithair: Client) -> None:
    """Its connection was lost while nothing was asked."""
    handle = lithair.model(Tally)
    made = handle.create(Tally(n=5))
    kill(lithair.run_dir, "tallys")
    assert handle.get(made.id) == made
    assert handle.patch(made.id, {"n": 6}).n == 6
