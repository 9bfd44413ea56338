"""Ending a session: how long until another gateway refuses its token.

Two gateways, a session store on the disk. A session is made, and both gateways know it; then one is
asked to end it, and as soon as it has answered the other is asked for an item with the token, again
and again over a connection of its own, until that is refused. Told is the time from the answer that
it has ended, and from the request that ends it, to the refusal.
"""

import http.client
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.logins import percentile
from bench.report import load_after, machine, table
from bench.served import IndexedNote, application, make, scratch
from lithair import Lithair, PersistentSessionStore, SessionManager
from lithair.http import Request

if TYPE_CHECKING:
    from lithair.actors.background import Server

ROUNDS = 1000
GATEWAYS = 2
CONNECTIONS_MAX = 200  # the kernel deals them out: by then both have got one
REFUSED_MAX_S = 5.0
ITEM = "/api/notes/note-0000000"


class Line(NamedTuple):
    """A connection, and the gateway at its other end."""

    connection: http.client.HTTPConnection
    pid: int


class Ended(NamedTuple):
    """How long it took until the other gateway refused."""

    from_answer_ms: float
    from_request_ms: float
    was_let_in: int  # requests that it still answered after that


async def log_in(request: Request) -> dict[str, str | None]:
    session = await request.sessions.create(user_id="ann")
    return {"token": session.token}


async def log_out(request: Request) -> None:
    assert request.session is not None
    await request.sessions.end(request.session)


async def who(_request: Request) -> dict[str, int]:
    return {"pid": os.getpid()}


def measure() -> str:
    """Give the section for RESULTS.md."""
    where = machine()
    with scratch("ends") as directory, two_gateways(directory).running() as server:
        server.handle(IndexedNote).create(make(IndexedNote, 0))
        ends = [end_one(*lines) for lines in turns(two_lines(server))]
    rows = [
        (name, *(f"{percentile(times, percent):.1f} ms" for percent in (50, 99, 100)))
        for name, times in (
            ("the answer that it has ended", [end.from_answer_ms for end in ends]),
            ("the request that ends it", [end.from_request_ms for end in ends]),
        )
    ]
    let_in = sum(end.was_let_in > 0 for end in ends)
    return (
        "## Ending a session\n\n"
        + table(("until the other gateway has refused, from", "p50", "p99", "longest"), rows)
        + f"\n{len(ends)} sessions. After the end of {let_in} the other gateway still answered"
        " a request.\n" + f"\n`python -m bench.session_end`: {where}, {load_after()}.\n"
    )


def two_gateways(directory: Path) -> Lithair:
    return (
        application(directory)
        .with_sessions(SessionManager(PersistentSessionStore(directory / "sessions")))
        .with_models_require_session(True)
        .with_gateways(GATEWAYS)
        .with_route("POST", "/in", log_in)
        .with_route("POST", "/out", log_out)
        .with_route("GET", "/who", who)
    )


def two_lines(server: "Server") -> tuple[Line, Line]:
    """Open connections until there is one to each gateway."""
    found: dict[int, Line] = {}
    for _ in range(CONNECTIONS_MAX):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
        pid = int(asked(connection, "GET", "/who")["pid"])
        found.setdefault(pid, Line(connection, pid))
        if len(found) == GATEWAYS:
            one, other = found.values()
            return one, other
    raise AssertionError(f"{CONNECTIONS_MAX} connections, all to one gateway")


def turns(lines: tuple[Line, Line]) -> list[tuple[Line, Line]]:
    return [lines if number % 2 else (lines[1], lines[0]) for number in range(ROUNDS)]


def end_one(ending: Line, other: Line) -> Ended:
    """Make a session that both gateways know, end it by one, and ask the other."""
    told = asked(ending.connection, "POST", "/in")
    fields = {"Authorization": f"Bearer {told['token']}"}
    for line in (ending, other):
        assert status_of(line.connection, "GET", ITEM, fields) == 200
    begun_s = time.perf_counter()
    assert status_of(ending.connection, "POST", "/out", fields) == 204
    answered_s = time.perf_counter()
    was_let_in = 0
    while status_of(other.connection, "GET", ITEM, fields) != 401:
        was_let_in += 1
        assert time.perf_counter() - answered_s < REFUSED_MAX_S
    refused_s = time.perf_counter()
    return Ended((refused_s - answered_s) * 1000, (refused_s - begun_s) * 1000, was_let_in)


def status_of(
    connection: http.client.HTTPConnection, method: str, path: str, fields: dict[str, str]
) -> int:
    connection.request(method, path, headers=fields)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def asked(connection: http.client.HTTPConnection, method: str, path: str) -> dict[str, str]:
    connection.request(method, path)
    told: dict[str, str] = json.loads(connection.getresponse().read())
    return told


if __name__ == "__main__":
    print(measure())
