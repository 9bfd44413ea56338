"""Upkeep: what a model process does for itself between requests, and what it is asked to do so.

Law: a turn takes about a millisecond at most, and what is waited for (a helper process, the disk)
wakes the loop through a file descriptor. A request for such work is answered when it is done.
"""

import gc
import time
from collections.abc import Callable
from typing import Final, Protocol

from lithair.actors.model_reads import unknown
from lithair.core.model_state import ModelState
from lithair.core.reads import Read
from lithair.wire.messages import ReadRequest
from lithair.wire.protocol import Verb

EVICTED_PER_TURN: Final = 256  # items; a microsecond each
STAYING_ITEMS: Final = 5_000  # new items after which Python is told again what stays
AGES_MS: Final = 1000  # how often an idle model looks for items that have become too old

Answer = Callable[[Read], None]  # to be called once, now or later
Work = Callable[[ReadRequest, Answer], None]  # raises LithairError to refuse
MAINTENANCE: Final = frozenset(
    int(verb)
    for verb in (
        Verb.COMPACT,
        Verb.BACKUP,
        Verb.PURGE,
        Verb.ATTEMPT,
        Verb.SETTLE,
        Verb.CHANGES,
    )
)


class Keeper(Protocol):
    """Long work on a model's files: its descriptor is readable when `turn` has something to do."""

    def fileno(self) -> int: ...

    def turn(self, now_ms: int) -> bool:
        """Do a little; tells whether there is more to do at once."""
        ...


class Upkeep:
    """Keeps one model's memory and files in order."""

    def __init__(self, state: ModelState) -> None:
        self._state = state
        self._works: dict[int, Work] = {}
        self._keepers: list[Keeper] = []
        self._looked_ms = 0
        self._staying = len(state.tables.projection.keys)

    def serve(self, verb: Verb, work: Work) -> None:
        """Have `work` do what requests of this verb ask for."""
        self._works[verb] = work

    def tend(self, keeper: Keeper) -> None:
        """Give `keeper` its turns; the loop has to watch its descriptor."""
        self._keepers.append(keeper)

    def take(self, request: ReadRequest, answer: Answer) -> None:
        """Begin what was asked for; raises LithairError."""
        work = self._works.get(request.verb)
        if work is None:
            raise unknown(request)
        work(request, answer)

    def turn(self, now_ms: int, *, has_written: bool) -> bool:
        """Do a little; tells whether there is more to do at once.

        `now_ms` is monotonic. Items become too old while nothing is written, too.
        """
        if has_written:
            self._let_stay()
        is_busy = False
        for keeper in self._keepers:
            is_busy = keeper.turn(now_ms) or is_busy
        return self._evict(now_ms, has_written) or is_busy

    def _let_stay(self) -> None:
        """Have the search for cycles pass over items that came since the process started.

        Each full one would go through all of them otherwise, with everybody waiting. Garbage is
        collected before, so that it does not stay with them; that looks only at what came since.
        """
        slots = len(self._state.tables.projection.keys)
        if abs(slots - self._staying) >= STAYING_ITEMS:
            self._staying = slots
            gc.collect()
            gc.freeze()

    def _evict(self, now_ms: int, has_written: bool) -> bool:
        if self._state.tables.eviction is None:
            return False
        if not has_written and now_ms - self._looked_ms < AGES_MS:
            return False
        has_more = self._state.evict(time.time_ns() // 1_000_000, EVICTED_PER_TURN)
        if not has_more:
            self._looked_ms = now_ms
        return has_more
