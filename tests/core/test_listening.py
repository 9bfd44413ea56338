"""What follows when a listener fails: how long it waits, and when it gives an event up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair.core.listening import (
    ERROR_CHARACTERS_MAX,
    RETRY_MAX_MS,
    Failing,
    Retries,
    Then,
    failed,
    then,
    wait_ms,
)


def row(retries: Retries, failures: int, seq: int = 7) -> Failing:
    """Fail so many times at one event, each when it is due."""
    failing: Failing | None = None
    now_ms = 1000
    for _ in range(failures):
        failing = failed(retries, failing, seq, "broken", now_ms)
        now_ms += wait_ms(retries, failing.tries)
    assert failing is not None
    return failing


def test_waits_double_from_a_tenth_of_a_second_up_to_a_minute() -> None:
    waits = [wait_ms(Retries(), tries) for tries in range(1, 14)]
    assert waits[:5] == [100, 200, 400, 800, 1600]
    assert waits[-2:] == [RETRY_MAX_MS, RETRY_MAX_MS]
    assert waits == sorted(waits)


@given(st.integers(1, 10**6))
def test_a_wait_has_a_bound_whatever_the_number_of_tries(tries: int) -> None:
    assert 100 <= wait_ms(Retries(), tries) <= RETRY_MAX_MS


@pytest.mark.parametrize(("max_retries", "tries"), [(0, 1), (1, 2), (2, 3), (9, 10)])
def test_an_event_is_given_up_after_the_retries_that_were_declared(
    max_retries: int, tries: int
) -> None:
    retries = Retries(max_retries=max_retries)
    assert all(then(retries, row(retries, n)) is Then.RETRY for n in range(1, tries))
    assert then(retries, row(retries, tries)) is Then.DEAD_LETTER


@given(st.integers(1, 300))
def test_without_a_number_of_retries_an_event_is_never_given_up(tries: int) -> None:
    assert then(Retries(), row(Retries(), tries)) is Then.RETRY


def test_a_row_counts_the_failures_at_one_event_and_begins_anew_at_another() -> None:
    first = failed(Retries(), None, 7, "a", 1000)
    second = failed(Retries(), first, 7, "b", 2000)
    other = failed(Retries(), second, 8, "c", 3000)
    assert (first.tries, first.since_ms, first.last_ms) == (1, 1000, 1000)
    assert (second.tries, second.since_ms, second.last_ms, second.error) == (2, 1000, 2000, "b")
    assert (other.seq, other.tries, other.since_ms) == (8, 1, 3000)


def test_a_clock_that_is_set_back_makes_no_row_begin_in_the_future() -> None:
    first = failed(Retries(), None, 7, "a", 5000)
    assert failed(Retries(), first, 7, "a", 1000).since_ms == 1000


def test_of_a_long_error_only_its_beginning_is_kept() -> None:
    assert len(failed(Retries(), None, 7, "x" * 100_000, 0).error) == ERROR_CHARACTERS_MAX
