"""Lithair beside PocketBase, FastAPI + SQLite and the Rust Lithair: the same work, in turns.

Each has 100,000 notes of 300 bytes with an index that serves the list. wrk asks one after the
other, for two seconds each, and again, in another order each time; what counts is the ratio of two
looks of the same round. All of a work's rounds come before the next work. The first time, it builds
the Rust Lithair, which takes some minutes.

    python -m bench.versus              the whole
    python -m bench.versus 1 1          one round of 1 s: a quick look, not kept
"""

import functools
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench import versus_report
from bench.report import load_after, machine
from bench.served import scratch
from bench.sides.fastapi import FastApiSide
from bench.sides.installed import Missing, peers_python, rust_program
from bench.sides.lithair import LithairSide
from bench.sides.pocketbase import PocketbaseSide
from bench.sides.rust import RustSide
from bench.sides.side import (
    FOLDERS,
    NOTES,
    PAGE,
    Entry,
    Side,
    ask,
    asked,
    cpu_s,
    memory_bytes,
    note,
)
from bench.sides.syncs import syncs_per_create
from bench.versus_report import Comparison, Look, Sizes, Work
from bench.wrk import run_wrk

ROUNDS = 5
SECONDS = 2
PATIENCE_S = 30  # for one answer; past it wrk counts an error
REST_MAX_S = 20.0
REST_LOOK_S = 0.1
BULK = 100  # notes of one bulk write; versus.lua knows it, too

WORKS = (
    Work("get", "GET by id", "get"),
    Work("gated", "GET by id, gated", "get", is_gated=True),
    Work("create", "POST", "create"),
    Work("mixed", "80 % POST, 15 % GET, 5 % PATCH", "mixed"),
    Work(
        "page",
        f"list of {PAGE} of {NOTES // FOLDERS:,}, filtered, sorted, total",
        "page",
        connections=16,
    ),
    Work("pages", "the same list, one write for 20 lists", "pages"),
    Work("patch", "PATCH", "patch"),
    Work("bulk", f"bulk of {BULK}, notes", "bulk", connections=8, worth=BULK),
)


class Measuring(NamedTuple):
    """How long it is looked."""

    rounds: int = ROUNDS
    seconds: int = SECONDS


def sides(directory: Path) -> tuple[list[Side], dict[str, str]]:
    """Give those that can take part, and why others can't."""
    found: list[Side] = [LithairSide(directory / "lithair")]
    skipped: dict[str, str] = {}
    python = peers_python()
    if isinstance(python, Missing):
        skipped |= {PocketbaseSide.name: python.why, FastApiSide.name: python.why}
    else:
        found.append(PocketbaseSide(directory / "pocketbase", python))
        found.append(FastApiSide(directory / "fastapi", python))
    program = rust_program()
    if isinstance(program, Missing):
        skipped[RustSide.name] = program.why
    else:
        found.append(RustSide(directory / "rust", program))
    return found, skipped


def check(side: Side) -> None:
    """See that a side does the work that it is measured by, and gives the right answers."""
    wanted = note(4242)
    for entry in (side.open, side.gated):
        url = entry.url + entry.routes.item + wanted["id"]
        told = asked("GET", url, authorization=entry.authorization)
        assert {name: told[name] for name in wanted} == wanted, f"{side.name}: {told}"
    refused, _ = ask("GET", side.gated.url + side.gated.routes.item + wanted["id"])
    assert 400 <= refused < 500, f"{side.name} answers {refused} to whoever has no token"
    told = asked("GET", side.open.url + side.open.routes.page.replace("%d", "42"))
    matching = sorted((note(n) for n in range(42, NOTES, FOLDERS)), key=lambda one: -one["sent"])
    total = told["total"] if "total" in told else told["totalItems"]
    page = told["data"] if "data" in told else told["items"]
    assert total == len(matching), f"{side.name}: {total} in all"
    assert [one["id"] for one in page] == [one["id"] for one in matching[:PAGE]], side.name


