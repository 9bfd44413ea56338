"""docs/getting-started.md: every command on it does what it says, in the order in which it stands.

What installs is left out: the `venv` that it makes is the one that runs the tests.
"""

import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

PAGE = (ROOT / "docs/getting-started.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND_MAX_S = 90.0
HERE = "http://127.0.0.1:8080"
SERVES = "venv/bin/lithair run tasks.py"  # runs until the end, and so does the stream
STREAMS = "curl -N "

EXPECTED = {  # by the command's beginning: what is to be read in its output
    "echo": "ada can log in now, as editor",
    "venv/bin/lithair status\n": "tasks ",
    "curl -i": "401 Unauthorized",
    "curl -c cookies": '"session_token":',
    "curl -b cookies http://127.0.0.1:8080/api/projects": '"name":"Garden"',
    "curl -b cookies http://127.0.0.1:8080/api/tasks -H 'Content-Type: application/json' \\\n"
    '     -d \'{"id"': '"done":false',
    "curl -b cookies -X PATCH": '"done":true',
    "curl -b cookies 'http": '"data":[{"id":"mow","title":"Mow the lawn"}],"total":1',
    "curl -b cookies http://127.0.0.1:8080/api/tasks/mow/history": '"operation":"update"',
    "curl -b cookies http://127.0.0.1:8080/api/tasks -H 'Content-Type: application/json' \\\n"
    '     -d \'{"project": 7': "project: expected `str`, got `int`; title: expected",
    "venv/bin/python add.py": "Water the roses",
    "kill": "",
    "curl -b cookies http://127.0.0.1:8080/api/tasks/count": '{"count":2}',
    "venv/bin/lithair backup": "a backup of 3 models",
    "venv/bin/lithair verify": "sound. Task: ",
    "venv/bin/lithair restore": "restored",
}


def commands() -> list[str]:
    """Give the commands of all shell blocks, each with the lines that it goes on over."""
    shell = "".join(text for language, text in BLOCK.findall(PAGE) if language == "sh")
    found: list[str] = []
    rest = shell
    while rest:
        command, rest = rest.split("\n", 1)
        while command.endswith("\\") or command.count("'") % 2:
            more, rest = rest.split("\n", 1)
            command += "\n" + more
        found.append(command)
    return found


def expected_of(command: str) -> str:
    found = [said for begin, said in EXPECTED.items() if (command + "\n").startswith(begin)]
    assert found, f"nobody says what is to come of: {command}"
    return found[-1]


class Reader:
    """Who does what the page says, in a directory of his own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.url = HERE
        programs = [text for language, text in BLOCK.findall(PAGE) if language == "python"]
        for name, text in zip(("tasks.py", "add.py"), programs, strict=True):
            (place / name).write_text(text, encoding="utf-8")
        (place / "venv/bin").mkdir(parents=True)
        for program in ("python", "lithair"):
            script = place / "venv/bin" / program
            installed = Path(sys.executable).parent / program
            script.write_text(f'#!/bin/sh\nexec {installed} "$@"\n', encoding="utf-8")
            script.chmod(0o755)

    def does(self, command: str) -> None:
        done = subprocess.run(
            ["sh", "-c", command.replace(HERE, self.url)],
            cwd=self.place,
            env={**os.environ, "PYTHONPATH": str(self.place)},
            capture_output=True,
            text=True,
            timeout=COMMAND_MAX_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert expected_of(command) in done.stdout + done.stderr, command

    @contextmanager
    def watches(self, command: str) -> Generator[Path]:
        """Run what goes on until it is killed; gives the file that it writes to."""
        said = self.place / "watched"
        told = ["sh", "-c", "exec " + command.replace(HERE, self.url)]
        with said.open("wb") as stdout:
            process = subprocess.Popen(told, cwd=self.place, stdout=stdout)
        try:
            yield said
        finally:
            process.kill()
            process.wait()


def wait_for(said: Path, words: str) -> None:
    wait_until(lambda: words in said.read_text(encoding="utf-8"), f"{words} in {said.name}")


@pytest.mark.usefixtures("no_leaks")
def test_every_command_of_getting_started_does_what_the_page_says(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    install, fill, add_user, serve, *rest = commands()
    assert (install, fill) == ("python3 -m venv venv", "venv/bin/pip install ./lithair")
    assert serve == SERVES
    reader.does(add_user)
    (stream,) = [command for command in rest if command.startswith(STREAMS)]
    at = rest.index(stream)
    with Started(tmp_path, "tasks.py") as server:
        reader.url = server.url
        for command in rest[:at]:
            reader.does(command)
        with reader.watches(stream) as said:
            wait_for(said, "event: snapshot")
            wait_for(said, "event: live")
            for command in rest[at + 1 :]:
                reader.does(command)
            wait_for(said, "Water the roses")
        wait_until(lambda: "1 tasks are open" in "".join(server.said), "the worker")
        assert server.stop() == 0
