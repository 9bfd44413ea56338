"""Long reads: in turns, bounded, given up when nobody waits for them."""

import msgspec
import pytest

from lithair.actors.model_jobs import (
    RUNNING_MAX,
    WAITING_MAX,
    Job,
    Jobs,
    ListWork,
    Work,
)
from lithair.core.command import TRUSTED, Action
from lithair.core.problem import Refusal
from lithair.core.reads import Read
from tests.core.films import LIST_BYTES_MAX, Bench, decoded


class Steps:
    """Work that takes as many steps as it is told."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.is_closed = False

    def step(self) -> Read | None:
        self.left -= 1
        return Read(200, b"") if self.left <= 0 else None

    def close(self) -> None:
        self.is_closed = True


class Desk:
    """Jobs and the answers they gave, in order."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Read]] = []
        self.jobs = Jobs(lambda job, read: self.answers.append((job.request_id, read)))

    def add(self, request_id: int, work: Work, deadline_ms: int = 0) -> None:
        self.jobs.add(Job(b"peer", request_id, deadline_ms, work))

    def finish(self, now_ms: int = 0) -> list[int]:
        while self.jobs:
            self.jobs.advance(now_ms)
        return [request_id for request_id, _ in self.answers]


def test_a_short_read_is_answered_at_once_and_long_ones_take_turns() -> None:
    desk = Desk()
    desk.add(1, Steps(5))
    desk.add(2, Steps(3))
    desk.add(3, Steps(1))
    assert desk.answers == [], "two run already; the third waits its turn"
    assert desk.finish() == [2, 3, 1]


def test_more_than_can_wait_are_refused() -> None:
    desk = Desk()
    for number in range(RUNNING_MAX + WAITING_MAX):
        desk.add(number, Steps(2))
    with pytest.raises(Refusal) as refused:
        desk.add(-1, Steps(1))
    assert refused.value.status == 503
    assert len(desk.finish()) == RUNNING_MAX + WAITING_MAX


def test_a_read_that_is_late_or_cancelled_is_closed() -> None:
    desk = Desk()
    late, cancelled = Steps(9), Steps(9)
    desk.add(1, late, deadline_ms=100)
    desk.add(2, cancelled)
    desk.jobs.cancel(b"peer", 2)
    desk.jobs.cancel(b"other", 1)
    assert desk.finish(now_ms=101) == [1]
    assert desk.answers[0][1].status == 504
    assert (late.is_closed, cancelled.is_closed) == (True, True)


def test_a_page_ends_early_when_it_grows_too_large() -> None:
    bench = Bench()
    for number in range(5):
        bench.do(Action.CREATE, body=f'{{"id": "{number}", "genre": "{"x" * 1000}"}}')
    query = bench.state.views[TRUSTED].queries.read([])
    read = ListWork(bench.state, query, TRUSTED, 2500).step()
    assert read is not None
    page = decoded(read.body)
    assert (page["total"], page["has_more"]) == (5, True)
    assert len(msgspec.json.encode(page["data"])) < 2 * 2500
    whole = ListWork(bench.state, query, TRUSTED, LIST_BYTES_MAX).step()
    assert whole is not None
    assert decoded(whole.body)["has_more"] is False
