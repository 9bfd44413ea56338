"""A model process's figures: gathers what the state, the log and the system say for one answer.

Law: see `core.figures`; nothing is gathered before it is asked for, and nothing of it waits.
"""

import os
from collections.abc import Callable

import msgspec

from lithair.actors.process_figures import OwnCost
from lithair.core.as_of import rfc3339
from lithair.core.figures import CompactionFigures, Counting, ModelFigures, ProcessFigures
from lithair.core.model_state import ModelState
from lithair.core.reads import Read
from lithair.process import Child
from lithair.storage.event_log import EventLog

_encode = msgspec.json.Encoder().encode


class FiguresSource:
    """Counts what its process does, and answers STATS.

    `compaction` tells of compactions, `listeners` how far each of them is.
    """

    def __init__(self, child: Child, state: ModelState, event_log: EventLog) -> None:
        self.name = child.name
        self.counting = Counting()
        self.compaction: Callable[[], CompactionFigures] | None = None
        self.listeners: Callable[[], dict[str, int]] = dict[str, int]
        self._child = child
        self._state = state
        self._log = event_log
        self._cost = OwnCost()

    def read(self) -> Read:
        """Answer STATS."""
        return Read(200, _encode(self.figures()))

    def figures(self) -> ModelFigures:
        projection, counting = self._state.tables.projection, self.counting
        compaction = self._compaction()
        return ModelFigures(
            item_count=len(projection),
            hot_count=projection.hot_count,
            warm_count=projection.warm_count,
            approx_ram_bytes=projection.ram_bytes,
            raftlog_size_bytes=self._log.size_bytes,
            events_since_last_compaction=compaction.events_since,
            last_compaction_at=None if compaction.last_ms is None else rfc3339(compaction.last_ms),
            seq=self._state.seq,
            compactions=compaction.completed,
            compaction_running=compaction.is_running,
            damaged=len(self._log.damaged),
            process=self._process(),
            listeners=self.listeners(),
            counters=counting.counters(),
        )

    def _compaction(self) -> CompactionFigures:
        if self.compaction is None:
            return CompactionFigures(events_since=self._state.seq)
        return self.compaction()

    def _process(self) -> ProcessFigures:
        percent, rss_bytes = self._cost.read()
        return ProcessFigures(os.getpid(), percent, rss_bytes, self._child.restarts)
