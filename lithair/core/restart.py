"""Restart rules: when a process that died is started again, and when it is given up for a while.

Owns the history of one process's deaths. Law: time is an argument, in milliseconds, and never runs
backwards.

    death 1 in the window          -> started again at once
    death n <= limit in the window -> after 100 ms * 2 ** (n - 2), at most 1 s
    death n >  limit in the window -> failed; tried again after 60 s
    a death on probation           -> failed again: a try costs one start, not a whole budget
    gave up (damage, lock, schema) -> failed at once; a restart would not mend it

A process is on probation from a try until it has served for a whole window.

Listeners are started again for ever (`Patience`), for what they are there for waits for them and
nobody waits for an answer: the n-th death in a row without a handled event -> after
100 ms * 2 ** (n - 2), at most 60 s.
"""

from typing import Final, NamedTuple

BACKOFF_FIRST_MS: Final = 100  # about the time an interpreter needs to start
BACKOFF_MAX_MS: Final = 1_000  # callers wait meanwhile, within their timeout of 30 s
RETRY_FAILED_MS: Final = 60_000  # a damaged disk or a full one may have been mended


class RestartLimit(NamedTuple):
    """At most `deaths` deaths within `window_ms`; more, and the process has failed."""

    deaths: int
    window_ms: int


class Again(NamedTuple):
    """Start the process again at `at_ms`; `failed` says that it counts as failed until then."""

    at_ms: int
    failed: bool


class Restarts:
    """The deaths of one process, and what follows from the next."""

    def __init__(self, limit: RestartLimit) -> None:
        if limit.deaths < 1 or limit.window_ms < 1:
            raise ValueError(f"restart limit {limit}: both must be at least 1")
        self._limit = limit
        self._deaths: list[int] = []
        self._on_probation = False

    def died(self, now_ms: int, served_ms: int) -> Again:
        """Note a death of a process that had been serving for `served_ms`."""
        if served_ms >= self._limit.window_ms:
            self._on_probation = False
        since_ms = now_ms - self._limit.window_ms
        self._deaths = [death for death in self._deaths if death > since_ms]
        self._deaths.append(now_ms)
        if self._on_probation or len(self._deaths) > self._limit.deaths:
            return self.gave_up(now_ms)
        return Again(now_ms + backoff_ms(len(self._deaths)), failed=False)

    def gave_up(self, now_ms: int) -> Again:
        """Note that starting it again soon is of no use."""
        self._deaths.clear()
        self._on_probation = True
        return Again(now_ms + RETRY_FAILED_MS, failed=True)

    def forget(self) -> None:
        """Begin afresh: somebody asked for the restart, or the process ended on purpose."""
        self._deaths.clear()
        self._on_probation = False


class Patience:
    """The deaths in a row of a process that is never given up, and what follows from the next."""

    def __init__(self) -> None:
        self._deaths = 0

    def died(self, now_ms: int, _served_ms: int) -> Again:
        """Note a death."""
        self._deaths += 1
        return Again(now_ms + backoff_ms(self._deaths, RETRY_FAILED_MS), failed=False)

    def gave_up(self, now_ms: int) -> Again:
        """Note that starting it again soon is of no use."""
        return Again(now_ms + RETRY_FAILED_MS, failed=True)

    def forget(self) -> None:
        """End the row: it has got somewhere, or somebody asked for the restart."""
        self._deaths = 0


def backoff_ms(death: int, most_ms: int = BACKOFF_MAX_MS) -> int:
    """How long to wait after the n-th death in a window or a row, counted from 1."""
    if death <= 1:
        return 0
    doublings = min(death - 2, 16)  # past the maximum long before; keeps the number small
    return min(BACKOFF_FIRST_MS << doublings, most_ms)
