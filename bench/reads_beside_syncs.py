"""GET by id while another program writes and syncs a large file on the same disk, and without.

Three cases, their rounds alternating: a quiet disk; beside the other program, the model being read
only; beside it, a client writing to the model all the time, so that its process has syncs to wait
for. What the third has over the second is what reads wait behind the model's own syncs, and may be
twice as much at most; what the second has over the first is the machine's: its disk, its cores.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.report import machine, median, table
from bench.served import IndexedNote, filled_server, make, scratch
from bench.wrk import Measured, run_wrk
from lithair import connect

if TYPE_CHECKING:
    from lithair.actors.background import Server

ROUNDS = 7
ITEMS = 10_000
CONNECTIONS = 16  # with their pauses about a tenth of what the gateway can do: no queue of our own
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


class Case(NamedTuple):
    """What goes on beside the reads."""

    name: str
    has_writes: bool
    has_busy_disk: bool


CASES = (
    Case("quiet disk, with writes", True, False),
    Case("beside the other program, without writes", False, True),
    Case("beside the other program, with writes", True, True),
)


def one_round(server: "Server", directory: Path, case: Case) -> tuple[Measured, float]:
    """Measure the reads; give them and the p99 of the writes beside them, 0 without any."""
    took: list[float] = []
    with ExitStack() as stack:
        if case.has_busy_disk:
            stack.enter_context(busy_disk(directory))
        if case.has_writes:
            took = stack.enter_context(SteadyWriter(server.run_dir)).took_ms
        reads = run_wrk(server.url + "/api/notes/", "get_steadily.lua", CONNECTIONS, SECONDS)
    took.sort()
    return reads, took[int(len(took) * 0.99)] if took else 0.0


def measure() -> str:
    """Give the section for RESULTS.md."""
    where = machine()
    found: dict[Case, list[tuple[Measured, float]]] = {case: [] for case in CASES}
    with scratch("syncs") as directory, filled_server(directory, ITEMS) as server:
        for _ in range(ROUNDS):
            for case, rounds in found.items():
                rounds.append(one_round(server, directory, case))
    rows = [
        (
            case.name,
            f"{median([reads.p99_ms for reads, _ in rounds]):.2f} ms",
            " ".join(f"{reads.p99_ms:.2f}" for reads, _ in rounds),
            f"{median([reads.per_s for reads, _ in rounds]):,.0f}/s",
            f"{median([write for _, write in rounds]):.1f} ms" if case.has_writes else "",
        )
        for case, rounds in found.items()
    ]
    quiet, read_only, both = (median([r.p99_ms for r, _ in found[case]]) for case in CASES)
    return (
        "## Reads beside syncs\n\n"
        + table(("", "p99 of GET, median", "rounds", "GETs", "p99 of a synced write"), rows)
        + f"\nBeside the other program, writes make the p99 of reads {both / read_only:.2f} x what"
        + f" it is without them. The other program alone makes it {read_only / quiet:.2f} x that"
        + f" of a quiet disk, both together {both / quiet:.2f} x."
        + f" {ROUNDS} rounds of {SECONDS} s each, alternating.\n"
        + f"\n`python -m bench.reads_beside_syncs`: {where}.\n"
        + f"\n    {found[CASES[0]][0][0].command}\n"
    )


if __name__ == "__main__":
    print(measure())
