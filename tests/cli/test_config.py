"""`lithair config`: every setting, its value, and who said so."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lithair.cli.config import Shown, config, settings_shown
from lithair.config import SETTINGS, Settings, resolve
from tests.support.commands import lithair
from tests.tidy.source import ROOT

APP = """
from lithair import Lithair, Model, retention

@retention(memory=(1000, "30d"))
class Mail(Model):
    text: str

app = Lithair().with_model(Mail, "data", "/api/mails").with_timeout(10).with_port(7)
app = app.with_cors(["https://a.example", "https://b.example"])
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for setting in SETTINGS.values():
        monkeypatch.delenv(setting.variable, raising=False)
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def shown(place: Path, *arguments: str) -> dict[str, Any]:
    """Run it with --json; give each setting by its variable."""
    done = lithair(place, "config", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return {one["variable"]: one for one in json.loads(done.stdout)}


def test_each_value_says_who_wins_and_where_it_was_said(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LT_PORT", "8")
    monkeypatch.setenv("LT_GATEWAYS", "2")
    monkeypatch.setenv("LT_ADMIN_TOKEN", "nobody-may-see-this")
    monkeypatch.setenv("LT_MAIL_MEMORY_RETENTION", "50")
    told = shown(place, "app.py", "--port", "9")
    said = {name: (one["value"], one["source"], one["origin"]) for name, one in told.items()}
    assert said["LT_PORT"] == ("9", "option", "--port")
    assert said["LT_GATEWAYS"] == ("2", "variable", "LT_GATEWAYS")
    assert said["LT_TIMEOUT"] == ("10s", "code", "with_timeout")
    assert said["LT_CORS_ORIGINS"][0] == "https://a.example,https://b.example"
    assert said["LT_HOST"] == ("127.0.0.1", "default", "default")
    assert said["LT_RUN_DIR"] == (str(place / ".lithair"), "default", "default")
    assert said["LT_ADMIN_TOKEN"] == ("(set)", "variable", "LT_ADMIN_TOKEN")
    assert said["LT_MAIL_MEMORY_RETENTION"] == ("50", "variable", "LT_MAIL_MEMORY_RETENTION")
    assert said["LT_MAIL_MEMORY_DURATION"] == ("30d", "code", "@retention")
    assert said["LT_MAIL_MEMORY_MAX_MB"] == (None, "default", "default")
    assert "nobody-may-see-this" not in json.dumps(told)


def test_without_an_application_the_code_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LT_TIMEOUT", "5s")
    monkeypatch.setenv("LT_METRICS_TOKEN", "nobody-may-see-this")
    done = CliRunner().invoke(config, ["--max-take", "7"])
    assert done.exit_code == 0
    rows = {line.split()[0]: line.split()[1:] for line in done.output.splitlines()}
    assert set(rows) == {"setting", *(setting.variable for setting in SETTINGS.values())}
    assert rows["LT_TIMEOUT"] == ["5s", "LT_TIMEOUT", "30s"]
    assert rows["LT_MAX_TAKE"] == ["7", "--max-take", "1000"]
    assert rows["LT_METRICS_TOKEN"][0] == "(set)"
    assert "nobody-may-see-this" not in done.output


def test_what_cannot_be_read_is_refused_as_run_would(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LT_PORT", "many")
    done = lithair(place, "config", "app.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert "LT_PORT='many' can't be read" in done.stderr


def test_every_value_is_written_so_that_it_can_be_read_again() -> None:
    values = {
        "LT_TIMEOUT": "0.25s",
        "LT_RESTART_LIMIT": "3/90s",
        "LT_MAX_LIST_BYTES": "5MiB",
        "LT_SSE_BUFFER": "1000",
        "LT_TRUSTED_PROXIES": "127.0.0.1/32,10.0.0.0/8",
        "LT_CORS_ORIGINS": "https://a.example,*",
        "LT_PORT": "0",
    }
    resolved = resolve({}, values, {})
    told = {one.variable: one for one in settings_shown(resolved.settings, resolved.origins)}
    assert {variable: told[variable].value for variable in values} == values


def test_the_docs_tell_the_defaults_that_there_are() -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(LT_[A-Z_]+)` \|[^|]*\| `([^`]+)` \|", text, re.MULTILINE))
    defaults: list[Shown] = settings_shown(Settings(), {})
    own = {one.variable: one.default for one in defaults if one.default is not None}
    assert told == {**own, "LT_RUN_DIR": f"./{own['LT_RUN_DIR']}"}
