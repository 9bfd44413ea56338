"""The handle of `with_model_ref` finds the server of its application wherever it is used."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from lithair import Lithair, connect
from lithair.transport.control_socket import ControlClient
from tests.client.referring_app import Entry
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

pytestmark = pytest.mark.usefixtures("no_leaks")

READY_MAX_S = 30.0


def url_of(run_dir: Path) -> str:
    with ControlClient(str(run_dir)) as control:
        answer = control.ask({"ask": "where"}, 5.0)
    assert answer is not None
    return str(answer["url"])


def test_it_works_in_a_thread_of_the_server_in_a_worker_and_in_a_route(tmp_path: Path) -> None:
    """Though it was made before the run directory was named; plain connect() does in a child."""
    shutil.copy(ROOT / "tests/client/referring_app.py", tmp_path / "app.py")
    server = subprocess.Popen([sys.executable, "app.py"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        with connect(tmp_path / "place", timeout=READY_MAX_S) as lithair:
            handle = lithair.model(Entry)
            wait_until(lambda: handle.count() == 4, "thread and worker to write", READY_MAX_S)
            url = url_of(tmp_path / "place")
            assert httpx2.get(f"{url}/show").json() == {"count": 7}
            assert {entry.id for entry in handle.iterate()} == {
                "thread of the server",
                "worker",
                "client of the worker",
                "connect in the worker",
                "route",
                "connect in the route",
                "model of the request",
            }
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(READY_MAX_S) == 0


def test_it_works_in_the_process_that_runs_it_in_the_background(tmp_path: Path) -> None:
    """With the run directory that is named after it was made."""
    app, entries = Lithair().with_model_ref(Entry, tmp_path / "data", "/api/entries")
    with app.with_port(0).with_run_dir(tmp_path / "run").running() as server:
        made = entries.create(Entry(text="x"))
        assert server.handle(Entry).get(made.id) == made
    entries.close()
