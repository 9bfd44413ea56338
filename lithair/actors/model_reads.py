"""The reads of a model process: what each verb asks, answered at once or by a job in slices.

Law: a read is answered from the committed state, whatever the disk does with the next writes; what
takes more than a moment becomes a job.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import msgspec
import uuid_utils

from lithair.actors.item_past import HistoryWork, PastItemWork, check_as_of, is_as_it_was
from lithair.actors.model_figures import FiguresSource
from lithair.actors.model_jobs import Job, Jobs, RandomWork
from lithair.actors.model_lists import ModelLists
from lithair.actors.time_travel import PastQuestion, TimeTravel
from lithair.core import reads
from lithair.core.as_of import AsOf
from lithair.core.kept_lists import Asked
from lithair.core.model_state import ModelState
from lithair.core.problem import Refusal
from lithair.core.query import Query
from lithair.core.reads import Read
from lithair.core.view import View
from lithair.storage.event_log import EventLog
from lithair.wire.codec import encode_events
from lithair.wire.messages import ReadRequest, Request, WireEvent
from lithair.wire.protocol import Verb

ITEMS_MAX = 1 << 53  # of a model; more than there can be
EVENTS_BYTES_MAX = 4 << 20  # of one answer to EVENTS; the caller asks on from the last seq it got


class Limits(msgspec.Struct, frozen=True):
    """What one answer may hold."""

    list_bytes_max: int


class ModelReads:
    """Answers the reads of one model."""

    def __init__(
        self,
        figures: FiguresSource,
        state: ModelState,
        event_log: EventLog,
        jobs: Jobs,
        limits: Limits,
    ) -> None:
        self._figures = figures
        self._state = state
        self._at_hand = state.payload_at_hand
        self.late: list[tuple[bytes, ReadRequest]] = []  # the disk was asked for what they want
        self._log = event_log
        self._jobs = jobs
        self._lists = ModelLists(state, limits.list_bytes_max)
        self.past: TimeTravel | None = None  # set by whoever can start processes

    def take(self, peer: bytes, request: ReadRequest) -> Read | None:
        """Answer a read; None when a job will, or when it wants no answer. Raises LithairError."""
        act = READS.get(request.verb)
        if act is None or not may_ask(self._state.views[request.access], request):
            raise unknown(request)
        if request.verb not in UNCOUNTED:
            self._figures.counting.reads += 1
        return act(self, peer, request)

    def take_late(self, _peer: bytes, request: ReadRequest) -> Read:
        """Answer one of `late`, and wait for the disk if that must be. Raises LithairError."""
        argument, access = request.argument, request.access
        if isinstance(argument, str):
            return reads.get(self._state, argument, access)
        key, pairs = convert(argument, tuple[str, list[tuple[str, str]]])
        fields = self._state.views[access].queries.read_item(pairs).fields
        return reads.get(self._state, key, access, fields)

    def _get(self, peer: bytes, request: ReadRequest) -> Read | None:
        argument = request.argument
        if isinstance(argument, str):
            return self._got(peer, request, argument)
        key, pairs = convert(argument, tuple[str, list[tuple[str, str]]])
        query = self._state.views[request.access].queries.read_item(pairs)
        if query.as_of is None:
            return self._got(peer, request, key, query.fields)
        check_as_of(query.as_of, self._state, self._log)
        if is_as_it_was(key, query.as_of, self._state):  # now, and maybe not a moment later
            return reads.get(self._state, key, request.access, query.fields)
        work = PastItemWork(self._state, self._log, key, query, request.access)
        self._jobs.add(Job(peer, request.request_id, request.deadline_ms, work))
        return None

    def _got(
        self, peer: bytes, request: ReadRequest, key: str, fields: frozenset[str] | None = None
    ) -> Read | None:
        """Give an item; one that is not at hand is being fetched, and late: others needn't wait."""
        read = reads.get_with(self._at_hand, self._state, key, request.access, fields)
        if read is None:
            self.late.append((peer, request))
        return read

    def _list(self, peer: bytes, request: ReadRequest) -> Read | None:
        return self._look_up(peer, request, is_count=False)

    def _count(self, peer: bytes, request: ReadRequest) -> Read | None:
        return self._look_up(peer, request, is_count=True)

    def _look_up(self, peer: bytes, request: ReadRequest, *, is_count: bool) -> Read | None:
        """List or count; now, or as it was."""
        pairs = convert(request.argument, tuple[tuple[str, str], ...])
        asked = Asked(request.access, pairs, is_count)
        answer = self._lists.find(asked)
        if answer is not None:
            return answer
        query = self._lists.query(asked)
        if query.as_of is None or _is_to_come(query.as_of):
            work = self._lists.work(asked, query)
            self._jobs.add(Job(peer, request.request_id, request.deadline_ms, work))
            return None
        if self.past is None:
            raise Refusal(503, "This process can't look into the past")
        request_id, _, deadline_ms, access, _ = request
        self.past.ask(
            PastQuestion(peer, request_id, deadline_ms, access, pairs, query.as_of, is_count)
        )
        return None

    def _history(self, peer: bytes, request: ReadRequest) -> None:
        key = _text(request.argument)
        work = HistoryWork(self._state, self._log, key, request.access)
        self._jobs.add(Job(peer, request.request_id, request.deadline_ms, work))

    def _random(self, peer: bytes, request: ReadRequest) -> Read | None:
        draw = (uuid_utils.uuid4().int >> 75) / (1 << 53)  # below 1, whatever is drawn
        own = self._state.views[request.access].own
        if own is None:
            return reads.random_id(self._state, draw)
        work = RandomWork(self._state, Query(own=own, take=ITEMS_MAX), draw)
        self._jobs.add(Job(peer, request.request_id, request.deadline_ms, work))
        return None

    def _exists(self, peer: bytes, request: ReadRequest) -> Read:
        return reads.exists(self._state, convert(request.argument, list[str]))

    def _events(self, peer: bytes, request: ReadRequest) -> Read:
        """Give events after a seq, committed ones only: the log may be a batch ahead."""
        since, events_max = convert(request.argument, tuple[int, int])
        events = self._log.events_since(since, events_max, EVENTS_BYTES_MAX)
        return Read(
            200,
            encode_events(
                WireEvent(e.seq, e.time_ms, e.kind, e.key, self._state.present(e).payload)
                for e in events
                if e.seq <= self._state.seq
            ),
        )

    def _stats(self, peer: bytes, request: ReadRequest) -> Read:
        return self._figures.read()

    def _hello(self, peer: bytes, request: ReadRequest) -> Read:
        return Read(200, msgspec.json.encode({"model": self._figures.name, "seq": self._state.seq}))

    def _describe(self, peer: bytes, request: ReadRequest) -> Read:
        schema = self._state.schema
        told = {
            "model": self._figures.name,
            "key": schema.key.wire,
            "fields": [field.wire for field in schema.fields],
            "schema": msgspec.Raw(schema.description),
        }
        return Read(200, msgspec.json.encode(told))

    def _cancel(self, peer: bytes, request: ReadRequest) -> None:
        request_id = convert(request.argument, int)
        self._jobs.cancel(peer, request_id)
        if self.past is not None:
            self.past.cancel(peer, request_id)


