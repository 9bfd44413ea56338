"""What a compaction is asked to do, and what it works with.

Law: one that was asked for is joined by others that want no more than it does.
"""

import enum
from collections.abc import Callable
from typing import Protocol

import msgspec

from lithair.actors.errand import Runs, Task
from lithair.actors.listener_watch import ListenerWatch
from lithair.actors.log_writer import LogWriter
from lithair.client.answers import Compacted
from lithair.errors import LithairError
from lithair.storage.event_log import EventLog
from lithair.storage.files import Files

OnDone = Callable[[Compacted | LithairError], None]


class Step(enum.Enum):
    """What is being waited for, or done."""

    IDLE = "idle"
    SEALING = "sealing"
    HEARING = "waiting for listeners"
    MERGING = "merging"
    STAGING = "staging"
    ADOPTING = "adopting"
    WAITING = "waiting for reads that go by the old places"
    INSTALLING = "installing"
    REMOVING = "removing"
    CLEANING = "cleaning up"


class Wanted(msgspec.Struct):
    """A compaction that was asked for, and who waits for it."""

    keep_history: bool
    purge: frozenset[str]
    waiting: list[OnDone]
    is_automatic: bool = False

    def covers(self, other: "Wanted") -> bool:
        """Tell whether `other` gets what it wants by this one too."""
        keeps = self.keep_history or not other.keep_history
        return keeps and other.purge <= self.purge

    def join(self, other: "Wanted") -> None:
        self.keep_history = self.keep_history or other.keep_history
        self.purge |= other.purge
        self.waiting += other.waiting


class Readers(Protocol):
    """The reads that take several turns: they go by the places of when they were begun."""

    @property
    def begun(self) -> int: ...
    def are_over(self, number: int) -> bool:
        """Tell whether the first `number` of them are."""
        ...


class Tools(msgspec.Struct, frozen=True):
    """What a compaction works with: the log, who writes it, the disk, who runs errands."""

    event_log: EventLog
    writer: LogWriter
    files: Files
    start_errand: Callable[[Task], Runs]  # raises LithairError
    readers: Readers
    listeners: ListenerWatch | None = None  # None: there are none
