"""README.md: what it tells a newcomer to type works as it stands there."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
START = (ROOT / "examples/movies/start.py").read_text(encoding="utf-8")
CURL = re.compile(r"^ *(curl (?:[^\n]*\\\n)*[^\n]*)$", re.MULTILINE)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def plain(command: str) -> str:
    return " ".join(command.replace("\\\n", " ").split())


def test_every_curl_of_the_readme_is_one_that_make_run_prints() -> None:
    """Those are run by tests/end_to_end/test_movies.py."""
    said = START.replace("\\\\\n", "\\\n").replace("{{", "{").replace("}}", "}")
    said = said.replace("{url}", "http://127.0.0.1:8080")
    printed = {plain(command) for command in CURL.findall(said)}
    told = [plain(command) for block in blocks("sh") for command in CURL.findall(block)]
    told = [command for command in told if "/api/members" not in command]  # run below
    assert len(told) >= 8
    assert [command for command in told if command not in printed] == []


@pytest.mark.usefixtures("no_leaks")
def test_the_class_on_top_of_the_readme_and_its_script_and_commands_work(tmp_path: Path) -> None:
    application, script, _, _ = blocks("python")
    (tmp_path / "hello.py").write_text(application, encoding="utf-8")
    (tmp_path / "script.py").write_text(script, encoding="utf-8")

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with Started(tmp_path, "hello.py") as server:
        assert server.url
        said = run("script.py")
        assert "ada@example.org" in said
        assert said.strip().endswith(" 1")
        assert "members" in run("-m", "lithair", "status")
        run("-m", "lithair", "verify", "data/members")
        assert server.stop() == 0


@contextmanager
def running(place: Path, *command: str) -> Generator[Path]:
    """Run what goes on until it is killed; gives the file that it writes to."""
    said = place / f"said-by-{Path(command[0]).name}"
    environ = {**os.environ, "PYTHONPATH": str(place)}
    with said.open("wb") as stdout:
        process = subprocess.Popen(command, cwd=place, env=environ, stdout=stdout)
    try:
        yield said
    finally:
        process.kill()
        process.wait()


def wait_for(said: Path, words: str) -> None:
    wait_until(lambda: words in said.read_text(encoding="utf-8"), f"{words} in {said.name}")


def have_handled_one(place: Path) -> set[str]:
    """Give the listeners that `lithair listeners` says have handled an event and wait for more."""
    done = subprocess.run(
        [sys.executable, "-m", "lithair", "listeners"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(re.findall(r"^(\S+) +members +live +1 +0 ", done.stdout, re.MULTILINE))


@pytest.mark.usefixtures("no_leaks")
def test_a_stream_a_listener_and_a_webhook_tell_what_the_readme_says(tmp_path: Path) -> None:
    application, _, live, receiver = blocks("python")
    stream, create = [
        plain(command)
        for block in blocks("sh")
        for command in CURL.findall(block)
        if "/api/members" in command
    ]
    port = free_port()
    live = live.replace("9000", str(port))
    receiver = receiver.replace("9000", str(port))
    for name, text in {"hello": application, "live": live, "receiver": receiver}.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")

    with Started(tmp_path, "live.py") as server:
        here = server.url.removeprefix("http://")
        stream, create = [each.replace("127.0.0.1:8080", here) for each in (stream, create)]
        with (
            running(tmp_path, sys.executable, "receiver.py") as received,
            running(tmp_path, *shlex.split(stream)) as streamed,
        ):
            wait_for(streamed, "event: connected")
            subprocess.run(shlex.split(create), check=True, timeout=30)
            wait_for(streamed, "event: create")
            wait_for(received, "bob@example.org")
            assert received.read_text(encoding="utf-8").startswith("True {")
            wait_until(lambda: "create Bob" in "".join(server.said), "the listener")
            wait_until(lambda: have_handled_one(tmp_path) == {"greet", "webhook-members"}, "both")
        assert server.stop() == 0


def test_what_the_readme_points_at_in_make_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", README)) <= targets
