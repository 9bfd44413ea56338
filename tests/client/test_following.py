"""The steps of a subscription: what it asks when, and what it bears."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
import pytest

from lithair.client.answers import Event
from lithair.client.calls import Call, Calls
from lithair.client.filters import Filters
from lithair.client.following import (
    FAILURES_MAX,
    Came,
    Following,
    Listen,
    Open,
    Pause,
    Step,
    Steps,
)
from lithair.core.problem import problem_body
from lithair.errors import Dropped, LithairError, ModelUnavailable
from lithair.wire.codec import encode_changes
from lithair.wire.messages import FeedBatch, FeedEvent, Reply
from lithair.wire.protocol import Verb
from tests.client.library import Tally

R = TypeVar("R")

FIRST, SECOND = b"a" * 16, b"b" * 16


def event(seq: int, kind: int = 1) -> FeedEvent:
    return FeedEvent(seq, 1_700_000_000_123, kind, f"k{seq}", b'{"id":"k%d"}' % seq, b"")


def batch(*seqs: int, epoch: bytes = FIRST) -> FeedBatch:
    return FeedBatch(epoch, seqs[-1], [event(seq) for seq in seqs])


def beat(seq: int, epoch: bytes = FIRST) -> FeedBatch:
    return FeedBatch(epoch, seq, [])


def page(upto: int, *seqs: int, log_seq: int = 0) -> Reply:
    return Reply(1, 200, encode_changes(upto, [event(seq) for seq in seqs]), log_seq or upto)


def refusal(status: int) -> Reply:
    return Reply(1, status, problem_body(status, f"status {status}"))


class Script:
    """Answers steps one by one, and keeps in words which they were."""

    def __init__(self, filters: Filters | None = None, *, is_silent: bool = False) -> None:
        self.is_silent = is_silent
        self.said: list[str] = []
        self.following = Following(Calls(Tally), 0, filters, lambda: self.is_silent)
        hello = Reply(1, 200, msgspec.json.encode({"model": "tallys", "seq": 0}))
        self.play(self.following.begin, hello, None)
        assert self.said == ["HELLO", "open tallys"]
        self.said = []

    def play(self, begin: Callable[[], Steps[R]], *answers: Came) -> R:
        steps = begin()
        step = next(steps)
        for answer in answers:
            self.said.append(word(step))
            try:
                step = steps.send(answer)
            except StopIteration as end:
                result: R = end.value
                return result
        raise AssertionError(f"after {self.said} came {word(step)}")

    def next(self, *answers: Came) -> Event[Tally]:
        self.said = []
        return self.play(self.following.next, *answers)


def word(step: Step) -> str:
    if isinstance(step, Call):
        since = step.argument[0] if isinstance(step.argument, tuple) else ""
        return f"{Verb(step.verb).name} {since}".strip()
    if isinstance(step, Open):
        return f"open {step.model}"
    assert isinstance(step, Listen | Pause)
    return "listen" if isinstance(step, Listen) else "pause"


def test_it_asks_what_it_has_missed_by_joining_then_listens() -> None:
    script = Script()
    came = script.next(page(0), batch(1, 2))
    assert script.said == ["CHANGES 0", "listen"]
    assert (came.seq, came.operation, came.model, came.id) == (1, "create", "tallys", "k1")
    assert (came.item, came.timestamp.timestamp()) == (Tally(id="k1"), 1_700_000_000.123)
    assert script.following.seq == 1
    with pytest.raises(StopIteration) as given:
        next(script.following.next())
    assert given.value.value.seq == 2
    assert script.following.seq == 2


def test_a_gap_is_asked_for() -> None:
    script = Script()
    assert script.next(page(0), beat(0), batch(2, 3), page(1, 1)).seq == 1
    assert script.said == ["CHANGES 0", "listen", "listen", "CHANGES 0"]
    assert script.following.seq == 1


def test_with_filters_the_feed_tells_only_that_there_is_something_to_ask() -> None:
    script = Script({"n": 0})
    assert script.next(page(0), batch(1), None, page(1), batch(2), None, page(2, 2)).seq == 2
    assert script.said == [
        "CHANGES 0", "listen", "pause", "CHANGES 0", "listen", "pause", "CHANGES 1"
    ]  # fmt: skip


def test_with_filters_a_long_way_is_gone_without_a_pause() -> None:
    script = Script({"n": 0})
    assert script.next(page(5, log_seq=20), beat(20), page(10, log_seq=20), page(20, 20)).seq == 20
    assert script.said == ["CHANGES 0", "listen", "CHANGES 5", "CHANGES 10"]


def test_a_silent_feed_of_a_process_that_answers_is_joined_anew() -> None:
    script = Script()
    assert script.next(page(0), None, page(0), None, batch(1)).seq == 1
    assert script.said == ["CHANGES 0", "listen", "CHANGES 0", "open tallys", "listen"]


def test_what_may_pass_is_asked_again_as_long_as_there_is_a_server() -> None:
    for status in (503, 504):
        script = Script()
        again = [refusal(status), None] * 50
        assert script.next(*again, page(1, 1)).seq == 1
        assert script.said == ["CHANGES 0", "pause"] * 50 + ["CHANGES 0"]


def test_without_a_server_it_is_told_and_may_be_asked_again() -> None:
    script = Script(is_silent=True)
    with pytest.raises(ModelUnavailable, match="status 503"):
        script.next(refusal(503))
    assert script.next(page(1, 1)).seq == 1


def test_what_may_be_due_to_deaths_is_asked_again_for_a_while() -> None:
    script = Script()
    some = [refusal(500), None] * FAILURES_MAX
    assert script.next(*some, page(1, 1)).seq == 1
    script.following.next().close()
    with pytest.raises(LithairError, match="status 500"):
        script.next(beat(2), *some, refusal(500))


def test_what_was_dropped_is_said_each_time() -> None:
    script = Script()
    for _ in range(2):
        with pytest.raises(Dropped):
            script.next(refusal(410))
        assert script.said == ["CHANGES 0"]


def test_a_log_that_was_exchanged_for_a_shorter_one_is_said() -> None:
    script = Script()
    script.next(page(0), batch(1, 2, 3))
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(script.following.next())
    with pytest.raises(Dropped, match="exchanged: it ends with event 2") as caught:
        script.next(beat(2, SECOND))
    assert caught.value.oldest == 2
