"""What a session costs: GET by id behind the gate, against the same where nothing is gated.

Two servers of one gateway each, one gated and one not, take turns: a second of wrk over 64
connections each. What counts is the processor time that the gateway uses for a request, which other
work on this machine changes least; of all rounds the quarter that was disturbed least, and the
medians beside it. A token that nobody looks at tells what is the field's, and what the gate's.
"""

import http.client
import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.report import load_after, machine, median, table
from bench.served import IndexedNote, application, cpu_s, make, scratch
from bench.wrk import run_wrk
from lithair import Lithair, MemorySessionStore, SessionManager
from lithair.http import Request

if TYPE_CHECKING:
    from lithair.actors.background import Server

ROUNDS = 30
SECONDS = 1
ITEMS = 10_000
PLAIN = "no session"
HEAD = ("the request has", "processor", "against none", "median", "median of ratios", "GETs")


class Round(NamedTuple):
    """One look at one way."""

    us: float  # of the gateway's processor, for each request
    per_s: float


async def log_in(request: Request) -> dict[str, str | None]:
    """Make a session."""
    session = await request.sessions.create(user_id="ann")
    return {"token": session.token}


def measure() -> str:
    """Give the section for RESULTS.md."""
    where = machine()
    with scratch("gated") as directory, ExitStack() as stack:
        opened = stack.enter_context(served(directory / "open").running())
        gated = stack.enter_context(gated_application(directory / "gated").running())
        for server in (opened, gated):
            fill(server)
        token = a_token(gated)
        bearer = ("Authorization", f"Bearer {token}")
        asked: dict[str, tuple[Server, tuple[str, ...]]] = {
            PLAIN: (opened, ()),
            "a Bearer token that nobody looks at": (opened, bearer),
            "a session, as Bearer": (gated, bearer),
            "a session, in its cookie": (gated, ("Cookie", f"session_token={token}")),
        }
        rounds: dict[str, list[Round]] = {way: [] for way in asked}
        for number in range(ROUNDS + 1):
            for way, (server, header) in asked.items():
                found = one_round(server, header)
                if number > 0:  # the first is for warming up
                    rounds[way].append(found)
    rows = [row(way, rounds[way], rounds[PLAIN]) for way in rounds]
    return (
        "## GET by id with a session\n\n"
        + table(HEAD, rows)
        + f"\n{ROUNDS} rounds of {SECONDS} s each, in turns; the first figures are of"
        " the quarter that was disturbed least.\n"
        + f"\n`python -m bench.gated`: {where}, {load_after()}.\n"
    )


def served(directory: Path) -> Lithair:
    return application(directory)


def gated_application(directory: Path) -> Lithair:
    return (
        application(directory)
        .with_sessions(SessionManager(MemorySessionStore()))
        .with_models_require_session(True)
        .with_route("POST", "/in", log_in)
    )


def fill(server: "Server") -> None:
    notes = server.handle(IndexedNote)
    for start in range(0, ITEMS, 5000):
        notes.bulk_create([make(IndexedNote, number) for number in range(start, start + 5000)])


def a_token(server: "Server") -> str:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    connection.request("POST", "/in")
    told = json.loads(connection.getresponse().read())
    connection.close()
    return str(told["token"])


def one_round(server: "Server", header: tuple[str, ...]) -> Round:
    before_s = cpu_s(server, "gateway")
    found = run_wrk(server.url + "/api/notes/", "get_as.lua", seconds=SECONDS, arguments=header)
    assert not found.errors, found.errors
    return Round((cpu_s(server, "gateway") - before_s) * 1e6 / found.requests, found.per_s)


def row(way: str, rounds: list[Round], plain: list[Round]) -> tuple[str, ...]:
    low = quarter([one.us for one in rounds])
    ratios = [one.us / other.us for one, other in zip(rounds, plain, strict=True)]
    return (
        way,
        f"{low:.1f} µs",
        f"**{low / quarter([one.us for one in plain]):.3f}**",
        f"{median([one.us for one in rounds]):.1f} µs",
        f"{median(ratios):.3f}",
        f"{median([one.per_s for one in rounds]):,.0f}/s",
    )


def quarter(values: list[float]) -> float:
    """Give what three quarters of the rounds exceed: those that others' work disturbed."""
    return sorted(values)[len(values) // 4]


if __name__ == "__main__":
    print(measure())
