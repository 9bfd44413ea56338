"""The event log by itself: replay, append, cold reads.

1,000,000 records of about 300 bytes, one a frame and 64 a frame; three rounds, the median counts.
The page cache is warm: what is measured is the work, not the disk; the synced append measures both.
"""

import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.report import machine, median, table
from bench.served import scratch
from lithair.core.event import Event
from lithair.core.frame import records_in
from lithair.storage.event_log import EventLog, LogOptions, LogStamp, Placed
from lithair.storage.files import OsFiles

RECORDS = 1_000_000
SYNCED_APPENDS = 1_000
READS = 20_000
ROUNDS = 3
STAMP = LogStamp("Bench", bytes(16), b"{}")
PAYLOAD = b'{"body":"%s"}' % (b"x" * 210)
COMMAND_ID = b"c" * 16


def opened(directory: Path, options: LogOptions) -> EventLog:
    """Open a log and go through all of its records."""
    log = EventLog.open(OsFiles(), str(directory), STAMP, options, 1)
    count = 0
    for run in log.replay():
        for _ in records_in(run.buffer, run.start, run.end):
            count += 1
    assert count == log.last_seq
    return log


def replay(directory: Path) -> None:
    opened(directory, LogOptions(durability="os")).close()


def batch(first: int, size: int) -> list[Event]:
    return [
        Event(seq, 1_700_000_000_000, 1, f"item-{seq}", PAYLOAD, COMMAND_ID)
        for seq in range(first, first + size)
    ]


def filled(directory: Path, frame_records: int) -> tuple[float, list[Placed]]:
    """Write the log; give the microseconds an append took per record, and where each lies."""
    log = opened(directory, LogOptions(durability="os"))
    placed: list[Placed] = []
    spent = 0.0
    for first in range(1, RECORDS + 1, frame_records):
        events = batch(first, frame_records)
        started = time.perf_counter()
        placed += log.append(events).placed
        spent += time.perf_counter() - started
    log.close()
    return spent / RECORDS * 1e6, placed


def timed(work: Callable[[], None]) -> float:
    """Give the median of the seconds that some rounds of `work` take."""
    taken: list[float] = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return median(taken)


def cold_reads(directory: Path, placed: list[Placed]) -> float:
    """Give the microseconds of a read of a record by its place."""
    log = opened(directory, LogOptions(durability="os"))
    some = random.Random(1).sample(placed, READS)

    def read() -> None:
        for place in some:
            log.read(place.position, place.length)

    taken = timed(read)
    log.close()
    return taken / READS * 1e6


def synced_appends(directory: Path) -> float:
    """Give the microseconds of an append of one record with its sync."""
    log = opened(directory, LogOptions())

    def append() -> None:
        for _ in range(SYNCED_APPENDS):
            log.append(batch(log.last_seq + 1, 1))

    taken = timed(append)
    log.close()
    return taken / SYNCED_APPENDS * 1e6


def measure() -> str:
    """Give the section for RESULTS.md."""
    where = machine()
    rows: list[tuple[str, str]] = []
    for frame_records in (1, 64):
        with scratch("log") as directory:
            append_us, placed = filled(directory, frame_records)
            replay_s = timed(partial(replay, directory))
            rows += [
                (f"replay, {frame_records} a frame", f"{replay_s:.2f} s for {RECORDS:,} records"),
                (f"append, {frame_records} a frame, unsynced", f"{append_us:.1f} us a record"),
            ]
            if frame_records == 1:
                rows.append(("read one by its place", f"{cold_reads(directory, placed):.1f} us"))
    with scratch("synced") as directory:
        rows.append(("append of one, synced", f"{synced_appends(directory):.0f} us"))
    head = "## The event log by itself\n\n"
    return head + table(("work", "median"), rows) + f"\n`python -m bench.event_log`: {where}.\n"


if __name__ == "__main__":
    print(measure())
