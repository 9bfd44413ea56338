"""What a crowd of connections costs those who ask: slow senders, and very many that are idle.

Healthy requests come at a steady rate from wrk, alone and beside the crowd in turns. What counts is
their p99, and how long a slow sender is put up with; of idle connections, the gateway's memory.
"""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.report import load_after, machine, median, table
from bench.served import ROOT, filled_server, rss_bytes, scratch
from bench.wrk import Measured, run_wrk

if TYPE_CHECKING:
    from lithair.actors.background import Server

ROUNDS = 5
SECONDS = 12  # a slow sender is given up after ten, so each round sees a whole crowd replaced
SLOW = 1000  # half of them in their heads, half in their bodies
IDLE = 10_000
ITEMS = 10_000
STEADY = "get_steadily.lua"
STEADY_CONNECTIONS = 16


class Told:
    """What a crowd has said at its end."""

    closed = 0
    longest_s = 0.0


@contextmanager
def crowd(server: "Server", count: int, how: str) -> Generator[Told]:
    """Have a crowd there."""
    port = server.url.rpartition(":")[2]
    path = "/api/notes/note-0000001" if how == "idle" else "/api/notes"
    command = [sys.executable, "-m", "bench.crowd_clients", port, path, str(count), how]
    told = Told()
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n", "the crowd did not come"
        yield told
        process.stdin.close()
        said = json.loads(process.stdout.readline())
        told.closed, told.longest_s = said["closed"], said["longest_s"]


def measure() -> str:
    """Give the section for RESULTS.md."""
    where = machine()
    alone: list[Measured] = []
    beside: list[Measured] = []
    told: list[Told] = []
    with scratch("crowd") as directory, filled_server(directory, ITEMS) as server:
        for _ in range(ROUNDS):
            alone.append(steady(server))
            with crowd(server, SLOW, "slow") as one:
                beside.append(steady(server))
            told.append(one)
        before = rss_bytes(server, "gateway")
        with crowd(server, IDLE, "idle"):
            after = rss_bytes(server, "gateway")
    quiet, crowded = (median([one.p99_ms for one in found]) for found in (alone, beside))
    rows = [row("alone", alone), row(f"beside {SLOW:,} slow senders", beside)]
    closed, longest_s = sum(one.closed for one in told), max(one.longest_s for one in told)
    return (
        "## Crowds of connections\n\n"
        + table(("GET by id", "p99, median", "rounds", "GETs", "errors"), rows)
        + f"\n{SLOW // 2} that send a head and {SLOW // 2} that send a body, a byte a second: p99"
        f" **{crowded / quiet:.2f}** x of alone (asked: 2). {closed:,} of them were closed, none"
        f" later than {longest_s:.1f} s after it came.\n"
        f"\n{IDLE:,} idle connections that have asked once: **{(after - before) / 1e6:.0f} MB**"
        f" more in the gateway ({before / 1e6:.0f} to {after / 1e6:.0f} MB; asked: 100).\n"
        + f"\n`python -m bench.crowd`: {where}, {load_after()}.\n\n    {alone[0].command}\n"
    )


def steady(server: "Server") -> Measured:
    return run_wrk(server.url + "/api/notes/", STEADY, STEADY_CONNECTIONS, SECONDS)


def row(name: str, found: list[Measured]) -> tuple[str, ...]:
    return (
        name,
        f"{median([one.p99_ms for one in found]):.2f} ms",
        " ".join(f"{one.p99_ms:.2f}" for one in found),
        f"{median([one.per_s for one in found]):,.0f}/s",
        "; ".join({one.errors for one in found if one.errors}) or "none",
    )


if __name__ == "__main__":
    print(measure())
