"""Cleanup of the stores of sessions and tokens: what is long dead is deleted, a few at a time.

Owns when it looks and where it is. Law: it only tidies up. That a session or a token is refused
follows from its own times wherever it is looked up, whether or not its record is still there.
"""

import os
import time
from collections.abc import Callable
from typing import Final

import msgspec

from lithair.api_tokens import NEVER_MS
from lithair.core.command import Action, Command
from lithair.core.model_state import ModelState
from lithair.internal import dies_ms

LOOKED_AT_PER_TURN: Final = 512  # records; half a microsecond each
# A session that was used at its last moment is not deleted while that use is being written down.
GRACE_MS: Final = 10_000
# A token that was revoked or has expired is listed for 30 days, for whoever wonders why it is dead.
DEAD_TOKENS_KEPT_MS: Final = 30 * 86_400_000
TOKENS_INTERVAL_MS: Final = 3_600_000
PATIENCE_MS: Final = 10_000  # with deletions that are not carried out: the disk may be full


GoneMs = Callable[[bytes], int]  # from when on a stored record may go, as milliseconds since 1970


class SessionTimes(msgspec.Struct):
    """What of a stored session says how long it lives."""

    seen_ms: int
    expires_ms: int
    idle_ms: int | None = None


class TokenTimes(msgspec.Struct):
    """What of a stored API token says how long it lives."""

    expires_ms: int | None = None
    revoked_ms: int | None = None


_session_times = msgspec.json.Decoder(SessionTimes).decode
_token_times = msgspec.json.Decoder(TokenTimes).decode


def session_gone_ms(cell: bytes) -> int:
    """Tell from when on a session's record may go."""
    times = _session_times(cell)
    return dies_ms(times.seen_ms, times.expires_ms, times.idle_ms) + GRACE_MS


def token_gone_ms(cell: bytes) -> int:
    """Tell from when on an API token's record may go."""
    times = _token_times(cell)
    ends = [end_ms for end_ms in (times.expires_ms, times.revoked_ms) if end_ms is not None]
    return min(ends) + DEAD_TOKENS_KEPT_MS if ends else NEVER_MS


class Cleanup:
    """Goes through the store every `interval_ms`; `delete` takes commands to be decided."""

    def __init__(
        self,
        state: ModelState,
        delete: Callable[[Command], None],
        interval_ms: int,
        gone_ms: GoneMs,
    ) -> None:
        self._state = state
        self._delete = delete
        self._interval_ms = interval_ms
        self._gone_ms = gone_ms
        self._due_ms: int | None = None  # at once, the first time
        self._next = -1  # the slot to look at; negative when the store was gone through
        self._awaited = ""  # the last that is being deleted: so no more than a few ever are
        self._patient_ms = 0
        self._fd = os.eventfd(0, os.EFD_CLOEXEC)  # never readable: the clock is all it waits for

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        os.close(self._fd)

    def turn(self, now_ms: int) -> bool:
        """Look at some records, if it is time; tells whether there are more of them."""
        if self._next < 0:
            if self._due_ms is not None and now_ms < self._due_ms:
                return False
            self._due_ms = now_ms + self._interval_ms
            self._next = len(self._state.tables.projection.keys) - 1
        if self._awaited and self._state.find(self._awaited) is not None:
            if now_ms < self._patient_ms:
                return False  # the commit wakes the loop
            self._next = -1  # the next search begins anew
            self._awaited = ""
            return False
        self._awaited = ""
        self._look(time.time_ns() // 1_000_000)
        self._patient_ms = now_ms + PATIENCE_MS
        return self._next >= 0 and not self._awaited

    def _look(self, wall_ms: int) -> None:
        projection = self._state.tables.projection
        # Downwards: when dead slots are closed up the others move down, so none is passed over.
        end = max(-1, self._next - LOOKED_AT_PER_TURN)
        for slot in range(min(self._next, len(projection.keys) - 1), end, -1):
            key, cell = projection.keys[slot], projection.cells[slot]
            if key is None or cell is None:
                continue
            if self._gone_ms(cell) <= wall_ms:
                self._delete(Command(Action.ERASE, b"", key))
                self._awaited = key
        self._next = end
