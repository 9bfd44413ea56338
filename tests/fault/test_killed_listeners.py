"""A listener that is killed 50 times while it works off 10,000 events handles all of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from lithair.storage.files import OsFiles
from lithair.storage.listener_files import ListenerFiles
from lithair.wire.protocol import Verb
from tests.actors.serving import Served
from tests.fault.nursery import LIVES, Scribe, app_of
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

EVENTS = 10_000
WORKED_OFF_MAX_S = 120.0  # some five seconds on a machine with nothing else to do


class Nursery:
    """The lives of one listener, one after the other."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fault.nursery", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def close(self) -> None:
        self._in.close()
        self._process.kill()
        self._process.wait()
        self._out.close()

    def bear(self, life: int) -> int:
        """Begin a life; gives its pid."""
        self._in.write(f"{life}\n")
        self._in.flush()
        return int(self.hear("born"))

    def hear(self, what: str) -> str:
        line = self._out.readline()
        assert line.startswith(what), line
        return line.removeprefix(what).strip()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    app = app_of(str(tmp_path / "data"), Scribe("", 0))
    run_dir = tmp_path / "run"
    run_dir.mkdir(mode=0o700)
    running = Served(app, "notes", run_dir, OsFiles())
    yield running
    running.stop()


def test_each_event_is_handled_in_order_and_the_cursor_goes_back_by_one_at_most(
    tmp_path: Path, served: Served
) -> None:
    for first in range(0, EVENTS, 1000):
        batch = [{"id": f"n{number}", "text": ""} for number in range(first, first + 1000)]
        assert served.write(Verb.BULK, batch).status == 201
    path, data = tmp_path / "heard", str(tmp_path / "data")
    seed = int.from_bytes(os.urandom(2), "big")
    nursery = Nursery(str(tmp_path / "run"), data, str(path), str(seed))
    try:
        lives = _kill_often(nursery, path, ListenerFiles(OsFiles(), data, "scribe"))
    finally:
        nursery.close()
    assert lives[0] == 0, f"seed {seed}"
    heard = _heard(path)
    assert heard[0] == 1
    steps = [after - before for before, after in pairwise(heard)]
    assert set(steps) <= {0, 1}, f"seed {seed}: a gap, or more repeated than was in flight"
    assert heard[-1] == EVENTS
    assert steps.count(0) <= LIVES, f"seed {seed}"


def _kill_often(nursery: Nursery, path: Path, files: ListenerFiles) -> list[int]:
    """Kill LIVES lives, then let one live on to the end; gives where the cursor was each time."""
    cursors = [_cursor(files)]
    for life in range(LIVES):
        pid = nursery.bear(life)
        nursery.hear("ready to be killed")
        os.kill(pid, signal.SIGKILL)
        assert int(nursery.hear("dead")) == signal.SIGKILL
        cursor, last = _cursor(files), _heard(path)[-1]
        assert cursors[-1] < cursor, "it never goes back"
        assert last - 1 <= cursor <= last, "all but what was in flight"
        cursors.append(cursor)
    nursery.bear(LIVES)
    wait_until(lambda: _cursor(files) == EVENTS, "all events to be handled", WORKED_OFF_MAX_S, 0.05)
    return cursors


def _cursor(files: ListenerFiles) -> int:
    file = files.open_cursor()
    assert file is not None, "the model's process has made it"
    file.close()
    return file.cursor.seq


def _heard(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()]
