"""What callers see of the gate: refusals, other sites' pages, and answers as without it."""

import shutil
import socket
import ssl
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx2
import pytest

from lithair import Lithair
from tests.gateway.guarded import COOKIE, Letter, application
from tests.gateway.harness import ANSWER_TIMEOUT_S, RawConnection
from tests.gateway.mailbox import problem_of
from tests.support.certificates import make_certificate

SHOP = "https://shop.example"
LETTERS, ONE = "/api/letters", "/api/letters/one"
SINGLE_MAX = 1000


@pytest.fixture(scope="module")
def stranger(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx2.Client]:
    """Somebody without a session."""
    folder = tmp_path_factory.mktemp("served")
    app = application(folder).with_cors([SHOP]).with_max_body_size(SINGLE_MAX)
    with app.running() as server, httpx2.Client(base_url=server.url) as http:
        yield http


def log_in(http: httpx2.Client, **fields: str) -> str:
    answer = http.post("/in", params=fields)
    http.cookies.clear()
    return str(answer.json()["token"])


@pytest.fixture
def token(stranger: httpx2.Client) -> str:
    return log_in(stranger)


@pytest.fixture
def alice(stranger: httpx2.Client, token: str) -> Generator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=stranger.base_url, headers=headers) as http:
        http.post(LETTERS, json={"id": "one", "text": "hi"})
        yield http


@pytest.fixture
def browser(stranger: httpx2.Client, token: str) -> Generator[httpx2.Client]:
    headers = {"Cookie": f"other=1; {COOKIE}={token}"}
    with httpx2.Client(base_url=stranger.base_url, headers=headers) as http:
        yield http


def host_of(http: httpx2.Client) -> tuple[str, int]:
    assert http.base_url.port is not None
    return http.base_url.host, http.base_url.port


def test_a_refusal_says_how_to_ask(stranger: httpx2.Client) -> None:
    bare = stranger.get(LETTERS)
    assert bare.status_code == 401
    assert bare.headers["WWW-Authenticate"] == 'Bearer realm="lithair"'
    assert problem_of(bare)["title"] == "Unauthorized"
    shown = stranger.get(LETTERS, headers={"Authorization": "Bearer x"})
    assert shown.headers["WWW-Authenticate"].endswith(', error="invalid_token"')
    assert problem_of(shown)["status"] == 401


def test_a_refused_body_is_thrown_away_whatever_it_is(stranger: httpx2.Client) -> None:
    with RawConnection.to(*host_of(stranger)) as raw:
        for length, body in ((5, b"{nope"), (3, b"\xff\xfe\x00")):
            head = f"POST {LETTERS} HTTP/1.1\nHost: x\nContent-Length: {length}"
            assert raw.request(head, body).status == 401
        waiting = f"POST {LETTERS} HTTP/1.1\nHost: x\nContent-Length: 9\nExpect: 100-continue"
        assert raw.request(waiting).status == 401
    with RawConnection.to(*host_of(stranger)) as raw:
        head = f"POST {LETTERS} HTTP/1.1\nHost: x\nContent-Length: {SINGLE_MAX + 1}"
        assert raw.request(head).status == 401


def test_conditional_requests_and_head_are_as_without_a_gate(alice: httpx2.Client) -> None:
    got = alice.get(ONE)
    assert got.status_code == 200
    etag = got.headers["ETag"]
    head = alice.head(ONE)
    kept = {"ETag", "Lithair-Seq", "Content-Length", "Content-Type", "Cache-Control", "Vary"}
    assert {name: head.headers[name] for name in kept} == {name: got.headers[name] for name in kept}
    unchanged = alice.get(ONE, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["Cache-Control"] == "private, no-cache"
    assert unchanged.headers["ETag"] == etag
    assert alice.patch(ONE, json={"text": "a"}, headers={"If-Match": '"0"'}).status_code == 412
    assert alice.patch(ONE, json={"text": "a"}, headers={"If-Match": etag}).status_code == 200
    assert alice.get(ONE, headers={"If-None-Match": etag}).status_code == 200
    assert alice.delete("/api/letters/none", headers={"If-Match": etag}).status_code == 404


def test_an_etag_opens_nothing(alice: httpx2.Client, stranger: httpx2.Client) -> None:
    etag = alice.get(ONE).headers["ETag"]
    for headers in ({"If-None-Match": etag}, {"If-Match": etag}):
        assert stranger.get(ONE, headers=headers).status_code == 401
        assert stranger.delete(ONE, headers=headers).status_code == 401


def test_an_idempotency_key_is_its_users_own(alice: httpx2.Client, stranger: httpx2.Client) -> None:
    key = {"Idempotency-Key": "k1"}
    first = alice.post(LETTERS, json={"text": "same"}, headers=key)
    other_session = {"Authorization": f"Bearer {log_in(stranger)}", **key}
    again = stranger.post(LETTERS, json={"text": "same"}, headers=other_session)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json(), "another session of the same user"
    bob = {"Authorization": f"Bearer {log_in(stranger, user='bob')}", **key}
    of_bob = stranger.post(LETTERS, json={"text": "same"}, headers=bob)
    assert of_bob.status_code == 201
    assert of_bob.json()["id"] != first.json()["id"]


CROSS_SITE = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]


