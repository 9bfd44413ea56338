"""GET by id, and POST with synced acknowledgements, through the whole path.

One gateway, one model process, 64 connections, wrk on the same machine. Three rounds of each, in
turn; the median counts.
"""

from bench.report import machine, median, table
from bench.served import filled_server, scratch
from bench.wrk import Measured, run_wrk

ROUNDS = 3
ITEMS = 10_000


def measure() -> str:
    """Give the section for RESULTS.md."""
    rounds: dict[str, list[Measured]] = {"GET by id": [], "POST, synced": []}
    where = machine()
    with scratch("load") as directory, filled_server(directory, ITEMS) as server:
        for _ in range(ROUNDS):
            rounds["GET by id"].append(run_wrk(server.url + "/api/notes/", "get.lua"))
            rounds["POST, synced"].append(run_wrk(server.url + "/api/notes", "post.lua"))
    rows = [
        (
            work,
            f"{median([one.per_s for one in measured]):,.0f}/s",
            " ".join(f"{one.per_s:,.0f}" for one in measured),
            f"{median([one.p50_ms for one in measured]):.1f} ms",
            f"{median([one.p99_ms for one in measured]):.1f} ms",
            "; ".join(one.errors for one in measured if one.errors) or "none",
        )
        for work, measured in rounds.items()
    ]
    commands = "\n".join(f"    {measured[0].command}" for measured in rounds.values())
    return (
        "## HTTP, one gateway, 64 connections\n\n"
        + table(("work", "median", "rounds", "p50", "p99", "errors"), rows)
        + f"\n`python -m bench.http_load`: {where}.\n\n{commands}\n"
    )


if __name__ == "__main__":
    print(measure())
