"""Liveness: whether a process that still exists has stopped working.

Owns the judgement of heartbeats. Law: a process is judged by what it reported and when; time is an
argument, in milliseconds of a clock that does not run while the machine sleeps.

    nothing heard since the start    for 30 s -> hangs    (interpreters on a busy machine are slow)
    heard before, silent             for  5 s -> hangs
    starting                         for 120 s -> hangs    (imports, locks)
    replaying, progress unchanged    for 30 s -> hangs
    serving, pending, no progress    for 30 s -> hangs
    stopping or finished             for  15 s -> hangs    (a thread that does not end)
    replaying, serving while "syncing"    for 120 s instead     (a sync beside heavy writing)
"""

from typing import Final

from lithair.phase import FINISHED, REPLAYING, SERVING, STARTING, STOPPING, SYNCING

FIRST_WORD_MAX_MS: Final = 30_000
SILENCE_MAX_MS: Final = 5_000
STARTING_MAX_MS: Final = 120_000
STANDSTILL_MAX_MS: Final = 30_000
SYNC_MAX_MS: Final = 120_000
ENDING_MAX_MS: Final = 15_000


class Liveness:
    """What one process has reported since it was started."""

    def __init__(self, started_ms: int) -> None:
        self._started_ms = started_ms
        self._heard_ms: int | None = None
        self._phase = STARTING
        self._detail = ""
        self._pending = False
        self._progress = 0
        self._moved_ms = started_ms

    def heard(self, phase: str, detail: str, progress: int, pending: bool, now_ms: int) -> None:
        """Take in one heartbeat."""
        self._heard_ms = now_ms
        idle = phase == SERVING and not pending
        if phase != self._phase or progress != self._progress or idle:
            self._moved_ms = now_ms
        elif pending and not self._pending:
            self._moved_ms = now_ms  # the work has only just begun to wait
        self._phase, self._detail = phase, detail
        self._progress, self._pending = progress, pending

    def forgive(self, gap_ms: int) -> None:
        """Leave out `gap_ms` in which the listener itself did not run (stopped, or starved)."""
        self._started_ms += gap_ms
        self._moved_ms += gap_ms
        if self._heard_ms is not None:
            self._heard_ms += gap_ms

    def verdict(self, now_ms: int) -> str | None:
        """Why the process counts as hanging, or None while it does not."""
        if self._heard_ms is None:
            if now_ms - self._started_ms > FIRST_WORD_MAX_MS:
                return f"not heard of within {FIRST_WORD_MAX_MS // 1000} s of its start"
            return None
        if now_ms - self._heard_ms > SILENCE_MAX_MS:
            return f"silent for more than {SILENCE_MAX_MS // 1000} s while {self._phase}"
        still_ms = now_ms - self._moved_ms
        allowed_ms = SYNC_MAX_MS if self._detail == SYNCING else STANDSTILL_MAX_MS
        if self._phase == STARTING and still_ms > STARTING_MAX_MS:
            return f"still starting after {STARTING_MAX_MS // 1000} s"
        if self._phase == REPLAYING and still_ms > allowed_ms:
            return f"no progress in replaying for {allowed_ms // 1000} s"
        if self._phase == SERVING and self._pending and still_ms > allowed_ms:
            return f"no progress on waiting work for {allowed_ms // 1000} s"
        if self._phase in (STOPPING, FINISHED) and still_ms > ENDING_MAX_MS:
            return f"has not ended {ENDING_MAX_MS // 1000} s after it was done"
        return None
