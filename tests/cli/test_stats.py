"""`lithair stats` and the completion of models' names, against one server that runs."""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lithair import Lithair, Model
from lithair.cli.main import COMMANDS
from lithair.cli.model_rows import HEADS, ModelRow, columns_within, quantile
from lithair.cli.stats import drawn
from lithair.core.histogram import LATENCY_BOUNDS_S
from tests.support.commands import COMMAND_MAX_S, lithair
from tests.support.waiting import wait_until


class Song(Model):
    title: str = ""


class Singer(Model):
    name: str = ""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run a server in `.lithair` of a directory; its songs are three, one of them changed."""
    place = tmp_path_factory.mktemp("songs")
    app = Lithair().with_model(Song, place / "songs", "/api/songs").with_port(0)
    app = app.with_model(Singer, place / "singers", "/api/singers").with_users(place / "users")
    with app.with_run_dir(place / ".lithair").running() as server:
        songs = server.handle(Song)
        songs.bulk_create([Song(id=name) for name in "abc"])
        songs.patch("a", {"title": "A"})
        yield place


def told(place: Path, *arguments: str) -> list[dict[str, Any]]:
    done = lithair(place, "stats", "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_the_figures_are_those_of_each_model(place: Path) -> None:
    songs, singers = told(place)
    assert (songs["model"], songs["class_name"], songs["phase"]) == ("songs", "Song", "serving")
    assert (songs["item_count"], songs["hot_count"], songs["seq"]) == (3, 3, 4)
    assert songs["counters"]["events"] == {"create": 3, "update": 1, "delete": 0}
    assert songs["counters"]["writes"] == 2
    assert songs["commit_p99_s"] in LATENCY_BOUNDS_S
    assert (singers["item_count"], singers["commit_p99_s"]) == (0, None)
    assert {row["model"] for row in told(place, "--all")} >= {"songs", "singers", "_users"}


def test_the_table_has_a_line_for_each_model(place: Path) -> None:
    done = lithair(place, "stats")
    head, songs, singers = done.stdout.splitlines()
    assert head.split()[:4] == ["model", "phase", "items", "hot"]
    assert songs.split()[:4] == ["songs", "serving", "3", "3"]
    assert singers.split()[:3] == ["singers", "serving", "0"]


def test_watching_prints_a_line_of_json_for_each_look_with_rates(place: Path) -> None:
    command = [sys.executable, "-m", "lithair", "stats", "--watch", "--json", "--every", "0.1"]
    process = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        assert first[0]["reads_per_s"] is None
        assert second[0]["writes_per_s"] == 0
    finally:
        process.kill()
        process.communicate()


def test_watching_on_a_terminal_draws_the_table_in_place(place: Path) -> None:
    main, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    command = [sys.executable, "-m", "lithair", "stats", "--watch", "--every", "0.1"]
    process = subprocess.Popen(command, cwd=place, env=environ, stdin=theirs, stdout=theirs)
    os.close(theirs)
    seen = bytearray()
    os.set_blocking(main, False)

    def draws_again() -> bool:
        try:
            seen.extend(os.read(main, 65_536))
        except BlockingIOError:
            pass
        return seen.count(b"singers") >= 2 and b"0/s" in seen

    try:
        wait_until(draws_again, "the table to be drawn twice", COMMAND_MAX_S)
    finally:
        process.terminate()
        process.wait(COMMAND_MAX_S)
        os.close(main)


def test_without_a_server_it_says_how_to_start_one(tmp_path: Path) -> None:
    done = lithair(tmp_path, "stats")
    assert (done.returncode, done.stdout) == (4, "")
    assert "lithair run" in done.stderr


def test_a_quantile_is_the_bound_below_which_so_many_lie() -> None:
    counts = [0] * (len(LATENCY_BOUNDS_S) + 1)
    assert quantile(counts, 0.99) is None
    counts[2], counts[5] = 99, 1
    assert quantile(counts, 0.99) == LATENCY_BOUNDS_S[2]
    counts[5] = 2
    assert quantile(counts, 0.99) == LATENCY_BOUNDS_S[5]
    counts[-1] = 1000
    assert quantile(counts, 0.99) == LATENCY_BOUNDS_S[-1]


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_a_narrow_terminal_is_shown_what_fits(width: int) -> None:
    """The model's name, and whole words; on a wide one, everything."""
    cells = ["readings-of-sensors", "serving", "1,000,000", "1,000", *["512.4 MiB"] * 2] + ["9"] * 8
    shown = columns_within(width, [cells])
    assert {HEADS.index(head) for head in ("model", "items", "RAM")} <= set(shown)
    assert len(shown) == len(HEADS) if width == 200 else len(shown) < len(HEADS)
    if width >= 80:
        drawing = io.StringIO()
        console = Console(width=width, file=drawing)
        console.print(drawn([ModelRow("readings-of-sensors", "Reading", "serving")], width))
        assert "…" not in drawing.getvalue()


def completed(place: Path, *typed: str) -> list[str]:
    """Give what bash is offered for the last of the words that were typed."""
    environ = {
        **os.environ,
        "_LITHAIR_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("lithair", *typed)),
        "COMP_CWORD": str(len(typed)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "lithair"],
        cwd=place,
        env=environ,
        capture_output=True,
        text=True,
        timeout=COMMAND_MAX_S,
        check=True,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_a_shell_is_offered_commands_options_and_models(place: Path, tmp_path: Path) -> None:
    assert completed(place, "re") == [name for name in COMMANDS if name.startswith("re")]
    assert "--keep-history" in completed(place, "compact", "--k")
    assert completed(place, "compact", "s") == ["songs", "singers"]
    assert completed(place, "compact", "song") == ["songs"]
    assert completed(tmp_path, "compact", "s") == []  # no server: nothing, and no error


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_lithair_itself(tmp_path: Path, shell: str) -> None:
    done = lithair(tmp_path, "completion", shell)
    assert done.returncode == 0
    assert f"_LITHAIR_COMPLETE={shell}_complete" in done.stdout