def may_ask(view: View, request: Request) -> bool:
    """Tell whether a caller with a role may ask for such a thing at all; the others always may."""
    return view.grants is None or request.verb in OF_ROLES


def unknown(request: Request) -> Refusal:
    """Refuse what this process does not know."""
    return Refusal(
        400,
        f"This process does not know the verb {request.verb} with access {request.access!r}",
    )


def _is_to_come(as_of: AsOf) -> bool:
    """Tell whether a time lies in the future: that is the present, as long as the list takes."""
    return not as_of.is_seq and as_of.time_ms > time.time_ns() // 1_000_000


T = TypeVar("T")


def convert(argument: object, kind: type[T]) -> T:
    """Read a request's argument; raises `Refusal` 400."""
    try:
        return msgspec.convert(argument, kind)
    except msgspec.ValidationError as error:
        raise Refusal(400, f"The argument of this request is not understood: {error}") from None


def _text(argument: object) -> str:
    return convert(argument, str)


Act = Callable[[ModelReads, bytes, ReadRequest], Read | None]

# They are not about items.
UNCOUNTED = frozenset((Verb.STATS, Verb.HELLO, Verb.DESCRIBE, Verb.CANCEL))

# What callers with a role may ask; nothing else looks at what they may see.
OF_ROLES = frozenset(
    (
        Verb.GET,
        Verb.LIST,
        Verb.COUNT,
        Verb.RANDOM,
        Verb.HISTORY,
        Verb.CREATE,
        Verb.REPLACE,
        Verb.PATCH,
        Verb.DELETE,
        Verb.BULK,
    )
)

READS: dict[int, Act] = {
    Verb.GET: ModelReads._get,
    Verb.LIST: ModelReads._list,
    Verb.COUNT: ModelReads._count,
    Verb.RANDOM: ModelReads._random,
    Verb.HISTORY: ModelReads._history,
    Verb.EVENTS: ModelReads._events,
    Verb.EXISTS: ModelReads._exists,
    Verb.STATS: ModelReads._stats,
    Verb.HELLO: ModelReads._hello,
    Verb.DESCRIBE: ModelReads._describe,
    Verb.CANCEL: ModelReads._cancel,
}
