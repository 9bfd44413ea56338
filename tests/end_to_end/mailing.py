"""The mail example as its tests use it: a copy of it, and users who log in."""

import contextlib
import shutil
from collections.abc import Generator
from pathlib import Path

import httpx2

from tests.support.commands import lithair
from tests.support.started import Started
from tests.tidy.source import ROOT

WORD = "correct horse"
URL = "/api/emails"


def copied(place: Path, example: str = "mail") -> Path:
    """Copy an example to `place`, without what it left where it stands."""
    ignore = shutil.ignore_patterns("data", "__pycache__", ".mypy_cache")
    return shutil.copytree(ROOT / "examples" / example, place, ignore=ignore)


def add_user(directory: Path, name: str, role: str = "user") -> None:
    """Make a user with the command, while no server runs."""
    options = ("--role", role, "--data-dir", "data/users", "--password-stdin")
    made = lithair(directory, "users", "add", name, *options, typed=f"{WORD}\n")
    assert made.returncode == 0, made.stderr


@contextlib.contextmanager
def logged_in(server: Started, name: str) -> Generator[httpx2.Client]:
    """Log a user in; the client keeps his cookie."""
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        answer = client.post("/auth/login", json={"username": name, "password": WORD})
        assert answer.status_code == 200, answer.text
        yield client


def subjects(client: httpx2.Client) -> list[str]:
    """Give the subjects of a user's mails, the newest first."""
    listed = client.get(URL, params={"sort": "-received", "fields": "subject"})
    return [item["subject"] for item in listed.json()["data"]]
