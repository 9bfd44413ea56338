"""`lithair users`, with a server and without; what is left of passwords and tokens on a disk."""

import base64
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
from pyotp.totp import TOTP

from tests.support.commands import lithair
from tests.support.started import Started
from tests.support.waiting import wait_until

APP = """
from lithair import Lithair, Model, PersistentSessionStore, SessionManager

class Letter(Model):
    text: str

app = (
    Lithair()
    .with_model(Letter, "data/letters", "/api/letters")
    .with_sessions(SessionManager(PersistentSessionStore("data/sessions")))
    .with_users("data/users")
    .with_models_require_session(True)
)
"""
WORD, OTHER_WORD = "swordfish-canary-1", "swordfish-canary-2"
HEARD_WORDS = ("swordfish-wrong-3", "swordfish-typed-as-a-name-4", "swordfish-short-of-it-5")
KEY_FILE = "secret.key"
PATIENCE_S = 300  # passwords step back for whatever else a machine does
PATIENT = {"LT_TIMEOUT": str(PATIENCE_S)}
DATA_DIR = ("--data-dir", "data/users")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Generator[Started]:
    with Started(folder, environ={"LT_LOG_LEVEL": "debug", **PATIENT}) as started:
        assert started.url
        yield started
        assert started.stop() == 0


def add(folder: Path, name: str, *more: str, role: str = "editor", typed: str = WORD) -> int:
    given = ("users", "add", name, "--role", role, "--password-stdin", *more)
    return lithair(folder, *given, typed=typed + "\n").returncode


def listed(folder: Path, *more: str) -> list[dict[str, object]]:
    done = lithair(folder, "users", "list", "--json", *more)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return [{key: one[key] for key in ("name", "role", "disabled")} for one in found]


def log_in(server: Started, name: str, word: str, **more: str) -> httpx2.Response:
    body = {"username": name, "password": word, **more}
    return httpx2.post(f"{server.url}/auth/login", json=body, timeout=PATIENCE_S)


def who(server: Started, token: dict[str, str]) -> httpx2.Response:
    return httpx2.get(f"{server.url}/auth/me", headers=token)


def test_a_user_is_added_listed_disabled_and_enabled_while_the_server_runs(
    folder: Path, server: Started
) -> None:
    assert "lithair users add NAME --role ROLE" in server.log  # there were none
    assert add(folder, "Ann") == 0
    assert add(folder, "ANN") == 1  # the same
    unknown = lithair(folder, "get", "lettres", "1").stderr  # Lithair's own models are not offered
    assert unknown == "the server has no model 'lettres'; it has Letter (letters)\n"
    assert listed(folder) == [{"name": "Ann", "role": "editor", "disabled": False}]
    token = {"Authorization": f"Bearer {log_in(server, 'ann', WORD).json()['session_token']}"}
    letters = f"{server.url}/api/letters"
    assert httpx2.get(letters, headers=token).status_code == 200
    done = lithair(folder, "users", "disable", "ann")
    assert (done.returncode, done.stdout) == (0, "ann is disabled; 1 session was ended\n")
    assert log_in(server, "ann", WORD).status_code == 401
    wait_until(lambda: httpx2.get(letters, headers=token).status_code == 401, "its end to be known")
    assert listed(folder)[0]["disabled"] is True
    assert lithair(folder, "users", "enable", "Ann").returncode == 0
    assert log_in(server, "ann", WORD).status_code == 200
    table = lithair(folder, "users", "list").stdout
    assert table.split("\n")[1].split()[:3] == ["Ann", "editor", "enabled"]


def test_another_password_ends_the_sessions_of_that_user(folder: Path, server: Started) -> None:
    add(folder, "Ann")
    token = {"Authorization": f"Bearer {log_in(server, 'ann', WORD).json()['session_token']}"}
    done = lithair(folder, "users", "passwd", "ann", "--password-stdin", typed=f"{OTHER_WORD}\n")
    assert (done.returncode, "1 session was ended" in done.stdout) == (0, True)
    wait_until(lambda: who(server, token).status_code == 401, "its end to be known")
    assert log_in(server, "ann", WORD).status_code == 401
    assert log_in(server, "ann", OTHER_WORD).status_code == 200


def test_another_role_is_that_of_the_next_session(folder: Path, server: Started) -> None:
    add(folder, "Ann")
    token = {"Authorization": f"Bearer {log_in(server, 'ann', WORD).json()['session_token']}"}
    assert lithair(folder, "users", "role", "ann", "Admin").returncode == 0
    wait_until(lambda: who(server, token).status_code == 401, "its end to be known")
    assert log_in(server, "ann", WORD).json()["role"] == "Admin"


