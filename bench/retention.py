"""Retention at full size: 1,000,000 items of 1 KB of which 1,000 are whole in RAM.

A whole server each time, filled by a handle: RAM of the model process, reads of evicted items
beside those of hot ones, lists by what is kept in RAM, scans of what is not, and opening. With
another number of items as its argument it is a quick look, and not what RESULTS.md holds.
"""

import http.client
import itertools
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from bench import figures, mails
from bench.mails import MEMORY, PATIENCE_S, Mail, ThreadedMail
from bench.report import load_after, machine, median, table
from bench.served import cpu_s, rss_bytes, scratch
from bench.wrk import Measured, run_wrk
from lithair import connect

if TYPE_CHECKING:
    from lithair.actors.background import Server

ITEMS = 1_000_000
FEW_ITEMS = 10_000
ROUNDS = 5
SECONDS = 4
OPENINGS = 3
LISTS = 101  # of one kind, for a median and a 99th percentile
STEADY_CONNECTIONS = 16  # with their pauses far from what a core can do
OTHER = "NUMBER"  # in a query: another one each time, for an answer that was given before is kept
SCAN = f"body=~no+mail+says+{OTHER}&take=50"
SCAN_KEPT = f"subject=~none+of+them+{OTHER}&take=50"

_numbers = itertools.count()


class Reads(NamedTuple):
    """One kind of GET by id: where, of which items, and whether they come from the disk itself."""

    name: str
    server: "Server"
    first: int
    last: int
    forgotten: Path | None = None  # whose pages the kernel has to drop before each round


class Timed(NamedTuple):
    """What one request took, asked again and again over one connection."""

    p50_ms: float
    p99_ms: float


class Opened(NamedTuple):
    """Starts of a server on one log, and what its model process holds then."""

    ready_s: list[float]
    cpu_s: float  # of the model process by then
    rss_bytes: int
    log_bytes: int


class Sizes(NamedTuple):
    """RAM of one model's process in its different lives, and its openings."""

    filled_bytes: int
    replayed: Opened
    compacted_bytes: int
    loaded: Opened


@contextmanager
def connected(server: "Server") -> Generator[http.client.HTTPConnection]:
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, PATIENCE_S)
    try:
        yield connection
    finally:
        connection.close()


def ask(connection: http.client.HTTPConnection, query: str) -> float:
    """Ask for a list; give the milliseconds that it took."""
    query = query.replace(OTHER, f"{next(_numbers) % 1000:03}")
    before = time.perf_counter()
    connection.request("GET", f"/api/mails?{query}")
    answer = connection.getresponse()
    body = answer.read()
    took_ms = (time.perf_counter() - before) * 1000
    assert answer.status == 200, body
    return took_ms


def timed(server: "Server", query: str) -> Timed:
    """Ask for a list many times; the first time is not counted."""
    with connected(server) as connection:
        took = sorted([ask(connection, query) for _ in range(LISTS + 1)][1:])
    return Timed(median(took), took[int(len(took) * 0.99)])


@contextmanager
def scans(server: "Server") -> Generator[list[float]]:
    """Filter by a field that is not kept, one scan after the other; gives the seconds of each."""
    stop = threading.Event()
    took: list[float] = []

    def scan() -> None:
        with connected(server) as connection:
            while not stop.is_set():
                took.append(ask(connection, SCAN) / 1000)

    thread = threading.Thread(target=scan)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()


# Reads by id


