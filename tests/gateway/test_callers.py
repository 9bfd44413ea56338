"""Callers of real gateways: too many requests, proxies that are believed, and what pages carry."""

from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from lithair import Lithair, MemorySessionStore, Model, Request, Response, SessionManager
from tests.gateway.harness import RawConnection, gateway
from tests.support.waiting import wait_until

PROXY, CLIENT = "127.0.0.9", "127.0.0.7"  # loopback has many addresses
FEW = 3


class Letter(Model):
    text: str = ""


async def nothing(_request: Request) -> dict[str, str]:
    return {}


async def page(_request: Request) -> Response:
    return Response("<p>hello", headers={"Content-Type": "text/html; charset=utf-8"})


async def log_in(request: Request) -> dict[str, str | None]:
    return {"token": (await request.sessions.create("ada")).token}


async def fails(_request: Request) -> None:
    raise AssertionError("a refused request must not come so far")


def limited(*, per: float = 600) -> Lithair:
    return (
        Lithair()
        .with_route("GET", "/api/a", nothing)
        .with_route("POST", "/api/a", nothing)
        .with_route("GET", "/api/open/{name}", nothing)
        .with_route("GET", "/other", nothing)
        .with_route("GET", "/apiary", nothing)
        .with_rate_limit("/api", FEW, per=per)
        .with_rate_limit("/api/open/", 10 * FEW, per=per)
    )


def client_of(url: str, address: str = "127.0.0.1") -> httpx2.Client:
    return httpx2.Client(base_url=url, transport=httpx2.HTTPTransport(local_address=address))


def statuses(http: httpx2.Client, path: str, times: int, **headers: str) -> list[int]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return [http.get(path, headers=given).status_code for _ in range(times)]


def test_too_many_requests_are_told_when_to_come_again(tmp_path: Path) -> None:
    with gateway(limited(), tmp_path) as running, client_of(running.url) as http:
        assert statuses(http, "/api/a", FEW) == [200] * FEW
        refused = http.get("/api/a")
        assert refused.status_code == 429
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.json()["status"] == 429
        assert "3 in 600 s" in refused.json()["detail"]
        assert 1 <= int(refused.headers["Retry-After"]) <= 600 + 600 // 16 + 1
        assert statuses(http, "/other", 5) == [200] * 5
        assert statuses(http, "/apiary", 5) == [200] * 5
        with client_of(running.url, CLIENT) as another:
            assert statuses(another, "/api/a", FEW + 1) == [200] * FEW + [429]


@pytest.mark.parametrize(
    "path", ["/api", "/%61pi/a", "/api/a?x=1", "/api/nowhere", "/api%2Fa", "/api/"]
)
def test_however_a_path_is_written_its_limit_counts(tmp_path: Path, path: str) -> None:
    with gateway(limited(), tmp_path) as running, RawConnection.to("127.0.0.1", running.port) as c:
        got = [c.request(f"GET {path} HTTP/1.1\nHost: a").status for _ in range(FEW + 1)]
        assert 429 not in got[:FEW]
        assert got[FEW] == 429


def test_the_longest_prefix_counts_alone(tmp_path: Path) -> None:
    with gateway(limited(), tmp_path) as running, client_of(running.url) as http:
        assert statuses(http, "/api/open/a", 10 * FEW + 1) == [200] * 10 * FEW + [429]
        assert statuses(http, "/api/a", FEW + 1) == [200] * FEW + [429]


def test_a_preflight_counts_for_nothing(tmp_path: Path) -> None:
    with gateway(limited(), tmp_path) as running, client_of(running.url) as http:
        assert [http.options("/api/a").status_code for _ in range(10)] == [204] * 10
        assert statuses(http, "/api/a", FEW) == [200] * FEW


def test_who_waits_is_let_in_again(tmp_path: Path) -> None:
    with gateway(limited(per=1), tmp_path) as running, client_of(running.url) as http:
        wait_until(lambda: 429 in statuses(http, "/api/a", FEW + 1), "the limit to be reached")
        wait_until(lambda: http.get("/api/a").status_code == 200, "a request to be let in")


def test_a_body_is_not_asked_for(tmp_path: Path) -> None:
    with gateway(limited(), tmp_path) as running, client_of(running.url) as http:
        assert statuses(http, "/api/a", FEW) == [200] * FEW
        with running.connect() as connection:
            head = "POST /api/a HTTP/1.1\nHost: a\nContent-Length: 1000\nExpect: 100-continue"
            assert connection.request(head).status == 429


def test_a_token_has_a_limit_wherever_it_comes_from(tmp_path: Path) -> None:
    with gateway(limited(), tmp_path) as running:
        given = {"Authorization": "Bearer abc"}
        for number in range(FEW):
            with client_of(running.url, f"127.0.1.{number}") as http:
                assert http.get("/api/a", headers=given).status_code == 200
        with client_of(running.url, "127.0.2.1") as http:
            assert http.get("/api/a", headers=given).status_code == 429
            assert http.get("/api/a", headers={"Authorization": "Bearer x"}).status_code == 200


