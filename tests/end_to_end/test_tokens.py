"""API tokens of a whole server: made, used, listed, revoked, with it and without it."""

import json
import re
import shutil
from pathlib import Path

import httpx2 as httpx
import pytest

from lithair.api_tokens import TokenRecord, hash_of, new_token
from lithair.cli.token_book import StoredTokens
from lithair.storage.run_dir import TOKEN_NAME
from tests.support.commands import lithair
from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

pytestmark = pytest.mark.usefixtures("no_leaks")

TOKEN = re.compile(r"lt_[A-Za-z0-9_-]{43}\n")
GATEWAYS = 2
LOOKS = 12  # connections of their own: the kernel gives them to either gateway


def start(directory: Path, **environ: str) -> Started:
    shutil.copy(ROOT / "tests/end_to_end/machines.py", directory / "app.py")
    return Started(directory, environ={"PYTHONPATH": str(ROOT), **environ})


def made(directory: Path, *arguments: str) -> str:
    """Make a token with the command; it is all that stdout has."""
    done = lithair(directory, "tokens", "add", *arguments)
    assert done.returncode == 0, done.stderr
    assert TOKEN.fullmatch(done.stdout)
    assert done.stdout.strip() not in done.stderr
    return done.stdout.strip()


def listed(directory: Path, *arguments: str) -> list[dict[str, object]]:
    done = lithair(directory, "tokens", "list", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def status(url: str, token: str, path: str = "/api/readings") -> int:
    return httpx.get(url + path, headers=bearer(token), timeout=60).status_code


def test_a_machine_gets_in_with_its_token_until_that_is_revoked(tmp_path: Path) -> None:
    with start(tmp_path, LT_GATEWAYS=str(GATEWAYS)) as server:
        url = server.url
        token = made(tmp_path, "--role", "writer", "--name", "thermometer", "--expires", "90d")
        other = made(tmp_path, "--role", "writer", "--name", "barometer")
        assert [entry["last_used"] for entry in listed(tmp_path)] == [None, None]
        assert {status(url, token) for _ in range(LOOKS)} == {200}
        written = httpx.post(f"{url}/api/readings", json={"value": 1.5}, headers=bearer(token))
        assert written.status_code == 201
        refused = httpx.get(f"{url}/api/readings", headers=bearer(new_token()))
        assert refused.status_code == 401
        assert "invalid_token" in refused.headers["WWW-Authenticate"]
        wait_until(lambda: listed(tmp_path)[0]["last_used"], "the use to be stored")
        assert listed(tmp_path)[1]["last_used"] is None
        done = lithair(tmp_path, "tokens", "revoke", "thermometer")
        assert done.returncode == 0, done.stderr
        wait_until(
            lambda: {status(url, token) for _ in range(LOOKS)} == {401}, "the token to be refused"
        )
        assert status(url, other) == 200
        assert [entry["state"] for entry in listed(tmp_path)] == ["revoked", "live"]


def test_tokens_outlive_kills_and_are_nowhere_to_be_read(tmp_path: Path) -> None:
    with start(tmp_path) as server:
        url = server.url
        dead, alive = (made(tmp_path, "--role", "writer", "--name", name) for name in "ab")
        assert [status(url, token) for token in (dead, alive)] == [200, 200]
        assert lithair(tmp_path, "tokens", "revoke", "a").returncode == 0
        children = server.living()
        server.process.kill()
        for child in children:
            child.kill()
    with start(tmp_path) as server:
        assert [status(server.url, token) for token in (dead, alive)] == [401, 200]
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert hash_of(alive).encode() in stored
    assert alive.encode() not in stored
    assert dead.encode() not in stored


def test_a_route_knows_who_calls_however_that_is_shown(tmp_path: Path) -> None:
    with start(tmp_path) as server:
        url = server.url  # it is ready: the command needs it
        token = made(tmp_path, "--role", "writer", "--name", "thermometer")
        session = httpx.post(f"{url}/login").json()["token"]
        admin = (tmp_path / ".lithair" / TOKEN_NAME).read_text(encoding="ascii").strip()
        for shown, known in {
            token: ["token", "token/thermometer", "writer"],
            session: ["session", "ada", ""],
            admin: ["admin", "", "Admin"],
            new_token(): None,
        }.items():
            answer = httpx.get(f"{url}/open", headers=bearer(shown))
            assert answer.json() == {"caller": known}


def test_a_token_is_no_session_and_no_cookie(tmp_path: Path) -> None:
    with start(tmp_path) as server:
        url = server.url
        token, admin = (made(tmp_path, "--role", role) for role in ("writer", "Admin"))
        assert status(url, token, "/mine") == 403
        assert status(url, token, "/_admin/data/models/readings/_stats") == 403
        assert status(url, admin, "/_admin/data/models/readings/_stats") == 200
        cookie = {"Cookie": f"session_token={token}"}
        assert httpx.get(f"{url}/api/readings", headers=cookie).status_code == 401
        session = httpx.post(f"{url}/login").json()["token"]
        assert status(url, session, "/mine") == 200


def test_a_machine_may_what_its_role_may_and_owns_what_it_makes(tmp_path: Path) -> None:
    with start(tmp_path) as server:
        reports = f"{server.url}/api/reports"
        mine, twin, other = (
            bearer(made(tmp_path, "--role", "writer", "--name", name)) for name in ("a", "a", "b")
        )
        reader, nobody = (bearer(made(tmp_path, "--role", role)) for role in ("reader", "guest"))
        sent = httpx.post(reports, json={"text": "x"}, headers=mine)
        assert sent.status_code == 201
        assert sent.json()["sender"] == "token/a"
        location = server.url + sent.headers["Location"]
        seen = [
            httpx.get(location, headers=each).status_code
            for each in (mine, twin, other, reader, nobody, {})
        ]
        assert seen == [200, 200, 404, 200, 403, 401]
        assert httpx.post(reports, json={"text": "x"}, headers=reader).status_code == 403


def test_while_the_tokens_process_is_dead_nobody_is_mistaken_for_unknown(tmp_path: Path) -> None:
    with start(tmp_path, LT_RESTART_LIMIT="1000/30s") as server:
        url = server.url
        token = made(tmp_path, "--role", "writer")
        for _ in range(5):
            server.child("model _tokens").kill()
            assert status(url, token) == 200


def test_tokens_are_made_without_a_server(tmp_path: Path) -> None:
    there = ("--data-dir", "data/tokens")
    assert lithair(tmp_path, "tokens", "list", *there).returncode == 1
    token = made(tmp_path, "--role", "writer", "--name", "a", *there)
    gone = made(tmp_path, "--role", "writer", *there)
    by_id = str(listed(tmp_path, *there)[1]["id"])
    assert hash_of(gone).startswith(by_id)
    assert lithair(tmp_path, "tokens", "revoke", by_id, *there).returncode == 0
    expired = new_token()
    record = TokenRecord(id=hash_of(expired), name="b", role="r", created_ms=1, expires_ms=2)
    with StoredTokens(str(tmp_path / "data/tokens"), is_made=False) as book:
        book.add(record)
    states = [entry["state"] for entry in listed(tmp_path, *there)]
    assert states == ["live", "revoked", "expired"]
    with start(tmp_path) as server:
        assert [status(server.url, each) for each in (token, gone, expired)] == [200, 401, 401]
        assert lithair(tmp_path, "tokens", "list", *there).returncode == 5


def test_what_can_be_no_token_is_said(tmp_path: Path) -> None:
    there = ("--data-dir", "tokens")
    for arguments in (
        ("--role", ""),
        ("--role", "r", "--name", " a"),
        ("--role", "r", "--expires", "soon"),
        ("--role", "r", "--expires", "0d"),
        ("--role", "r", "--expires", "999999y"),
    ):
        done = lithair(tmp_path, "tokens", "add", *arguments, *there)
        assert done.returncode == 2, arguments
        assert not done.stdout
    assert lithair(tmp_path, "tokens", "add", "--role", "r").returncode == 4
    twins = [made(tmp_path, "--role", "r", "--name", "twin", *there) for _ in range(2)]
    done = lithair(tmp_path, "tokens", "revoke", "twin", *there)
    assert done.returncode == 1
    assert all(hash_of(token)[:12] in done.stderr for token in twins)
    assert lithair(tmp_path, "tokens", "revoke", hash_of(twins[0])[:12], *there).returncode == 0
    assert lithair(tmp_path, "tokens", "revoke", "twin", *there).returncode == 0
    assert lithair(tmp_path, "tokens", "revoke", "twin", *there).returncode == 1
