"""Long reads: in turns, bounded, given up when nobody waits for them."""

import msgspec
import pytest

from lithair.actors.model_jobs import (
    RUNNING_MAX,
    WAITING_MAX,
    HistoryWork,
    Job,
    Jobs,
    ListWork,
    Work,
)
from lithair.core.command import PUBLIC, TRUSTED, Action
from lithair.core.event import Position
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


def history(bench: Bench, key: str, access: str = PUBLIC) -> list[dict[str, object]]:
    """Run a history over the events that a bench holds, placed at (1, seq)."""
    work = HistoryWork(bench.state, lambda place: bench.events[place.offset - 1], key, access)
    while (read := work.step()) is None:
        pass
    return msgspec.json.decode(read.body, type=list[dict[str, object]])


def test_a_history_tells_all_of_an_item_even_over_its_deletion() -> None:
    bench = Bench()
    bench.do(Action.CREATE, body='{"id": "a", "stock": 1}')
    bench.do(Action.CREATE, body='{"id": "b"}')
    bench.do(Action.PATCH, "a", '{"stock": 5, "secret": "x", "year": 3}')
    bench.do(Action.DELETE, "a")
    assert [e["operation"] for e in history(bench, "a")] == ["create", "update", "delete"]
    bench.do(Action.CREATE, body='{"id": "a"}')
    entries = history(bench, "a")
    assert [e["seq"] for e in entries] == [1, 3, 4, 5]
    assert entries[1]["timestamp"] == "2023-11-14T22:13:20.000Z"
    assert entries[1]["changes"] == {"stock": {"old": 1, "new": 5}}
    assert entries[2]["changes"] == {"stock": {"old": 5, "new": None}}
    assert "secret" not in str(entries)
    assert "secret" in str(history(bench, "a", TRUSTED))


def test_a_history_of_nothing_is_not_found_even_when_hashes_meet() -> None:
    bench = Bench()
    bench.do(Action.CREATE, body='{"id": "a"}')
    bench.do(Action.DELETE, "a")
    bench.state.graves.dig("b", Position(1, 2))
    for key in ("b", "c"):
        with pytest.raises(Refusal) as refused:
            history(bench, key)
        assert refused.value.status == 404


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
