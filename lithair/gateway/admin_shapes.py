"""What the admin API tells of durations counted in buckets.

Law: a quantile is told as the bound of the bucket that it falls in: it may be less, never more.
"""

from typing import Final

import msgspec

from lithair.core.histogram import LATENCY_BOUNDS_S, Counted

BOUNDS_S: Final = list(LATENCY_BOUNDS_S)


class Durations(msgspec.Struct, frozen=True):
    """Counted durations; `counts` by bucket, the last one of all that took longer."""

    count: int
    sum_s: float
    p50_s: float | None
    p99_s: float | None
    counts: list[int]


def durations_of(counted: Counted) -> Durations:
    """Give what was counted, with two quantiles since counting began."""
    counts = counted.counts
    return Durations(
        sum(counts), counted.sum_s, _quantile(counts, 0.5), _quantile(counts, 0.99), counts
    )


def _quantile(counts: list[int], share: float) -> float | None:
    """Give the bound of the bucket in which a quantile lies; None without any, or past them."""
    wanted, seen = sum(counts) * share, 0
    for bound, count in zip(BOUNDS_S, counts, strict=False):
        seen += count
        if seen and seen >= wanted:
            return bound
    return None
