"""Run directories whose sockets have paths too long for the kernel, through a handle."""

import os
import shutil
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lithair import connect
from lithair.transport.control_socket import ControlServer
from lithair.transport.sockets import SOCKET_PATH_BYTES_MAX, model_endpoint
from tests.transport.little_model import LittleModel, Memory

WHERE = {"models": ({"name": "things", "class_name": "Thing", "phase": "serving"},)}


@contextmanager
def served(run_dir: Path, item: bytes) -> Generator[None]:
    """Serve one model with one item, `a`, and say where it is."""
    control = ControlServer(str(run_dir))
    model = LittleModel(model_endpoint(str(run_dir), "things"), Memory(items={"a": item}))
    is_over = threading.Event()

    def turns() -> None:
        while not is_over.is_set():
            model.turn(5)
            for peer, _question in control.receive():
                control.send(peer, WHERE)

    thread = threading.Thread(target=turns, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        model.close()
        control.close()


def test_a_handle_follows_its_server_into_a_directory_that_was_made_afresh(tmp_path: Path) -> None:
    """The directory is reached through another descriptor then, so by another endpoint."""
    run_dir = tmp_path / ("d" * SOCKET_PATH_BYTES_MAX)
    run_dir.mkdir()
    lower = os.open(tmp_path, os.O_PATH)
    with connect(run_dir, timeout=10) as client:
        things = client.model("things")
        with served(run_dir, b'{"id":"a","life":1}'):
            assert things.get("a") == {"id": "a", "life": 1}
        shutil.rmtree(run_dir)
        run_dir.mkdir()
        os.close(lower)  # the next descriptor is this one, whichever the directory had before
        with served(run_dir, b'{"id":"a","life":2}'):
            assert things.get("a") == {"id": "a", "life": 2}