def test_a_directory_without_a_server_takes_users_and_the_server_finds_them(folder: Path) -> None:
    assert add(folder, "Ann") == 4  # no server, and no directory given
    assert lithair(folder, "users", "list", *DATA_DIR).returncode == 1  # there is none yet
    assert not (folder / "data").exists()
    assert add(folder, "Ann", *DATA_DIR) == 0
    assert add(folder, "ann", *DATA_DIR) == 1
    assert add(folder, "Bob", *DATA_DIR, role="Admin") == 0
    assert lithair(folder, "users", "enable", "bob", *DATA_DIR).returncode == 0
    assert [one["name"] for one in listed(folder, *DATA_DIR)] == ["Ann", "Bob"]
    with Started(folder, environ=PATIENT) as server:
        assert log_in(server, "bob", WORD).json()["role"] == "Admin"
        assert "lithair users add" not in server.log
        done = lithair(folder, "users", "list", *DATA_DIR)
        assert (done.returncode, "leave --data-dir out" in done.stderr) == (5, True)
        assert server.stop() == 0
    assert lithair(folder, "verify", "data/users").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "typed", "status"),
    [
        (("add", "Ann", *DATA_DIR, "--password-stdin"), WORD, 2),  # no role
        (("add", "Ann", "--role", "x", *DATA_DIR), WORD, 2),  # no terminal
        (("add", "Ann", "--role", "x", *DATA_DIR, "--password-stdin"), "short", 2),
        (("add", "Ann", "--role", "x", *DATA_DIR, "--password-stdin"), "", 2),
        (("add", "a/b", "--role", "x", *DATA_DIR, "--password-stdin"), WORD, 2),
        (("add", "count", "--role", "x", *DATA_DIR, "--password-stdin"), WORD, 2),
        (("add", " Ann", "--role", "x", *DATA_DIR, "--password-stdin"), WORD, 2),
        (("disable", "Ann"), "", 4),
        (("disable", "Ann", *DATA_DIR), "", 2),  # it could end no sessions
    ],
)
def test_what_can_not_be_done_says_so_in_the_exit_status(
    folder: Path, arguments: tuple[str, ...], typed: str, status: int
) -> None:
    done = lithair(folder, "users", *arguments, typed=typed)
    assert done.returncode == status
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_without_users_says_how_to_have_them(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("from lithair import Lithair\napp = Lithair()\n")
    with Started(tmp_path) as server:
        assert server.url
        done = lithair(tmp_path, "users", "list")
    assert (done.returncode, "add with_users(directory)" in done.stderr) == (1, True)


def test_a_password_is_asked_for_twice_on_a_terminal_and_not_shown(folder: Path) -> None:
    ours, theirs = pty.openpty()
    command = (sys.executable, "-m", "lithair", "users", "add", "Ann", "--role", "x", *DATA_DIR)
    process = subprocess.Popen(
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    for prompt in (b"Password", b"Repeat"):
        while prompt not in shown:
            shown += os.read(ours, 1024)
        os.write(ours, WORD.encode() + b"\n")
    try:
        while data := os.read(ours, 1024):
            shown += data
    except OSError:  # how a terminal ends
        pass
    os.close(ours)
    assert process.wait(60) == 0, shown
    assert WORD.encode() not in shown
    assert listed(folder, *DATA_DIR)[0]["name"] == "Ann"


def forms_of(totp_secret: str) -> list[bytes]:
    """Give a secret in every way that somebody may write it down."""
    raw = base64.b32decode(totp_secret)
    return [totp_secret.encode(), raw, raw.hex().encode(), base64.b64encode(raw).rstrip(b"=")]


def with_second_factor(folder: Path, name: str) -> str:
    """Give a user one; returns its secret."""
    done = lithair(folder, "users", "totp", name, "--secret-key-file", KEY_FILE)
    found = re.search(r"\?secret=([A-Z2-7]+)&", done.stdout)
    assert found is not None, done.stderr
    return found[1]


def test_no_password_token_or_second_factor_is_ever_on_the_disk_or_in_a_log(folder: Path) -> None:
    """A whole life: added, logged in, refused, changed, backed up, by every way a word comes in."""
    secrets = [word.encode() for word in (WORD, OTHER_WORD, *HEARD_WORDS)]
    (folder / KEY_FILE).write_text("0123456789abcdef" * 3)
    environ = {"LT_LOG_LEVEL": "debug", "LT_SECRET_KEY_FILE": KEY_FILE, **PATIENT}
    with Started(folder, environ=environ) as server:
        assert server.url
        assert add(folder, "Ann") == 0
        assert add(folder, "Bob", typed=HEARD_WORDS[2]) == 0
        token = log_in(server, "ann", WORD).json()["session_token"]
        secrets.append(token.encode())
        totp_secret = with_second_factor(folder, "bob")
        secrets += forms_of(totp_secret)
        assert log_in(server, "bob", HEARD_WORDS[2], code="no").status_code == 401
        code = TOTP(totp_secret).generate_otp(int(time.time()) // 30 + 1)  # good for a minute
        by_code = log_in(server, "bob", HEARD_WORDS[2], code=code)
        if by_code.status_code == 200:  # else it was looked at when it was good no more
            secrets.append(by_code.json()["session_token"].encode())
        assert log_in(server, "ann", HEARD_WORDS[0]).status_code == 401
        for _ in range(6):  # until it is locked out, which is logged
            log_in(server, HEARD_WORDS[1], WORD)
        changed = httpx2.post(
            f"{server.url}/auth/password",
            json={"password": WORD, "new_password": OTHER_WORD},
            headers={"Authorization": f"Bearer {token}"},
            timeout=PATIENCE_S,
        )
        assert changed.status_code == 204
        secrets.append(log_in(server, "ann", OTHER_WORD).json()["session_token"].encode())
        broken = b'{"username": "ann", "password": "' + HEARD_WORDS[0].encode()
        httpx2.post(f"{server.url}/auth/login", content=broken)
        assert lithair(folder, "backup", "backup").returncode == 0
        said = "".join(server.said)
        assert server.stop() == 0
    assert "too many logins have failed" in server.log
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".raftlog"}
    for path in files:
        data = path.read_bytes()
        found = [secret for secret in secrets if secret in data]
        assert not found, (path, found)
    assert not [secret for secret in secrets if secret in said.encode()]
