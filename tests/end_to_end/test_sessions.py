"""Sessions of a whole server: over kills of everything, of the store alone, and with it stopped."""

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest

from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

pytestmark = pytest.mark.usefixtures("no_leaks")

KILLS = 8  # some two seconds each; a hundred of them were seen to hold
STORE = "model _sessions"


def start(directory: Path, **environ: str) -> Started:
    shutil.copy(ROOT / "tests/end_to_end/visits.py", directory / "app.py")
    return Started(directory, environ={"PYTHONPATH": str(ROOT), **environ})


def log_in(url: str, user: str = "ada") -> str:
    answer = httpx.post(f"{url}/login", params={"user": user}, timeout=30)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["token"]
    return token


def log_in_if_possible(url: str) -> str | None:
    answer = httpx.post(f"{url}/login", params={"user": "ada"}, timeout=30)
    return str(answer.json()["token"]) if answer.status_code == 200 else None


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def status(url: str, token: str, path: str = "/me") -> int:
    return httpx.get(url + path, headers=bearer(token), timeout=60).status_code


def log_out(url: str, token: str) -> int:
    return httpx.post(f"{url}/logout", headers=bearer(token), timeout=30).status_code


def kill_everything(server: Started) -> None:
    """Kill the supervisor and all of its children, in any order."""
    everyone: list[psutil.Process | subprocess.Popen[str]] = [*server.living(), server.process]
    random.shuffle(everyone)
    for one in everyone:
        one.kill()


def files_below(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())


def test_after_kills_of_everything_the_ended_are_dead_and_the_others_alive(tmp_path: Path) -> None:
    tokens: list[str] = []
    ended: list[str] = []
    alive: list[str] = []
    for number in range(KILLS):
        with start(tmp_path, VISITS_NO_MODEL="1") as server:
            url = server.url
            if number:
                assert [status(url, token) for token in alive[-3:]] == [200] * len(alive[-3:])
                assert [status(url, token) for token in ended[-3:]] == [401] * len(ended[-3:])
            tokens += [log_in(url), log_in(url)]
            assert log_out(url, tokens[-1]) == 204
            alive.append(tokens[-2])
            ended.append(tokens[-1])
            kill_everything(server)
    with start(tmp_path, VISITS_NO_MODEL="1") as server:
        url = server.url
        assert all(status(url, token) == 200 for token in alive)
        assert all(status(url, token) == 401 for token in ended)
    written = b"".join(path.read_bytes() for path in files_below(tmp_path))
    assert b"visits" in written, "what a session keeps is there"
    assert not any(token.encode() in written for token in tokens)


def test_nobody_notices_that_the_store_was_killed(tmp_path: Path) -> None:
    with start(tmp_path, LT_RESTART_LIMIT="1000/30s") as server:
        url = server.url
        token = log_in(url)
        for _ in range(10):
            server.child(STORE).kill()
            assert status(url, token, "/api/visits") == 200
            other = log_in(url)  # waits for the store
            assert status(url, other) == 200
            assert log_out(url, other) == 204
            assert status(url, other) == 401


def test_sessions_in_ram_end_with_the_server(tmp_path: Path) -> None:
    with start(tmp_path, VISITS_IN_RAM="1") as server:
        token = log_in(server.url)
        assert status(server.url, token) == 200
        ready = httpx.get(f"{server.url}/ready").json()
        assert ready["models"] == {"visits": "serving", "_sessions": "serving"}
        assert [model["name"] for model in httpx.get(f"{server.url}/info").json()["models"]] == [
            "visits"
        ]
        assert server.stop() == 0
    with start(tmp_path, VISITS_IN_RAM="1") as server:
        assert status(server.url, token) == 401
    assert not (tmp_path / "data" / "sessions").exists()


def test_an_end_reaches_every_gateway_within_a_second(tmp_path: Path) -> None:
    with start(tmp_path, LT_GATEWAYS="3") as server:
        url = server.url
        for _ in range(3):
            token = log_in(url)
            assert {status(url, token) for _ in range(20)} == {200}
            assert log_out(url, token) == 204
            ended_s = time.monotonic()
            while time.monotonic() - ended_s < 1.0:  # whoever is asked meanwhile may not know it
                assert status(url, token) in (200, 401)
            assert {status(url, token) for _ in range(20)} == {401}


def test_while_the_store_is_silent_nobody_is_let_in_and_nobody_is_lost(tmp_path: Path) -> None:
    with start(tmp_path, LT_TIMEOUT="1") as server:
        url = server.url
        token = wait_until(lambda: log_in_if_possible(url), "a login within the time-out")
        wait_until(lambda: status(url, token) == 200, "the session to be known")
        server.child(STORE).send_signal(signal.SIGSTOP)
        places = ("/me", "/api/visits")
        wait_until(
            lambda: {status(url, token, path) for path in places} == {503},
            "a silent store to be noticed",
        )
        assert httpx.get(f"{url}/me").status_code == 401  # nothing has to be asked
        # It hangs, so it is killed and started again.
        wait_until(lambda: status(url, token) == 200, "the store to be heard again", 30)


def test_a_browser_carries_its_session_in_a_cookie(tmp_path: Path) -> None:
    with start(tmp_path) as server, httpx.Client(base_url=server.url) as browser:
        assert browser.get("/api/visits").status_code == 401
        given = browser.post("/login?user=ada")
        cookie = given.headers["Set-Cookie"]
        token = given.json()["token"]
        assert cookie == f"session_token={token}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"
        assert given.headers["Cache-Control"] == "private, no-cache"
        assert browser.get("/me").json() == {"user": "ada", "visits": 1}
        assert browser.get("/api/visits").json()["total"] == 0
        again = browser.post("/login?user=ada").json()["token"]
        assert again != token, "each login makes a new token"
        gone = browser.post("/logout")
        assert gone.headers["Set-Cookie"].startswith("session_token=; Path=/; Max-Age=0;")
        assert "session_token" not in browser.cookies
        assert status(server.url, again) == 401
        assert status(server.url, token) == 200, "the first one was not ended"
