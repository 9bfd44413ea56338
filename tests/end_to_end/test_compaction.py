"""A log is compacted from the command line and by itself, in real processes that may be killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from lithair import connect
from lithair.client import Handle
from tests.end_to_end.counters import Counter
from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

pytestmark = pytest.mark.usefixtures("no_leaks")

ITEMS = 20_000
NOTE = "x" * 1000
ERRAND = "compaction of counters"
PATIENCE_S = 60.0

AUTOMATIC = """
from lithair import Lithair
from tests.end_to_end.counters import Counter
app = Lithair().with_model(Counter, "./data/counters", "/api/counters")
app.with_auto_compaction(100, 0.2)
"""


def start(directory: Path) -> Started:
    shutil.copy(ROOT / "tests/end_to_end/counters.py", directory / "app.py")
    return Started(directory)


def fill(counters: Handle[Counter]) -> None:
    """Make items, and write every other one three times more."""
    for begin in range(0, ITEMS, 5000):
        numbers = range(begin, begin + 5000)
        counters.bulk_create([Counter(id=f"c{n}", n=n, note=NOTE) for n in numbers])
    for _ in range(3):
        for begin in range(0, ITEMS, 10_000):
            numbers = range(begin, begin + 10_000, 2)
            counters.apply_replicated_items(Counter(id=f"c{n}", n=-n, note=NOTE) for n in numbers)


def check(counters: Handle[Counter]) -> None:
    found = [(counter.id, counter.n) for counter in counters.iterate()]
    assert found == [(f"c{n}", -n if n % 2 == 0 else n) for n in range(ITEMS)]


def compact(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "lithair", "compact", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def log_bytes(directory: Path) -> int:
    files = (directory / "data/counters").iterdir()
    return sum(file.stat().st_size for file in files if file.suffix)


def test_a_log_is_compacted_from_the_command_line(tmp_path: Path) -> None:
    assert compact(tmp_path, "counters").returncode == 4
    with start(tmp_path) as server, connect(tmp_path / ".lithair") as lithair:
        assert server.url
        counters = lithair.model(Counter)
        fill(counters)
        before = log_bytes(tmp_path)
        done = compact(tmp_path, "counters", "--json")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert said["bytes_after"] == log_bytes(tmp_path) < before
        assert said["seq"] == counters.stats().seq
        check(counters)
        done = compact(tmp_path, "Counter")
        assert (done.returncode, done.stdout.startswith("Counter: compacted")) == (0, True)
        done = compact(tmp_path, "coutners")
        assert (done.returncode, "it has Counter (counters)" in done.stderr) == (1, True)
        assert not (tmp_path / "data/counters/archive").exists()
        counters.create(Counter(id="after", n=1))
        assert compact(tmp_path, "counters", "--keep-history").returncode == 0
        assert len(list((tmp_path / "data/counters/archive").iterdir())) == 1
        counters.delete("after")
        assert server.stop() == 0
    with start(tmp_path) as again, connect(tmp_path / ".lithair") as lithair:
        assert again.url
        check(lithair.model(Counter))
        assert again.stop() == 0


def stopped_errand(server: Started) -> psutil.Process:
    """Stop the process of a compaction in the midst of it."""
    errand = server.child(ERRAND)
    os.kill(errand.pid, signal.SIGSTOP)
    return errand


def test_a_model_killed_while_its_log_is_compacted_loses_nothing(tmp_path: Path) -> None:
    """The errand ends with it; the request is carried on by the process that follows."""
    with (
        start(tmp_path) as server,
        connect(tmp_path / ".lithair", timeout=PATIENCE_S) as lithair,
        ThreadPoolExecutor() as pool,
    ):
        assert server.url
        counters = lithair.model(Counter)
        fill(counters)
        answer = pool.submit(counters.compact)
        errand = stopped_errand(server)
        server.child("model counters").kill()
        wait_until(lambda: not errand.is_running(), "the errand to be gone")
        assert answer.result(PATIENCE_S).seq == counters.stats().seq
        check(counters)
        names = {path.suffix for path in (tmp_path / "data/counters").iterdir()}
        assert names == {"", ".raftlog", ".snapshot"}
        assert server.stop() == 0


def test_an_errand_that_is_killed_costs_its_compaction_and_nothing_else(tmp_path: Path) -> None:
    with start(tmp_path) as server, connect(tmp_path / ".lithair") as lithair:
        assert server.url
        counters = lithair.model(Counter)
        fill(counters)
        with ThreadPoolExecutor() as pool:
            told = pool.submit(compact, tmp_path, "counters")
            errand = stopped_errand(server)
            counters.create(Counter(id="meanwhile", n=1))
            errand.kill()
            done = told.result(PATIENCE_S)
        assert (done.returncode, "Nothing was compacted" in done.stderr) == (1, True)
        counters.delete("meanwhile")
        check(counters)
        assert counters.compact().bytes_after == log_bytes(tmp_path)
        check(counters)
        assert server.stop() == 0
        assert "SIGKILL" in server.log


def test_a_server_stops_in_time_while_a_log_is_compacted(tmp_path: Path) -> None:
    with start(tmp_path) as server, connect(tmp_path / ".lithair") as lithair:
        assert server.url
        fill(lithair.model(Counter))
        with ThreadPoolExecutor() as pool:
            pool.submit(compact, tmp_path, "counters")
            stopped_errand(server)
            assert server.stop() == 0
    assert "Traceback" not in server.log


def test_logs_are_compacted_by_themselves(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(AUTOMATIC, encoding="utf-8")
    environ = {"PYTHONPATH": str(ROOT)}
    with (
        Started(tmp_path, environ=environ) as server,
        connect(tmp_path / ".lithair") as lithair,
    ):
        assert server.url
        counters = lithair.model(Counter)
        counters.bulk_create([Counter(id=f"c{n}", n=n) for n in range(200)])
        wait_until(lambda: counters.stats().last_compaction_at, "a compaction", PATIENCE_S)
        assert counters.stats().events_since_last_compaction < 100
        assert server.stop() == 0
