"""Model process and gateway are killed under load: nothing acknowledged is lost or done twice."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.end_to_end.writers import HandleWriter, HttpWriter, Writer
from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

pytestmark = pytest.mark.usefixtures("no_leaks")

MODEL_KILLS = 50
GATEWAY_KILLS = 20
HTTP_WRITERS = 14
HANDLE_WRITERS = 2
PROGRESS_MAX_S = 60.0  # a killed process is back after at most a second's backoff and its start


def start(directory: Path) -> Started:
    shutil.copy(ROOT / "tests/end_to_end/counters.py", directory / "app.py")
    return Started(directory, environ={"LT_RESTART_LIMIT": "100000/30s"})


def wait_for_progress(writers: list[Writer]) -> None:
    """Wait until each client has had two more answers, so no request is there at two deaths."""
    before = [writer.acknowledged for writer in writers]

    def look() -> bool:
        if faults := [writer.fault for writer in writers if writer.fault]:
            raise AssertionError("\n".join(faults))
        return all(w.acknowledged >= b + 2 for w, b in zip(writers, before, strict=True))

    wait_until(look, "every client to go on", PROGRESS_MAX_S)


def kill(server: Started, title: str) -> None:
    server.child(title).kill()


def check(url: str, writers: list[Writer]) -> None:
    """Compare what the server has with what was acknowledged."""
    with httpx.Client(timeout=60) as http:
        for writer in writers:
            history = http.get(f"{url}/{writer.item_id}/history").json()
            numbers = [event["item"]["n"] for event in history]
            assert numbers == list(range(writer.acknowledged)), writer.name
        expected = {key for writer in writers for key in (writer.item_id, *writer.created)}
        assert http.get(url + "/count").json()["count"] == len(expected)
        for key in expected:
            assert http.get(f"{url}/{key}").status_code == 200


def run_under_load(directory: Path, disturb: Callable[[Started, list[Writer]], None]) -> None:
    with start(directory) as server:
        url = server.url + "/api/counters"
        writers: list[Writer] = [HttpWriter(f"http-{n}", url) for n in range(HTTP_WRITERS)]
        run_dir = directory / ".lithair"
        writers += [HandleWriter(f"handle-{n}", run_dir) for n in range(HANDLE_WRITERS)]
        for writer in writers:
            writer.start()
        try:
            wait_for_progress(writers)
            disturb(server, writers)
        finally:
            for writer in writers:
                writer.stopping.set()
            for writer in writers:
                writer.join(90)
        assert not any(writer.fault for writer in writers), [w.fault for w in writers if w.fault]
        check(url, writers)
        assert server.stop() == 0
    with start(directory) as again:
        check(again.url + "/api/counters", writers)
        assert again.stop() == 0


def test_50_kills_of_the_model_process_cost_time_and_nothing_else(tmp_path: Path) -> None:
    """No 5xx, no cut connection, no retry; no acknowledged write lost, none applied twice."""

    def disturb(server: Started, writers: list[Writer]) -> None:
        for _ in range(MODEL_KILLS):
            kill(server, "model counters")
            wait_for_progress(writers)
        assert sum(writer.retries for writer in writers) == 0

    run_under_load(tmp_path, disturb)


def test_20_kills_of_a_gateway_cut_connections_and_a_retry_gets_the_first_answer(
    tmp_path: Path,
) -> None:
    """Some of them together with the model process."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)

    def disturb(server: Started, writers: list[Writer]) -> None:
        for _ in range(GATEWAY_KILLS):
            kill(server, "gateway")
            if chance.random() < 0.3:
                kill(server, "model counters")
            wait_for_progress(writers)
        assert sum(writer.retries for writer in writers) > 0

    run_under_load(tmp_path, disturb)
