"""The admin token's cookie: how it is got, what it opens, and how it ends."""

import ssl
import stat
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from lithair.core.lockout import ADDRESS_MAX, USER_AND_ADDRESS_MAX
from lithair.gateway.admin_session import MAX_AGE_MS, AdminCookies
from lithair.gateway.identity import ADMINISTRATOR
from lithair.gateway.sessions import hash_of
from lithair.storage.admin_sessions import FOLDER, SESSIONS_MAX
from lithair.storage.run_dir import RunDir
from tests.gateway import office
from tests.gateway.harness import gateway
from tests.gateway.mailbox import problem_of
from tests.support.certificates import make_certificate

MODELS = "/_admin/data/models"
SESSION = "/_admin/session"
NOW_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("session")


@pytest.fixture(scope="module")
def url(folder: Path) -> Generator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LT_SSE_HEARTBEAT", "0.2")
        with office.application(folder).with_gateways(2).running() as server:
            yield server.url


@pytest.fixture
def browser(folder: Path, url: str) -> Generator[httpx2.Client]:
    """A browser that has exchanged the token."""
    with httpx2.Client(base_url=url) as http:
        given = http.post(SESSION, json={"token": office.admin_token(folder)})
        assert given.status_code == 200
        yield http


def test_the_exchange_gives_a_cookie_that_no_script_and_no_other_site_has(
    folder: Path, url: str
) -> None:
    token = office.admin_token(folder)
    answer = httpx2.post(url + SESSION, json={"token": token})
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    assert (told["kind"], told["by"]) == ("cookie", "admin token")
    given, *attributes = answer.headers["Set-Cookie"].split("; ")
    name, value = given.split("=")
    assert name == "lithair_admin"
    assert set(attributes) == {"Path=/", "Max-Age=28800", "HttpOnly", "SameSite=Strict"}
    assert value not in answer.text
    assert token not in answer.text
    kept = folder / "run" / FOLDER / hash_of(value)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert not [path for path in kept.parent.iterdir() if value in path.name]


def with_token(folder: Path) -> Path:
    """Make a run directory with the token of a server in it."""
    run_dir = folder / "run"
    run_dir.mkdir(mode=0o700)
    (run_dir / "admin-token").write_text("the-token", encoding="ascii")
    return run_dir


