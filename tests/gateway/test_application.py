"""What an application adds beside its models: routes, Tornado handlers, static files, pages."""

# Tornado's type of a chunk has a bare dict in it.
# pyright: reportUnknownMemberType=false

import asyncio
from collections.abc import Awaitable, Generator

import httpx2
import msgspec
import pytest
import tornado.web

from lithair import Hidden, Lithair, Model, NotFound, Rejected
from lithair.http import Request, Response
from tests.gateway.harness import gateway

SHOP = "https://shop.example"


class Note(Model):
    text: str
    secret: Hidden[str] = ""


class Greeting(msgspec.Struct):
    name: str


async def greet(request: Request) -> dict[str, object]:
    return {
        "id": request.path["id"],
        "path": request.path,
        "query": {name: request.query.get_all(name) for name in request.query},
        "x": request.headers.get("x-thing"),
    }


async def greet_back(request: Request) -> Response:
    greeting = request.json(Greeting)
    return Response(f"hello {greeting.name}", 201, {"X-Mine": "1", "Content-Length": "5"})


async def me(request: Request) -> list[int]:
    return [1, 2]


async def nothing(request: Request) -> None:
    return None


async def note(request: Request) -> Note:
    return Note(id="n1", text="a", secret="s")


async def absent(request: Request) -> None:
    raise NotFound("there is no such thing")


async def rejected(request: Request) -> None:
    raise Rejected("not today", status=403)


async def broken(request: Request) -> None:
    raise RuntimeError("the password is 123")


async def slow(request: Request) -> None:
    await asyncio.Event().wait()


async def own_timeout(request: Request) -> None:
    raise TimeoutError


async def odd_status(request: Request) -> Response:
    return Response("x", 42)


class Page(tornado.web.RequestHandler):
    def initialize(self, title: str) -> None:
        self._title = title

    def get(self, name: str) -> None:
        if name == "absent":
            raise tornado.web.HTTPError(404)
        if name == "broken":
            raise RuntimeError("the password is 123")
        self.write(f"{self._title}: {name}")


class OwnErrors(tornado.web.RequestHandler):
    def get(self) -> None:
        raise tornado.web.HTTPError(418)

    def write_error(self, status_code: int, **kwargs: object) -> None:
        _ = self.finish(f"mine: {status_code}")


class Parted(tornado.web.RequestHandler):
    async def get(self) -> None:
        for part in ("a", "b"):
            self.write(part)
            await self.flush()


@tornado.web.stream_request_body
class Upload(tornado.web.RequestHandler):
    def initialize(self) -> None:
        self._bytes = 0

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._bytes += len(chunk)
        return None

    def put(self) -> None:
        self.write(str(self._bytes))


@pytest.fixture(scope="module")
def client(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx2.Client]:
    public = tmp_path_factory.mktemp("public")
    (public / "index.html").write_text("<h1>home</h1>")
    (public / "sub").mkdir()
    (public / "sub" / "index.html").write_text("<h1>sub</h1>")
    (public / "app.js").write_text("run()")
    app = (
        Lithair()
        .with_static(public)
        .with_route("GET", "/things/{id}", greet)
        .with_route("POST", "/things/{id}", greet_back)
        .with_route("GET", "/things/me", me)
        .with_route("DELETE", "/things/{key}", nothing)
        .with_route("GET", "/note", note)
        .with_route("GET", "/absent", absent)
        .with_route("GET", "/rejected", rejected)
        .with_route("GET", "/broken", broken)
        .with_route("GET", "/slow", slow)
        .with_route("GET", "/own-timeout", own_timeout)
        .with_route("GET", "/odd-status", odd_status)
        .with_tornado("/pages/{name}", Page, title="page")
        .with_tornado(r"/regex/([a-z]+)", Page, title="regex")
        .with_tornado("/own-errors", OwnErrors)
        .with_tornado("/parted", Parted)
        .with_tornado("/upload", Upload)
        .with_cors([SHOP])
        .with_timeout(0.5)
        .with_max_body_size(100_000)
    )
    with (
        gateway(app, tmp_path_factory.mktemp("run")) as running,
        httpx2.Client(base_url=running.url) as http,
    ):
        yield http


def problem_of(answer: httpx2.Response) -> dict[str, object]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = msgspec.json.decode(answer.content, type=dict[str, object])
    assert problem["status"] == answer.status_code
    assert {"type", "title", "status", "detail", "error"} <= problem.keys()
    assert "password" not in answer.text
    assert "Traceback" not in answer.text
    return problem


