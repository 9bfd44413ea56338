"""Processes of another release: both ends say both versions, and ask again later."""

import logging
from collections.abc import Generator
from pathlib import Path

import pytest

from lithair.transport.request_client import MISMATCH_MS
from lithair.transport.sockets import Socket, bind_router, context, model_endpoint
from lithair.wire.protocol import PROTOCOL_VERSION, REFUSAL_MARK
from tests.transport.asking import Asking, Clock, run_until, settle
from tests.transport.little_model import LittleModel

THEIRS = PROTOCOL_VERSION + 1


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return model_endpoint(str(tmp_path), "things")


@pytest.fixture
def newer(endpoint: str) -> Generator[Socket]:
    """Give the socket of a server of the next version."""
    socket = bind_router(endpoint, context())
    yield socket
    socket.close(linger=0)


def refuse(server: Socket, asking: Asking) -> None:
    run_until(lambda: server.poll(0), "a hello", asking)
    peer, message = server.recv_multipart()
    assert message[0] == PROTOCOL_VERSION
    server.send_multipart((peer, bytes((REFUSAL_MARK, THEIRS, PROTOCOL_VERSION))))


def test_a_server_of_another_version_is_503_with_both_numbers(
    endpoint: str, newer: Socket, caplog: pytest.LogCaptureFixture
) -> None:
    with Asking(endpoint) as asking, caplog.at_level(logging.WARNING):
        asking.put("a")
        refuse(newer, asking)
        settle(asking)
        assert asking.status("a") == 503
        assert f"version {THEIRS} of" in asking.problem("a")
        assert f"version {PROTOCOL_VERSION}:" in asking.problem("a")
        assert "stop the server and start it again" in caplog.text


def test_answers_of_another_version_are_refused_too(endpoint: str, newer: Socket) -> None:
    """A server so careless as to answer in its own version is still found out."""
    with Asking(endpoint) as asking:
        asking.put("a")
        run_until(lambda: newer.poll(0), "a hello", asking)
        peer, _ = newer.recv_multipart()
        newer.send_multipart((peer, bytes((THEIRS,)) + b"\x90"))
        settle(asking)
        assert asking.status("a") == 503


def test_it_is_asked_again_and_served_once_the_server_is_of_this_version(
    endpoint: str, newer: Socket
) -> None:
    clock = Clock()
    with Asking(endpoint, clock) as asking:
        asking.put("a")
        refuse(newer, asking)
        settle(asking)
        asking.put("b")
        asking.turn()
        clock.now_ms += MISMATCH_MS - 1
        asking.turn()
        assert not newer.poll(20)  # not yet: nobody is asked in a loop
        clock.now_ms += 1
        refuse(newer, asking)
        settle(asking)
        assert asking.status("b") == 503
        newer.close(linger=0)
        asking.put("c")
        model = LittleModel(endpoint)

        def look() -> bool:
            clock.now_ms += 50
            return asking.client.is_idle

        run_until(look, "an answer", asking, model)
        assert asking.status("c") == 201
        model.close()
