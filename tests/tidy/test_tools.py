"""The tools that read the source: each must have nothing to say."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.tidy.source import FOLDERS, ROOT

TOOL_TIMEOUT_S = 300  # a first run of pyright may fetch its own parts
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/app.py"))


def run_tool(*command: str, cwd: Path = ROOT) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=TOOL_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_would_not_format_anything_otherwise() -> None:
    run_tool("ruff", "format", "--check", "--quiet", *FOLDERS)


def test_ruff_finds_nothing_to_say() -> None:
    run_tool("ruff", "check", "--quiet", *FOLDERS)


def test_mypy_strict_finds_nothing() -> None:
    run_tool("mypy", "--no-error-summary")


def test_pyright_strict_finds_nothing() -> None:
    run_tool("pyright", "--warnings")


PROBE = """
from typing import assert_type

from app import Film
from lithair import Handle, Page, connect

with connect() as lithair:
    films = lithair.model(Film)
    assert_type(films, Handle[Film])
    assert_type(films.get("x"), Film | None)
    assert_type(films.list(sort="-stars"), Page[Film])
    assert_type(films.list().data[0].title, str)
"""


MYPY = "[mypy]\nstrict = True\nmypy_path = {folder}\ncache_dir = {cache}\n"


def test_the_examples_are_typed_as_projects_of_users_and_handles_are(tmp_path: Path) -> None:
    """Run mypy and pyright, strict, without this project's own settings.

    All in one test: what a tool has learnt of Lithair for one example serves for the others.
    """
    ignore = shutil.ignore_patterns("data", "__pycache__", ".mypy_cache")
    for example in EXAMPLES:
        shutil.copytree(ROOT / "examples" / example, tmp_path / example, ignore=ignore)
    (tmp_path / "movies/probe.py").write_text(PROBE)
    settings = {
        "include": EXAMPLES,
        "typeCheckingMode": "strict",
        "executionEnvironments": [{"root": str(tmp_path / example)} for example in EXAMPLES],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    run_tool("pyright", "--warnings", "--pythonpath", sys.executable, "-p", str(tmp_path))
    config = tmp_path / "mypy.ini"
    for example in EXAMPLES:
        folder = tmp_path / example
        config.write_text(MYPY.format(folder=folder, cache=tmp_path / "cache"))
        run_tool("mypy", "--config-file", str(config), *map(str, sorted(folder.glob("*.py"))))
