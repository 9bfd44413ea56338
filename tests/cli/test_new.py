"""`lithair new`: what it makes is a project in order, and it writes over nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lithair.cli.new import new
from tests.support.commands import lithair
from tests.tidy.source import ROOT

TOOL_MAX_S = 120.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as `lithair new` makes it."""
    place = tmp_path_factory.mktemp("projects")
    made = lithair(place, "new", "to-do")
    assert made.returncode == 0, made.stderr
    return place / "to-do"


def run(project: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=TOOL_MAX_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_project_passes_its_own_tests(project: Path) -> None:
    assert "passed" in run(project, "pytest", "-p", "no:cacheprovider")


@pytest.mark.parametrize(
    "tool",
    [
        ("mypy", f"--cache-dir={ROOT / '.mypy_cache/projects'}"),
        ("pyright", "--pythonpath", sys.executable),
        ("ruff", "check", "--no-cache", "--select=E,F,I,B,UP", "--line-length=100"),
        ("ruff", "format", "--no-cache", "--check", "--line-length=100"),
    ],
    ids=lambda tool: " ".join(tool[:2]),
)
def test_the_project_is_typed_and_tidy(project: Path, tool: tuple[str, ...]) -> None:
    run(project, *tool)


def test_the_project_has_its_name_in_it_and_no_data(project: Path) -> None:
    files = {
        path for path in project.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    }
    names = {str(path.relative_to(project)) for path in files}
    assert {".gitignore", "README.md", "app.py", "pyproject.toml", "tests/test_app.py"} <= names
    assert not any(name.startswith(("data", ".lithair")) for name in names)
    assert 'name = "to-do"' in (project / "pyproject.toml").read_text()
    assert not [name for name in files if "{{" in name.read_text(errors="replace")]


@pytest.mark.parametrize("name", ["1st", "a b", "-x", "ends-", "x" * 65, "ünder", "lithair", ".."])
def test_a_bad_name_is_refused_with_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    place = tmp_path / "not.a.name/sub"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    refused = CliRunner().invoke(new, ["--", name])
    assert refused.exit_code == 2
    assert "project" in refused.output
    assert list(place.iterdir()) == []


def test_a_directory_with_something_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "todo").mkdir()
    (tmp_path / "todo/notes").write_text("mine")
    refused = lithair(tmp_path, "new", "todo")
    assert refused.returncode == 1
    assert "not empty" in refused.stderr
    assert [path.name for path in (tmp_path / "todo").iterdir()] == ["notes"]


def test_an_empty_directory_and_one_below_others_are_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert lithair(tmp_path, "new", "empty").returncode == 0
    assert lithair(tmp_path, "new", "deep/er/todo").returncode == 0
    assert (tmp_path / "deep/er/todo/app.py").read_text().startswith('"""todo: ')
