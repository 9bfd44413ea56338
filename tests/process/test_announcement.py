"""What a person is told at the start: the admin token on a terminal, and in no file."""

import os
import pty
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TextIO

import pytest

from lithair.actors.announcement import Announcement
from lithair.actors.plan import Plan
from lithair.core.restart import RestartLimit
from lithair.core.supervision import Supervision
from lithair.storage.run_dir import RunDir, read_admin_token

Announce = Callable[[TextIO], None]


@pytest.fixture
def announce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Announce]:
    run_dir = RunDir.open(str(tmp_path / "run"))
    run_dir.make_admin_token()

    def announce(out: TextIO) -> None:
        plan = Plan((), run_dir.path, makes_admin_token=True)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            Announcement(plan).ready(Supervision([], RestartLimit(5, 30_000), 0), "http://x")

    yield announce
    run_dir.close()


def test_the_token_is_shown_on_a_terminal(tmp_path: Path, announce: Announce) -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:
        announce(terminal)
        shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert f"Admin token: {read_admin_token(str(tmp_path / 'run'))}" in shown


def test_the_token_is_written_into_no_file(tmp_path: Path, announce: Announce) -> None:
    path = tmp_path / "out"
    with path.open("w", encoding="utf-8") as out:
        announce(out)
    text = path.read_text(encoding="utf-8")
    assert "is ready" in text
    assert "oken" not in text
