"""When a model's process is stopped, dead or failed, and when the gateway has to stop."""

import os
import signal
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httpx2
import msgspec
import pytest

from lithair import Lithair, Model
from lithair.actors.background import Server
from lithair.transport.control_socket import ControlClient
from tests.gateway.harness import RawConnection
from tests.support.waiting import wait_until

ITEMS = "/api/notes"


class Note(Model):
    text: str


def application(folder: Path, timeout_s: float) -> Lithair:
    return (
        Lithair()
        .with_model(Note, folder / "notes", ITEMS)
        .with_run_dir(folder / "run")
        .with_port(0)
        .with_timeout(timeout_s)
    )


@pytest.fixture
def server(tmp_path: Path, no_leaks: None) -> Generator[Server]:
    with application(tmp_path, 1.0).running() as running:
        yield running


@pytest.fixture
def patient(tmp_path: Path, no_leaks: None) -> Generator[Server]:
    with application(tmp_path, 20.0).running() as running:
        yield running


@pytest.fixture
def client(server: Server) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=server.url) as http:
        yield http


def model_of(server: Server) -> dict[str, object]:
    answer = ControlClient(server.run_dir).ask({"ask": "where"}, 5.0)
    assert answer is not None
    return cast("list[dict[str, object]]", answer["models"])[0]


def pid_of(server: Server) -> int:
    return wait_until(lambda: cast("int | None", model_of(server)["pid"]), "a pid")


def raw(server: Server) -> RawConnection:
    where = urlsplit(server.url)
    return RawConnection.to(str(where.hostname), int(where.port or 0))


def test_a_process_that_does_not_answer_in_time_is_503_or_504(
    server: Server, client: httpx2.Client
) -> None:
    pid = pid_of(server)
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = client.get(f"{ITEMS}/count")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert answer.status_code in (503, 504)
    problem = msgspec.json.decode(answer.content, type=dict[str, object])
    assert problem["status"] == answer.status_code
    assert ("Retry-After" in answer.headers) == (answer.status_code == 503)
    wait_until(lambda: client.get(f"{ITEMS}/count").status_code == 200, "the model to answer")


def test_a_write_whose_time_was_up_does_not_happen_afterwards(
    server: Server, client: httpx2.Client
) -> None:
    assert client.get(f"{ITEMS}/count").status_code == 200
    pid = pid_of(server)
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = client.post(ITEMS, json={"id": "late", "text": "x"})
    finally:
        os.kill(pid, signal.SIGCONT)
    assert answer.status_code in (503, 504)
    wait_until(lambda: client.get(f"{ITEMS}/count").status_code == 200, "the model to answer")
    assert client.get(f"{ITEMS}/late").status_code == 404


def test_a_death_of_the_process_costs_time_and_no_write(patient: Server) -> None:
    stop = threading.Event()
    written: list[str] = []

    def write(worker: int) -> None:
        with httpx2.Client(base_url=patient.url, timeout=30) as http:
            for number in range(10_000):
                if stop.is_set():
                    return
                name = f"{worker}-{number}"
                answer = http.post(ITEMS, json={"id": name, "text": "x"})
                assert answer.status_code == 201, answer.text
                written.append(name)

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(write, worker) for worker in range(4)]
        wait_until(lambda: len(written) > 50, "the first writes")
        os.kill(pid_of(patient), signal.SIGKILL)
        seen = len(written)
        wait_until(lambda: len(written) > seen + 50, "writes after the death")
        stop.set()
        for job in jobs:
            job.result()
    with httpx2.Client(base_url=patient.url) as http:
        assert http.get(f"{ITEMS}/count").json() == {"count": len(written)}
        assert http.get(f"{ITEMS}/count").headers["Lithair-Seq"] == str(len(written))


def test_a_client_that_is_gone_leaves_nothing_behind(server: Server, client: httpx2.Client) -> None:
    pid = pid_of(server)
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(20):
            with raw(server) as connection:
                connection.send(f"GET {ITEMS}/count HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    finally:
        os.kill(pid, signal.SIGCONT)
    assert client.get(f"{ITEMS}/count").status_code == 200


def test_a_damaged_model_is_answered_503_and_the_rest_goes_on(
    tmp_path: Path, no_leaks: None
) -> None:
    class_dir = tmp_path / "notes"
    with application(tmp_path, 20.0).running() as running, httpx2.Client() as http:
        assert http.post(running.url + ITEMS, json={"text": "x" * 500}).status_code == 201
    log = min(class_dir.glob("*.raftlog"))
    data = bytearray(log.read_bytes())
    middle = bytes(data).index(b"x" * 500) + 100
    data[middle] ^= 1
    log.write_bytes(data)
    app = application(tmp_path, 20.0).with_model(Other, tmp_path / "others", "/api/others")
    with app.running() as running, httpx2.Client(base_url=running.url) as http:
        wait_until(lambda: http.get("/ready").status_code == 200, "the server to be ready")
        assert http.get("/ready").json()["failed"] == ["notes"]
        answer = http.get(f"{ITEMS}/count")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "60"
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert str(tmp_path) not in answer.text
        assert http.get("/api/others/count").status_code == 200
        assert http.get("/health").status_code == 200


class Other(Model):
    text: str


def test_stopping_finishes_what_is_in_flight(patient: Server) -> None:
    pid = pid_of(patient)
    os.kill(pid, signal.SIGSTOP)
    with raw(patient) as connection:
        connection.send(f"GET {ITEMS}/count HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        with ThreadPoolExecutor(1) as pool, raw(patient) as probe:
            probe.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert probe.answer().status == 200  # so the request before was read, too
            stopped = pool.submit(patient.stop)
            assert probe.is_closed()  # idle connections are closed first
            os.kill(pid, signal.SIGCONT)
            assert connection.answer().status == 200
            assert connection.is_closed()
            stopped.result(20)
