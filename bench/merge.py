"""The merge of a compaction by itself: how many records a second it takes, and how much RAM.

500,000 records of about 300 bytes, one a frame; all of them items, or items of which each was
written five times. In a process of its own, as it is done; the page cache is warm, syncs count.
"""

import json
import random
import resource
import subprocess
import sys
import time
import uuid
from pathlib import Path

from bench.event_log import COMMAND_ID, PAYLOAD, STAMP, opened
from bench.report import machine, table
from bench.served import scratch
from lithair.core.event import Event
from lithair.storage.compaction import CompactionPlan, PresentForm, compact
from lithair.storage.event_log import LogOptions
from lithair.storage.files import OsFiles

RECORDS = 500_000
TIMES = (1, 5)  # that each item was written
NOW_MS = 1_700_000_000_000


def fill(directory: Path, times: int) -> None:
    """Write the log, its last segment sealed."""
    log = opened(directory, LogOptions(durability="os"))
    chance = random.Random(1)
    keys = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(RECORDS // times)]
    for seq in range(1, RECORDS + 1):
        is_new = seq <= len(keys)
        key = keys[seq - 1] if is_new else chance.choice(keys)
        event = Event(seq, NOW_MS, 1 if is_new else 2, key, PAYLOAD, COMMAND_ID[:8] + b"%08x" % seq)
        log.append([event])
    log.close()
    opened(directory, LogOptions(durability="os")).close()  # begins another segment


def no_cell(_payload: bytes) -> bytes:
    return b""


def no_upgrade(_fingerprint: bytes, _description: bytes) -> None:
    return None


def merge(directory: str) -> None:
    """Do it and print what it took, as the process that does it."""
    form = PresentForm(*STAMP, (), no_cell, no_upgrade)
    started = time.perf_counter()
    plan = CompactionPlan(RECORDS, NOW_MS)
    compact(OsFiles(), directory, plan, form, lambda _done, _total: None)
    spent_s = time.perf_counter() - started
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"s": spent_s, "rss": rss}))


def measure() -> str:
    """Give the section for RESULTS.md."""
    where = machine()
    rows: list[tuple[str, ...]] = []
    for times in TIMES:
        with scratch("merge") as directory:
            fill(directory, times)
            done = subprocess.run(
                [sys.executable, "-m", "bench.merge", str(directory)],
                capture_output=True,
                check=True,
                text=True,
            )
            found = json.loads(done.stdout)
            items = RECORDS // times
            rate, ram = RECORDS / found["s"], found["rss"] / (1 << 20)
            rows.append((f"{RECORDS:,}", f"{items:,}", f"{rate:,.0f}", f"{ram:.0f} MiB"))
    head = "## The merge of a compaction by itself\n\n"
    titles = ("records", "items", "records a second", "RAM of its process")
    return head + table(titles, rows) + f"\n`python -m bench.merge`: {where}.\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        merge(sys.argv[1])
    else:
        print(measure())