def entry_of(side: Side, work: Work) -> tuple[Entry, Sequence[int]]:
    if work.is_gated:
        return side.gated, side.gated_pids()
    return side.open, side.pids()


def look(side: Side, work: Work, run: int, seconds: int) -> Look:
    """Load one side for some seconds."""
    entry, pids = entry_of(side, work)
    routes = entry.routes
    arguments = [
        work.script, routes.item, routes.collection, routes.bulk, routes.page,
        entry.authorization, routes.shape, run,
    ]  # fmt: skip
    before_s = cpu_s(pids)
    found = run_wrk(entry.url, "versus.lua", work.connections, seconds, arguments, PATIENCE_S)
    used_s = cpu_s(pids) - before_s
    rest(pids)
    assert "Non-2xx" not in found.errors, f"{side.name}, {work.title}: {found.errors}"
    errors = found.errors if found.requests else f"no answer within {seconds} s: counted as one"
    return Look(
        per_s=max(found.per_s, 1 / seconds) * work.worth,
        p50_ms=found.p50_ms,
        p99_ms=found.p99_ms,
        cpu_us=used_s * 1e6 / max(found.requests * work.worth, 1),
        errors=errors,
        requests=found.requests,
    )


def rest(pids: Sequence[int]) -> None:
    """Wait until a side works no more on what nobody waits for: it would cost the next one."""
    give_up_s = time.monotonic() + REST_MAX_S
    while time.monotonic() < give_up_s:
        before_s = cpu_s(pids)
        time.sleep(REST_LOOK_S)
        if cpu_s(pids) - before_s < REST_LOOK_S / 4:
            return


def measure_work(taking_part: Sequence[Side], work: Work, how: Measuring) -> dict[str, list[Look]]:
    """Measure a work on all sides, in turns; the first second of each is for warming up."""
    looks: dict[str, list[Look]] = {side.name: [] for side in taking_part}
    kind = [one.key for one in WORKS].index(work.key)
    for side in taking_part:
        look(side, work, kind * 100, seconds=1)
    for number in range(how.rounds):
        first = number % len(taking_part)
        for side in (*taking_part[first:], *taking_part[:first]):
            looks[side.name].append(look(side, work, kind * 100 + number + 1, how.seconds))
    return looks


def compare(how: Measuring, where: str) -> Comparison:
    """Fill, start, measure, and stop all sides."""
    with scratch("versus") as directory, ExitStack() as stack:
        taking_part, skipped = sides(directory)
        sizes: dict[str, Sizes] = {}
        for side in taking_part:
            print(f"versus: filling {side.name}", flush=True)
            empty_bytes = side.fill()
            stack.callback(side.stop)
            ready_s = side.start()
            check(side)
            sizes[side.name] = Sizes(empty_bytes, ready_s, memory_bytes(side.pids()))
        looks: dict[str, dict[str, list[Look]]] = {}
        for work in WORKS:
            looks[work.key] = measure_work(taking_part, work, how)
            print(versus_report.line(work, looks[work.key]), flush=True)
        create = next(work for work in WORKS if work.key == "create")
        syncs: dict[str, float | None] = {}
        for side in taking_part:
            loads = (functools.partial(look, side, create, run, 2) for run in (9998, 9999))
            syncs[side.name] = syncs_per_create(side.pids(), *loads)
        return Comparison(
            where=where,
            what={side.name: (side.what, side.syncs) for side in taking_part},
            skipped=skipped,
            sizes=sizes,
            syncs=syncs,
            works=WORKS,
            looks=looks,
        )


def measure(rounds: int = ROUNDS, seconds: int = SECONDS) -> str:
    """Give the section for RESULTS.md."""
    compared = compare(Measuring(rounds, seconds), machine())
    versus_report.note(compared)
    return versus_report.section(compared) + f"{load_after()}.\n"


if __name__ == "__main__":
    print(measure(*map(int, sys.argv[1:3])))
