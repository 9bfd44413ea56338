"""Backups of a real server under load, restored and served: the log's prefix at each cut."""

import json
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx2 as httpx
import pytest

from lithair import connect
from lithair.errors import LithairError
from tests.end_to_end.counters import Counter
from tests.end_to_end.writers import HandleWriter, HttpWriter, Writer
from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

pytestmark = pytest.mark.usefixtures("no_leaks")

BACKUPS = 4
POINTS = 6  # events of the log that are restored exactly
COMMAND_MAX_S = 60.0
OWN = ("data/counters", "data/counters/x", "data/counters/archive", "data/counters/archive/x/y")
History = dict[str, list[tuple[int, int]]]  # item -> (seq, n) of each of its events


def start(directory: Path, environ: Mapping[str, str] | None = None) -> Started:
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "tests/end_to_end/counters.py", directory / "app.py")
    return Started(directory, environ=environ)


def run(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `lithair` in a directory."""
    return subprocess.run(
        [sys.executable, "-m", "lithair", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=COMMAND_MAX_S,
        check=False,
    )


def printed(directory: Path, *arguments: str) -> list[dict[str, object]]:
    """Run a command that prints JSON; gives its models, or its array."""
    done = run(directory, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    told: Any = json.loads(done.stdout)  # Any: JSON of two forms
    return cast("list[dict[str, object]]", told["models"] if isinstance(told, dict) else told)


@contextmanager
def under_load(server: Started) -> Generator[list[Writer]]:
    """Have several threads write; they end with the block."""
    url, run_dir = server.url + "/api/counters", server.directory / ".lithair"
    writers: list[Writer] = [HttpWriter(f"http-{n}", url) for n in range(3)]
    writers += [HandleWriter(f"handle-{n}", run_dir) for n in range(3)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer.stopping.set()
        for writer in writers:
            writer.join(90)
    assert not [writer.fault for writer in writers if writer.fault]


def wait_for_writes(writers: list[Writer], count: int) -> None:
    before = [writer.acknowledged for writer in writers]

    def look() -> bool:
        assert not [writer.fault for writer in writers if writer.fault]
        return all(w.acknowledged >= b + count for w, b in zip(writers, before, strict=True))

    wait_until(look, "every client to go on", COMMAND_MAX_S)


def history_of(server: Started, writers: list[Writer]) -> History:
    """Give all events of all items, from the server that was written to."""
    with connect(server.directory / ".lithair") as lithair:
        counters = lithair.model(Counter)
        keys = [key for writer in writers for key in (writer.item_id, *writer.created)]
        return {key: [(e.seq, e.item.n) for e in counters.history(key)] for key in keys}


def state_at(history: History, seq: int) -> dict[str, int]:
    """Give what the items were after event `seq`."""
    return {
        key: [n for at, n in events if at <= seq][-1]
        for key, events in history.items()
        if events[0][0] <= seq
    }


def served(directory: Path, restored: object) -> dict[str, int]:
    """Start a server on a restored directory and give what it has."""
    (directory / "data").mkdir(parents=True)
    shutil.move(str(restored), directory / "data" / "counters")
    with start(directory) as server:
        _ = server.url
        with connect(directory / ".lithair") as lithair:
            found = {item.id: item.n for item in lithair.model(Counter).iterate()}
        assert server.stop() == 0
    return found


def test_backups_under_load_restore_to_the_logs_prefix_at_their_cuts(tmp_path: Path) -> None:
    """Beside compactions that take files away; every write acknowledged before is in each."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    live = tmp_path / "live"
    acknowledged: list[dict[str, int]] = []
    with start(live) as server:
        with under_load(server) as writers:
            wait_for_writes(writers, 20)
            compacting = threading.Thread(target=compact_on, args=(live, writers))
            compacting.start()
            for number in range(BACKUPS):
                acknowledged.append({w.item_id: w.acknowledged - 1 for w in writers})
                printed(live, "backup", f"../backup-{number}")
                wait_for_writes(writers, 20)
        compacting.join(COMMAND_MAX_S)
        history = history_of(server, writers)
        assert server.stop() == 0
    cuts: list[int] = []
    for number in range(BACKUPS):
        backup = f"backup-{number}"
        assert run(tmp_path, "verify", backup).returncode == 0
        [model] = printed(tmp_path, "restore", backup, f"restored-{number}")
        cut = model["last_seq"]
        assert isinstance(cut, int)
        cuts.append(cut)
        found = served(tmp_path / f"again-{number}", model["directory"])
        assert found == state_at(history, cut)
        assert all(found[key] >= n for key, n in acknowledged[number].items())
    assert cuts == sorted(set(cuts))
    for seq in chance.sample(range(1, cuts[-1]), POINTS):
        target = f"point-{seq}"
        [model] = printed(
            tmp_path, "restore", f"backup-{BACKUPS - 1}", target, "--to-seq", str(seq)
        )
        assert model["last_seq"] == seq
        assert run(tmp_path, "verify", target).returncode == 0
        found = served(tmp_path / f"{target}-again", model["directory"])
        assert found == state_at(history, seq), f"event {seq}"


def compact_on(live: Path, writers: list[Writer]) -> None:
    """Compact again and again, keeping history, as long as is written."""
    with connect(live / ".lithair") as lithair:
        counters = lithair.model(Counter)
        while not writers[0].stopping.is_set():
            try:
                counters.compact(keep_history=True)
            except LithairError as error:
                writers[0].fault = f"compaction: {error}"
                return


def test_http_makes_backups_beside_the_run_directory_or_where_it_is_told(tmp_path: Path) -> None:
    live = tmp_path / "live"
    with start(live) as server:
        url = server.url + "/_admin/data/backup"
        token = (live / ".lithair" / "admin-token").read_text(encoding="utf-8").strip()
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
            http.post(server.url + "/api/counters", json={"id": "a", "n": 1})
            made = http.post(url)
            assert made.status_code == 201, made.text
            directory = Path(made.json()["directory"])
            assert directory.parent == live / "backups"
            assert made.json()["models"][0]["cut"] == 1
            told = http.post(url, json={"directory": str(tmp_path / "told")})
            assert told.status_code == 201
            again = http.post(url, json={"directory": str(tmp_path / "told")})
            assert (again.status_code, "not empty" in again.json()["error"]) == (409, True)
            assert http.post(url, json={"to": "x"}).status_code == 422
            for unusable in ("/proc/nowhere", "x" * 5000, "a\0b"):
                refused = http.post(url, json={"directory": unusable})
                assert (refused.status_code, "can't be made" in refused.text) == (422, True)
                for told_too_much in ("Errno", "/proc", "counters", str(tmp_path)):
                    assert told_too_much not in refused.text
            (tmp_path / "linked").symlink_to(live / "data")
            for own in (*OWN, tmp_path / "linked" / "counters" / "x"):
                refused = http.post(url, json={"directory": str(live / own)})
                assert (refused.status_code, "own data directory" in refused.text) == (422, True)
            assert not [path for path in (live / "data" / "counters").iterdir() if path.is_dir()]
        assert httpx.post(url).status_code == 401
        assert server.stop() == 0
    for each in (directory, tmp_path / "told"):
        assert run(tmp_path, "verify", str(each)).returncode == 0


def test_a_backup_that_takes_longer_than_a_request_may_goes_on_without_it(
    tmp_path: Path,
) -> None:
    with start(tmp_path, {"LT_TIMEOUT": "0.0001"}) as server:
        url = server.url + "/_admin/data/backup"
        token = (tmp_path / ".lithair" / "admin-token").read_text(encoding="utf-8").strip()
        told = httpx.post(url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        assert (told.status_code, told.json()["running"]) == (202, True)
        directory = Path(told.json()["directory"])
        wait_until((directory / "backup.json").exists, "the backup to be finished")
        assert run(tmp_path, "verify", str(directory)).returncode == 0
        assert server.stop() == 0


def test_commands_say_what_went_wrong_by_their_exit_status(tmp_path: Path) -> None:
    live = tmp_path / "live"
    with start(live) as server:
        assert httpx.post(server.url + "/api/counters", json={"n": 1}).status_code == 201
        assert run(live, "backup", "backup").returncode == 0
        again = run(live, "backup", "backup")
        assert (again.returncode, "not empty" in again.stderr) == (1, True)
        for own in OWN:
            refused = run(live, "backup", own)
            assert (refused.returncode, "own data directory" in refused.stderr) == (1, True)
        nowhere = run(live, "backup", "/proc/nowhere")
        assert (nowhere.returncode, "can't be made" in nowhere.stderr) == (1, True)
        assert server.stop() == 0
    gone = run(live, "backup", "other")
    assert (gone.returncode, "no server answers" in gone.stderr) == (4, True)
    assert not (live / "other").exists()
    assert run(live, "restore", "backup", "a").returncode == 0
    cases = (
        (1, "not empty", ("backup", "a")),
        (1, "ends with event 1", ("backup", "b", "--to-seq", "2")),
        (1, "no finished backup", ("data", "b")),
        (2, "two points", ("backup", "b", "--to-seq", "1", "--to-time", "2026-01-31T12:00:00Z")),
        (2, "with its zone", ("backup", "b", "--to-time", "yesterday")),
        (2, "has no model", ("backup", "b", "--model", "films")),
        (2, "does not exist", ("nowhere", "b")),
    )
    for status, words, arguments in cases:
        done = run(live, "restore", *arguments)
        assert (done.returncode, words in done.stderr) == (status, True), done.stderr
        assert not (live / "b").exists()
    segment = next((live / "backup" / "counters").glob("*.raftlog"))
    segment.write_bytes(segment.read_bytes()[:-1])
    for command in (("restore", "backup", "b"), ("verify", "backup")):
        done = run(live, *command)
        assert done.returncode == 3
        assert str(segment.name) in done.stdout + done.stderr
    segment.unlink()
    assert run(live, "verify", "backup").returncode == 3
    shutil.rmtree(live / "backup" / "counters")
    missing = run(live, "verify", "backup")
    assert (missing.returncode, "missing" in missing.stdout) == (3, True)
