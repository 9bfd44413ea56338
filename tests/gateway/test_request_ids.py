"""Request ids: in every answer that is an error or was asked with one, and in the log."""

import json
import re
from collections.abc import Iterator

import httpx2
import pytest

from tests.gateway.harness import RawConnection
from tests.support.started import Started
from tests.support.waiting import wait_until

APP = """
import tornado.web
from lithair import Lithair, Model, ModelHandler, ModelUnavailable

class Film(Model):
    title: str

class Films(ModelHandler[Film]):
    def before_create(self, item):
        if item.title == "broken":
            raise RuntimeError("the password is 123")
        return item

async def fine(request):
    return {"id": request.headers.get("X-Request-Id")}

async def broken(request):
    raise RuntimeError("the password is 123")

async def away(request):
    raise ModelUnavailable("nobody at /run/here")

class Page(tornado.web.RequestHandler):
    def get(self):
        raise RuntimeError("the password is 123")

app = (
    Lithair()
    .with_handler(Films(Film, "data"), "/api/films")
    .with_route("GET", "/fine", fine)
    .with_route("GET", "/broken", broken)
    .with_route("GET", "/away", away)
    .with_tornado("/page", Page)
)
"""
MADE = re.compile(r"[0-9a-f]{16}")
REQUEST_ID = "X-Request-Id"
BROKEN = {"title": "broken"}


@pytest.fixture(scope="module")
def server(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    place = tmp_path_factory.mktemp("films")
    (place / "app.py").write_text(APP)
    with Started(place) as server:
        assert server.url
        yield server


@pytest.fixture
def client(server: Started) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url) as http:
        yield http


@pytest.mark.parametrize("path", ["/api/films", "/api/films/count", "/fine", "/health"])
def test_an_answer_has_the_id_of_its_request_if_that_has_one(
    client: httpx2.Client, path: str
) -> None:
    assert REQUEST_ID not in client.get(path).headers
    answer = client.get(path, headers={REQUEST_ID: "trace/1:a=b"})
    assert answer.status_code == 200
    assert answer.headers[REQUEST_ID] == "trace/1:a=b"
    if path == "/fine":
        assert answer.json() == {"id": "trace/1:a=b"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/films/none", 404),
        ("GET", "/api/films?take=x", 400),
        ("PROPFIND", "/api/films", 405),
        ("GET", "/nothing", 404),
        ("GET", "/broken", 500),
        ("GET", "/away", 503),
        ("GET", "/page", 500),
        ("GET", "/_admin/data/models/films/_stats", 401),
    ],
)
def test_every_error_has_an_id_its_own_or_the_clients(
    client: httpx2.Client, method: str, path: str, status: int
) -> None:
    first, second = (client.request(method, path) for _ in range(2))
    assert (first.status_code, second.status_code) == (status, status)
    assert MADE.fullmatch(first.headers[REQUEST_ID])
    assert first.headers[REQUEST_ID] != second.headers[REQUEST_ID]
    given = client.request(method, path, headers={REQUEST_ID: "mine-1"})
    assert given.headers[REQUEST_ID] == "mine-1"


@pytest.mark.parametrize("odd", ["", "two words", "a,b", "ü", "x" * 129, 'a"b'])
def test_what_could_break_a_line_of_the_log_is_no_id(client: httpx2.Client, odd: str) -> None:
    for path in ("/api/films", "/broken"):
        answer = client.get(path, headers={REQUEST_ID.encode(): odd.encode()})
        assert MADE.fullmatch(answer.headers[REQUEST_ID]), path


def test_what_is_no_request_gets_an_id_too(server: Started, transport: str) -> None:
    if transport == "tornado":
        pytest.skip("Tornado's own server answers that by itself, with nothing but a status")
    host, _, port = server.url.removeprefix("http://").partition(":")
    with RawConnection.to(host, int(port)) as raw:
        answer = raw.request("GET / HTTP/1.1\nHost : a b")
        assert answer.status == 400
        assert MADE.fullmatch(answer.field(REQUEST_ID) or "")


@pytest.mark.parametrize("path", ["/api/films", "/broken", "/away", "/page"])
def test_the_log_tells_of_errors_of_the_server_under_the_id(
    server: Started, client: httpx2.Client, path: str
) -> None:
    asked = f"of{path.replace('/', '-')}"
    method, body = ("POST", BROKEN) if path == "/api/films" else ("GET", None)
    answer = client.request(method, path, json=body, headers={REQUEST_ID: asked})
    assert answer.status_code >= 500
    assert "123" not in answer.text
    logged = [
        entry
        for line in wait_until(lambda: _lines_with(server, asked), f"{asked} in the log")
        if (entry := json.loads(line))["level"] == "error"
    ]
    assert len(logged) == 1
    assert f"{method} {path}" in logged[0]["message"]
    has_trace = path in ("/broken", "/page")  # the model's own is in its own process's log
    assert ("the password is 123" in logged[0].get("exception", "")) is has_trace


def _lines_with(server: Started, words: str) -> list[str]:
    return [line for line in server.log.splitlines() if words in line]
