"""When a log is compacted by itself: every so many seconds, if enough events came since the last.

Law: what failed is tried again, but ever more rarely, for each attempt reads the whole log: after
the declared time, then twice that, and so on up to an hour; or once so many events came since, that
it is another log: as many as are declared, then twice as many, and so on.
"""

import logging
from typing import Final

from lithair.declaration import CompactionDeclaration

WAIT_MS_MAX: Final = 3_600_000
DOUBLINGS_MAX: Final = 20

log = logging.getLogger(__name__)


class CompactionSchedule:
    """The occasions of one model; times are monotonic."""

    def __init__(self, declared: CompactionDeclaration) -> None:
        self.keep_history: bool = declared.keep_history
        self.events: int = declared.events
        self._every_ms = int(declared.every_s * 1000)
        self._due_ms: int | None = None
        self._failures = 0  # one after another
        self._tried_ms = self._tried_seq = 0

    def is_due(self, now_ms: int, seq: int, cut: int) -> bool:
        """Tell whether to try it now, which is then taken as tried; to be asked again and again."""
        is_first_look = self._due_ms is None
        if self._due_ms is not None and now_ms < self._due_ms:
            return False
        self._due_ms = now_ms + self._every_ms
        if is_first_look or seq - cut < self.events or self._waits(now_ms, seq):
            return False
        self._tried_ms, self._tried_seq = now_ms, seq
        return True

    def failed(self) -> None:
        """Say that what was tried has failed."""
        self._failures += 1
        log.info("it is tried again by itself in about %d s", self._wait_ms() // 1000)

    def succeeded(self) -> None:
        """Say that the log was compacted, whoever had asked for it."""
        self._failures = 0

    def _waits(self, now_ms: int, seq: int) -> bool:
        if not self._failures or now_ms - self._tried_ms >= self._wait_ms():
            return False
        return seq - self._tried_seq < self.events << self._doublings()

    def _wait_ms(self) -> int:
        longest = max(WAIT_MS_MAX, self._every_ms)
        return min(self._every_ms << self._doublings(), longest)

    def _doublings(self) -> int:
        return min(self._failures - 1, DOUBLINGS_MAX)