def test_a_route_sees_its_request(client: httpx2.Client) -> None:
    answer = client.get(
        "/things/a%2Fb%20%C3%BC", params=[("q", "1"), ("q", "x y")], headers={"X-Thing": "5"}
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {
        "id": "a/b ü",
        "path": "/things/a%2Fb%20%C3%BC",
        "query": {"q": ["1", "x y"]},
        "x": "5",
    }


def test_a_special_path_goes_before_a_general_one(client: httpx2.Client) -> None:
    assert client.get("/things/me").json() == [1, 2]
    answer = client.delete("/things/me")
    assert answer.status_code == 204
    assert answer.content == b""


def test_a_response_goes_out_as_it_was_made(client: httpx2.Client) -> None:
    answer = client.post("/things/1", json={"name": "Ada"})
    assert answer.status_code == 201
    assert answer.text == "hello Ada"
    assert answer.headers["X-Mine"] == "1"
    assert answer.headers["Content-Length"] == "9"
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_a_model_leaves_without_its_hidden_fields(client: httpx2.Client) -> None:
    assert client.get("/note").json() == {"id": "n1", "text": "a"}


def test_head_is_answered_wherever_get_is(client: httpx2.Client) -> None:
    for path in ("/things/me", "/health", "/", "/app.js"):
        whole, head = client.get(path), client.head(path)
        assert head.status_code == whole.status_code == 200
        assert head.content == b""
        for name in ("Content-Length", "Content-Type"):
            assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b'{"name": 5}', "application/json", 422),
        (b'{"name": ', "application/json", 400),
        (b'{"name": "x"}', "text/plain", 415),
    ],
)
def test_a_body_that_is_not_what_a_route_expects_is_a_problem(
    client: httpx2.Client, content: bytes, content_type: str, status: int
) -> None:
    answer = client.post("/things/1", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status
    problem = problem_of(answer)
    if status == 422:
        assert problem["errors"] == [{"field": "name", "message": "Expected `str`, got `int`"}]


def test_errors_of_lithair_become_their_problems(client: httpx2.Client) -> None:
    answer = client.get("/absent")
    assert answer.status_code == 404
    assert problem_of(answer)["detail"] == "there is no such thing"
    answer = client.get("/rejected")
    assert answer.status_code == 403
    assert problem_of(answer)["error"] == "not today"


@pytest.mark.parametrize("path", ["/broken", "/own-timeout", "/odd-status"])
def test_other_errors_say_nothing_but_a_request_id(client: httpx2.Client, path: str) -> None:
    answer = client.get(path, headers={"X-Request-Id": "abc-1"})
    assert answer.status_code == 500
    problem_of(answer)
    assert answer.headers["X-Request-Id"] == "abc-1"
    assert len(client.get(path).headers["X-Request-Id"]) == 16


def test_a_route_that_takes_too_long_is_answered_504(client: httpx2.Client) -> None:
    answer = client.get("/slow")
    assert answer.status_code == 504
    problem_of(answer)


def test_an_unknown_path_is_a_problem(client: httpx2.Client) -> None:
    for path in ("/nothing", "/things/", "/things//x", "/health/", "/pages/", "/%00"):
        for method in ("GET", "POST", "OPTIONS", "PROPFIND"):
            answer = client.request(method, path)
            assert answer.status_code == 404, (method, path)
            problem_of(answer)


def test_another_method_is_answered_405_with_allow(client: httpx2.Client) -> None:
    for path, allowed in (
        ("/things/me", "GET, HEAD, POST, DELETE, OPTIONS"),
        ("/note", "GET, HEAD, OPTIONS"),
        ("/health", "GET, HEAD, OPTIONS"),
        ("/pages/x", "GET, OPTIONS"),
        ("/app.js", "GET, HEAD, OPTIONS"),
    ):
        for method in ("PATCH", "PROPFIND"):
            answer = client.request(method, path)
            assert answer.status_code == 405, (method, path)
            assert answer.headers["Allow"] == allowed
            problem_of(answer)
        answer = client.options(path)
        assert answer.status_code == 204
        assert answer.headers["Allow"] == allowed


def test_a_tornado_handler_answers_as_it_is(client: httpx2.Client) -> None:
    assert client.get("/pages/one%20two").text == "page: one two"
    assert client.get("/regex/abc").text == "regex: abc"
    assert client.get("/regex/ABC").status_code == 404
    answer = client.get("/parted")
    assert answer.text == "ab"
    assert "Server" not in answer.headers
    assert client.put("/upload", content=b"x" * 90_000).text == "90000"


def test_a_tornado_handler_has_the_same_body_limit(client: httpx2.Client) -> None:
    answer = client.put("/upload", content=b"x" * 100_001)
    assert answer.status_code == 413
    problem_of(answer)

    def parts() -> Generator[bytes]:
        for _ in range(200):
            yield b"x" * 1000

    answer = client.put("/upload", content=parts())
    assert answer.status_code == 413
    problem_of(answer)


def test_errors_of_a_tornado_handler_are_problems(client: httpx2.Client) -> None:
    for path, status in (("/pages/absent", 404), ("/pages/broken", 500)):
        answer = client.get(path)
        assert answer.status_code == status
        problem_of(answer)
    answer = client.get("/own-errors")
    assert (answer.status_code, answer.text) == (418, "mine: 418")


def test_static_files_come_with_tags_and_cache_times(client: httpx2.Client) -> None:
    page = client.get("/")
    assert page.text == "<h1>home</h1>"
    assert page.headers["Cache-Control"] == "no-cache"
    again = client.get("/", headers={"If-None-Match": page.headers["ETag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert client.get("/app.js").headers["Cache-Control"] == "public, max-age=3600"
    moved = client.get("/sub?x=1")
    assert moved.status_code == 301
    assert moved.headers["Location"] == "/sub/?x=1"
    assert client.get("/sub/").text == "<h1>sub</h1>"


def test_the_pages_for_operators_answer(client: httpx2.Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    ready = client.get("/ready")
    assert ready.status_code == 200
    assert ready.json() == {"ready": True, "failed": [], "models": {}}
    info = client.get("/info").json()
    assert info.keys() == {"name", "version", "uptime_s", "models"}
    assert info["version"] == "0.1.0"
    assert client.get("/info").headers["Cache-Control"] == "no-store"


def test_other_origins_are_told_what_they_may(client: httpx2.Client) -> None:
    for path in ("/things/me", "/health", "/nothing", "/pages/x", "/app.js"):
        answer = client.get(path, headers={"Origin": SHOP})
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        assert "Origin" in answer.headers["Vary"]
        answer = client.get(path, headers={"Origin": "https://other.example"})
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Vary"] == "Origin"
    answer = client.options(
        "/things/me", headers={"Origin": SHOP, "Access-Control-Request-Method": "GET"}
    )
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, POST, DELETE, OPTIONS"
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
