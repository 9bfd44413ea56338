"""Workers: called once, again when they die, or on a schedule, and left in order."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lithair import Lithair, Model
from lithair.client import Client
from lithair.declaration import WorkerFunction
from lithair.transport.control_socket import ControlClient
from tests.support.leaks import no_process_left
from tests.support.waiting import wait_until


class Entry(Model):
    text: str = ""


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    with no_process_left():
        yield


def app_with(place: Path, worker: WorkerFunction, every: float | None = None) -> Lithair:
    app = Lithair().with_model(Entry, place / "data", "/api/entries").with_port(0)
    return app.with_run_dir(place / "run").with_worker(worker, "writer", every=every)


def status_of(place: Path, name: str = "writer") -> dict[str, object]:
    with ControlClient(str(place / "run")) as client:
        answer = client.ask({"ask": "status"}, 5.0)
    assert answer is not None
    processes: list[dict[str, object]] = answer["processes"]  # type: ignore[assignment]
    return next(process for process in processes if process["name"] == name)


def write_once(lithair: Client) -> None:
    entries = lithair.model(Entry)
    entries.create(Entry(text=f"{os.getpid()}"))


def test_a_worker_is_called_once_with_a_client_and_is_finished_when_it_returns(
    tmp_path: Path,
) -> None:
    with app_with(tmp_path, write_once).running() as server:
        entries = server.handle(Entry)
        wait_until(lambda: status_of(tmp_path)["detail"] == "finished", "the worker to return", 20)
        assert entries.count() == 1
        pid = int(entries.list().data[0].text)
        assert pid not in (os.getpid(), server.pid)


def write_and_wait(lithair: Client) -> None:
    lithair.model(Entry).create(Entry(text=f"{os.getpid()}"))
    signal.pause()


def test_a_worker_that_dies_is_called_again(tmp_path: Path) -> None:
    with app_with(tmp_path, write_and_wait).running() as server:
        entries = server.handle(Entry)
        wait_until(lambda: entries.count() == 1, "the first call", 20)
        os.kill(int(entries.list().data[0].text), signal.SIGKILL)
        wait_until(lambda: entries.count() == 2, "the second call", 20)
        assert status_of(tmp_path)["restarts"] == 1


def raise_once(lithair: Client) -> None:
    entries = lithair.model(Entry)
    entries.create(Entry())
    if entries.count() < 2:
        raise RuntimeError("not yet")


def test_a_worker_that_raises_is_called_again(tmp_path: Path) -> None:
    with app_with(tmp_path, raise_once).running() as server:
        entries = server.handle(Entry)
        wait_until(lambda: status_of(tmp_path)["detail"] == "finished", "the worker to return", 20)
        assert entries.count() == 2


def leave_exit(lithair: Client) -> None:
    lithair.model(Entry).create(Entry())
    raise SystemExit


def test_a_worker_may_return_by_sys_exit(tmp_path: Path) -> None:
    with app_with(tmp_path, leave_exit).running() as server:
        wait_until(lambda: status_of(tmp_path)["detail"] == "finished", "the worker to exit", 20)
        assert server.handle(Entry).count() == 1


def raise_every_other_time(lithair: Client) -> None:
    entries = lithair.model(Entry)
    entries.create(Entry(text=f"{os.getpid()}"))
    if entries.count() == 2:
        raise RuntimeError("the second call fails")


def test_a_schedule_goes_on_in_the_same_process_after_a_call_that_failed(tmp_path: Path) -> None:
    with app_with(tmp_path, raise_every_other_time, every=0.1).running() as server:
        entries = server.handle(Entry)
        wait_until(lambda: entries.count() >= 4, "four calls", 20)
        assert len({entry.text for entry in entries.list().data}) == 1
        assert status_of(tmp_path)["restarts"] == 0


def test_a_schedule_of_a_day_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    with app_with(tmp_path, write_once, every=86_400).running() as server:
        entries = server.handle(Entry)
        wait_until(lambda: entries.count() == 1, "the first call", 20)
        worker = psutil.Process(int(entries.list().data[0].text))
        server.stop()
        assert not worker.is_running()


def tidy_up_at_the_end(lithair: Client) -> None:
    entries = lithair.model(Entry)
    entries.create(Entry(id="begun"))
    try:
        signal.pause()
    finally:
        entries.create(Entry(id="tidied"))


def test_a_worker_is_left_so_that_its_finally_still_reaches_the_models(tmp_path: Path) -> None:
    with app_with(tmp_path, tidy_up_at_the_end).running() as server:
        wait_until(lambda: server.handle(Entry).get("begun"), "the worker", 20)
    with (
        Lithair()
        .with_model(Entry, tmp_path / "data", "/api/entries")
        .with_port(0)
        .with_run_dir(tmp_path / "run")
        .running() as server
    ):
        assert server.handle(Entry).get("tidied") is not None
