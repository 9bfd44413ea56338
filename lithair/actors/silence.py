"""Silence: how long something that has to report its progress has not done so.

Law: only time that was looked at counts. Looks come several times a second; a longer stretch
between two of them means that whoever looks was held up himself (a frozen container, a suspended
machine), and what he watches probably as well, so of such a stretch only `LOOK_S_MAX` count.
"""

import time
from collections.abc import Callable
from typing import Final

SILENCE_S_MAX: Final = 60.0  # a report is due with every MiB or block: no disk is that slow
LOOK_S_MAX: Final = 5.0

Clock = Callable[[], float]  # seconds, monotonic


class Silence:
    """Measured by looking at it; broken by every report."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._looked_s = clock()
        self._silent_s = 0.0

    def end(self) -> None:
        """Take note of a report."""
        self._looked_s = self._clock()
        self._silent_s = 0.0

    def is_too_long(self) -> bool:
        """Look; tells whether what is watched has to be given up."""
        now_s = self._clock()
        self._silent_s += min(now_s - self._looked_s, LOOK_S_MAX)
        self._looked_s = now_s
        return self._silent_s >= SILENCE_S_MAX
