"""What handles give back beside items: pages, histories, figures, events."""

import datetime as dt
from typing import Any, Generic, TypeVar

import msgspec

from lithair.core.figures import ProcessFigures

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list; `total` counts all items that match, not only those of the page."""

    data: list[T]
    total: int
    skip: int
    take: int
    has_more: bool


class Change(msgspec.Struct, frozen=True):
    """What an Audited field was before an event, and after it."""

    # Any: whatever type that field has
    old: Any = None
    new: Any = None


class HistoryEntry(msgspec.Struct, Generic[T], frozen=True):
    """One event of an item: `create`, `update` or `delete` (with the item's last state).

    `by` names the administrator who made the change, None for everybody else's.
    """

    seq: int
    operation: str
    timestamp: dt.datetime
    item: T
    changes: dict[str, Change] = {}
    by: str | None = None


class Event(msgspec.Struct, Generic[T], frozen=True):
    """One change of a model, as `subscribe` gives it."""

    seq: int
    operation: str
    model: str
    id: str
    item: T
    timestamp: dt.datetime


class Stats(msgspec.Struct, frozen=True):
    """A model's figures; bytes are exact sums, not samples.

    `hot_count` items are whole in RAM, `warm_count` only in part. `damaged` counts the records that
    failed their check when they were read, since the process's start, as `compactions` does.
    `listeners` says up to which event each of them has handled everything.
    """

    item_count: int = 0
    hot_count: int = 0
    warm_count: int = 0
    seq: int = 0
    approx_ram_bytes: int = 0
    raftlog_size_bytes: int = 0
    events_since_last_compaction: int = 0
    last_compaction_at: dt.datetime | None = None
    compactions: int = 0
    compaction_running: bool = False
    damaged: int = 0
    process: ProcessFigures | None = None
    listeners: dict[str, int] = {}


class Compacted(msgspec.Struct, frozen=True):
    """What a compaction did: all events up to `seq` are in the snapshot now.

    The bytes are those of all of the log's files, the snapshot's included and an archive's not.
    """

    seq: int
    bytes_before: int
    bytes_after: int
    took_ms: int


class Purged(msgspec.Struct, frozen=True):
    """What a purge did: nothing is left of the item in the events up to `seq`.

    `segments` of the archive held records of it, which were erased; `torn` files were removed.
    """

    seq: int
    segments: int
    torn: int
