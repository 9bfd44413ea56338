"""Logs to test with: events of a small model, scripts of operations, and what a log gave back."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from lithair.core.event import Event, EventKind, Flags, Position
from lithair.core.frame import records_in
from lithair.storage.event_log import Appended, EventLog, LogOptions, LogStamp
from lithair.storage.files import Files

DIRECTORY = "/data/emails"
STAMP = LogStamp("Email", b"fingerprint-0001", b'{"fields":[["subject","str"]]}')
WIDER_STAMP = LogStamp("Email", b"fingerprint-0002", b'{"fields":[["subject","str|null"]]}')
NOW_MS = 1_700_000_000_000
ALWAYS = LogOptions(segment_bytes_max=2048, lock_wait_s=0)
INTERVAL = LogOptions(segment_bytes_max=2048, lock_wait_s=0, durability="interval")


# What of an event must come back exactly, as it stands in a RawRecord; where it lies may change:
# seq time_ms kind flags key payload command_id, key_hash body_hash status.
Fact = tuple[int, int, int, int, str, bytes, bytes, bytes, bytes, int]


def fact_of(event: Event) -> Fact:
    return (
        event.seq,
        event.time_ms,
        event.kind,
        event.flags,
        event.key,
        event.payload,
        event.command_id,
        event.key_hash,
        event.body_hash,
        event.status,
    )


@dataclass
class Replayed:
    """What a replay gave: the facts in order, and where each lies."""

    facts: list[Fact] = field(default_factory=list[Fact])
    places: list[tuple[Position, int]] = field(default_factory=list[tuple[Position, int]])


def replayed(log: EventLog) -> Replayed:
    """Replay a log to its end; check that every `prev` is where the item's last record lies."""
    found = Replayed()
    last: dict[str, Position] = {}
    for run in log.replay():
        shift = run.base_offset
        for record in records_in(run.buffer, run.start, run.end):
            key = record[6]
            found.facts.append(record[2:9] + record[11:])
            assert last.get(key, (0, 0)) == record[9:11], f"event {record[2]} has a wrong prev"
            last[key] = position = Position(run.segment, record[0] + shift)
            found.places.append((position, record[1]))
    return found


def opened(
    files: Files, options: LogOptions = ALWAYS, stamp: LogStamp = STAMP
) -> tuple[EventLog, Replayed]:
    """Open and replay a log."""
    log = EventLog.open(files, DIRECTORY, stamp, options, NOW_MS)
    try:
        found = replayed(log)
    except BaseException:
        log.close()
        raise
    assert log.last_seq == len(found.facts)
    return log, found


class Writer:
    """Makes batches of events as a model would, and appends them."""

    def __init__(self, log: EventLog, found: Replayed, seed: int) -> None:
        self.log = log
        self.random = random.Random(seed)
        self.facts: list[Fact] = list(found.facts)
        self.places: list[tuple[Position, int]] = list(found.places)
        self.last: dict[str, Position] = {}  # of all keys, deleted ones included
        self.alive: dict[str, bytes] = {}
        for fact, (position, _) in zip(found.facts, found.places, strict=True):
            self._remember(fact[2], fact[4], fact[5], position)

    def _remember(self, kind: int, key: str, payload: bytes, position: Position) -> None:
        self.last[key] = position
        if kind == EventKind.DELETE:
            self.alive.pop(key, None)
        else:
            self.alive[key] = payload

    def _payload(self) -> bytes:
        size = self.random.choice((10, 40, 90, 90, 200))
        return b'{"subject":"%s"}' % (b"%x" % self.random.getrandbits(size * 4))[:size]

    def _operation(self, seq: int, alive: dict[str, bytes], index_of: dict[str, int]) -> Event:
        draw = self.random.random()
        kind = EventKind.CREATE if draw < 0.4 or not alive else EventKind.UPDATE
        kind = EventKind.DELETE if draw > 0.85 and alive else kind
        if kind == EventKind.CREATE:
            key = f"item-{self.random.randrange(40)}"
            while key in alive:
                key += "é"
        else:
            key = self.random.choice(sorted(alive))
        payload = alive[key] if kind == EventKind.DELETE else self._payload()
        event = Event(seq, NOW_MS + seq, kind, key, payload)
        if key in index_of:
            event.prev_index = index_of[key]
        else:
            event.prev = self.last.get(key)
        if self.random.random() < 0.6:
            event.command_id = self.random.randbytes(16)
        if self.random.random() < 0.2:
            event.key_hash, event.body_hash = self.random.randbytes(16), self.random.randbytes(16)
            event.status = 201
        return event

    def batch(self, size: int = 0) -> list[Event]:
        """Give the events of one batch, some of them from one bulk command."""
        size = size or self.random.choice((1, 1, 1, 1, 2, 3, 6))
        alive, index_of = dict(self.alive), dict[str, int]()
        events: list[Event] = []
        bulk_id = self.random.randbytes(16)
        for index in range(size):
            event = self._operation(self.log.last_seq + 1 + index, alive, index_of)
            if size > 2:
                event.flags, event.command_id = Flags.BULK, bulk_id
            index_of[event.key] = index
            if event.kind == EventKind.DELETE:
                del alive[event.key]
            else:
                alive[event.key] = event.payload
            events.append(event)
        return events

    def append(self, events: list[Event]) -> Appended:
        """Append, and keep what was appended in mind."""
        appended = self.log.append(events)
        for event, placed in zip(events, appended.placed, strict=True):
            self.facts.append(fact_of(event))
            self.places.append((placed.position, placed.length))
            self._remember(event.kind, event.key, event.payload, placed.position)
        return appended

    def write(self, batches: int) -> Iterator[int]:
        """Append that many batches; yields the last seq after each."""
        for _ in range(batches):
            self.append(self.batch())
            yield self.log.last_seq

    def write_all(self, batches: int) -> None:
        for _ in self.write(batches):
            pass
