"""The pace of an errand: when it rests, what it waits for, and that it ends all the same."""

import os
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair.actors.errand_pace import (
    REST_S_MAX,
    REST_SHARE,
    STARVED_S,
    STARVED_SHARE,
    Clocks,
    Pace,
    Report,
    Starved,
    at_leisure,
)
from lithair.errors import LithairError


class Machine:
    """Time that passes as work is done, of which it gets a share of the processor."""

    def __init__(self, share: float) -> None:
        self.now_s = self.used_s = 0.0
        self.share = share
        self.rests: list[float] = []
        self.clocks = Clocks(lambda: self.now_s, lambda: self.used_s, self.rest)

    def work(self, wall_s: float) -> None:
        self.now_s += wall_s
        self.used_s += wall_s * self.share

    def rest(self, rest_s: float) -> None:
        self.now_s += rest_s
        self.rests.append(rest_s)


def ignore(_done: int, _total: int) -> None:
    """Take a report."""


def stretches(machine: Machine, report: Report, lengths: list[float]) -> None:
    for number, length in enumerate(lengths):
        machine.work(length)
        report(number, len(lengths))


@given(st.lists(st.floats(0, 1), max_size=30))
def test_it_rests_longer_than_it_has_worked_but_never_long(lengths: list[float]) -> None:
    machine = Machine(1.0)
    stretches(machine, Pace(ignore, machine.clocks, is_idle=True), lengths)
    expected = [min(REST_S_MAX, REST_SHARE * length) for length in lengths]
    assert machine.rests == pytest.approx(expected, abs=1e-6)


@given(
    st.lists(st.floats(0.001, 3), min_size=1, max_size=60),
    st.sampled_from([0.0, 0.5, 0.9, 1.1, 2.0, 30.0]),
    st.booleans(),
)
def test_it_is_starved_after_some_work_with_next_to_no_processor(
    lengths: list[float], of_the_share: float, is_idle: bool
) -> None:
    machine = Machine(STARVED_SHARE * of_the_share)
    pace = Pace(ignore, machine.clocks, is_idle=is_idle)
    # One stretch may end beyond, for nobody looks within.
    if is_idle and of_the_share < 1 and sum(lengths) > STARVED_S + 0.001:
        with pytest.raises(Starved):
            stretches(machine, pace, lengths)
        assert sum(machine.rests) < machine.now_s - STARVED_S + 0.001
    elif not is_idle or of_the_share > 1 or sum(lengths) < STARVED_S - 0.001:
        stretches(machine, pace, lengths)
        assert len(machine.rests) == len(lengths)


def policies(machine: Machine, pieces: Iterator[int]) -> Callable[[Report], list[int]]:
    """Give work that notes its class in the scheduler, at its beginning."""
    seen: list[int] = []

    def work(report: Report) -> list[int]:
        seen.append(os.sched_getscheduler(0))
        stretches(machine, report, [1.0] * next(pieces))
        return seen

    return work


def test_it_waits_for_an_idle_processor_and_nobody_else_in_the_process_does() -> None:
    machine = Machine(0.5)
    before = os.sched_getscheduler(0)
    reports: list[tuple[int, int]] = []

    def report(done: int, total: int) -> None:
        reports.append((done, total))

    work = policies(machine, iter([100]))
    assert at_leisure(work, report, machine.clocks) == [os.SCHED_IDLE]
    assert os.sched_getscheduler(0) == before
    assert reports == [(number, 100) for number in range(100)]


def test_where_no_processor_is_ever_idle_it_is_begun_once_more_and_ends() -> None:
    machine = Machine(STARVED_SHARE / 2)
    work = policies(machine, count(100))
    assert at_leisure(work, ignore, machine.clocks) == [os.SCHED_IDLE, os.sched_getscheduler(0)]
    assert machine.now_s > 100


def test_what_goes_wrong_is_told_as_it_is() -> None:
    def work(_report: Report) -> None:
        raise LithairError("no such log", status=404)

    with pytest.raises(LithairError, match="no such log"):
        at_leisure(work, ignore)
