"""Streams: 1,000 readers of one model through one gateway.

As fast as it goes: a client writes, and goes on when a reader that came last has been told of all
but a few hundred items. At 50 writes a second: how old an item is when a reader has it, from before
it was sent to the model's process, whose sync is in it. And who pays for others: the same with 100
readers, beside a slow one that is sent 200,000 items by `?snapshot=true`, and beside 1,000 that
have stopped reading; rounds without and with them in turn.
"""

import re
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from bench import figures
from bench.report import load_after, machine, median, table
from bench.served import cpu_s, rss_bytes, scratch
from bench.stream_clients import Looked, PaceReader, Readers
from lithair import Lithair, Model, Pinned, connect

if TYPE_CHECKING:
    from lithair.actors.background import Server
    from lithair.client.handle import Handle

READERS: Final = 1000
OTHERS: Final = 100  # readers whose latency tells what the rest costs them
ROUNDS: Final = 3
SECONDS: Final = 8
PER_S: Final = 50  # writes, where latency is measured
ITEMS: Final = 200_000
BATCHES: Final = (1, 50)  # items of a write
AHEAD_MAX: Final = 400  # items written and not read yet: a quarter of what lags a reader
SLOW_BYTES_PER_S: Final = 1 << 20
SLICES_PER_S: Final = 20
BODY: Final = "x" * 200
LONG_BODY: Final = "x" * 8000  # 50 a second are past what a reader may be behind within a round
GATEWAY: Final = "gateway"
TITLES: Final = (GATEWAY, "model pings")
PATH: Final = "/api/pings"
STREAM: Final = PATH + "/stream"


class Ping(Model):
    from_: Pinned[str]
    sent: Pinned[int]  # nanoseconds of the monotonic clock
    body: str


class Beside:
    """Something that goes on in a thread while others are measured."""

    def __init__(self, work: Callable[[threading.Event], None]) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=work, args=(self._stop,))

    def __enter__(self) -> "Beside":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def make(number: int, body: str = BODY) -> Ping:
    key = f"ping-{number:07d}"
    return Ping(id=key, from_=f"{number % 97}@b.c", sent=time.monotonic_ns(), body=body)


def application(directory: Path) -> Lithair:
    return (
        Lithair()
        .with_model(Ping, directory / "pings", PATH)
        .with_run_dir(directory / "run")
        .with_port(0)
    )


def write_steadily(server: "Server", body: str = BODY) -> Callable[[threading.Event], None]:
    """Make what writes `PER_S` items a second, over and over the same thousand."""

    def work(stop: threading.Event) -> None:
        with connect(server.run_dir) as client:
            pings, number, due_s = client.model(Ping), 0, time.perf_counter()
            while not stop.wait(max(0.0, due_s - time.perf_counter())):
                pings.apply_replicated_item(make(number % 1000, body))
                number += 1
                due_s += 1 / PER_S

    return work


def write_fast(server: "Server", batch: int) -> Callable[[threading.Event], None]:
    """Make what writes as fast as readers are told."""

    def work(stop: threading.Event) -> None:
        with connect(server.run_dir) as client, PaceReader(server.url, STREAM) as pace:
            pings, number = client.model(Ping), 0
            seq = pings.stats().seq
            while not stop.is_set():
                numbers = range(number, number + batch)
                pings.apply_replicated_items([make(each % 1000) for each in numbers])
                number += batch
                pace.reach(seq + number - AHEAD_MAX)

    return work


# As fast as it goes


def section_of_throughput(server: "Server") -> str:
    """Deliveries a second, and who works for them."""
    rows = [row_of_throughput(server, batch) for batch in BATCHES]
    head = ("items of a write", "deliveries, median", "rounds", *TITLES, "readers", "ended")
    told = f"{READERS:,} readers, as fast as it goes; shares are of a core:"
    return f"{told}\n\n{table(head, rows)}"


