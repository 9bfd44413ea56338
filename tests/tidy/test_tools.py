"""The tools that read the source: each must have nothing to say."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def check_as_a_user(folder: Path, place: Path, *files: Path) -> None:
    """Run mypy and pyright, strict, without this project's own settings."""
    (place / "mypy.ini").write_text(f"[mypy]\nstrict = True\nmypy_path = {folder}\n")
    settings = {
        "include": [str(file) for file in files],
        "typeCheckingMode": "strict",
        "executionEnvironments": [{"root": str(place), "extraPaths": [str(folder)]}],
    }
    (place / "pyrightconfig.json").write_text(json.dumps(settings))
    config = str(place / "mypy.ini")
    run_tool("mypy", "--config-file", config, *map(str, files), cwd=place)
    run_tool("pyright", "--warnings", "--pythonpath", sys.executable, "-p", str(place))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_typed_as_the_project_of_a_user(example: str, tmp_path: Path) -> None:
    copy = tmp_path / example
    ignore = shutil.ignore_patterns("data", "__pycache__", ".mypy_cache")
    shutil.copytree(ROOT / "examples" / example, copy, ignore=ignore)
    check_as_a_user(copy, copy, *sorted(copy.glob("*.py")))


def test_a_handle_gives_items_of_its_model_or_none(tmp_path: Path) -> None:
    probe = tmp_path / "probe.py"
    probe.write_text(PROBE)
    check_as_a_user(ROOT / "examples/movies", tmp_path, probe)
