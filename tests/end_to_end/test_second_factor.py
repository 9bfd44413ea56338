"""A second factor from `lithair users totp` to the login, over two gateways."""

import base64
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from pyotp.totp import TOTP

from tests.support.commands import lithair
from tests.support.started import Started

APP = """
from lithair import Lithair

app = Lithair().with_users("data/users").with_gateways(2)
"""
WORD = "swordfish-canary-6"
KEY_FILE = "secret.key"
PATIENCE_S = 300  # passwords step back for whatever else a machine does
PATIENT = {"LT_TIMEOUT": str(PATIENCE_S)}
WITH_KEY = {"LT_SECRET_KEY_FILE": KEY_FILE, **PATIENT}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / KEY_FILE).write_text("0123456789abcdef" * 3 + "\n")
    given = ("users", "add", "Ann", "--role", "editor", "--password-stdin")
    done = lithair(tmp_path, *given, "--data-dir", "data/users", typed=WORD)
    assert done.returncode == 0, done.stderr
    return tmp_path


def enrol(folder: Path) -> str:
    """Give Ann a second factor; returns its secret."""
    done = lithair(folder, "users", "totp", "ann", "--secret-key-file", KEY_FILE)
    assert done.returncode == 0, done.stderr
    found = re.search(r"^otpauth://totp/Lithair:Ann\?secret=([A-Z2-7]+)&", done.stdout)
    assert found is not None, done.stdout
    return found[1]


def log_in(server: Started, code: str | None = None) -> httpx2.Response:
    body = {"username": "ann", "password": WORD, "code": code}
    return httpx2.post(f"{server.url}/auth/login", json=body, timeout=PATIENCE_S)


def wrong_fields(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers
    return [error["field"] for error in answer.json()["errors"]]


def test_a_login_needs_a_code_and_a_code_is_good_once(folder: Path) -> None:
    """Nothing of the secret is on the disk, nor in the log."""
    with Started(folder, environ=WITH_KEY) as server:
        assert log_in(server).status_code == 200
        secret = enrol(folder)
        assert wrong_fields(log_in(server)) == ["code"]
        assert wrong_fields(log_in(server, "no")) == ["code"]
        step = int(time.time()) // 30 + 1
        code = TOTP(secret).generate_otp(step)
        with ThreadPoolExecutor(4) as threads:
            asked = [threads.submit(log_in, server, code) for _ in range(4)]
        statuses = sorted(one.result().status_code for one in asked)
        was_in_time = time.time() // 30 <= step + 1  # a minute; passwords can take that long here
        assert statuses == [200, 401, 401, 401] or (not was_in_time and statuses == [401] * 4)
        listed = lithair(folder, "users", "list").stdout.split("\n")[1].split()
        assert listed[:4] == ["Ann", "editor", "enabled", "yes"]
        assert server.stop() == 0
    raw = base64.b32decode(secret)
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert secret.encode() not in data, path
            assert raw not in data, path


def test_a_second_factor_is_taken_away_again(folder: Path) -> None:
    with Started(folder, environ=WITH_KEY) as server:
        assert server.url
        enrol(folder)
        assert wrong_fields(log_in(server)) == ["code"]
        assert lithair(folder, "users", "totp", "ann", "--off").returncode == 0
        assert log_in(server).status_code == 200


def test_without_its_key_a_server_lets_nobody_in_who_has_a_second_factor(folder: Path) -> None:
    with Started(folder, environ=PATIENT) as server:
        assert server.url
        secret = enrol(folder)
        answer = log_in(server, TOTP(secret).now())
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
        assert "secret key" in server.log
        done = lithair(folder, "users", "totp", "ann")
        assert (done.returncode, "LT_SECRET_KEY_FILE" in done.stderr) == (2, True)


@pytest.mark.parametrize("content", [None, "short"])
def test_a_secret_key_that_is_none_stops_the_start(folder: Path, content: str | None) -> None:
    path = folder / KEY_FILE
    path.unlink()
    if content is not None:
        path.write_text(content)
    with Started(folder, environ={"LT_SECRET_KEY_FILE": KEY_FILE}) as server:
        assert server.process.wait(60) != 0
        assert "LT_SECRET_KEY_FILE" in server.log
