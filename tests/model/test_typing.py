"""Type checkers understand a declaration as it is written: mypy and pyright, both strict."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.model import typing_sample

SAMPLE = Path(typing_sample.__file__)
ROOT = SAMPLE.parents[2]


@pytest.mark.parametrize(
    "checker",
    [["mypy", "--strict", "--follow-imports=silent", "--warn-unused-ignores"], ["pyright"]],
)
def test_a_users_module_is_clean_in_both_checkers(checker: list[str]) -> None:
    command = [sys.executable, "-m", *checker, str(SAMPLE)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_module_that_the_checkers_saw_can_be_run() -> None:
    declaration = typing_sample.app.declaration({}, {})
    assert [model.name for model in declaration.models] == ["movies", "people"]