@pytest.fixture(scope="module")
def behind_proxy(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    folder = tmp_path_factory.mktemp("proxied")
    app = (
        Lithair()
        .with_sessions(SessionManager(MemorySessionStore()))
        .with_models_require_session(True)
        .with_model(Letter, folder / "letters", "/api/letters")
        .with_route("POST", "/in", log_in)
        .with_route("GET", "/page", page)
        .with_route("GET", "/limited", nothing)
        .with_route("POST", "/limited", fails)
        .with_rate_limit("/limited", FEW, per=600)
        .with_rate_limit("/api/letters/count", FEW, per=600)
        .with_trusted_proxies([PROXY, "10.0.0.0/8"])
        .with_run_dir(folder / "run")
        .with_port(0)
    )
    with app.running() as server:
        yield server.url


def forwarded(address: str, proto: str = "https") -> dict[str, str]:
    return {"X-Forwarded-For": address, "X-Forwarded-Proto": proto}


def test_a_trusted_proxy_s_clients_have_limits_of_their_own(behind_proxy: str) -> None:
    with client_of(behind_proxy, PROXY) as proxy:
        for client in ("198.51.100.1", "198.51.100.2, 10.0.0.1"):
            got = statuses(proxy, "/limited", FEW + 1, **forwarded(client))
            assert got == [200] * FEW + [429]
        assert proxy.post("/limited", headers=forwarded("198.51.100.1")).status_code == 429
    with client_of(behind_proxy, CLIENT) as stranger:
        got = [
            stranger.get("/limited", headers=forwarded(f"198.51.100.{number}")).status_code
            for number in range(10, 11 + FEW)
        ]
        assert got == [200] * FEW + [429]


def test_a_model_s_routes_have_limits_before_the_gate(behind_proxy: str) -> None:
    with client_of(behind_proxy) as http:
        got = statuses(http, "/api/letters/count", FEW + 2)
        assert got == [401] * FEW + [429] * 2
        assert http.get("/api/letters").status_code == 401


def test_the_cookie_is_as_the_client_came(behind_proxy: str) -> None:
    for address, proto, prefix in (
        (PROXY, "https", "__Host-session_token="),
        (PROXY, "http", "session_token="),
        (CLIENT, "https", "session_token="),
    ):
        with client_of(behind_proxy, address) as http:
            given = http.post("/in", headers=forwarded("198.51.100.9", proto))
            cookie = given.headers["Set-Cookie"]
            assert cookie.startswith(prefix), (address, proto)
            assert ("Secure" in cookie) == prefix.startswith("__Host-")


def test_the_scheme_of_our_own_pages_is_that_of_the_client(behind_proxy: str) -> None:
    with client_of(behind_proxy, PROXY) as proxy:
        over_tls = {**forwarded("198.51.100.9"), "Host": "mail.example"}
        token = proxy.post("/in", headers=over_tls).json()["token"]
        proxy.cookies.clear()
        for origin, name, status in (
            ("https://mail.example", "__Host-session_token", 201),
            ("http://mail.example", "__Host-session_token", 403),
            ("https://mail.example", "session_token", 401),
        ):
            headers = {**over_tls, "Origin": origin, "Cookie": f"{name}={token}"}
            sent = proxy.post("/api/letters", json={"text": "x"}, headers=headers)
            assert sent.status_code == status, (origin, name)


def test_a_model_s_answers_are_json_and_pages_are_guarded(behind_proxy: str) -> None:
    with client_of(behind_proxy) as http:
        guarded = http.get("/page").headers
        assert guarded["X-Frame-Options"] == "SAMEORIGIN"
        assert guarded["X-Content-Type-Options"] == "nosniff"
        assert guarded["Referrer-Policy"] == "same-origin"
        for path in ("/api/letters", "/limited", "/nowhere"):
            assert not {"X-Frame-Options", "Referrer-Policy"} & set(http.get(path).headers)


WORD = "correct horse battery"


def test_failed_logins_are_counted_for_the_client_and_below_auth_is_a_limit(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    app = (
        Lithair()
        .with_users(tmp_path / "users")
        .with_rate_limit("/auth/", 20, per=600)
        .with_trusted_proxies([PROXY])
        .with_run_dir(run_dir)
        .with_port(0)
    )

    def log_in(http: httpx2.Client, client: str) -> httpx2.Response:
        sent = {"username": "ada", "password": WORD}
        return http.post("/auth/login", json=sent, headers=forwarded(client), timeout=60)

    with app.running() as server, client_of(server.url, PROXY) as proxy:
        one, other = "198.51.100.1", "198.51.100.2"
        assert [log_in(proxy, one).status_code for _ in range(6)] == [401] * 5 + [429]
        refused = log_in(proxy, one).json()
        assert "limit" not in refused["detail"], "this is the lockout, not the rate limit"
        assert log_in(proxy, other).status_code == 401
        me = [proxy.get("/auth/me", headers=forwarded(one)).status_code for _ in range(14)]
        assert me == [401] * 13 + [429]
        assert proxy.get("/health", headers=forwarded(one)).status_code == 200