def row_of_throughput(server: "Server", batch: int) -> tuple[str, ...]:
    rounds: list[tuple[Looked, list[float]]] = []
    with (
        Readers(server.url, STREAM, READERS, "sweeping") as readers,
        Beside(write_fast(server, batch)),
    ):
        time.sleep(1)
        readers.look()
        for _ in range(ROUNDS):
            before = [cpu_s(server, title) for title in TITLES]
            time.sleep(SECONDS)
            looked = readers.look()
            after = [cpu_s(server, title) for title in TITLES]
            shares = [(b - a) / looked.seconds for a, b in zip(before, after, strict=True)]
            rounds.append((looked, [*shares, looked.cpu_s / looked.seconds]))
    rates = [looked.deliveries / looked.seconds for looked, _ in rounds]
    if batch == 1:
        figures.note(deliveries_per_s=median(rates))
    shares = [median([used[place] for _, used in rounds]) for place in range(len(TITLES) + 1)]
    return (
        str(batch),
        f"**{median(rates):,.0f}/s**",
        " ".join(f"{rate:,.0f}" for rate in rates),
        *(f"{100 * share:.0f} %" for share in shares),
        str(sum(looked.ended for looked, _ in rounds)),
    )


# How late


class Late(NamedTuple):
    """What readers saw in some rounds."""

    rounds: list[Looked]

    def row(self, name: str) -> tuple[str, ...]:
        """Write them down; of the most, the most of all rounds."""
        return (
            name,
            f"{median([one.p50_ms for one in self.rounds]):.1f} ms",
            f"**{median([one.p99_ms for one in self.rounds]):.1f} ms**",
            " ".join(f"{one.p99_ms:.1f}" for one in self.rounds),
            f"{max(one.max_ms for one in self.rounds):.1f} ms",
            f"{median([one.deliveries / one.seconds for one in self.rounds]):,.0f}/s",
            str(sum(one.ended for one in self.rounds)),
        )


LATE_HEAD: Final = ("readers", "p50", "p99, median", "rounds", "most", "deliveries", "ended")


def look_for_a_round(readers: Readers) -> Looked:
    readers.look()
    time.sleep(SECONDS)
    return readers.look()


def section_of_latency(server: "Server") -> str:
    """How old items are when readers have them."""
    with Readers(server.url, STREAM, READERS, "prompt") as readers, Beside(write_steadily(server)):
        time.sleep(1)
        late = Late([look_for_a_round(readers) for _ in range(ROUNDS)])
    figures.note(late_p99_ms=median([one.p99_ms for one in late.rounds]))
    rows = [late.row(f"{READERS:,}")]
    return f"{PER_S} writes a second; age of an item at its reader:\n\n" + table(LATE_HEAD, rows)


# A long snapshot to a slow reader


