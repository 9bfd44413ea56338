"""How rates, memory and opening go with gateways, models and items.

1, 2 and 4 gateways, and 1, 10 and 50 models: GET by id and synced POST, in rounds, wrk on the same
cores. A thousand to ten million items of one model: its log is written by the storage itself, and
opened by a whole server, from the log and, up to a million, from the snapshot that a compaction
leaves.

    python -m bench.scale 1000000       at most so many items
"""

import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from bench import figures, opening
from bench.many_models import MODELS
from bench.report import load_after, machine, median, table
from bench.served import ON_DISK, IndexedNote, application, make, rss_bytes, scratch
from bench.sides.side import memory_bytes
from bench.wrk import run_wrk
from lithair import Lithair, connect

if TYPE_CHECKING:
    from lithair.actors.background import Server

GATEWAYS = (1, 2, 4)
MODEL_COUNTS = (1, 10, 50)
ITEMS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
FEW_ITEMS = 1_000  # of each model, where models and gateways are counted
ROUNDS = 3
SECONDS = 3
OPENINGS = 3
MANY = 5_000_000  # are opened once, and not compacted: that alone takes minutes, by its rests
COUNTED_ITEMS = 100_000  # below, what an item takes is lost in what the process takes
# What an item takes while it is measured: in the model's process, in its compaction, in the log and
# its copy, in the kernel's pages of them.
MEMORY_BYTES_PER_ITEM = 1_500
DISK_BYTES_PER_ITEM = 1_200
PATIENCE_S = 600.0


class Rates(NamedTuple):
    """GET and POST with so many of something."""

    counted: int
    get_per_s: list[float]
    post_per_s: list[float]
    memory_mb: list[float]  # of all processes


class Opened(NamedTuple):
    """A model with so many items."""

    counted: int
    log_s: float
    snapshot_s: float | None
    rss_bytes: int
    payload_bytes: int
    get_per_s: list[float]


# Gateways and models


def application_of(directory: Path, gateways: int, models: int) -> Lithair:
    """Declare so many models at /api/notes0, /api/notes1, ..."""
    app = Lithair().with_run_dir(directory / "run").with_port(0).with_gateways(gateways)
    for number, model in enumerate(MODELS[:models]):
        app = app.with_model(model, directory / f"notes{number}", f"/api/notes{number}")
    return app


def measure_counts(cases: Sequence[tuple[int, int]], place: int) -> list[Rates]:
    """Measure pairs of gateways and models, in turns; `place` tells which of both is counted."""
    found = [Rates(case[place], [], [], []) for case in cases]
    with ExitStack() as stack:
        servers: list[Server] = []
        for gateways, models in cases:
            directory = stack.enter_context(scratch("scale"))
            app = application_of(directory, gateways, models)
            server = stack.enter_context(app.running())
            for model in MODELS[:models]:
                notes = server.handle(model)
                notes.bulk_create([make(model, number) for number in range(FEW_ITEMS)])
            servers.append(server)
        for _ in range(ROUNDS):
            for server, (_, models), rates in zip(servers, cases, found, strict=True):
                for work, kept in (("get", rates.get_per_s), ("post", rates.post_per_s)):
                    arguments = (work, models, FEW_ITEMS)
                    looked = run_wrk(server.url, "scale.lua", 64, SECONDS, arguments)
                    assert not looked.errors, looked.errors
                    kept.append(looked.per_s)
                rates.memory_mb.append(memory_bytes([server.pid]) / 1e6)
    return found


def table_of_counts(name: str, found: Sequence[Rates]) -> str:
    rows = [
        (
            f"{one.counted}",
            f"**{median(one.get_per_s):,.0f}/s**",
            " ".join(f"{rate:,.0f}" for rate in one.get_per_s),
            f"**{median(one.post_per_s):,.0f}/s**",
            " ".join(f"{rate:,.0f}" for rate in one.post_per_s),
            f"{one.memory_mb[0]:,.0f} MB",
        )
        for one in found
    ]
    head = (name, "GET by id", "rounds", "POST, synced", "rounds", "memory of all processes (PSS)")
    return table(head, rows)


# Items


