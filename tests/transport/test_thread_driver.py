"""The way of handles: clients in a background thread that never keeps the interpreter."""

import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar, cast

import pytest

from lithair.transport.request_client import RequestClient
from lithair.transport.sockets import model_endpoint, monotonic_ms
from lithair.transport.thread_driver import ThreadDriver
from lithair.wire.messages import Reply
from lithair.wire.protocol import TRUSTED, Verb
from tests.support.waiting import wait_until
from tests.transport.test_loop_driver import ServedModel

T = TypeVar("T")
IN_TIME_S = 5.0  # half of the pause of an idle thread: being late is seen

LEAVE_ASKING = """
import sys, threading
from lithair.transport.request_client import RequestClient
from lithair.transport.thread_driver import ThreadDriver
driver = ThreadDriver()
asked = threading.Event()
def ask():
    client = driver.admit(lambda seat: RequestClient(sys.argv[1], seat))
    client.ask_read(2, 0, "", "a", lambda reply: None)
    asked.set()
driver.submit(ask)
assert asked.wait(10)
"""


@pytest.fixture
def driver() -> Generator[ThreadDriver]:
    driver = ThreadDriver()
    yield driver
    driver.stop()


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return model_endpoint(str(tmp_path), "things")


def there(driver: ThreadDriver, call: Callable[[], T]) -> T:
    """Call something in the driver's thread, and give what it gives."""
    future: Future[T] = Future()
    driver.submit(lambda: future.set_result(call()))
    return future.result(IN_TIME_S)


def admitted(driver: ThreadDriver, endpoint: str) -> RequestClient:
    made = there(driver, lambda: driver.admit(lambda seat: RequestClient(endpoint, seat)))
    return cast(RequestClient, made)


def get(driver: ThreadDriver, client: RequestClient, deadline_ms: int = 0) -> "Future[Reply]":
    future: Future[Reply] = Future()
    driver.submit(
        lambda: _ignored(client.ask_read(Verb.GET, deadline_ms, TRUSTED, "a", future.set_result))
    )
    return future


def _ignored(_request_id: int) -> None:
    return None


def test_many_threads_ask_through_one(driver: ThreadDriver, endpoint: str) -> None:
    served = ServedModel(endpoint)
    client = admitted(driver, endpoint)
    futures: list[Future[Reply]] = []

    def ask() -> None:
        for _ in range(100):
            futures.append(get(driver, client))  # noqa: PERF401

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {future.result(IN_TIME_S).status for future in futures} == {404}
    assert len(futures) == 400
    there(driver, client.close)
    served.stop()


def test_what_was_handed_over_in_one_turn_leaves_as_one_message(
    driver: ThreadDriver, endpoint: str
) -> None:
    served = ServedModel(endpoint)
    client = admitted(driver, endpoint)
    assert get(driver, client).result(IN_TIME_S).status == 404
    served.model.batches.clear()
    is_released = threading.Event()
    driver.submit(lambda: _ignored(is_released.wait(IN_TIME_S)))  # so that the rest gathers
    futures = [get(driver, client) for _ in range(50)]
    is_released.set()
    for future in futures:
        future.result(IN_TIME_S)
    assert served.model.batches == [50]
    there(driver, client.close)
    served.stop()


def test_a_deadline_is_noticed_while_nothing_else_happens(
    driver: ThreadDriver, endpoint: str
) -> None:
    client = admitted(driver, endpoint)
    future = get(driver, client, monotonic_ms() + 20)
    assert future.result(IN_TIME_S).status == 503
    there(driver, client.close)


def test_a_call_that_fails_does_not_hold_up_those_behind_it(
    driver: ThreadDriver, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("of the caller")

    is_released, is_done = threading.Event(), threading.Event()
    driver.submit(lambda: _ignored(is_released.wait(IN_TIME_S)))
    driver.submit(fail)
    driver.submit(is_done.set)
    is_released.set()
    assert is_done.wait(IN_TIME_S)
    assert "of the caller" in caplog.text


def test_what_a_callback_asks_is_sent_though_no_other_call_comes(
    driver: ThreadDriver, endpoint: str
) -> None:
    """Asked while time-outs are looked at, when this turn's messages have left already."""
    client = admitted(driver, endpoint)
    served: list[ServedModel] = []
    again: Future[Reply] = Future()

    def ask_again(_reply: Reply) -> None:
        client.connect(endpoint)
        client.ask_read(Verb.GET, 0, TRUSTED, "a", again.set_result)

    deadline_ms = monotonic_ms() + 20
    driver.submit(lambda: _ignored(client.ask_read(Verb.GET, deadline_ms, TRUSTED, "a", ask_again)))
    served.append(ServedModel(endpoint))
    assert again.result(IN_TIME_S).status == 404
    there(driver, client.close)
    served[0].stop()


def test_a_dismissed_client_is_driven_no_more(driver: ThreadDriver, endpoint: str) -> None:
    client = admitted(driver, endpoint)
    there(driver, lambda: driver.dismiss(client))
    there(driver, client.close)
    assert there(driver, lambda: len(driver._clients)) == 0
    assert there(driver, lambda: len(driver._seats)) == 0


def test_stopping_ends_the_thread_and_stopping_twice_does_nothing(driver: ThreadDriver) -> None:
    thread = there(driver, threading.current_thread)
    driver.stop()
    wait_until(lambda: not thread.is_alive(), "the end of the thread")
    driver.stop()


def test_the_thread_never_keeps_the_interpreter_from_ending(endpoint: str) -> None:
    """A script that leaves with a request unanswered ends at once, and without a word."""
    ended = subprocess.run(
        [sys.executable, "-c", LEAVE_ASKING, endpoint],
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
