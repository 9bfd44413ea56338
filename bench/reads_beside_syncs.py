"""GET by id while another program writes and syncs a large file on the same disk, and without.

In both cases a client writes to the model all the time, so that its process has syncs to wait for.
Rounds with and without alternate. Reads must not wait behind syncs: their p99 may be at most twice
as high. What the writes themselves take is shown beside it: they do wait.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import machine, median, table
from bench.served import IndexedNote, filled_server, make, scratch
from bench.wrk import Measured, run_wrk
from lithair import connect

if TYPE_CHECKING:
    from lithair.actors.background import Server

ROUNDS = 5
ITEMS = 10_000
CONNECTIONS = 16  # half of what saturates the gateway: at saturation only queues are measured
SECONDS = 5


class SteadyWriter:
    """One client that replaces items, one after the other, and notes how long each took."""

    def __init__(self, run_dir: str) -> None:
        self._run_dir = run_dir
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.took_ms: list[float] = []

    def __enter__(self) -> "SteadyWriter":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        with connect(self._run_dir) as lithair:
            notes = lithair.model(IndexedNote)
            number = 0
            while not self._stop.wait(0.02):
                before = time.perf_counter()
                notes.apply_replicated_item(make(IndexedNote, number % ITEMS))
                self.took_ms.append((time.perf_counter() - before) * 1000)
                number += 1


@contextmanager
def busy_disk(directory: Path) -> Generator[None]:
    """Run the other program."""
    program = [sys.executable, "-m", "bench.disk_writer", str(directory / "large-file")]
    process = subprocess.Popen(program)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def one_round(server: "Server", busy_in: Path | None) -> tuple[Measured, float]:
    """Measure the reads; give them and the p99 of the writes beside them."""
    with SteadyWriter(server.run_dir) as writer:
        url = server.url + "/api/notes/"
        if busy_in is None:
            reads = run_wrk(url, "get.lua", CONNECTIONS, SECONDS)
        else:
            with busy_disk(busy_in):
                reads = run_wrk(url, "get.lua", CONNECTIONS, SECONDS)
    took = sorted(writer.took_ms)
    return reads, took[int(len(took) * 0.99)]


def measure() -> str:
    """Give the section for RESULTS.md."""
    where = machine()
    quiet: list[tuple[Measured, float]] = []
    busy: list[tuple[Measured, float]] = []
    with scratch("syncs") as directory, filled_server(directory, ITEMS) as server:
        for _ in range(ROUNDS):
            quiet.append(one_round(server, None))
            busy.append(one_round(server, directory))
    rows = [
        (
            name,
            f"{median([reads.p99_ms for reads, _ in rounds]):.2f} ms",
            " ".join(f"{reads.p99_ms:.2f}" for reads, _ in rounds),
            f"{median([reads.per_s for reads, _ in rounds]):,.0f}/s",
            f"{median([write for _, write in rounds]):.1f} ms",
        )
        for name, rounds in (("quiet disk", quiet), ("beside writing and syncing", busy))
    ]
    ratio = median([r.p99_ms for r, _ in busy]) / median([r.p99_ms for r, _ in quiet])
    return (
        "## Reads beside syncs\n\n"
        + table(("", "p99 of GET, median", "rounds", "GETs", "p99 of a synced write"), rows)
        + f"\nThe p99 of reads is {ratio:.2f} x that of a quiet disk. "
        + f"{ROUNDS} rounds of {SECONDS} s each, alternating.\n"
        + f"\n`python -m bench.reads_beside_syncs`: {where}.\n\n    {quiet[0][0].command}\n"
    )


if __name__ == "__main__":
    print(measure())
