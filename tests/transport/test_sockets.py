"""Sockets and their files: permissions, long paths, explicit options, waiting."""

import os
import shutil
import stat
from pathlib import Path

import pytest
import zmq

from lithair.transport import sockets
from lithair.transport.sockets import (
    SOCKET_PATH_BYTES_MAX,
    Waiter,
    WatchedDealer,
    bind_router,
    connect_dealer,
    context,
    endpoint,
    is_readable,
    model_endpoint,
)
from lithair.wire.protocol import MESSAGE_BYTES_MAX
from tests.support.waiting import wait_until
from tests.transport.asking import Asking, settle
from tests.transport.little_model import LittleModel


def long_directory(tmp_path: Path) -> Path:
    directory = tmp_path / ("d" * 100) / ("e" * 100)
    directory.mkdir(parents=True)
    return directory


def test_an_endpoint_is_the_plain_path_where_that_is_short_enough() -> None:
    name = "x" * (SOCKET_PATH_BYTES_MAX - len("/run/"))
    assert endpoint("/run", name) == f"ipc:///run/{name}"


def test_the_bound_of_a_path_counts_bytes_and_not_letters(tmp_path: Path) -> None:
    name = "ü" * ((SOCKET_PATH_BYTES_MAX - len(os.fsencode(tmp_path))) // 2 + 1)
    assert endpoint(str(tmp_path), name).startswith("ipc:///proc/self/fd/")


def test_a_path_longer_than_107_bytes_is_served_and_reached(tmp_path: Path) -> None:
    directory = long_directory(tmp_path)
    where = model_endpoint(str(directory), "things")
    assert len(where) < SOCKET_PATH_BYTES_MAX
    model = LittleModel(where)
    assert (directory / "model-things").is_socket()
    with Asking(model_endpoint(str(directory), "things")) as asking:
        asking.put("a")
        settle(asking, model)
        assert asking.status("a") == 201
    model.close()


def test_a_long_path_costs_one_descriptor_however_often_it_is_asked_for(tmp_path: Path) -> None:
    directory = str(long_directory(tmp_path))
    first = endpoint(directory, "a")
    assert {endpoint(directory, "a") for _ in range(50)} == {first}


def test_a_long_directory_that_was_replaced_is_opened_again(tmp_path: Path) -> None:
    """A server that was started afresh has a new directory under the old name."""
    directory = long_directory(tmp_path)
    endpoint(str(directory), "a")
    shutil.rmtree(directory)
    directory.mkdir()
    where = endpoint(str(directory), "a").removeprefix("ipc://")
    assert os.stat(os.path.dirname(where)).st_ino == directory.stat().st_ino


def test_a_long_directory_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        endpoint(str(tmp_path / ("d" * 120)), "a")


def test_the_file_of_a_socket_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        server = bind_router(endpoint(str(tmp_path), "a"))
        assert os.umask(0o000) == 0o000  # and the process's umask is as it was
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    server.close(linger=0)


def test_the_umask_is_restored_when_binding_fails(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with pytest.raises(zmq.ZMQError):
            bind_router(endpoint(str(tmp_path / "missing"), "a"))
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_every_socket_has_every_option_that_matters_set(tmp_path: Path) -> None:
    where = endpoint(str(tmp_path), "a")
    watched = WatchedDealer(where)
    made = (bind_router(where), connect_dealer(where), watched.socket)
    for socket in made:
        options = {
            name: socket.getsockopt(getattr(zmq, name))
            for name in ("LINGER", "SNDHWM", "RCVHWM", "MAXMSGSIZE", "HANDSHAKE_IVL")
        }
        assert options == {
            "LINGER": 0,
            "SNDHWM": 0,
            "RCVHWM": 0,
            "MAXMSGSIZE": MESSAGE_BYTES_MAX,
            "HANDSHAKE_IVL": sockets.HANDSHAKE_MS,
        }
        assert socket.getsockopt(zmq.HEARTBEAT_IVL) == sockets.HEARTBEAT_MS
        assert socket.getsockopt(zmq.HEARTBEAT_TIMEOUT) == sockets.HEARTBEAT_TIMEOUT_MS
    watched.close()
    for socket in made[:2]:
        socket.close(linger=0)


def test_a_watched_dealer_tells_of_a_lost_connection_once(tmp_path: Path) -> None:
    where = endpoint(str(tmp_path), "a")
    server = bind_router(where)
    dealer = WatchedDealer(where)
    dealer.socket.send(b"hello")
    wait_until(lambda: server.poll(0), "the message")
    assert not dealer.was_lost()
    server.close(linger=0)
    wait_until(dealer.was_lost, "the loss")
    assert not dealer.was_lost()
    dealer.close()


def test_a_waiter_gives_what_is_ready_and_forgets_what_was_closed(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    server = bind_router(endpoint(str(tmp_path), "a"))
    waiter = Waiter()
    waiter.watch(reading)
    waiter.watch(server)
    assert not list(waiter.wait(0))
    os.write(writing, b"x")
    assert list(waiter.wait(1000)) == [reading]
    server.close(linger=0)
    assert list(waiter.wait(1000)) == [reading]
    waiter.forget(reading)
    waiter.forget(reading)
    assert not list(waiter.wait(0))
    os.close(reading)
    os.close(writing)


def test_a_message_beyond_the_bound_ends_the_connection_and_is_not_received(
    tmp_path: Path,
) -> None:
    where = endpoint(str(tmp_path), "a")
    server = bind_router(where)
    dealer = WatchedDealer(where)
    dealer.socket.send(bytes(MESSAGE_BYTES_MAX + 1))
    wait_until(dealer.was_lost, "the end of the connection")
    assert not is_readable(server)
    dealer.close()
    server.close(linger=0)


def test_asking_ends_of_a_process_share_one_context() -> None:
    assert context() is context()
