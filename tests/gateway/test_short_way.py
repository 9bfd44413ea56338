"""What goes the short way is answered as everything else is."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from lithair import Lithair, MemorySessionStore, Model, SessionManager, Unique
from lithair.gateway.short_way import ShortAnswer, ShortWay
from lithair.http import Request
from tests.gateway.harness import RawAnswer, RawConnection, RunningGateway, gateway

SHOP = "https://shop.example"
TIMES = 3  # each request; the first of them brings its fields, so the others go the short way
OUT_OF_THE_ORDINARY = "X-Extra: 1"


class Left(Model):
    text: Annotated[str, Meta(max_length=20)] = ""
    code: Unique[str | None] = None


class Right(Model):
    text: Annotated[str, Meta(max_length=20)] = ""
    code: Unique[str | None] = None


class Open(Model):
    text: str = ""


async def log_in(request: Request) -> dict[str, str | None]:
    session = await request.sessions.create(user_id="ann")
    return {"token": session.token}


def application(folder: Path, *, is_gated: bool) -> Lithair:
    return (
        Lithair()
        .with_model(Left, folder / "left", "/api/left")
        .with_model(Right, folder / "right", "/api/right")
        .with_sessions(SessionManager(MemorySessionStore()))
        .with_models_require_session(is_gated)
        .with_route("POST", "/in", log_in)
        .with_max_body_size(1000, 2000)
        .with_cors([SHOP])
        .with_run_dir(folder / "run")
        .with_port(0)
    )


@pytest.fixture(scope="module", params=[False, True], ids=["open", "gated"])
def served(
    request: pytest.FixtureRequest, transport: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[RunningGateway]:
    """A gateway in this process, before models in their own."""
    assert transport == "httptools"
    folder = tmp_path_factory.mktemp("short")
    is_gated: bool = request.param
    with (
        application(folder, is_gated=is_gated).running(),
        gateway(application(folder, is_gated=is_gated), folder / "run") as running,
    ):
        yield running


def token_of(running: RunningGateway) -> str:
    with running.connect() as connection:
        answer = connection.request("POST /in HTTP/1.1\nHost: x\nContent-Length: 0")
        assert answer.status == 200, answer
        return msgspec.json.decode(answer.body, type=dict[str, str])["token"]


def body(**fields: object) -> bytes:
    return msgspec.json.encode(fields)


# How many of them go the short way, at least: none without a session, in a cookie the reads alone.
LEAST = {"Bearer": 20, "cookie": 2, "nothing": 0}
LEAST_OPEN = {"Bearer": 8, "cookie": 8, "nothing": 20}  # whom a field names, writes the long way
JSON = ("Content-Type: application/json",)
REQUESTS: Sequence[tuple[str, tuple[str, ...], bytes]] = (
    ("GET /api/MODEL/a1", (), b""),
    ("POST /api/MODEL", JSON, body(id="a1", text="one", code="c1")),
    ("POST /api/MODEL", JSON, body(id="ä/ö", text="no such id")),
    ("POST /api/MODEL", JSON, body(id="é", text="é and ☃")),
    ("POST /api/MODEL", JSON, body(id="a2", text="two", code="c1")),
    ("POST /api/MODEL", JSON, body(id="a3", text="a text that is far too long for it")),
    ("POST /api/MODEL", JSON, b'{"id": "a4",'),
    ("POST /api/MODEL", JSON, b"x" * 1001),
    ("POST /api/MODEL", ("Content-Type: text/plain",), body(id="a4")),
    ("POST /api/MODEL", (), body(id="a4")),
    ("POST /api/MODEL", (), b""),
    ("GET /api/MODEL/a1", (), b""),
    ("GET /api/MODEL/%61%31", (), b""),
    ("GET /api/MODEL/%C3%A9", (), b""),
    ("GET /api/MODEL/a1?fields=text", (), b""),
    ("GET /api/MODEL/a1?nonsense=1", (), b""),
    ("GET /api/MODEL/count", (), b""),
    ("GET /api/MODEL/a1/history/x", (), b""),
    ("GET /api/MODEL/", (), b""),
    ("GET /api/MODEL", (), b""),
    ("GET /api/MODEL?text=one&take=5", (), b""),
    ("GET /api/MODEL?sort=-text&fields=text&skip=1", (), b""),
    ("GET /api/MODEL?text=~%C3%A9+and", (), b""),
    ("GET /api/MODEL?text=%zz", (), b""),
    ("GET /api/MODEL?text=a#b", (), b""),
    ("GET /api/MODEL?nonsense=1", (), b""),
    ("GET /api/MODEL?", (), b""),
    ("GET /api/MODEL?text=/api/MODEL/a1", (), b""),
    ("GET /api/MODEL?text=a?b", (), b""),
    ('GET /api/MODEL?text="one"', (), b""),
    ("GET /api/MODEL?text=a b", (), b""),
    ("GET /api/MODEL?text=a\tb", (), b""),
    ("GET /api/MODEL?text=" + "x" * 300, (), b""),
    ("GET /api/MODEL/a1/?text=one", (), b""),
    ("GET /api/MODEL?text=one/a1", (), b""),
    ("GET  /api/MODEL/a1", (), b""),
    ("GET /api/MODEL/.~_-", (), b""),
    ("POST /api/MODEL?text=1", JSON, body(id="a9")),
    ("GET /api/nothing/a1", (), b""),
    ("GET /api/MODEL/a1", (), b"body"),
    ("HEAD /api/MODEL/a1", (), b""),
    ("OPTIONS /api/MODEL/a1", (), b""),
    ("FETCH /api/MODEL/a1", (), b""),
    ("POST /api/MODEL/a1", JSON, body(text="x")),
    ("PUT /api/MODEL/a1", JSON, body(text="put", code="c2")),
    ("PUT /api/MODEL/none", JSON, body(text="put")),
    ("PATCH /api/MODEL/a1", JSON, body(text="patched")),
    ("PATCH /api/MODEL/a1", JSON, body(id="other")),
    ("PATCH /api/MODEL/a1", ("Content-Type: application/merge-patch+json",), body(text="m")),
    ("GET /api/MODEL/a1", ('If-None-Match: "1"',), b""),
    ("DELETE /api/MODEL/a1", ('If-Match: "1"',), b""),
    ("DELETE /api/MODEL/a1", (), b"body"),
    ("DELETE /api/MODEL/a1", (), b""),
    ("GET /api/MODEL/a1", (f"Origin: {SHOP}",), b""),
    ("GET /api/MODEL/none", (f"Origin: {SHOP}",), b""),
    ("GET /api/MODEL", (f"Origin: {SHOP}",), b""),
    ("GET /api/MODEL/a1", ("Origin: https://other.example",), b""),
    ("GET /api/MODEL/a1", ("Cookie: other=1; more=2",), b""),
    ("GET /api/MODEL/a1", ("Authorization: Basic eDp5",), b""),
    ("GET /api/MODEL/a1", ("Authorization: Bearer nonsense",), b""),
    ("POST /api/MODEL", (*JSON, "Idempotency-Key: k"), body(id="k1")),
)


@pytest.mark.parametrize("shows", ["Bearer", "cookie", "nothing"])
def test_both_ways_answer_alike(
    served: RunningGateway, shows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same requests, to two models that are alike: ordinary ones, and with a field more."""
    short: list[object] = []
    send = ShortWay.send

    def seen(way: ShortWay, answer: ShortAnswer) -> None:
        short.append(answer)
        send(way, answer)

    monkeypatch.setattr(ShortWay, "send", seen)
    token = token_of(served)
    field = {
        "Bearer": (f"Authorization: Bearer {token}",),
        "cookie": (f"Cookie: session_token={token}",),
        "nothing": (),
    }[shows]
    ordinary, other = served.connect(), served.connect()
    for line, fields, content in REQUESTS:
        is_named = any("Authorization" in own or "Cookie" in own for own in fields)
        sent = fields if is_named else (*fields, *field)
        for _ in range(TIMES):
            left = asked(ordinary, line.replace("MODEL", "left"), sent, content)
            more = (*sent, OUT_OF_THE_ORDINARY)
            right = asked(other, line.replace("MODEL", "right"), more, content)
            assert told(left) == told(right), line
            if left.field("Connection") == "close":
                ordinary.sock.close()
                other.sock.close()
                ordinary, other = served.connect(), served.connect()
    ordinary.sock.close()
    other.sock.close()
    is_gated = served.child.declaration.requires_session
    least = LEAST[shows] if is_gated else LEAST_OPEN[shows]
    assert len(short) >= least > 0 or len(short) == least == 0, len(short)


def asked(connection: RawConnection, line: str, fields: Sequence[str], content: bytes) -> RawAnswer:
    head = [f"{line} HTTP/1.1", "Host: x", *fields]
    if content:
        head.append(f"Content-Length: {len(content)}")
    return connection.request("\n".join(head), content)


def told(answer: RawAnswer) -> tuple[int, list[tuple[str, str]], bytes]:
    """Give what an answer says, whichever model it is about."""
    fields = sorted(
        (name, str(len(value)) if name == "X-Request-Id" else value.replace("/right/", "/left/"))
        for name, value in answer.fields
        if name != "Date"
    )
    return answer.status, fields, answer.body.replace(b"right", b"left")
