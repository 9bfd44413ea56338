"""Changes: what follows the feed asks for what it has missed, and gets it from the log.

    CHANGES (since, max_events, pairs) -> [upto, events]      see `core.changes` for their kinds

Owns the questions under way. Law: only committed events are told, in order, each with the item as
it was before; `upto` is the last one that was looked at, so who asks on from there misses nothing.
A question is worked on in slices and turns, and ends early where it would take long.
"""

import logging
import os
import time
from collections import deque
from typing import Final, NamedTuple, Protocol

from lithair.actors.item_past import PastLog
from lithair.actors.model_reads import convert
from lithair.actors.upkeep import Answer
from lithair.core.changes import Reaches, change, tests_of
from lithair.core.event import ERASED, Event, EventKind
from lithair.core.model_state import ModelState
from lithair.core.problem import Refusal, problem_of
from lithair.core.query import refuse
from lithair.core.reads import Read
from lithair.errors import DamagedLog, Dropped, LithairError, SchemaChanged
from lithair.wire.codec import encode_changes
from lithair.wire.messages import FeedEvent, ReadRequest
from lithair.wire.protocol import BODY_BYTES_MAX, ENVELOPE_BYTES, TRUSTED

SLICE_S: Final = 0.001  # of a turn; other requests are looked at between two of them
FETCHED_EVENTS: Final = 64  # read at a time: some 10 us each, and as much for what was before
FETCHED_BYTES: Final = 128 << 10
STEP_EVENTS: Final = 16  # looked at between two looks at the clock
LOOKED_MAX: Final = 1024  # events for one answer, 20 ms of work: the rest is asked for anew
ANSWER_BYTES: Final = 256 << 10  # of an answer, unless a single event is longer
EVENT_BYTES_MAX: Final = BODY_BYTES_MAX - 8 * ENVELOPE_BYTES  # what an answer can carry of one
WAITING_MAX: Final = 4096  # some seconds of work; past it askers had better come back

TOO_MANY: Final = "Too many questions for changes are waiting; try again in a moment"
TOO_LATE: Final = "The time for this request is up"
FAILED_HERE: Final = "The server failed at this request; its log says more"

log = logging.getLogger(__name__)


class ChangesLog(PastLog, Protocol):
    """An event log, as far as it is needed here."""

    def events_since(self, seq: int, max_events: int, max_bytes: int) -> list[Event]: ...


class Question(NamedTuple):
    """What was asked, and where the answer goes; `reaches` is None for everything."""

    since: int
    events_max: int
    reaches: Reaches | None
    deadline_ms: int
    answer: Answer


class Changes:
    """Answers CHANGES about one model; `turn` is called by its loop (see `upkeep.Keeper`)."""

    def __init__(self, state: ModelState, event_log: ChangesLog) -> None:
        self._state = state
        self._log = event_log
        self._waiting: deque[_Search] = deque()
        self._fd = os.eventfd(0, os.EFD_CLOEXEC)  # never readable: requests alone bring work

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        """Forget what waits: whoever asked asks the next life of this process again."""
        self._waiting.clear()
        os.close(self._fd)

    def ask(self, request: ReadRequest, answer: Answer) -> None:
        """Take a question on; raises Refusal."""
        argument = convert(request.argument, tuple[int, int, tuple[tuple[str, str], ...]])
        since, events_max, pairs = argument
        if request.access != TRUSTED:
            raise Refusal(403, "The server's own processes and handles alone may ask for changes")
        if since > self._state.seq:
            at = f"event {self._state.seq}"
            raise refuse("since", f"{since} is beyond the log's end, which is {at}")
        filters = self._state.views[request.access].queries.read_changes(pairs)
        if len(self._waiting) >= WAITING_MAX:
            raise Refusal(503, TOO_MANY)
        reaches = tests_of(filters) if filters else None
        question = Question(since, events_max, reaches, request.deadline_ms, answer)
        self._waiting.append(_Search(self._state, self._log, question))

    def turn(self, now_ms: int) -> bool:
        """Go on with the questions, in turns; tells whether some are left."""
        waiting = self._waiting
        if not waiting:
            return False
        end = time.perf_counter() + SLICE_S
        while waiting and time.perf_counter() < end:
            search = waiting.popleft()
            read = _stepped(search, now_ms)
            if read is None:
                waiting.append(search)
            else:
                search.question.answer(read)
        return bool(waiting)


