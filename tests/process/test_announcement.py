"""What a person is told at the start: the admin token on a terminal, and in no file."""

import io
import os
import pty
import re
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TextIO

import msgspec
import pytest

from lithair.actors.announcement import Announcement
from lithair.actors.plan import Plan, ProcessPlan
from lithair.core.restart import RestartLimit
from lithair.core.supervision import Role, Supervision
from lithair.storage.run_dir import RunDir, read_admin_token

Announce = Callable[..., None]


@pytest.fixture
def announce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Announce]:
    run_dir = RunDir.open(str(tmp_path / "run"))
    run_dir.make_admin_token()

    def announce(
        out: TextIO, dashboard_path: str | None = None, models: tuple[ProcessPlan, ...] = ()
    ) -> None:
        plan = Plan(models, run_dir.path, makes_admin_token=True, dashboard_path=dashboard_path)
        roles = [Role(model.kind, model.name, model.alias) for model in models]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            supervision = Supervision(roles, RestartLimit(5, 30_000), 0)
            Announcement(plan).ready(supervision, "http://x")

    yield announce
    run_dir.close()


def shown_on_a_terminal(announce: Announce, dashboard_path: str | None = None) -> str:
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:
        announce(terminal, dashboard_path)
        shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    return shown


def test_the_token_is_shown_on_a_terminal(tmp_path: Path, announce: Announce) -> None:
    token = read_admin_token(str(tmp_path / "run"))
    assert re.search(f"Admin token: +{token}", shown_on_a_terminal(announce))


def test_the_dashboards_link_has_the_token_behind_its_fragment_mark(
    tmp_path: Path, announce: Announce
) -> None:
    token = read_admin_token(str(tmp_path / "run"))
    shown = shown_on_a_terminal(announce, "/panel")
    assert f" http://x/panel/#{token}\r\n" in shown
    assert shown.count(str(token)) == 1


def test_docs_are_pointed_at_unless_they_are_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for has_docs in (True, False):
        out = io.StringIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            plan = Plan((), str(tmp_path), has_docs=has_docs)
            Announcement(plan).ready(Supervision([], RestartLimit(5, 30_000), 0), "http://x")
        assert ("http://x/docs\n" in out.getvalue()) is has_docs


def test_where_the_data_and_the_figures_are_is_told(announce: Announce) -> None:
    model = ProcessPlan("model", "films", "", alias="Film", path="/films", directory="/d/films")
    out = io.StringIO()
    announce(out, None, (model,))
    assert "Metrics:         http://x/metrics\n" in out.getvalue()
    assert "Data:            /d/films\n" in out.getvalue()
    out = io.StringIO()
    announce(out, None, (model, msgspec.structs.replace(model, name="other")))
    assert "Data:            /d/films, and so on\n" in out.getvalue()


def test_the_token_is_written_into_no_file(tmp_path: Path, announce: Announce) -> None:
    path = tmp_path / "out"
    token = read_admin_token(str(tmp_path / "run"))
    assert token is not None
    for dashboard_path in (None, "/_admin"):
        with path.open("w", encoding="utf-8") as out:
            announce(out, dashboard_path)
        text = path.read_text(encoding="utf-8")
        assert "is ready" in text
        assert "oken" not in text
        assert token not in text
    assert " http://x/_admin/\n" in text
