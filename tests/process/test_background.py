"""`app.running()`: a whole server for a test or a script, and nothing of it afterwards."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from lithair import Lithair, Model, Pinned
from lithair.errors import LithairError, LockedByOther
from tests.process.fake_server import wait_until_gone
from tests.support.leaks import no_process_left

FAMILY_GONE_MAX_S = 10.0  # an ordered stop, on a busy machine


class Film(Model):
    title: Pinned[str]
    year: int = 0


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    with no_process_left():
        yield


def make_app(place: Path) -> Lithair:
    app = Lithair().with_model(Film, place / "data", "/api/films")
    return app.with_port(0).with_run_dir(place / "run")


def family_of(pid: int) -> set[psutil.Process]:
    supervisor = psutil.Process(pid)
    return {supervisor, *supervisor.children(recursive=True)}


def test_the_server_is_there_inside_and_gone_outside(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    with app.running() as server:
        family = family_of(server.pid)
        assert len(family) == 3
        made = httpx2.post(f"{server.url}/api/films", json={"title": "Alien"})
        assert made.status_code == 201
    wait_until_gone(family, 0.1)
    with pytest.raises(LithairError, match="does not run"):
        _ = server.url
    with app.running() as server:
        assert httpx2.get(f"{server.url}/api/films/count").json() == {"count": 1}


def test_handles_reach_the_server_and_end_with_it(tmp_path: Path) -> None:
    with make_app(tmp_path).running() as server:
        films = server.handle(Film)
        made = films.create(Film(title="Alien"))
        assert films.get(made.id) == made
        assert httpx2.get(f"{server.url}/api/films/{made.id}").json()["title"] == "Alien"


def test_it_can_be_run_from_a_thread_that_ends_before_it(tmp_path: Path) -> None:
    server = make_app(tmp_path).running()
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        assert httpx2.get(f"{server.url}/health").status_code == 200
    finally:
        server.stop()


def test_an_error_inside_stops_the_server_and_goes_on(tmp_path: Path) -> None:
    family: set[psutil.Process] = set()

    def fail_inside() -> None:
        with make_app(tmp_path).running() as server:
            family.update(family_of(server.pid))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert len(family) == 3
    wait_until_gone(family, 0.1)


def test_ctrl_c_is_the_business_of_the_process_that_runs_it(tmp_path: Path) -> None:
    with make_app(tmp_path).running() as server:
        os.kill(server.pid, signal.SIGINT)
        assert httpx2.get(f"{server.url}/health").status_code == 200


SCRIPT = """
import os, sys
from lithair import Lithair, Model

class Film(Model):
    title: str

app = Lithair().with_model(Film, "data", "/api/films").with_port(0)

if __name__ == "__main__":
    with app.running() as server:
        print(server.pid, flush=True)
        sys.stdin.read()
"""


def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    script = subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert script.stdout is not None
    family = family_of(int(script.stdout.readline()))
    script.kill()
    script.communicate()
    wait_until_gone(family, FAMILY_GONE_MAX_S)


def test_a_run_directory_in_use_is_refused_by_name(tmp_path: Path) -> None:
    with make_app(tmp_path).running() as server:
        with pytest.raises(LockedByOther, match=f"process {server.pid}"):
            make_app(tmp_path).running().start()
        assert httpx2.get(f"{server.url}/health").status_code == 200


def test_a_data_directory_in_use_is_refused_by_name(tmp_path: Path) -> None:
    with make_app(tmp_path).running():
        other = make_app(tmp_path).with_run_dir(tmp_path / "other")
        with pytest.raises(LockedByOther, match="data"):
            other.running().start()


def test_a_port_in_use_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        with pytest.raises(LithairError, match=f"port {port}: Address already in use"):
            make_app(tmp_path).with_port(port).running().start()


def test_a_server_all_of_whose_models_are_damaged_does_not_count_as_running(
    tmp_path: Path,
) -> None:
    with make_app(tmp_path).running() as server:
        httpx2.post(f"{server.url}/api/films", json={"title": "Alien"})
    segment = min((tmp_path / "data").glob("*.raftlog"))
    damaged = bytearray(segment.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    segment.write_bytes(damaged)
    with pytest.raises(LithairError, match="lithair verify"):
        make_app(tmp_path).running().start()
