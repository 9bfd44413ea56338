"""`lithair import`, killed: run again it is complete, and nothing is there twice."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lithair.client import Handle
from tests.cli.conftest import Run
from tests.cli.library import Leaf
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from lithair.actors.background import Server

pytestmark = pytest.mark.usefixtures("at_server")
BATCH = 1000
ROWS = 4 * BATCH
END_MAX_S = 60.0


def rows(name: str, count: int) -> list[bytes]:
    """Make rows, every other one without an id; the name is in each."""
    made: list[bytes] = []
    for number in range(count):
        row: dict[str, Any] = {"title": name, "pages": number}
        if number % 2:
            row["id"] = f"{name}-{number}"
        made.append(json.dumps(row).encode() + b"\n")
    return made


def progress(folder: Path, stem: str) -> int:
    """Give how many rows an import says are done."""
    path = folder / f"{stem}.leaves.progress"
    return int(json.loads(path.read_bytes())["rows"]) if path.exists() else 0


def check(server: "Server", name: str, count: int) -> None:
    """See that each row is there, and none twice."""
    leaves: Handle[Leaf] = server.handle(Leaf)
    pages: list[int] = []
    while len(pages) < leaves.count({"title": name}):
        page = leaves.list({"title": name}, sort="pages", skip=len(pages), fields="pages")
        pages += [item["pages"] for item in page.data]
    assert pages == list(range(count))


@contextmanager
def importing(folder: Path, *arguments: str) -> Generator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "lithair", "import", "leaves", *arguments]
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def feed(process: "subprocess.Popen[bytes]", given: list[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.writelines(given)
    process.stdin.flush()


@pytest.mark.parametrize("left", ["as-it-was", "behind", "behind-compacted", "ahead", "gone"])
def test_killed_half_way_and_run_again_it_is_complete_and_nothing_is_there_twice(
    server: "Server", tmp_path: Path, left: str
) -> None:
    """Also when its progress says too little, as when it was killed behind a commit, or nothing;
    or more than the model holds, whose data are others by now.
    """
    name = left
    given = rows(name, ROWS)
    kept = tmp_path / f"{name}.leaves.progress"
    with importing(tmp_path, "-", "--source", name) as process:
        feed(process, given[: 2 * BATCH])
        wait_until(lambda: progress(tmp_path, name) >= BATCH, "the first batch")
        early = kept.read_bytes()
        feed(process, given[2 * BATCH : 3 * BATCH])
        wait_until(lambda: progress(tmp_path, name) >= 2 * BATCH, "half of the rows")
        process.send_signal(signal.SIGKILL)
        assert process.wait(END_MAX_S) == -signal.SIGKILL
    if left.startswith("behind"):
        kept.write_bytes(early)
        if left == "behind-compacted":
            server.handle(Leaf).compact()
    elif left == "ahead":
        kept.write_bytes(re.sub(rb'"seq":', b'"seq":9', kept.read_bytes()))
    elif left == "gone":
        kept.unlink()
    with importing(tmp_path, "-", "--source", name, "--json") as process:
        out, errors = process.communicate(b"".join(given), END_MAX_S)
    assert (process.returncode, errors) == (0, b"")
    told = json.loads(out)
    assert (told["rows"], told["bad"]) == (ROWS, 0)
    assert told["created"] + told["unchanged"] == ROWS
    assert (told["resumed_after"] > 0) is (left not in ("ahead", "gone"))
    assert not kept.exists()
    check(server, name, ROWS)


def test_the_import_of_a_file_that_is_killed_goes_on(
    server: "Server", run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "in.ndjson"
    path.write_bytes(b"".join(rows("file", ROWS)))
    with importing(tmp_path, "in.ndjson") as process:
        wait_until(lambda: progress(tmp_path, "in.ndjson") or process.poll() is not None, "a batch")
        process.send_signal(signal.SIGKILL)
    done = run("import", "leaves", "in.ndjson", "--json")
    assert (done.status, done.stderr) == (0, "")
    assert json.loads(done.stdout)["rows"] == ROWS
    check(server, "file", ROWS)


def test_ctrl_c_says_how_to_go_on_and_bad_rows_are_kept_once(
    server: "Server", tmp_path: Path
) -> None:
    given = rows("again", 3 * BATCH)
    given[5] = given[2 * BATCH] = b'{"title":""}\n'
    with importing(tmp_path, "-", "--source", "again") as process:
        feed(process, given[: 2 * BATCH + 1])
        wait_until(lambda: progress(tmp_path, "again") >= BATCH, "the first batch")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=END_MAX_S)
    assert process.returncode == 1
    assert b"rows. Run the same command again: it goes on" in errors
    with importing(tmp_path, "-", "--source", "again", "--json") as process:
        out, errors = process.communicate(b"".join(given), END_MAX_S)
    assert (process.returncode, errors) == (1, b"")
    told = json.loads(out)
    assert (told["rows"], told["bad"]) == (3 * BATCH, 2)
    bad = (tmp_path / "again.leaves.bad.ndjson").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["row"] for line in bad] == [6, 2 * BATCH + 1]


def test_rows_that_have_changed_since_are_not_taken_for_those_that_were_imported(
    server: "Server", tmp_path: Path
) -> None:
    given = rows("changed", 3 * BATCH)
    with importing(tmp_path, "-", "--source", "changed") as process:
        feed(process, given[: 2 * BATCH])
        wait_until(lambda: progress(tmp_path, "changed") >= BATCH, "the first batch")
        process.send_signal(signal.SIGKILL)
    with importing(tmp_path, "-", "--source", "changed") as process:
        out, errors = process.communicate(b"".join(given[1:]), END_MAX_S)
    assert (process.returncode, out) == (1, b"")
    assert b"are not those that were imported before it was broken off" in errors


def test_a_death_of_the_models_process_costs_time_and_nothing_else(
    server: "Server", tmp_path: Path
) -> None:
    from tests.cli.test_tail import model_process

    given = rows("death", 3 * BATCH)
    with importing(tmp_path, "-", "--source", "death", "--json") as process:
        feed(process, given[: 2 * BATCH])
        wait_until(lambda: progress(tmp_path, "death") >= BATCH, "the first batch")
        model_process(server, "leaves").kill()
        out, errors = process.communicate(b"".join(given[2 * BATCH :]), END_MAX_S)
    assert (process.returncode, errors) == (0, b"")
    assert json.loads(out)["created"] == 3 * BATCH
    check(server, "death", 3 * BATCH)
