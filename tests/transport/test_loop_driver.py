"""The way of a gateway: a client on an asyncio loop, against a model in a thread of its own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import pytest

from lithair.transport.loop_driver import LoopDriver
from lithair.transport.sockets import model_endpoint, monotonic_ms
from lithair.wire.messages import Reply, Write
from lithair.wire.protocol import PUBLIC, Verb
from tests.transport.little_model import LittleModel, Memory

IN_TIME_S = 10.0
Ask = Callable[[LoopDriver], Awaitable[None]]


class ServedModel:
    """A little model that answers in a thread until it is stopped."""

    def __init__(self, endpoint: str, memory: Memory | None = None) -> None:
        self.model = LittleModel(endpoint, memory)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if not self._is_over.is_set():
            self._is_over.set()
            self._thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set():
            self.model.turn(5)
        self.model.close()


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return model_endpoint(str(tmp_path), "things")


@pytest.fixture
def served(endpoint: str) -> Generator[ServedModel]:
    served = ServedModel(endpoint)
    yield served
    served.stop()


def run(endpoint: str, ask: Ask) -> None:
    async def main() -> None:
        driver = LoopDriver(asyncio.get_running_loop(), endpoint)
        try:
            await asyncio.wait_for(ask(driver), IN_TIME_S)
        finally:
            driver.close()

    asyncio.run(main())


def got(driver: LoopDriver, key: str, deadline_ms: int = 0) -> "asyncio.Future[Reply]":
    answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    driver.ask_read(Verb.GET, deadline_ms, PUBLIC, key, answered.set_result)
    return answered


def put(driver: LoopDriver, key: str, body: bytes = b"{}") -> "asyncio.Future[Reply]":
    answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    write = Write(key.encode().rjust(16), key, body)
    driver.ask_write(Verb.CREATE, 0, PUBLIC, write, answered.set_result)
    return answered


def test_everything_asked_in_one_turn_of_the_loop_leaves_as_one_message(
    endpoint: str, served: ServedModel
) -> None:
    async def ask(driver: LoopDriver) -> None:
        await got(driver, "greet")
        served.model.batches.clear()
        replies = await asyncio.gather(*(got(driver, f"{n}") for n in range(200)))
        assert {reply.status for reply in replies} == {404}
        assert served.model.batches == [200]

    run(endpoint, ask)


def test_an_answer_that_waits_for_nothing_comes_without_a_tick(
    endpoint: str, served: ServedModel
) -> None:
    """The descriptor is edge-triggered; none of its edges may be missed over many turns."""

    async def ask(driver: LoopDriver) -> None:
        await got(driver, "greet")
        began_ms = monotonic_ms()
        for number in range(100):
            await got(driver, f"{number}")
        assert monotonic_ms() - began_ms < 100 * 25  # half of what ticks alone would take

    run(endpoint, ask)


def test_requests_of_a_loop_are_carried_over_a_death(endpoint: str, served: ServedModel) -> None:
    async def ask(driver: LoopDriver) -> None:
        assert (await put(driver, "before")).status == 201
        await asyncio.to_thread(served.stop)
        waiting = [put(driver, f"{n}") for n in range(10)]
        successor = await asyncio.to_thread(ServedModel, endpoint, served.model.memory)
        try:
            assert {reply.status for reply in await asyncio.gather(*waiting)} == {201}
        finally:
            await asyncio.to_thread(successor.stop)
        assert successor.model.memory.keys == ["before", *(f"{n}" for n in range(10))]

    run(endpoint, ask)


def test_a_deadline_is_noticed_on_an_idle_loop(endpoint: str) -> None:
    async def ask(driver: LoopDriver) -> None:
        reply = await got(driver, "a", monotonic_ms() + 20)
        assert reply.status == 503

    run(endpoint, ask)


def test_closing_answers_what_waits_and_leaves_nothing_on_the_loop(endpoint: str) -> None:
    async def ask(driver: LoopDriver) -> None:
        waiting = got(driver, "a")
        await asyncio.sleep(0)
        driver.close()
        assert (await waiting).status == 503
        assert driver.client.is_idle

    run(endpoint, ask)