def measure_reads(kinds: Sequence[Reads]) -> dict[str, list[Measured]]:
    """GET by id in rounds, the kinds alternating."""
    found: dict[str, list[Measured]] = {kind.name: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind in kinds:
            if kind.forgotten is not None:
                mails.forget_pages(kind.forgotten)
            url, numbers = kind.server.url + "/api/mails/", (kind.first, kind.last)
            found[kind.name].append(run_wrk(url, "get_between.lua", 64, SECONDS, numbers))
    return found


def section_of_reads(server: "Server", directory: Path, items: int) -> str:
    """GET of hot and evicted items, of many and of few."""
    with (
        scratch("few") as few_directory,
        mails.application(few_directory, ThreadedMail).running() as few,
    ):
        mails.fill(few, ThreadedMail, FEW_ITEMS)
        last_cold, few_cold = items - MEMORY - 1, FEW_ITEMS - MEMORY - 1
        found = measure_reads(
            (
                Reads("hot", server, last_cold + 1, items - 1),
                Reads(f"evicted, of {items:,}", server, 0, last_cold),
                Reads(f"evicted, of {FEW_ITEMS:,}", few, 0, few_cold),
                Reads(f"evicted, as many of {items:,}", server, 0, few_cold),
            )
        )
        # By themselves: whoever reads after them finds a page cache that is half empty.
        found |= measure_reads(
            (Reads("evicted, kernel has no pages", server, 0, last_cold, directory),)
        )
    rates = [median([one.per_s for one in rounds]) for rounds in found.values()]
    hot = rates[0]
    figures.note(evicted_of_many=hot / rates[1], evicted_of_few=hot / rates[2])
    rows = [
        (
            name,
            f"{median([one.per_s for one in rounds]):,.0f}/s",
            " ".join(f"{one.per_s:,.0f}" for one in rounds),
            f"{median([one.p50_ms for one in rounds]):.1f} ms",
            f"{median([one.p99_ms for one in rounds]):.1f} ms",
            f"**{hot / median([one.per_s for one in rounds]):.2f}**",
            "; ".join(one.errors for one in rounds if one.errors) or "none",
        )
        for name, rounds in found.items()
    ]
    head = ("GET by id", "median", "rounds", "p50", "p99", "hot takes 1, it takes", "errors")
    commands = dict.fromkeys(one.command for rounds in found.values() for one in rounds)
    return table(head, rows) + "\n" + "\n".join(f"    {one}" for one in commands) + "\n"


# Lists


def section_of_lists(server: "Server", items: int) -> str:
    """Pages out of what is kept in RAM, and one that is not."""
    kept = "sort={}&take=50&fields=from,subject,thread&skip={}" + OTHER
    middle = items // 2000
    queries = {
        "sorted by an indexed field, kept fields": kept.format("thread", 1),
        "the same, from the other end": kept.format("-thread", 1),
        "the same, from the middle": kept.format("thread", middle),
        "the same, whole items, all evicted": f"sort=thread&take=50&skip={middle}{OTHER}",
        "in creation order, whole items, all evicted": f"take=50&skip=1{OTHER}",
    }
    rows: list[tuple[str, ...]] = []
    for name, query in queries.items():
        took = timed(server, query)
        rows.append((name, f"`{query}`", f"{took.p50_ms:.1f} ms", f"{took.p99_ms:.1f} ms"))
    told = (
        f"\n{OTHER} stands for other digits each time: an answer that was given before is kept.\n"
    )
    return table(("page of 50", "query", "median", "p99"), rows) + told


def section_of_scans(server: "Server", items: int) -> str:
    """What a filter by a field that is not kept costs, and what hot reads see beside it."""
    numbers = (items - MEMORY, items - 1)
    found: dict[str, list[Measured]] = {"without": [], "beside a scan": []}
    with connected(server) as connection:
        alone_s = median([ask(connection, SCAN) / 1000 for _ in range(3)])
        kept_s = median([ask(connection, SCAN_KEPT) / 1000 for _ in range(3)])
    took_s: list[float] = []
    url = server.url + "/api/mails/"
    for _ in range(ROUNDS):
        for case, rounds in found.items():
            with ExitStack() as stack:
                beside = [] if case == "without" else stack.enter_context(scans(server))
                script = "get_between_steadily.lua"
                rounds.append(run_wrk(url, script, STEADY_CONNECTIONS, SECONDS, numbers))
            took_s += beside
    rows = [
        (
            case,
            f"{median([one.p50_ms for one in rounds]):.2f} ms",
            f"{median([one.p99_ms for one in rounds]):.2f} ms",
            " ".join(f"{one.p99_ms:.2f}" for one in rounds),
            f"{median([one.per_s for one in rounds]):,.0f}/s",
        )
        for case, rounds in found.items()
    ]
    return (
        table(("hot GETs", "p50", "p99, median", "rounds", "GETs"), rows)
        + f"\nA scan of all items by a field that is not kept: {alone_s:.1f} s with nothing beside"
        + f" it, {median(took_s):.1f} s beside the GETs; by one that is kept and has"
        + f" no index: {kept_s:.2f} s.\n\n    {found['without'][0].command}\n"
    )


# RAM and opening


def open_often(directory: Path, model: type[Mail], items: int) -> Opened:
    """Start a server on a log, again and again."""
    ready_s: list[float] = []
    used_s: list[float] = []
    sizes: list[int] = []
    for _ in range(OPENINGS):
        started = time.monotonic()
        with mails.application(directory, model).running() as server:
            ready_s.append(time.monotonic() - started)
            used_s.append(cpu_s(server, mails.TITLE))
            sizes.append(rss_bytes(server, mails.TITLE))
            assert server.handle(model).count() == items
    return Opened(ready_s, median(used_s), median(sizes), mails.log_bytes(directory))


def measure_sizes(directory: Path, model: type[Mail], items: int) -> tuple[Sizes, str]:
    """Give the sizes of one model, and of the one with an index what else there is to tell."""
    told = ""
    with mails.application(directory, model).running() as server:
        mails.fill(server, model, items)
        filled_bytes = rss_bytes(server, mails.TITLE)
        if model is ThreadedMail:
            told = "\n".join(
                (
                    section_of_reads(server, directory, items),
                    section_of_lists(server, items),
                    section_of_scans(server, items),
                )
            )
    replayed = open_often(directory, model, items)
    with mails.application(directory, model).running() as server:
        with connect(server.run_dir, PATIENCE_S) as client:
            client.model(model).compact()
        compacted_bytes = rss_bytes(server, mails.TITLE)
    loaded = open_often(directory, model, items)
    return Sizes(filled_bytes, replayed, compacted_bytes, loaded), told


def column(sizes: Sizes, empty: Opened) -> tuple[str, ...]:
    def megabytes(count: int) -> str:
        return f"{count / 1e6:,.0f} MB"

    return (
        megabytes(empty.rss_bytes),
        f"**{megabytes(sizes.filled_bytes)}**",
        megabytes(sizes.replayed.rss_bytes),
        megabytes(sizes.compacted_bytes),
        f"**{megabytes(sizes.loaded.rss_bytes)}**",
        megabytes(sizes.replayed.log_bytes),
        megabytes(sizes.loaded.log_bytes),
        f"{median(empty.ready_s):.2f} s",
        f"{median(sizes.replayed.ready_s):.2f} s",
        f"**{median(sizes.loaded.ready_s):.2f} s**",
        " ".join(f"{one:.2f}" for one in sizes.loaded.ready_s) + " s",
        f"{sizes.loaded.cpu_s:.2f} s",
    )


WHAT = (
    "RSS of the model process, empty log",
    "RSS when it has taken all the writes",
    "RSS after opening the log",
    "RSS after opening the log and compacting it",
    "RSS after opening from the snapshot",
    "log, before",
    "log, compacted",
    "start of the server to ready, empty log",
    "start to ready, from the log",
    "start to ready, from the snapshot",
    "rounds",
    "processor time of the model process by then",
)


def measure(items: int = ITEMS) -> str:
    """Give the section for RESULTS.md."""
    where = machine()
    columns: list[tuple[str, ...]] = []
    sizes_mb: list[float] = []
    told = ""
    for model in (Mail, ThreadedMail):
        with scratch("empty") as directory:
            empty = open_often(directory, model, 0)
        with scratch("retention") as directory:
            sizes, more = measure_sizes(directory, model, items)
        columns.append(column(sizes, empty))
        sizes_mb.append(sizes.loaded.rss_bytes / 1e6)
        told += more
    figures.note(
        rss_mb=sizes_mb[0],
        index_mb=sizes_mb[1] - sizes_mb[0],
        snapshot_s=median(sizes.loaded.ready_s),
    )
    names = ("", "two pinned fields", "and one sorted index")
    return (
        f"## Retention: {items:,} items of 1 KB, {MEMORY:,} of them whole in RAM\n\n"
        + table(names, list(zip(WHAT, *columns, strict=True)))
        + f"\n{told}\n`python -m bench.retention`: {where}, {load_after()}.\n"
    )


if __name__ == "__main__":
    print(measure(*map(int, sys.argv[1:2])))
