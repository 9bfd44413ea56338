"""The rules of restarting, by the thousand and without a clock."""

from hypothesis import given
from hypothesis import strategies as st

from lithair.core.restart import (
    BACKOFF_FIRST_MS,
    BACKOFF_MAX_MS,
    RETRY_FAILED_MS,
    Again,
    Patience,
    RestartLimit,
    Restarts,
    backoff_ms,
)

LIMIT = RestartLimit(5, 30_000)
LIMITS = st.builds(RestartLimit, st.integers(1, 20), st.integers(1, 100_000))
GAPS = st.lists(st.integers(0, 40_000), min_size=1, max_size=60)


def test_the_first_death_is_answered_at_once_and_the_next_ones_with_growing_delays() -> None:
    restarts = Restarts(LIMIT)
    delays = [restarts.died(now, 0).at_ms - now for now in (10, 20, 30, 40, 50)]
    assert delays == [0, 100, 200, 400, 800]


def test_one_death_more_than_the_limit_in_the_window_is_a_failure() -> None:
    restarts = Restarts(LIMIT)
    said = [restarts.died(now, 0) for now in range(6)]
    assert [again.failed for again in said] == [False] * 5 + [True]
    assert said[-1].at_ms == 5 + RETRY_FAILED_MS


def test_deaths_that_left_the_window_are_forgotten() -> None:
    restarts = Restarts(LIMIT)
    for number in range(100):
        now = number * LIMIT.window_ms
        assert restarts.died(now, 0) == Again(now, failed=False)


def test_a_try_of_a_failed_process_costs_one_start_and_not_a_whole_budget() -> None:
    restarts = Restarts(LIMIT)
    now = restarts.gave_up(0).at_ms
    for _ in range(10):
        again = restarts.died(now + 500, served_ms=100)
        assert again == Again(now + 500 + RETRY_FAILED_MS, failed=True)
        now = again.at_ms


def test_a_process_that_served_a_whole_window_has_its_budget_back() -> None:
    restarts = Restarts(LIMIT)
    now = restarts.gave_up(0).at_ms
    assert not restarts.died(now + 31_000, served_ms=LIMIT.window_ms).failed


def test_a_restart_on_request_gives_the_whole_budget_back() -> None:
    restarts = Restarts(LIMIT)
    restarts.gave_up(0)
    restarts.forget()
    assert restarts.died(10, 0) == Again(10, failed=False)


@given(LIMITS, GAPS)
def test_a_process_fails_exactly_when_a_window_holds_more_deaths_than_allowed(
    limit: RestartLimit, gaps: list[int]
) -> None:
    restarts = Restarts(limit)
    now, deaths = 0, list[int]()
    for gap in gaps:
        now += gap
        deaths.append(now)
        in_window = [death for death in deaths if death > now - limit.window_ms]
        again = restarts.died(now, served_ms=0)
        assert again.failed == (len(in_window) > limit.deaths)
        if again.failed:
            assert again.at_ms == now + RETRY_FAILED_MS
            break
        assert again.at_ms == now + backoff_ms(len(in_window))


@given(st.integers(1, 10_000))
def test_the_backoff_begins_at_nothing_grows_and_is_bounded(death: int) -> None:
    assert backoff_ms(1) == 0
    assert backoff_ms(2) == BACKOFF_FIRST_MS
    assert backoff_ms(death) <= backoff_ms(death + 1) <= BACKOFF_MAX_MS


def test_a_listener_is_started_again_for_ever_with_delays_that_grow_to_a_minute() -> None:
    patience = Patience()
    said = [patience.died(now, 0) for now in range(0, 2000, 10)]
    delays = [again.at_ms - now for again, now in zip(said, range(0, 2000, 10), strict=True)]
    assert delays[:6] == [0, 100, 200, 400, 800, 1600]
    assert delays[-1] == RETRY_FAILED_MS
    assert delays == sorted(delays)
    assert not any(again.failed for again in said)


def test_a_listener_that_got_somewhere_is_started_again_at_once() -> None:
    patience = Patience()
    for _ in range(10):
        patience.died(0, 0)
    patience.forget()
    assert patience.died(5, 0) == Again(5, failed=False)


def test_a_listener_that_gave_up_has_failed_until_it_is_tried_again() -> None:
    assert Patience().gave_up(7) == Again(7 + RETRY_FAILED_MS, failed=True)
