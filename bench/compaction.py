"""Compaction of 1 GB of log beside reads and writes through HTTP, and the same without.

The log is filled until it has that size: 250,000 items of 1 KB, and each of them again and again.
Two wrk load the gateway far from what it can do, one with reads of random items (nearly all are
evicted, so they are read from the files that are being replaced), one with synced writes. In turn,
some seconds without a compaction and some beside one, up to its end; then the log is filled again.
"""

import sys
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import psutil

from bench import figures, mails
from bench.mails import PATIENCE_S, Mail
from bench.report import load_after, machine, median, table
from bench.served import rss_bytes, scratch
from bench.wrk import Measured, run_wrk
from lithair.client import Client, Compacted, connect

if TYPE_CHECKING:
    from lithair.actors.background import Server

LOG_BYTES = 1_000_000_000
ITEMS = 250_000
ROUNDS = 3
SECONDS = 3  # of one look; those that begin while the compaction runs count as beside it
QUIET_LOOKS = 5  # in a round, without a compaction
READERS = 16  # connections, each every 15 ms: some 1,000 reads a second
WRITERS = 16  # each every 80 ms: some 200 synced writes a second
SAMPLE_S = 0.5  # between two looks at the memory of processes: each costs some milliseconds
MERGER = "compaction"  # is in the title of its process


class Sizes(NamedTuple):
    """How much is measured: of a quick look less than of what RESULTS.md holds."""

    items: int = ITEMS
    log_bytes: int = LOG_BYTES


class Look(NamedTuple):
    """Some seconds of both loads at the same time."""

    reads: Measured
    writes: Measured


class Round(NamedTuple):
    """One gigabyte of log, without a compaction and with one."""

    quiet: list[Look]
    beside: list[Look]
    done: Compacted
    before_bytes: int  # on the disk
    after_bytes: int
    merger_bytes: int  # the most memory that the helper process had
    model_bytes: int  # the same of the model process


def look(server: "Server", items: int) -> Look:
    """Load the server for some seconds."""
    url, numbers = server.url + "/api/mails/", (0, items - 1)
    with ThreadPoolExecutor(2) as threads:
        reads = threads.submit(run_wrk, url, "get_between_steadily.lua", READERS, SECONDS, numbers)
        writes = threads.submit(
            run_wrk, url, "patch_between_steadily.lua", WRITERS, SECONDS, numbers
        )
        return Look(reads.result(), writes.result())


@contextmanager
def watched_memory(server: "Server") -> Generator[dict[str, int]]:
    """Note the most memory that each of two processes has meanwhile."""
    most = {MERGER: 0, mails.TITLE: 0}
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(SAMPLE_S):
            for title, seen in list(most.items()):
                try:
                    most[title] = max(seen, rss_bytes(server, title))
                except psutil.NoSuchProcess:
                    continue  # it ended between two calls

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        stop.set()
        thread.join()


class Mailbox:
    """A served mailbox whose log can be made as long as one likes."""

    def __init__(self, directory: Path, server: "Server", client: Client, sizes: Sizes) -> None:
        self.server = server
        self._directory = directory
        self._mails = client.model(Mail)
        self._sizes = sizes
        self._number = 0  # of the next item to be written, those of all editions counted on

    @property
    def disk_bytes(self) -> int:
        return mails.log_bytes(self._directory)

    def grow(self) -> None:
        """Write items, and write them again, until the log is as large as it has to be."""
        while self.disk_bytes < self._sizes.log_bytes:
            edition, first = divmod(self._number, self._sizes.items)
            numbers = range(first, min(first + mails.BATCH, self._sizes.items))
            self._mails.apply_replicated_items([mails.make(Mail, n, edition) for n in numbers])
            self._number += len(numbers)

    def live_bytes(self) -> int:
        """Give the bytes of all items as JSON, as they were written in bulk last."""
        encode = msgspec.json.Encoder().encode
        edition = self._number // self._sizes.items
        numbers = range(self._sizes.items)
        return sum(len(encode(mails.make(Mail, number, edition))) for number in numbers)

    def measure_round(self) -> Round:
        """Look at the load alone, then beside a compaction up to its end."""
        self.grow()
        items = self._sizes.items
        quiet = [look(self.server, items) for _ in range(QUIET_LOOKS)]
        before_bytes = self.disk_bytes
        beside: list[Look] = []
        with watched_memory(self.server) as most, ThreadPoolExecutor(1) as thread:
            compaction = thread.submit(self._mails.compact)
            while not compaction.done():
                beside.append(look(self.server, items))
            done = compaction.result()
        return Round(
            quiet, beside, done, before_bytes, self.disk_bytes, most[MERGER], most[mails.TITLE]
        )