class _Search:
    """One question on its way to its answer."""

    def __init__(self, state: ModelState, event_log: ChangesLog, question: Question) -> None:
        self.question = question
        self._state = state
        self._log = event_log
        self._upto = question.since  # the last event that was looked at
        self._fetched: deque[Event] = deque()
        self._told: list[FeedEvent] = []
        self._told_bytes = 0
        self._looked = 0

    def step(self) -> Read | None:
        """Look at a few events; gives the answer when it is complete. Raises LithairError."""
        if not self._fetched and not self._fetch():
            return self._answer()
        for _ in range(min(STEP_EVENTS, len(self._fetched))):
            if not self._look_at(self._fetched.popleft()):
                return self._answer()
        return None if self._upto < self._state.seq else self._answer()

    def _answer(self) -> Read:
        return Read(200, encode_changes(self._upto, self._told))

    def _fetch(self) -> bool:
        """Read the next events; tells whether there are any that the answer has room for."""
        is_full = self._looked >= LOOKED_MAX or len(self._told) >= self.question.events_max
        if is_full or self._upto >= self._state.seq:
            return False
        try:
            events = self._log.events_since(self._upto, FETCHED_EVENTS, FETCHED_BYTES)
        except Dropped:
            if self._upto == self.question.since:
                raise
            return False  # by a compaction, just now
        committed = self._state.seq  # the log may be a batch ahead
        self._fetched.extend(event for event in events if event.seq <= committed)
        return bool(self._fetched)

    def _look_at(self, event: Event) -> bool:
        """Tell an event where it concerns who asked; gives False when it has no room."""
        if len(self._told) >= self.question.events_max:
            return False
        told = None if event.kind == ERASED else self._told_of(event)
        if told is not None:
            size = len(told.payload) + len(told.before)
            if self._told and self._told_bytes + size > ANSWER_BYTES:
                return False
            if size > EVENT_BYTES_MAX:
                told = told._replace(before=b"")
            self._told.append(told)
            self._told_bytes += size
        self._upto = event.seq
        self._looked += 1
        return True

    def _told_of(self, event: Event) -> FeedEvent | None:
        event = self._state.present(event)
        before = self._before(event)
        kind = change(event.kind, event.payload, before, self.question.reaches)
        if kind is None:
            return None
        return FeedEvent(event.seq, event.time_ms, kind, event.key, event.payload, before)

    def _before(self, event: Event) -> bytes:
        """Give the item before an event; b"" when it was not, or it is not known any more."""
        if event.kind == EventKind.DELETE:
            return event.payload
        if event.kind == EventKind.CREATE or event.prev is None:
            return b""
        try:
            previous = self._previous(event)
            if previous is None or previous.key != event.key or previous.kind == ERASED:
                return b""
            return self._state.present(previous).payload
        except (DamagedLog, SchemaChanged) as error:  # the event itself is whole, and is told
            log.error("what an item was before event %d can't be read: %s", event.seq, error)
            return b""

    def _previous(self, event: Event) -> Event | None:
        assert event.prev is not None, "an update follows another event of its item"
        try:
            return self._log.read(event.prev)
        except Dropped:
            snapshot = self._log.snapshot
            if snapshot is None or event.seq <= snapshot.header.cut:
                return None
            return snapshot.find(event.key)


def _stepped(search: _Search, now_ms: int) -> Read | None:
    """Do a step of a search; gives its answer, a refusal too, when there is one."""
    deadline_ms = search.question.deadline_ms
    try:
        if deadline_ms and now_ms > deadline_ms:
            raise Refusal(504, TOO_LATE)
        return search.step()
    except LithairError as error:
        if isinstance(error, DamagedLog | SchemaChanged):  # of which the asker hears less
            log.error("%s", error)
        return Read(error.status, problem_of(error))
    except Exception:  # a mistake of ours costs this question, not the process and all its callers
        log.exception("a question for changes failed")
        return Read(500, problem_of(Refusal(500, FAILED_HERE)))
