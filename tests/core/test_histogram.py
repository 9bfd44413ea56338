"""Histograms count each duration once, in the bucket that ends at or above it."""

import pytest

from lithair.core.histogram import LATENCY_BOUNDS_S, Histogram


@pytest.mark.parametrize("index", range(len(LATENCY_BOUNDS_S)))
def test_a_duration_belongs_to_the_bucket_that_ends_with_it(index: int) -> None:
    bound = LATENCY_BOUNDS_S[index]
    histogram = Histogram()
    histogram.add(bound)
    histogram.add(bound * 1.0001)
    assert histogram.counts[index] == 1
    assert histogram.counts[index + 1] == 1


def test_what_is_longer_than_every_bound_and_what_took_no_time_are_counted_too() -> None:
    histogram = Histogram()
    histogram.add(0.0)
    histogram.add(1e9)
    assert histogram.counts == [1] + [0] * (len(LATENCY_BOUNDS_S) - 1) + [1]
    assert histogram.sum_s == 1e9


def test_what_was_told_does_not_change_with_what_is_counted_later() -> None:
    histogram = Histogram()
    histogram.add(0.002)
    told = histogram.counted()
    histogram.add(0.002)
    assert sum(told.counts) == 1
    assert told.sum_s == 0.002


def test_the_bounds_ascend_and_reach_the_longest_request() -> None:
    assert list(LATENCY_BOUNDS_S) == sorted(set(LATENCY_BOUNDS_S))
    assert LATENCY_BOUNDS_S[-1] >= 30
