"""Listeners of a whole server: killed and restarted under load, and seen by whoever operates it."""

import json
import re
import shutil
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.support.commands import lithair
from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

pytestmark = pytest.mark.usefixtures("no_leaks")

KILLS = 8
PROGRESS_MAX_S = 90.0  # a killed process is back at once, and starts within seconds at worst


def start(directory: Path) -> Started:
    shutil.copy(ROOT / "tests/end_to_end/hearing.py", directory / "app.py")
    return Started(directory, environ={"LT_RESTART_LIMIT": "1000/30s"})


def heard(directory: Path, name: str) -> list[int]:
    path = directory / name
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def wait_for(directory: Path, name: str, lines: int) -> None:
    wait_until(
        lambda: len(heard(directory, name)) >= lines, f"{name}: {lines} lines", PROGRESS_MAX_S
    )


def wait_for_seq(directory: Path, name: str, seq: int) -> list[int]:
    """Wait until an event was handled; give all that were."""
    wait_until(lambda: heard(directory, name)[-1:] == [seq], f"{name}: event {seq}", PROGRESS_MAX_S)
    return heard(directory, name)


def status_of(directory: Path, name: str) -> dict[str, Any]:
    done = lithair(directory, "status", "--json")
    assert done.returncode == 0, done.stderr
    processes: list[dict[str, Any]] = json.loads(done.stdout)["processes"]
    return next(process for process in processes if process["name"] == name)


def create(url: str, *texts: str) -> int:
    """Create notes; gives the seq of the last one."""
    seq = 0
    for text in texts:
        answer = httpx.post(f"{url}/api/notes", json={"text": text}, timeout=60)
        assert answer.status_code == 201
        seq = int(answer.headers["Lithair-Seq"])
    return seq


class Writers:
    """Write until they are told to stop."""

    def __init__(self, url: str) -> None:
        self._stopping = threading.Event()
        self._url = url
        self._threads = [threading.Thread(target=self._run) for _ in range(2)]
        self.seq = 0
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.seq = max(self.seq, create(self._url, "good"))

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()


def test_listeners_and_models_that_are_killed_under_load_leave_no_event_out(
    tmp_path: Path,
) -> None:
    with start(tmp_path) as server:
        writers = Writers(server.url)
        try:
            for number in range(KILLS):
                wait_for(tmp_path, "recorded", len(heard(tmp_path, "recorded")) + 10)
                server.child("listener recorder").kill()
                if number % 3 == 1:
                    server.child("model notes").kill()
        finally:
            writers.stop()
        last = create(server.url, "the last one")
        for name in ("recorded", "whispered", "liked"):
            seqs = wait_for_seq(tmp_path, name, last)
            assert seqs[0] == 1
            repeats = [after - before for before, after in pairwise(seqs)]
            assert set(repeats) <= {0, 1}, name
            assert repeats.count(0) <= (KILLS if name == "recorded" else 0), name
        recorder = status_of(tmp_path, "recorder")
        assert (recorder["kind"], recorder["phase"]) == ("listener", "serving")
        assert recorder["restarts"] == KILLS
        assert server.stop() == 0
    with start(tmp_path) as server:
        last = create(server.url, "after a restart of the server")
        assert wait_for_seq(tmp_path, "recorded", last)[-2:] == [last - 1, last]


def metric(url: str, name: str, listener: str) -> float | None:
    text = httpx.get(f"{url}/metrics", timeout=60).text
    found = re.search(rf'^{name}{{listener="{listener}",model="notes"}} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else None


def test_a_listener_that_fails_is_seen_in_status_and_metrics_and_holds_nobody_up(
    tmp_path: Path,
) -> None:
    with start(tmp_path) as server:
        url = server.url
        create(url, "good", "bad", "good", "good")
        wait_until(lambda: heard(tmp_path, "liked").count(4), "the one that gives up", 60)
        letters = tmp_path / "data/notes/listeners/fussy/dead-letters.ndjson"
        (letter,) = [json.loads(line) for line in letters.read_text().splitlines()]
        assert (letter["seq"], letter["error"], letter["tries"]) == (
            2,
            "ValueError: this one is bad",
            2,
        )
        wait_until(lambda: status_of(tmp_path, "stuck")["detail"], "the detail", 60)
        assert "at event 2: ValueError: this one is bad" in status_of(tmp_path, "stuck")["detail"]
        assert status_of(tmp_path, "fussy")["detail"] == ""
        wait_until(
            lambda: metric(url, "lithair_listener_dead_letters", "fussy") == 1, "the metrics", 60
        )
        assert metric(url, "lithair_listener_failures_total", "fussy") == 2
        assert metric(url, "lithair_listener_lag_events", "fussy") == 0
        assert metric(url, "lithair_listener_lag_events", "stuck") == 3
        assert metric(url, "lithair_listener_lag_events", "recorder") == 0
        assert (metric(url, "lithair_listener_failures_total", "stuck") or 0) >= 1
        assert (tmp_path / "data/notes/listeners/stuck/cursor").exists()
        assert server.stop() == 0
