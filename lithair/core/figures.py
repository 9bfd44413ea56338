"""Figures: what a model process tells of itself in the answer to STATS.

Owns the counters and the form in which they are told. Law: every figure is exact, kept as things
happen and never sampled; telling them costs the same whatever the model holds. Counters begin at 0
with each life of the process and only grow.

    stats := {"item_count", "hot_count", "warm_count", "approx_ram_bytes", "raftlog_size_bytes",
              "events_since_last_compaction", "last_compaction_at", "seq",
              "compactions", "compaction_running", "damaged",
              "process": {"pid", "cpu_percent", "rss_bytes", "restarts"}, "counters": counters,
              "listeners": {name: seq}}
    counters := {"events": {"create", "update", "delete"}, "reads", "writes", "commits": histogram}
"""

from typing import NamedTuple

import msgspec

from lithair.core.event import EventKind
from lithair.core.histogram import Counted, Histogram


class CompactionFigures(NamedTuple):
    """What is to be told of compactions: how many since the start, and when the last one was."""

    completed: int = 0
    last_ms: int | None = None
    is_running: bool = False
    events_since: int = 0


class ProcessFigures(msgspec.Struct, frozen=True):
    """A process as the operating system sees it; `restarts` as its supervisor does."""

    pid: int = 0
    cpu_percent: float = 0.0
    rss_bytes: int = 0
    restarts: int = 0


class Counters(msgspec.Struct, frozen=True):
    """What a model process has done since its start."""

    events: dict[str, int]
    reads: int
    writes: int
    commits: Counted


class ModelFigures(msgspec.Struct, frozen=True):
    """The whole answer to STATS."""

    item_count: int
    hot_count: int
    warm_count: int
    approx_ram_bytes: int
    raftlog_size_bytes: int
    events_since_last_compaction: int
    last_compaction_at: str | None  # RFC 3339
    seq: int
    compactions: int
    compaction_running: bool
    damaged: int
    process: ProcessFigures
    counters: Counters
    listeners: dict[str, int] = {}  # up to which event each has handled everything


class Counting:
    """Counts what a model process does; `reads` and `writes` are requests that were taken on."""

    __slots__ = ("commits", "events", "reads", "writes")

    def __init__(self) -> None:
        self.reads = 0
        self.writes = 0
        self.events = [0] * (max(EventKind) + 1)  # by kind
        self.commits = Histogram()

    def committed(self, kinds: list[int], seconds: float) -> None:
        """Count a batch: what happened in it, and how long its way to the disk took."""
        events = self.events
        for kind in kinds:
            events[kind] += 1
        self.commits.add(seconds)

    def counters(self) -> Counters:
        events = {kind.name.lower(): self.events[kind] for kind in EventKind}
        return Counters(events, self.reads, self.writes, self.commits.counted())
