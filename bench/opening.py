"""Opening a log of 1,000,000 events of 200,000 items: time until it serves, and RAM.

The same with the log compacted. Everything stays in RAM; bench/retention.py has the other case.

The log is written by the storage itself, 1,000 events a frame. It is then opened by a whole server
(supervisor, model process, gateway), started afresh. RAM is the model process's resident memory
when it serves, less that of one with an empty log, less the items' own bytes.
"""

import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench import figures
from bench.report import machine, median, table
from bench.served import AnyNote, IndexedNote, Note, application, make, rss_bytes, scratch
from lithair.core.event import Event, EventKind, Position
from lithair.core.schema import schema_of
from lithair.storage.event_log import EventLog, LogOptions, LogStamp
from lithair.storage.files import OsFiles

EVENTS = 1_000_000
ITEMS = 200_000
FRAME_EVENTS = 1_000
ROUNDS = 3


class Opened(NamedTuple):
    """One start of a server."""

    ready_s: float
    rss_bytes: int  # of the model process
    items: int


def write_log(
    directory: Path, model: type[AnyNote], events: int = EVENTS, items: int = ITEMS
) -> int:
    """Write every item over and over; give the bytes of the items as they are at the end."""
    schema = schema_of(model)
    stamp = LogStamp(schema.name, schema.fingerprint, schema.description)
    now_ms = time.time_ns() // 1_000_000
    log = EventLog.open(OsFiles(), str(directory), stamp, LogOptions(durability="os"), now_ms)
    for _ in log.replay():  # a log takes events when it has been read to its end
        pass
    encode = msgspec.json.Encoder().encode
    placed: dict[str, Position] = {}
    payload_bytes = 0
    for first in range(0, events, FRAME_EVENTS):
        frame: list[Event] = []
        for number in range(first, first + FRAME_EVENTS):
            edition, index = divmod(number, items)
            item = make(model, index, edition)
            payload = encode(item)
            if edition == events // items - 1:
                payload_bytes += len(payload)
            kind = EventKind.UPDATE if edition else EventKind.CREATE
            prev = placed.get(item.id)
            frame.append(Event(number + 1, now_ms, int(kind), item.id, payload, prev=prev))
        appended = log.append(frame)
        if events == items:
            continue  # nothing has a version before
        for event, place in zip(frame, appended.placed, strict=True):
            placed[event.key] = place.position
    log.close()
    return payload_bytes


def open_once(directory: Path, model: type[AnyNote]) -> Opened:
    """Start a server on a log, wait until it is ready, look, and stop it."""
    started = time.monotonic()
    with application(directory, model).running() as server:
        ready_s = time.monotonic() - started
        return Opened(ready_s, rss_bytes(server, "model notes"), server.handle(model).count())


def measure_model(model: type[AnyNote]) -> tuple[str, ...]:
    """Give one column of the table."""
    with scratch("empty") as directory:
        empty = open_once(directory, model)
    with scratch("opening") as directory:
        payload_bytes = write_log(directory / "notes", model)
        log_bytes = sum(path.stat().st_size for path in (directory / "notes").glob("*.raftlog"))
        rounds = [open_once(directory, model) for _ in range(ROUNDS)]
        with application(directory, model).running() as server:
            server.handle(model).compact()
        compacted = [open_once(directory, model) for _ in range(ROUNDS)]
    items = rounds[0].items
    serving_bytes = median([one.rss_bytes for one in rounds])
    overhead = (serving_bytes - empty.rss_bytes - payload_bytes) / items
    if model is Note:
        figures.note(bytes_above_payload=overhead)
    return (
        f"{items:,} items, {log_bytes / 1e6:,.0f} MB",
        f"{median([one.ready_s for one in rounds]):.2f} s",
        " ".join(f"{one.ready_s:.2f}" for one in rounds) + " s",
        f"{median([one.ready_s for one in compacted]):.2f} s",
        " ".join(f"{one.ready_s:.2f}" for one in compacted) + " s",
        f"{empty.ready_s:.2f} s",
        f"{empty.rss_bytes / 1e6:.1f} MB",
        f"{serving_bytes / 1e6:.1f} MB",
        f"{payload_bytes / items:.0f} bytes",
        f"**{overhead:.0f} bytes**",
    )


def measure() -> str:
    """Give the section for RESULTS.md."""
    where = machine()
    what = (
        "held",
        "start of the server to ready, median",
        "rounds",
        "the same with the log compacted, median",
        "rounds",
        "the same with an empty log",
        "RSS of the model process, empty log",
        "RSS of the model process, serving",
        "payload of an item",
        "RAM of an item above its payload",
    )
    rows = list(zip(what, measure_model(Note), measure_model(IndexedNote), strict=True))
    return (
        f"## Opening {EVENTS:,} events of {ITEMS:,} items\n\n"
        + table(("", "no index", "one sorted index"), rows)
        + f"\n`python -m bench.opening`: {where}.\n"
    )


if __name__ == "__main__":
    print(measure())
