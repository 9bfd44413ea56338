"""Opening a log of 1,000,000 events of 200,000 items: time until it serves, and RAM.

The log is written by the storage itself, 1,000 events a frame. It is then opened by a whole server
(supervisor, model process, gateway), started afresh. RAM is the model process's resident memory
when it serves, less that of one with an empty log, less the items' own bytes.
"""

import time
from pathlib import Path

import msgspec
import psutil

from bench.report import machine, median, table
from bench.served import Note, application, note, scratch
from lithair.core.event import Event, EventKind, Position
from lithair.core.schema import schema_of
from lithair.storage.event_log import EventLog, LogOptions, LogStamp
from lithair.storage.files import OsFiles

EVENTS = 1_000_000
ITEMS = 200_000
FRAME_EVENTS = 1_000
ROUNDS = 3


def write_log(directory: Path) -> int:
    """Write every item five times over; give the bytes of the items as they are at the end."""
    schema = schema_of(Note)
    stamp = LogStamp(schema.name, schema.fingerprint, schema.description)
    now_ms = time.time_ns() // 1_000_000
    log = EventLog.open(OsFiles(), str(directory), stamp, LogOptions(durability="os"), now_ms)
    for _ in log.replay():  # a log takes events when it has been read to its end
        pass
    encode = msgspec.json.Encoder().encode
    placed: dict[str, Position] = {}
    payload_bytes = 0
    for first in range(0, EVENTS, FRAME_EVENTS):
        events: list[Event] = []
        for number in range(first, first + FRAME_EVENTS):
            edition, index = divmod(number, ITEMS)
            item = note(index, edition)
            payload = encode(item)
            if edition == EVENTS // ITEMS - 1:
                payload_bytes += len(payload)
            kind = EventKind.UPDATE if edition else EventKind.CREATE
            prev = placed.get(item.id)
            events.append(Event(number + 1, now_ms, int(kind), item.id, payload, prev=prev))
        appended = log.append(events)
        for event, place in zip(events, appended.placed, strict=True):
            placed[event.key] = place.position
    log.close()
    return payload_bytes


def open_once(directory: Path) -> tuple[float, int, int]:
    """Start a server; give the seconds until it is ready, RSS of the model process, and items."""
    started = time.monotonic()
    with application(directory).running() as server:
        ready_s = time.monotonic() - started
        rss = sum(
            process.memory_info().rss
            for process in psutil.Process(server.pid).children(recursive=True)
            if "model notes" in " ".join(process.cmdline())
        )
        items = server.handle(Note).count()
    return ready_s, rss, items


def measure() -> str:
    """Give the section for RESULTS.md."""
    where = machine()
    with scratch("empty") as directory:
        empty_s, empty_rss, _ = open_once(directory)
    with scratch("opening") as directory:
        payload_bytes = write_log(directory / "notes")
        log_bytes = sum(path.stat().st_size for path in (directory / "notes").glob("*.raftlog"))
        rounds = [open_once(directory) for _ in range(ROUNDS)]
    ready_s = median([ready for ready, _, _ in rounds])
    rss = median([rss for _, rss, _ in rounds])
    items = rounds[0][2]
    overhead = (rss - empty_rss - payload_bytes) / items
    rows = [
        ("events, items, log", f"{EVENTS:,}, {items:,}, {log_bytes / 1e6:,.0f} MB"),
        ("start of the server to ready, median", f"{ready_s:.2f} s"),
        ("rounds", " ".join(f"{ready:.2f}" for ready, _, _ in rounds) + " s"),
        ("the same with an empty log", f"{empty_s:.2f} s"),
        ("model process, empty log", f"{empty_rss / 1e6:.1f} MB RSS"),
        ("model process, serving", f"{rss / 1e6:.1f} MB RSS"),
        ("payload", f"{payload_bytes / 1e6:.1f} MB, {payload_bytes / items:.0f} bytes an item"),
        ("RAM per item above its payload", f"{overhead:.0f} bytes (one index included)"),
    ]
    return (
        "## Opening 1,000,000 events of 200,000 items\n\n"
        + table(("what", "measured"), rows)
        + f"\n`python -m bench.opening`: {where}.\n"
    )


if __name__ == "__main__":
    print(measure())
