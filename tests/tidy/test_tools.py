"""The tools that read the source: each must have nothing to say."""

import json
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


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_typed_as_the_project_of_a_user(example: str, tmp_path: Path) -> None:
    """Run mypy and pyright, strict, without this project's own settings."""
    folder = ROOT / "examples" / example
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = True\n")
    run_tool("mypy", "--config-file", str(tmp_path / "mypy.ini"), ".", cwd=folder)
    settings = {
        "include": [str(folder)],
        "typeCheckingMode": "strict",
        "executionEnvironments": [{"root": str(folder)}],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    run_tool("pyright", "--warnings", "--pythonpath", sys.executable, "-p", str(tmp_path))