def own(http: httpx2.Client) -> Iterator[dict[str, str]]:
    host, port = host_of(http)
    yield {}
    yield {"Origin": f"http://{host}:{port}"}
    yield {"Sec-Fetch-Site": "same-origin", "Origin": f"http://{host}:{port}"}
    yield {"Sec-Fetch-Site": "none"}
    yield {"Sec-Fetch-Site": "cross-site", "Origin": SHOP}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_another_sites_page_changes_no_item(
    browser: httpx2.Client, alice: httpx2.Client, method: str
) -> None:
    path = LETTERS if method == "POST" else ONE
    body = None if method == "DELETE" else {"text": "changed"}
    for fields in CROSS_SITE:
        before = alice.get("/api/letters/count").headers["Lithair-Seq"]
        refused = browser.request(method, path, json=body, headers=fields)
        assert refused.status_code == 403
        assert "Lithair-Seq" not in refused.headers
        problem_of(refused)
        assert alice.get("/api/letters/count").headers["Lithair-Seq"] == before
        assert alice.request("GET", ONE, headers=fields).status_code == 200
    for fields in own(browser):
        alice.put(ONE, json={"text": "hi"})
        alice.post(LETTERS, json={"id": "one"})
        assert browser.request(method, path, json=body, headers=fields).is_success
        assert alice.post(LETTERS, json={"text": "x"}, headers=fields).status_code == 201


def test_another_sites_page_reaches_no_users_route_with_a_cookie(
    browser: httpx2.Client, stranger: httpx2.Client
) -> None:
    for fields in CROSS_SITE:
        assert browser.post("/mine", headers=fields).status_code == 403
        assert browser.post("/who", headers=fields).status_code == 403
        assert browser.get("/mine", headers=fields).status_code == 200
        assert stranger.post("/who", headers=fields).json() == {"user": None}


def test_another_sites_page_does_not_administer(
    browser: httpx2.Client, stranger: httpx2.Client
) -> None:
    browser.headers["Cookie"] = f"{COOKIE}={log_in(stranger, role='Admin')}"
    compact = "/_admin/data/models/letters/compact"
    for fields in CROSS_SITE:
        assert browser.post(compact, headers=fields).status_code == 403
    for fields in own(browser):
        assert browser.post(compact, headers=fields).status_code == 200


def test_an_origin_of_with_cors_may_read_refusals_too(stranger: httpx2.Client) -> None:
    refused = stranger.get(LETTERS, headers={"Origin": SHOP})
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == SHOP
    assert refused.headers.get_list("Vary") == ["Authorization, Cookie", "Origin"]


def test_a_route_may_say_itself_what_is_kept(alice: httpx2.Client, stranger: httpx2.Client) -> None:
    told = alice.get("/told")
    assert told.headers["Cache-Control"] == "private, max-age=60"
    assert "Authorization, Cookie" in told.headers.get_list("Vary")
    refused = stranger.get("/told")
    assert refused.status_code == 401
    assert refused.headers["Cache-Control"] == "private, no-cache"


def test_what_nobody_in_particular_asks_may_be_kept_as_before(stranger: httpx2.Client) -> None:
    answer = stranger.get("/who")
    assert answer.json() == {"user": None}
    assert "Cache-Control" not in answer.headers


def test_the_handle_is_not_gated(tmp_path: Path) -> None:
    with application(tmp_path).running() as server:
        letters = server.handle(Letter)
        letters.create(Letter(id="by handle"))
        assert letters.count() == 1
        assert httpx2.get(server.url + LETTERS).status_code == 401


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_over_tls_the_cookie_is_this_very_hosts(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    app: Lithair = application(tmp_path).with_tls(str(cert), str(key))
    context = ssl.create_default_context(cafile=str(cert))
    with app.running() as server:
        port = int(server.url.rpartition(":")[2])
        plain = socket.create_connection(("127.0.0.1", port), ANSWER_TIMEOUT_S)
        with RawConnection(context.wrap_socket(plain, server_hostname="localhost")) as raw:
            given = raw.request("POST /in HTTP/1.1\nHost: localhost\nContent-Length: 0")
            cookie = str(given.field("Set-Cookie")).partition(";")[0]
            name, _, token = cookie.partition("=")
            assert name == f"__Host-{COOKIE}"
            ask = f"GET {LETTERS} HTTP/1.1\nHost: localhost\nCookie: "
            assert raw.request(ask + cookie).status == 200
            assert raw.request(f"{ask}{COOKIE}={token}").status == 401
            create = f"POST {LETTERS}/_bulk HTTP/1.1\nHost: localhost:{port}\nCookie: {cookie}"
            create += "\nContent-Type: application/json\nContent-Length: 2\nOrigin: "
            assert raw.request(f"{create}https://localhost:{port}", b"[]").status == 201
            assert raw.request(f"{create}http://localhost:{port}", b"[]").status == 403
            assert raw.request(f"{create}https://localhost", b"[]").status == 403