class Sizes:
    """The most that a process takes while others are measured."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self.before_bytes = rss_bytes(server, GATEWAY)
        self.most_bytes = self.before_bytes

    def watch(self, stop: threading.Event) -> None:
        while not stop.wait(0.05):
            self.most_bytes = max(self.most_bytes, rss_bytes(self._server, GATEWAY))

    @property
    def growth(self) -> str:
        return f"{(self.most_bytes - self.before_bytes) / (1 << 20):.1f} MiB"


def read_slowly(server: "Server") -> Callable[[threading.Event], None]:
    """Make what takes a snapshot of everything at a rate that it chooses."""

    def work(stop: threading.Event) -> None:
        with PaceReader(server.url, STREAM + "?snapshot=true") as reader:
            while not stop.wait(1 / SLICES_PER_S):
                reader.sock.recv(SLOW_BYTES_PER_S // SLICES_PER_S)

    return work


def snapshot_s(server: "Server") -> tuple[float, float]:
    """Read a whole snapshot as fast as it comes; gives when it began, and when it was there."""
    begun_s = time.perf_counter()
    with PaceReader(server.url, STREAM + "?snapshot=true") as reader:
        reader.sock.recv(1)
        first_s = time.perf_counter() - begun_s
        reader.reach(1)  # `live` is the first event with an id
        return first_s, time.perf_counter() - begun_s


def section_of_snapshot(server: "Server") -> str:
    """What a snapshot of many items costs the gateway, and those beside it."""
    pings: Handle[Ping] = server.handle(Ping)
    for first in range(0, ITEMS, 4000):
        numbers = range(first, min(first + 4000, ITEMS))
        pings.apply_replicated_items([make(number) for number in numbers])
    found: dict[str, list[Looked]] = {"without": [], "beside a snapshot to a slow reader": []}
    growths: list[str] = []
    with Readers(server.url, STREAM, OTHERS, "prompt") as readers, Beside(write_steadily(server)):
        look_for_a_round(readers)
        for _ in range(ROUNDS):
            for case, rounds in found.items():
                sizes = Sizes(server)
                with ExitStack() as stack:
                    stack.enter_context(Beside(sizes.watch))
                    if case != "without":
                        stack.enter_context(Beside(read_slowly(server)))
                    rounds.append(look_for_a_round(readers))
                if case != "without":
                    growths.append(sizes.growth)
    first_s, whole_s = snapshot_s(server)
    rows = [Late(rounds).row(f"{OTHERS}, {case}") for case, rounds in found.items()]
    return (
        f"`?snapshot=true` of {ITEMS:,} items, at {SLOW_BYTES_PER_S >> 20} MiB/s:\n\n"
        + table(LATE_HEAD, rows)
        + f"\nThe gateway's RSS grew by {', '.join(growths)}. A reader that takes it as it comes"
        + f" has the first byte after {first_s:.1f} s and all of it after {whole_s:.1f} s.\n"
    )


# Readers that stop reading


def lagged(server: "Server") -> int:
    """Give how many readers were too far behind, so far."""
    with urllib.request.urlopen(server.url + "/metrics") as answer:
        text: str = answer.read().decode()
    found: list[str] = re.findall(
        r"^lithair_stream_lagged_total\S* ([\d.e+]+)$", text, re.MULTILINE
    )
    return int(sum(map(float, found)))


def section_of_stopped(server: "Server") -> str:
    """What readers that stop cost the gateway, and those beside them."""
    beside = {
        "sweeping": f"beside {READERS:,} that read",
        "still": f"beside {READERS:,} that don't",
    }
    found: dict[str, list[Looked]] = {how: [] for how in ("", *beside)}
    growths: list[str] = []
    lagged_before = lagged(server)
    with Readers(server.url, STREAM, OTHERS, "prompt") as readers:
        for _ in range(ROUNDS):
            for how, rounds in found.items():
                with ExitStack() as stack:
                    if how:
                        stack.enter_context(Readers(server.url, STREAM, READERS, how))
                    sizes = Sizes(server)
                    stack.enter_context(Beside(sizes.watch))
                    stack.enter_context(Beside(write_steadily(server, LONG_BODY)))
                    rounds.append(look_for_a_round(readers))
                if how == "still":
                    growths.append(sizes.growth)
    rows = [
        Late(rounds).row(f"{OTHERS}, {beside.get(how, 'without')}") for how, rounds in found.items()
    ]
    return (
        f"{PER_S} writes of 8 KB a second:\n\n"
        + table(LATE_HEAD, rows)
        + "\nFrom when those that don't read had begun to, the gateway's RSS grew by"
        + f" {', '.join(growths)}; {lagged(server) - lagged_before:,} of"
        + f" {READERS * ROUNDS:,} were given up as too far behind.\n"
    )


def measure() -> str:
    """Give the section for RESULTS.md."""
    where = machine()
    sections: list[str] = []
    for section in (
        section_of_throughput,
        section_of_latency,
        section_of_stopped,
        section_of_snapshot,
    ):
        with scratch("streams") as directory, application(directory).running() as server:
            sections.append(section(server))
    return (
        "## Streams, one gateway\n\n"
        + "\n".join(sections)
        + f"\n{ROUNDS} rounds of {SECONDS} s each.\n"
        + f"\n`python -m bench.streams`: {where}, {load_after()}.\n"
    )


if __name__ == "__main__":
    print(measure())
