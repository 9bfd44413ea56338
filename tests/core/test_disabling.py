"""Disabling: when a listener that fails for long is not tried any more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair.core.delivery import RETRY_FIRST_MS, RETRY_MAX_MS
from lithair.core.listening import Failing, Retries, Then, failed, then, wait_ms

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WEBHOOK = Retries(RETRY_FIRST_MS, RETRY_MAX_MS, disable_after_ms=3 * DAY_MS)


def test_the_waits_double_from_five_seconds_to_an_hour() -> None:
    waits_s = [wait_ms(WEBHOOK, tries) / 1000 for tries in range(1, 14)]
    assert waits_s == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]
    assert wait_ms(WEBHOOK, 10_000) == HOUR_MS


def fail_on(times_ms: list[int], give_up_after_ms: int) -> Failing:
    retries = Retries(RETRY_FIRST_MS, RETRY_MAX_MS, disable_after_ms=give_up_after_ms)
    row: Failing | None = None
    for now_ms in times_ms:
        row = failed(retries, row, 7, "answered 500", now_ms)
    assert row is not None
    return row


def test_a_row_is_given_up_by_the_time_since_its_first_failure() -> None:
    times_ms = [minute * 60_000 for minute in range(20)]
    assert fail_on([*times_ms, 3 * DAY_MS - 1], 3 * DAY_MS).disabled_ms is None
    row = fail_on([*times_ms, 3 * DAY_MS], 3 * DAY_MS)
    assert (row.disabled_ms, row.since_ms, row.tries) == (3 * DAY_MS, 0, 21)


def test_a_server_that_was_stopped_for_long_goes_on_trying() -> None:
    """One failure, a week without a server, and a receiver that is not back yet."""
    week_ms = 7 * DAY_MS
    tries_ms = [0, *range(week_ms, week_ms + 8 * 60_000, 60_000)]
    assert fail_on(tries_ms, 3 * DAY_MS).disabled_ms is None
    assert fail_on([*tries_ms, week_ms + HOUR_MS], 3 * DAY_MS).disabled_ms == week_ms + HOUR_MS


@pytest.mark.parametrize(("give_up_after_ms", "tries"), [(1, 2), (5_000, 2), (5_001, 3)])
def test_a_short_time_is_given_the_tries_that_fit_into_it(
    give_up_after_ms: int, tries: int
) -> None:
    late_ms = [HOUR_MS] * (tries - 1)
    assert fail_on([0, *late_ms[1:]], give_up_after_ms).disabled_ms is None
    assert fail_on([0, *late_ms], give_up_after_ms).disabled_ms == HOUR_MS


def test_one_failure_is_never_the_last() -> None:
    assert fail_on([5], 1).disabled_ms is None


@given(st.lists(st.integers(0, 10 * DAY_MS), min_size=10, max_size=30))
def test_a_clock_that_is_set_back_never_hastens_the_end(times_ms: list[int]) -> None:
    row = fail_on(times_ms, 3 * DAY_MS)
    assert row.since_ms == min(times_ms)
    assert (row.disabled_ms is not None) == (times_ms[-1] - min(times_ms) >= 3 * DAY_MS)


def test_a_row_that_is_over_disables_and_any_other_is_tried_again() -> None:
    row = fail_on([0, HOUR_MS], 1)
    assert then(WEBHOOK, row) is Then.DISABLE
    assert then(WEBHOOK, fail_on([0], 1)) is Then.RETRY
