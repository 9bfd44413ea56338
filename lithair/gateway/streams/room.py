"""Room: how much of streams a gateway keeps in memory, all of its readers together.

    what                               bound
    behind one reader                  LT_SSE_BUFFER, past it he has LATE_S to catch up, else he is
                                       lagged: a burst does not end streams that are read
    kept for who comes back            KEPT_BYTES of an audience, KEPT_ALL_BYTES of all
    backlogs of all audiences          HELD_BYTES_MAX, then whoever is farthest behind is lagged
    pages of the past, not taken yet   PAGES_BYTES_MAX, then they are asked for again

Law: what readers share is counted once.
"""

from collections.abc import Callable
from typing import Final

KEPT_BYTES: Final = 256 << 10  # a reader who was away for a moment needs no page of the past
KEPT_ALL_BYTES: Final = 16 << 20
HELD_BYTES_MAX: Final = 32 << 20
LATE_S: Final = 2.0
PAGES_BYTES_MAX: Final = 16 << 20


class Room:
    """The bounds, and how much there is now."""

    __slots__ = ("audiences", "clock_s", "held_bytes", "paged_bytes", "reader_bytes")

    def __init__(self, reader_bytes: int, clock_s: Callable[[], float]) -> None:
        self.reader_bytes = reader_bytes
        self.clock_s = clock_s
        self.held_bytes = 0  # in backlogs
        self.paged_bytes = 0  # in pages whose readers wait
        self.audiences = 0

    @property
    def kept_bytes(self) -> int:
        """How much of an audience is kept when nobody is behind."""
        return min(KEPT_BYTES, KEPT_ALL_BYTES // max(1, self.audiences))

    @property
    def is_overfull(self) -> bool:
        """Tell whether backlogs hold too much."""
        return self.held_bytes > HELD_BYTES_MAX
