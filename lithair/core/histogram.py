"""Histograms of durations: how many lasted how long, in fixed buckets.

Owns the bounds, one list for every histogram, so that they can be added up and compared. Law: plain
numbers that only grow; a duration that equals a bound is counted in the bucket that ends with it.
"""

from bisect import bisect_left
from typing import Final

import msgspec

# Seconds. From what a read takes (0.1 ms) to what a request may take (30 s), some 2.5 times apart:
# a quantile that is read off is wrong by less than that.
LATENCY_BOUNDS_S: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip


class Counted(msgspec.Struct, frozen=True):
    """A histogram as it is told: `counts` by bucket, the last one of all that were longer."""

    counts: list[int]
    sum_s: float


class Histogram:
    """Counts durations."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    def counted(self) -> Counted:
        """Give what was counted up to now; later additions do not change it."""
        return Counted(self.counts.copy(), self.sum_s)
