"""Lists of the past: taken on in order, one at a time, bounded, and answered exactly once."""

import os
from collections.abc import Iterator

import msgspec
import pytest

from lithair.actors.errand import Done, Failed, PastListTask, Progress
from lithair.actors.past_list import PastAnswer
from lithair.actors.time_travel import TRIES_MAX, WAITING_MAX, Bounds, PastQuestion, TimeTravel
from lithair.core.as_of import AsOf
from lithair.core.command import TRUSTED, Action
from lithair.core.problem import Refusal
from lithair.core.reads import Read
from lithair.errors import LithairError
from tests.actors.living import Living


class HeldErrand:
    """An errand whose last word the test says."""

    def __init__(self, task: PastListTask) -> None:
        self.task = task
        self.progress = Progress(0, 0)
        self.is_killed = False
        self._word: Done | Failed | None = None
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        return self._wake_fd

    def poll(self) -> Done | Failed | None:
        return self._word

    def kill(self) -> None:
        if not self.is_killed:
            self.is_killed = True
            os.close(self._wake_fd)

    def say(self, word: Done | Failed) -> None:
        self._word = word
        os.eventfd_write(self._wake_fd, 1)

    def answer(self, body: bytes) -> None:
        self.say(Done(msgspec.msgpack.encode(PastAnswer(200, body))))


class Desk:
    """A model of three events, its time travel, and what was answered."""

    def __init__(self) -> None:
        self.living = Living()
        for number in range(3):
            self.living.do(Action.CREATE, body=b'{"id":"%d"}' % number)
        self.errands: list[HeldErrand] = []
        self.answers: list[tuple[int, int, bytes]] = []
        self.has_room = True
        self.past = TimeTravel(
            self.living.state, self.living.log, Bounds(10, 1000), self._start, self._answered
        )

    def _start(self, task: PastListTask) -> HeldErrand:
        if not self.has_room:
            raise LithairError("no process can be started")
        self.errands.append(HeldErrand(task))
        return self.errands[-1]

    def _answered(self, question: PastQuestion, read: Read) -> None:
        self.answers.append((question.request_id, read.status, read.body))

    def ask(self, request_id: int, seq: int = 2, deadline_ms: int = 0) -> None:
        as_of = AsOf(seq=seq)
        pairs = (("as_of", str(seq)),)
        self.past.ask(
            PastQuestion(b"peer", request_id, deadline_ms, TRUSTED, pairs, as_of, is_count=False)
        )
        self.past.turn(0)

    def statuses(self) -> list[tuple[int, int]]:
        return [(request_id, status) for request_id, status, _ in self.answers]


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.past.close()
    assert all(errand.is_killed for errand in desk.errands), "an errand was left"


def test_questions_are_answered_in_order_one_at_a_time(desk: Desk) -> None:
    desk.ask(1)
    desk.ask(2, seq=3)
    assert [errand.task.paths.seq for errand in desk.errands] == [2]
    desk.errands[0].answer(b"first")
    desk.past.turn(0)
    assert desk.answers == [(1, 200, b"first")]
    assert [errand.task.paths.seq for errand in desk.errands] == [2, 3]
    assert desk.errands[0].is_killed
    desk.errands[1].answer(b"second")
    desk.past.turn(0)
    assert desk.answers[1:] == [(2, 200, b"second")]
    assert not desk.past


def test_more_than_can_wait_are_refused(desk: Desk) -> None:
    for number in range(1 + WAITING_MAX):
        desk.ask(number)
    with pytest.raises(Refusal) as refused:
        desk.ask(-1)
    assert refused.value.status == 503
    desk.errands[0].answer(b"")
    desk.past.turn(0)
    desk.ask(99)
    assert len(desk.errands) == 2


def test_what_is_late_is_given_up_wherever_it_is(desk: Desk) -> None:
    desk.ask(1, deadline_ms=100)
    desk.ask(2, deadline_ms=50)
    desk.ask(3)
    desk.past.turn(100)
    assert desk.statuses() == [(2, 504)]
    desk.past.turn(101)
    assert desk.statuses() == [(2, 504), (1, 504)]
    assert [errand.is_killed for errand in desk.errands] == [True, False]


def test_what_nobody_waits_for_is_given_up_wherever_it_is(desk: Desk) -> None:
    for number in (1, 2, 3):
        desk.ask(number)
    desk.past.cancel(b"other", 1)
    desk.past.cancel(b"peer", 9)
    desk.past.cancel(b"peer", 2)
    assert [errand.is_killed for errand in desk.errands] == [False]
    desk.past.cancel(b"peer", 1)
    assert [errand.is_killed for errand in desk.errands] == [True]
    desk.past.turn(0)
    desk.errands[1].answer(b"third")
    desk.past.turn(0)
    assert desk.answers == [(3, 200, b"third")]


def test_a_process_that_ends_without_an_answer_is_503(desk: Desk) -> None:
    desk.ask(1)
    desk.errands[0].say(Failed("its process ended without a word, killed by SIGKILL"))
    desk.past.turn(0)
    assert desk.statuses() == [(1, 503)]
    assert b"SIGKILL" not in desk.answers[0][2]
    desk.has_room = False
    desk.ask(2)
    assert desk.statuses()[1:] == [(2, 503)]


def test_files_that_a_compaction_takes_away_are_asked_for_again_a_few_times(desk: Desk) -> None:
    desk.ask(1)
    for number in range(TRIES_MAX):
        assert len(desk.errands) == number + 1
        desk.errands[-1].say(Failed("gone", 410))
        desk.past.turn(0)
    assert desk.statuses() == [(1, 503)]
    assert len(desk.errands) == TRIES_MAX


def test_points_that_are_not_there_are_refused_at_once(desk: Desk) -> None:
    with pytest.raises(Refusal) as refused:
        desk.ask(1, seq=4)
    assert refused.value.status == 400
    assert not desk.past
