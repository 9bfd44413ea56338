"""Purges as the model process sees them: one after another, each a compaction and an errand.

    requested -> compaction, without the item -> errand over the archive -> answered

Law: an item is purged only after its deletion was committed, so that what the log holds of it lies
before the compaction's cut. What is made anew under its id meanwhile is another item, and stays.
A purge that was cut off is carried on by asking for it again: each step can be done twice.
"""

import logging
from collections import deque
from functools import partial
from typing import Final

import msgspec

from lithair.actors.aside import Aside
from lithair.actors.compaction import Compaction, Tools
from lithair.actors.errand import Done, Failed, PurgeTask, Runs
from lithair.actors.model_reads import convert
from lithair.actors.upkeep import Answer
from lithair.client.answers import Compacted, Purged
from lithair.core.model_state import ModelState
from lithair.core.problem import Refusal, problem_body
from lithair.core.reads import Read
from lithair.errors import LithairError
from lithair.storage.purge import PurgedFiles, PurgePlan, remove_purge_leftovers
from lithair.wire.messages import ReadRequest
from lithair.wire.protocol import TRUSTED

WAITING_MAX: Final = 100  # each is a compaction of its own; past it callers had better come back

log = logging.getLogger(__name__)


class Purging(msgspec.Struct):
    """A purge that was asked for."""

    key: str
    last_seq: int  # of the log when it was asked for: what comes later is not meant
    answer: Answer
    cut: int = 0


class Purges:
    """The purges of one model; `turn` is called by its loop, whenever `fileno` is readable."""

    def __init__(self, state: ModelState, tools: Tools, compaction: Compaction) -> None:
        self._state = state
        self._tools = tools
        self._compaction = compaction
        self._waiting: deque[Purging] = deque()
        self._purging: Purging | None = None
        self._errand: Runs | None = None
        self._aside = Aside("purge")

    def fileno(self) -> int:
        return self._aside.fileno()

    def close(self) -> None:
        """Give up what is under way; it is carried on when it is asked for again."""
        self._end_errand()
        self._aside.close()

    def serve(self, request: ReadRequest, answer: Answer) -> None:
        """Begin the purge of an item that was deleted; raises `Refusal`."""
        key = convert(request.argument, str)
        if request.access != TRUSTED:
            raise Refusal(403, "Items are purged by handles and the command line only")
        if self._state.find(key) is not None:
            raise Refusal(409, f"The item {key!r} is there; delete it, then it can be purged")
        if len(self._waiting) >= WAITING_MAX:
            raise Refusal(503, "Too many purges are waiting; try again later")
        self._waiting.append(Purging(key, self._state.seq, answer))
        if self._purging is None:
            self._begin()

    def turn(self, now_ms: int) -> bool:
        """Look at the errand; nothing is ever left to do at once."""
        self._aside.take()
        if self._errand is None:
            return False
        word = self._errand.poll()
        if word is not None:
            self._end_errand()
            self._take(word)
        return False

    def _begin(self) -> None:
        purging = self._purging = self._waiting.popleft()
        self._compaction.request(False, frozenset((purging.key,)), self._search)

    def _search(self, came: Compacted | LithairError) -> None:
        """Go on with what lies beside the log, once the log itself holds nothing any more."""
        purging = self._purging
        assert purging is not None, "a compaction has ended that no purge has asked for"
        if isinstance(came, LithairError):
            self._fail(came)
            return
        purging.cut = came.seq
        plan = PurgePlan(purging.key, purging.last_seq, came.seq)
        try:
            task = PurgeTask(self._tools.event_log.directory, plan)
            self._errand = self._tools.start_errand(task)
        except LithairError as error:
            self._fail(error)
            return
        self._aside.watch(self._errand.fileno())

    def _end_errand(self) -> None:
        errand, self._errand = self._errand, None
        if errand is not None:
            self._aside.forget(errand.fileno())
            errand.kill()

    def _take(self, word: Done | Failed) -> None:
        if isinstance(word, Failed):
            self._clean(LithairError(word.sentence, status=word.status))
            return
        purging = self._purging
        assert purging is not None, "an errand has ended that no purge has started"
        if self._state.find(purging.key) is None:
            self._state.graves.remove(purging.key)
        files = msgspec.json.decode(word.result, type=PurgedFiles)
        log.info("an item was purged: its events up to %d are gone", purging.last_seq)
        done = Purged(purging.cut, files.segments, files.torn)
        self._answer(Read(200, msgspec.json.encode(done)))

    def _clean(self, error: LithairError) -> None:
        """Remove what a failed errand has left, then say that it has failed."""
        files, directory = self._tools.files, self._tools.event_log.directory

        def fail(other: LithairError) -> None:
            log.warning("what a failed purge has left could not be removed: %s", other)
            self._fail(error)

        act = partial(remove_purge_leftovers, files, directory)
        self._aside.start(act, lambda _: self._fail(error), fail)

    def _fail(self, error: LithairError) -> None:
        log.error("an item was not purged: %s", error)
        self._answer(Read(error.status, problem_body(error.status, f"Not purged: {error}")))

    def _answer(self, read: Read) -> None:
        purging, self._purging = self._purging, None
        assert purging is not None
        purging.answer(read)
        if self._waiting:
            self._begin()
