"""Time travel: lists and counts of the past, one at a time, each by an errand of its own.

    ask -> WAITING -> RUNNING -> answered
              every one of them, at its deadline or when nobody waits any more -> given up

Law: the loop never waits for one. A question is answered exactly once: by the errand, or in its
place with 503 (too many wait; the process ended), 504 (the time is up), 410 (dropped meanwhile).
"""

import logging
import select
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from lithair.actors.errand import Done, Failed, PastListTask, Runs
from lithair.actors.item_past import check_as_of, dropped
from lithair.actors.past_list import PastAnswer
from lithair.core.as_of import AsOf
from lithair.core.model_state import ModelState
from lithair.core.problem import Refusal, problem_of
from lithair.core.reads import Read
from lithair.errors import Dropped, LithairError
from lithair.storage.event_log import EventLog
from lithair.storage.log_reader import paths_to

WAITING_MAX: Final = 16  # each takes seconds on a large model; past it callers had better come back
RUNNING_MS_MAX: Final = 600_000  # of a question without a deadline of its own
TRIES_MAX: Final = 3  # of one whose files a compaction takes away

TOO_MANY: Final = "Too many lists of the past are waiting; try again in a moment"
TOO_LATE: Final = "The time for this request is up"
ENDED: Final = "The process that looked into the past has ended before it was done; try again"
READ_ONLY: Final = "The past can't be listed while the disk is full"

log = logging.getLogger(__name__)
_decode = msgspec.msgpack.Decoder(PastAnswer).decode


class PastQuestion(msgspec.Struct):
    """A list or a count as of a point of the past, and whom its answer is for."""

    peer: bytes
    request_id: int
    deadline_ms: int
    access: str
    pairs: tuple[tuple[str, str], ...]
    as_of: AsOf
    is_count: bool
    tries: int = 0


class Bounds(msgspec.Struct, frozen=True):
    """What one answer may hold."""

    take_max: int
    list_bytes_max: int


Start = Callable[[PastListTask], Runs]  # raises LithairError
AnswerTo = Callable[[PastQuestion, Read], None]


class TimeTravel:
    """The questions about a model's past; `turn` is called by its loop (see `upkeep.Keeper`)."""

    def __init__(
        self, state: ModelState, event_log: EventLog, bounds: Bounds, start: Start, answer: AnswerTo
    ) -> None:
        self._state = state
        self._log = event_log
        self._bounds = bounds
        self._start = start
        self._answer = answer
        self._waiting: deque[PastQuestion] = deque()
        self._running: PastQuestion | None = None
        self._errand: Runs | None = None
        self._ends_ms = 0
        self._poll = select.epoll()

    def __bool__(self) -> bool:
        return self._running is not None or bool(self._waiting)

    def fileno(self) -> int:
        return self._poll.fileno()

    def ask(self, question: PastQuestion) -> None:
        """Take a question on; raises Refusal 400 and 503, Dropped."""
        check_as_of(question.as_of, self._state, self._log)
        if len(self._waiting) >= WAITING_MAX:
            raise Refusal(503, TOO_MANY)
        self._waiting.append(question)

    def cancel(self, peer: bytes, request_id: int) -> None:
        """Give up a question that nobody waits for any more."""
        running = self._running
        if running is not None and (running.peer, running.request_id) == (peer, request_id):
            self._end()
            return
        for question in self._waiting:
            if (question.peer, question.request_id) == (peer, request_id):
                self._waiting.remove(question)
                return

    def turn(self, now_ms: int) -> bool:
        """Take what the errand has said, and begin the next one; tells whether to come back now."""
        if self._errand is not None:
            self._look(self._errand, now_ms)
        for question in [q for q in self._waiting if q.deadline_ms and now_ms > q.deadline_ms]:
            self._waiting.remove(question)
            self._refuse(question, Refusal(504, TOO_LATE))
        while self._running is None and self._waiting:
            self._begin(self._waiting.popleft(), now_ms)
        return False

    def close(self) -> None:
        """End what is under way; nobody is answered any more."""
        self._end()
        self._waiting.clear()
        self._poll.close()

    def _begin(self, question: PastQuestion, now_ms: int) -> None:
        question.tries += 1
        try:
            errand = self._start(past_task(question, self._state, self._log, self._bounds))
        except LithairError as error:
            self._refuse(question, error if error.status < 500 else Refusal(503, str(error)))
            return
        self._running, self._errand = question, errand
        self._ends_ms = question.deadline_ms or now_ms + RUNNING_MS_MAX
        self._poll.register(errand.fileno(), select.EPOLLIN)

    def _look(self, errand: Runs, now_ms: int) -> None:
        question = self._running
        assert question is not None, "an errand is for a question"
        word = errand.poll()
        if word is None and now_ms <= self._ends_ms:
            return
        self._end()
        if isinstance(word, Done):
            answer = _decode(word.result)
            self._answer(question, Read(answer.status, answer.body))
        elif word is None:
            self._refuse(question, Refusal(504, TOO_LATE))
        elif word.status == Dropped.status and question.tries < TRIES_MAX:
            self._begin(question, now_ms)
        else:
            self._refuse(question, self._failed(word))

    def _failed(self, word: Failed) -> LithairError:
        log.error("a list of the past failed: %s", word.sentence)
        snapshot = self._log.snapshot
        if word.status == Dropped.status and snapshot is not None:  # the archive has a gap
            return dropped((snapshot.header.cut, snapshot.header.time_ms))
        return Refusal(503, ENDED)

    def _refuse(self, question: PastQuestion, error: LithairError) -> None:
        self._answer(question, Read(error.status, problem_of(error)))

    def _end(self) -> None:
        """End the errand, wherever it is; its question is the caller's then."""
        errand, self._errand, self._running = self._errand, None, None
        if errand is not None:
            self._poll.unregister(errand.fileno())
            errand.kill()


def past_task(
    question: PastQuestion, state: ModelState, event_log: EventLog, bounds: Bounds
) -> PastListTask:
    """Say what an errand has to do for a question; raises Refusal, Dropped."""
    as_of, snapshot = question.as_of, event_log.snapshot
    view = event_log.view()
    while snapshot is not event_log.snapshot:  # a compaction was installed just now
        snapshot, view = event_log.snapshot, event_log.view()
    check_as_of(as_of, state, event_log)  # again: it may have waited for long
    if event_log.is_read_only:  # what was carried over is in memory only
        raise Refusal(503, READ_ONLY)
    from_snapshot = snapshot is not None and as_of.includes(
        snapshot.header.cut, snapshot.header.time_ms
    )
    seq = min(as_of.seq, state.seq)
    return PastListTask(
        paths=paths_to(view, seq, from_snapshot=from_snapshot),
        time_ms=as_of.time_ms,
        pairs=question.pairs,
        access=question.access,
        is_count=question.is_count,
        take_max=bounds.take_max,
        list_bytes_max=bounds.list_bytes_max,
    )
