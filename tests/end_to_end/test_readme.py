"""README.md: what it tells a newcomer to type works as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.started import Started
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
    assert len(told) >= 8
    assert [command for command in told if command not in printed] == []


@pytest.mark.usefixtures("no_leaks")
def test_the_class_on_top_of_the_readme_and_its_script_and_commands_work(tmp_path: Path) -> None:
    application, script = blocks("python")
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


def test_what_the_readme_points_at_in_make_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", README)) <= targets