def percentiles(name: str, looks: Sequence[Measured], quiet_ms: float) -> tuple[str, ...]:
    """Give one row of the table."""
    p99_ms = median([one.p99_ms for one in looks])
    return (
        name,
        f"{median([one.p50_ms for one in looks]):.2f} ms",
        f"{p99_ms:.2f} ms",
        f"**{p99_ms / quiet_ms:.2f}**",
        " ".join(f"{one.p99_ms:.2f}" for one in looks),
        f"{median([one.per_s for one in looks]):,.0f}/s",
        "; ".join(one.errors for one in looks if one.errors) or "none",
    )


def table_of_load(rounds: Sequence[Round]) -> str:
    rows: list[tuple[str, ...]] = []
    for kind, name in enumerate(("reads", "synced writes")):
        quiet = [one[kind] for r in rounds for one in r.quiet]
        beside = [one[kind] for r in rounds for one in r.beside]
        quiet_ms = median([one.p99_ms for one in quiet])
        figures.note(**{name.split()[-1]: median([one.p99_ms for one in beside]) / quiet_ms})
        rows.append(percentiles(name, quiet, quiet_ms))
        rows.append(percentiles(f"{name}, beside a compaction", beside, quiet_ms))
    head = ("", "p50", "p99, median", "without takes 1", "p99 of all looks", "done", "errors")
    return table(head, rows)


def table_of_rounds(rounds: Sequence[Round], live_bytes: int) -> str:
    def megabytes(count: int) -> str:
        return f"{count / 1e6:,.0f} MB"

    rows = [
        (
            f"{one.done.took_ms / 1000:.1f} s",
            megabytes(one.before_bytes),
            megabytes(one.after_bytes),
            f"**{one.after_bytes / live_bytes:.2f}**",
            megabytes(one.merger_bytes),
            megabytes(one.model_bytes),
        )
        for one in rounds
    ]
    head = (
        "compaction takes",
        "disk before",
        "disk after",
        f"live items ({megabytes(live_bytes)} of JSON) take 1",
        "RSS of the helper at most",
        "RSS of the model process at most",
    )
    return table(head, rows)


def measure(sizes: Sizes = Sizes()) -> str:  # noqa: B008 - a constant
    """Give the section for RESULTS.md."""
    where = machine()
    with (
        scratch("compaction") as directory,
        mails.application(directory, Mail).running() as server,
        connect(server.run_dir, PATIENCE_S) as client,
    ):
        mailbox = Mailbox(directory, server, client, sizes)
        rounds = [mailbox.measure_round() for _ in range(ROUNDS)]
        live_bytes = mailbox.live_bytes()
    reads, writes = rounds[0].quiet[0]
    return (
        f"## Compaction of {sizes.log_bytes / 1e9:.2g} GB, {sizes.items:,} items of 1 KB\n\n"
        + table_of_load(rounds)
        + f"\n{len(rounds)} rounds, in turn; a look takes {SECONDS} s.\n\n"
        + table_of_rounds(rounds, live_bytes)
        + f"\n`python -m bench.compaction`: {where}, {load_after()}.\n"
        + f"\n    {reads.command}\n    {writes.command}\n"
    )


if __name__ == "__main__":
    print(measure(Sizes(*map(int, sys.argv[1:3]))))