def counts(most: int) -> tuple[list[int], str]:
    """Give the numbers of items for which there is room, and what there is to say about it."""
    memory, disk = psutil.virtual_memory().available, shutil.disk_usage(ON_DISK.parent).free
    room = min(memory // MEMORY_BYTES_PER_ITEM, disk // DISK_BYTES_PER_ITEM, most)
    fitting = [count for count in ITEMS if count <= room]
    if len(fitting) == len(ITEMS):
        return fitting, ""
    return fitting, (
        f"\nUp to {fitting[-1]:,}: {memory / 1e9:.0f} GB of memory and {disk / 1e9:.0f} GB of disk"
        " were free" + (f", and {most:,} were asked for.\n" if most < ITEMS[-1] else ".\n")
    )


def open_once(directory: Path, count: int) -> tuple[float, int]:
    """Start a server on a log; gives the seconds to ready, and the RSS of the model process."""
    started = time.monotonic()
    with application(directory).running() as server:
        ready_s = time.monotonic() - started
        assert server.handle(IndexedNote).count() == count
        return ready_s, rss_bytes(server, "model notes")


def compact_and_open(directory: Path, count: int, openings: int) -> list[tuple[float, int]]:
    """Have the log compacted, and open what that leaves."""
    with (
        application(directory).running() as server,
        connect(server.run_dir, PATIENCE_S) as client,
    ):
        client.model(IndexedNote).compact()
    return [open_once(directory, count) for _ in range(openings)]


def measure_items(count: int) -> Opened:
    """Write a log, open it, compact it, open the snapshot, and read."""
    openings = OPENINGS if count < MANY else 1
    with scratch("items") as directory:
        payload_bytes = opening.write_log(directory / "notes", IndexedNote, count, count)
        from_log = [open_once(directory, count) for _ in range(openings)]
        from_snapshot = compact_and_open(directory, count, openings) if count < MANY else []
        with application(directory).running() as server:
            reads = [
                run_wrk(f"{server.url}/api/notes/", "get_note.lua", 64, SECONDS, (0, count - 1))
                for _ in range(ROUNDS)
            ]
    assert not any(one.errors for one in reads), reads
    return Opened(
        count,
        median([one[0] for one in from_log]),
        median([one[0] for one in from_snapshot]) if from_snapshot else None,
        median([one[1] for one in from_snapshot or from_log]),
        payload_bytes,
        [one.per_s for one in reads],
    )


def table_of_items(found: Sequence[Opened]) -> str:
    empty_bytes = found[0].rss_bytes - found[0].payload_bytes
    rows = [
        (
            f"{one.counted:,}",
            f"{one.log_s:.2f} s",
            "" if one.snapshot_s is None else f"**{one.snapshot_s:.2f} s**",
            f"{one.rss_bytes / 1e6:,.0f} MB",
            f"{(one.rss_bytes - one.payload_bytes - empty_bytes) / one.counted:,.0f} bytes"
            if one.counted >= COUNTED_ITEMS
            else "",
            f"{median(one.get_per_s):,.0f}/s",
            " ".join(f"{rate:,.0f}" for rate in one.get_per_s),
        )
        for one in found
    ]
    head = (
        "items of 300 bytes, one sorted index",
        "start of the server to ready, from the log",
        "from the snapshot",
        "RSS of the model process",
        "of an item above its payload",
        "GET by id",
        "rounds",
    )
    return table(head, rows)


def measure(most: int = ITEMS[-1]) -> str:
    """Give the section for RESULTS.md."""
    where = machine()
    gateways = measure_counts([(count, 1) for count in GATEWAYS], place=0)
    models = measure_counts([(1, count) for count in MODEL_COUNTS], place=1)
    fitting, why = counts(most)
    items: list[Opened] = []
    for count in fitting:
        items.append(measure_items(count))
        if items[-1].snapshot_s is not None:
            figures.note(**{f"snapshot_{count}_s": items[-1].snapshot_s})
    figures.note(
        gateways=[one._asdict() for one in gateways],
        models=[one._asdict() for one in models],
        items=[one._asdict() for one in items],
    )
    return (
        "## Scale\n\n"
        + table_of_counts("gateways", gateways)
        + "\n"
        + table_of_counts("models, 1 gateway", models)
        + "\n"
        + table_of_items(items)
        + why
        + f"\n64 connections, {ROUNDS} rounds of {SECONDS} s in turns; wrk has a share of the same"
        " cores.\n\n![Curves](scale.svg)\n"
        + f"\n`python -m bench.scale`: {where}, {load_after()}.\n"
    )


if __name__ == "__main__":
    print(measure(*map(int, sys.argv[1:2])))