def test_over_tls_it_is_this_hosts_alone(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    app = office.application(tmp_path).with_tls(cert, key)
    with gateway(app, with_token(tmp_path)) as running:
        url = f"https://localhost:{running.port}"
        with httpx2.Client(base_url=url, verify=ssl.create_default_context(cafile=cert)) as http:
            answer = http.post(SESSION, json={"token": "the-token"})
            assert answer.headers["Set-Cookie"].startswith("__Host-lithair_admin=")
            assert "; Secure" in answer.headers["Set-Cookie"]
            assert http.get(SESSION).status_code == 200
            value = answer.cookies["__Host-lithair_admin"]
            http.cookies.clear()
            plain = office.cookie(office.ADMIN_COOKIE, value)
            assert http.get(SESSION, headers=plain).status_code == 401


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"token": "wrong"}', "application/json", 401),
        (b'{"token": ""}', "application/json", 401),
        (b'{"token": 1}', "application/json", 422),
        (b'{"tokens": "x"}', "application/json", 422),
        (b"", "application/json", 422),
        (b"{", "application/json", 400),
        (b"token=x", "application/x-www-form-urlencoded", 415),
    ],
)
def test_what_is_not_the_token_gives_nothing(
    tmp_path: Path, body: bytes, kind: str, status: int
) -> None:
    with gateway(office.application(tmp_path), with_token(tmp_path)) as running:
        answer = httpx2.post(running.url + SESSION, content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert "Set-Cookie" not in answer.headers
    problem_of(answer)


def test_who_guesses_is_told_to_wait_and_so_is_the_right_token_from_there(tmp_path: Path) -> None:
    app = office.application(tmp_path).with_trusted_proxies("127.0.0.1")
    with gateway(app, with_token(tmp_path)) as running:

        def ask(address: str, token: str) -> httpx2.Response:
            forwarded = {"X-Forwarded-For": address}
            return httpx2.post(running.url + SESSION, json={"token": token}, headers=forwarded)

        for _ in range(USER_AND_ADDRESS_MAX):
            assert ask("203.0.113.1", "wrong").status_code == 401
        for token in ("wrong", "the-token"):
            refused = ask("203.0.113.1", token)
            assert refused.status_code == 429
            assert 0 < int(refused.headers["Retry-After"]) <= 300
        assert ask("203.0.113.2", "the-token").status_code == 200
    assert ADDRESS_MAX > USER_AND_ADDRESS_MAX


def test_the_cookie_opens_administration_and_every_model(browser: httpx2.Client) -> None:
    assert browser.get(MODELS).status_code == 200
    made = browser.post("/api/wares", json={"text": "lamp", "price": 7})
    assert made.status_code == 201
    assert made.json()["price"] == 7
    path = made.headers["Location"]
    assert browser.get(path).json()["price"] == 7
    with browser.stream("GET", "/api/wares/stream") as stream:
        assert stream.status_code == 200
    assert browser.delete(path).status_code == 204
    assert browser.get("/who").json() == {"user": None}


def test_in_users_routes_the_ordinary_session_counts(browser: httpx2.Client) -> None:
    browser.post("/in", params={"user": "carla", "role": "clerk"})
    assert len(browser.cookies) == 2
    assert browser.get("/who").json() == {"user": "carla"}
    assert browser.get("/api/wares").status_code == 200  # of a clerk, 403
    assert browser.get(SESSION).json()["kind"] == "cookie"
    browser.delete(SESSION)
    assert browser.get("/who").json() == {"user": "carla"}
    assert browser.get("/api/wares").status_code == 403
    assert browser.get(MODELS).status_code == 403


def test_who_asks_is_told_who_he_is(folder: Path, url: str, browser: httpx2.Client) -> None:
    told = browser.get(SESSION).json()
    assert (told["kind"], told["by"]) == ("cookie", "admin token")
    token = office.bearer(office.admin_token(folder))
    assert httpx2.get(url + SESSION, headers=token).json() == {
        "kind": "token", "by": "admin token", "expires_at": None,
    }  # fmt: skip
    for _, headers in office.credentials(office.session_of(url, "ada", "Admin")):
        told = httpx2.get(url + SESSION, headers=headers).json()
        assert (told["kind"], told["by"]) == ("session", "ada")
        assert told["expires_at"] is not None
    assert httpx2.get(url + SESSION).status_code == 401


def test_a_cookie_that_was_ended_is_worth_nothing_at_any_gateway(
    url: str, browser: httpx2.Client
) -> None:
    value = browser.cookies[office.ADMIN_COOKIE]
    ended = browser.delete(SESSION)
    assert ended.status_code == 204
    assert ended.headers["Set-Cookie"].startswith("lithair_admin=; Path=/; Max-Age=0")
    assert not browser.cookies
    held = office.cookie(office.ADMIN_COOKIE, value)
    for _ in range(8):  # connections of their own, so both gateways are asked
        assert httpx2.get(url + MODELS, headers=held).status_code == 401
        assert httpx2.get(url + "/api/wares", headers=held).status_code == 401


def test_ending_an_administrators_session_ends_just_that(url: str) -> None:
    token = office.session_of(url, "ada", "Admin")
    other = office.session_of(url, "ada", "Admin")
    answer = httpx2.delete(url + SESSION, headers=office.cookie("session_token", token))
    assert answer.status_code == 204
    assert answer.headers["Set-Cookie"].startswith("session_token=; ")
    assert httpx2.get(url + SESSION, headers=office.bearer(other)).status_code == 200


def test_none_outlives_its_time_nor_its_number(tmp_path: Path) -> None:
    clock = [NOW_MS]
    cookies = AdminCookies(str(tmp_path), lambda: clock[0])
    token, dies_ms = cookies.make()
    assert dies_ms == NOW_MS + MAX_AGE_MS
    assert cookies.cached(hash_of(token), dies_ms - 1) == ADMINISTRATOR
    assert cookies.cached(hash_of(token), dies_ms) is None
    made: list[str] = []
    for _ in range(SESSIONS_MAX + 1):
        clock[0] += 1
        made.append(hash_of(cookies.make()[0]))
    good = [one for one in (hash_of(token), *made) if cookies.cached(one, clock[0]) is not None]
    assert good == made[1:]
    clock[0] = dies_ms + 1_000
    cookies.make()
    assert len([*(tmp_path / FOLDER).iterdir()]) <= SESSIONS_MAX


def test_none_outlives_the_server(tmp_path: Path) -> None:
    path = str(tmp_path / "run")
    run_dir = RunDir.open(path)
    cookies = AdminCookies(path, lambda: NOW_MS)
    held = hash_of(cookies.make()[0])
    assert cookies.cached(held, NOW_MS) == ADMINISTRATOR
    run_dir.close()
    assert cookies.cached(held, NOW_MS) is None
    left = hash_of(cookies.make()[0])  # by a server that was killed
    RunDir.open(path).close()
    assert cookies.cached(left, NOW_MS) is None
    assert not (tmp_path / "run" / FOLDER).exists()


def test_a_stream_ends_soon_after_its_cookie(url: str, browser: httpx2.Client) -> None:
    held = office.cookie(office.ADMIN_COOKIE, browser.cookies[office.ADMIN_COOKIE])
    with httpx2.stream("GET", url + "/api/wares/stream", headers=held) as stream:
        lines = stream.iter_lines()
        next(lines)
        assert browser.delete(SESSION).status_code == 204
        assert len([*lines]) < 1000  # it comes to its end
