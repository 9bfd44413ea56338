"""Lockout: how many failures there may be, from whom, and what happens at the same time."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair.core import lockout
from lithair.core.lockout import (
    ADDRESS_MAX,
    UNSETTLED_MS,
    USER_AND_ADDRESS_MAX,
    USER_MAX,
    WINDOW_MS,
    Admitted,
    Lockout,
    Refused,
)


def fail(counts: Lockout, user: str, address: str, now_ms: int) -> bool:
    """Make an attempt that fails; tells whether it could be made."""
    verdict = counts.ask(user, address, now_ms)
    if isinstance(verdict, Admitted):
        counts.settle(verdict.number, now_ms, has_failed=True)
    return isinstance(verdict, Admitted)


def test_the_sixth_failure_of_a_user_from_one_address_is_not_made() -> None:
    counts = Lockout()
    assert [fail(counts, "ann", "a", 0) for _ in range(6)] == [True] * 5 + [False]
    assert fail(counts, "ann", "b", 0)
    assert fail(counts, "bob", "a", 0)


def test_an_address_has_fifty_failures_over_all_users() -> None:
    counts = Lockout()
    made = [fail(counts, f"u{number}", "a", 0) for number in range(ADDRESS_MAX + 1)]
    assert made == [True] * ADDRESS_MAX + [False]
    assert fail(counts, "u0", "b", 0)


def test_a_user_has_a_hundred_failures_over_all_addresses() -> None:
    counts = Lockout()
    made = [fail(counts, "ann", f"a{number}", 0) for number in range(USER_MAX + 1)]
    assert made == [True] * USER_MAX + [False]
    assert fail(counts, "bob", "a0", 0)


def test_failures_are_forgotten_one_by_one_as_the_window_slides() -> None:
    counts = Lockout()
    for number in range(USER_AND_ADDRESS_MAX):
        assert fail(counts, "ann", "a", number * 1000)
    assert counts.ask("ann", "a", 4000) == Refused(WINDOW_MS - 4000)
    assert counts.ask("ann", "a", WINDOW_MS - 1) == Refused(1)
    assert fail(counts, "ann", "a", WINDOW_MS)
    assert counts.ask("ann", "a", WINDOW_MS) == Refused(1000)


def test_a_success_forgets_no_failure() -> None:
    counts = Lockout()
    for _ in range(USER_AND_ADDRESS_MAX - 1):
        assert fail(counts, "ann", "a", 0)
    verdict = counts.ask("ann", "a", 0)
    assert isinstance(verdict, Admitted)
    assert not counts.settle(verdict.number, 0, has_failed=False)
    assert fail(counts, "ann", "a", 0)
    assert not fail(counts, "ann", "a", 0)


def test_attempts_at_once_wait_for_each_other_and_then_all_succeed() -> None:
    counts = Lockout()
    under_way = [counts.ask("ann", "a", 0) for _ in range(20)]
    admitted = [one for one in under_way if isinstance(one, Admitted)]
    assert len(admitted) == USER_AND_ADDRESS_MAX
    assert under_way.count(None) == 15
    for _ in range(15):
        counts.settle(admitted.pop().number, 0, has_failed=False)
        verdict = counts.ask("ann", "a", 0)
        assert isinstance(verdict, Admitted)
        admitted.append(verdict)


def test_the_failure_that_reaches_a_limit_says_so_once() -> None:
    counts = Lockout()
    said: list[bool] = []
    for _ in range(USER_AND_ADDRESS_MAX):
        verdict = counts.ask("ann", "a", 0)
        assert isinstance(verdict, Admitted)
        said.append(counts.settle(verdict.number, 0, has_failed=True))
    assert said == [False] * (USER_AND_ADDRESS_MAX - 1) + [True]


def test_an_attempt_that_nobody_settles_gives_its_place_back() -> None:
    counts = Lockout(7)
    for number in range(7, 7 + USER_AND_ADDRESS_MAX):
        assert counts.ask("ann", "a", 0) == Admitted(number)
    assert not counts.give_up_unsettled(UNSETTLED_MS - 1)
    assert counts.ask("ann", "a", UNSETTLED_MS - 1) is None
    assert counts.give_up_unsettled(UNSETTLED_MS)
    assert isinstance(counts.ask("ann", "a", UNSETTLED_MS), Admitted)
    assert not counts.settle(7, UNSETTLED_MS, has_failed=True)  # too late to count


def test_what_is_over_is_forgotten_and_the_oldest_of_what_is_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lockout, "COUNTS_MAX", 30)
    counts = Lockout()
    for number in range(100):
        assert fail(counts, f"u{number}", f"a{number}", number)
        assert len(counts) <= 30 + 3
    assert isinstance(counts.ask("new", "new", 100 + WINDOW_MS), Admitted)
    assert len(counts) == 3


class Step(NamedTuple):
    """Somebody asks, or an attempt that is under way ends."""

    later_ms: int
    user: str
    address: str
    is_asking: bool
    has_failed: bool


class Known(NamedTuple):
    """An attempt, as the test keeps it."""

    time_ms: int
    user: str
    address: str


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from((0, 1, 500, 40_000)),
        st.sampled_from("uv"),
        st.sampled_from("ab"),
        st.booleans(),
        st.booleans(),
    ),
    max_size=120,
)
LIMITS = {"USER_AND_ADDRESS_MAX": 2, "ADDRESS_MAX": 3, "USER_MAX": 4}


@given(STEPS)
def test_no_scope_ever_has_more_failures_in_a_window_than_its_limit(steps: list[Step]) -> None:
    """And nobody is refused or kept waiting without one that is full."""
    failures: list[Known] = []
    under_way: dict[int, Known] = {}
    now_ms = 0
    with pytest.MonkeyPatch.context() as patch:
        for name, limit in LIMITS.items():
            patch.setattr(lockout, name, limit)
        counts = Lockout()
        for step in steps:
            now_ms += step.later_ms
            live = [one for one in failures if one.time_ms > now_ms - WINDOW_MS]
            if step.is_asking:
                verdict = counts.ask(step.user, step.address, now_ms)
                assert isinstance(verdict, Refused) == is_full(live, step)
                assert isinstance(verdict, Admitted) == (
                    not is_full([*live, *under_way.values()], step)
                )
                if isinstance(verdict, Admitted):
                    under_way[verdict.number] = Known(now_ms, step.user, step.address)
            elif under_way:
                number, known = under_way.popitem()
                counts.settle(number, now_ms, has_failed=step.has_failed)
                if step.has_failed:
                    failures.append(known._replace(time_ms=now_ms))


def is_full(attempts: list[Known], step: Step) -> bool:
    """Tell whether a scope of what is asked has as many of these as it may."""
    pair = sum((one.user, one.address) == (step.user, step.address) for one in attempts)
    address = sum(one.address == step.address for one in attempts)
    user = sum(one.user == step.user for one in attempts)
    return (
        pair >= LIMITS["USER_AND_ADDRESS_MAX"]
        or address >= LIMITS["ADDRESS_MAX"]
        or user >= LIMITS["USER_MAX"]
    )
