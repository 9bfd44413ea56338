"""Listener process: hands the events of a model to one listener, in order, each at least once.

Owns the cursor. Law: the cursor moves when the listener has returned, or when the event is a dead
letter on the disk; never before. So a process that dies at any moment leaves one event at most that
is handed over again. What is asked of it by files is looked for before the first event, while it
waits for a retry, and each second.

    the log begins behind the cursor  -> from the beginning: the present items first, as creates
                                      -> from now on: goes on with the oldest event there is
    the log ends before the cursor    -> it is another log: goes on at its end
"""

import logging
import time
from typing import Final, NamedTuple

from lithair.actors.hearing import Hearing
from lithair.actors.listener_requests import ListenerRequests
from lithair.actors.listener_row import Row
from lithair.actors.listener_source import ListenerSource, LogExchanged, Stopping
from lithair.client.directory import set_own_server
from lithair.client.walk import Step, Walk
from lithair.core.event import EventKind
from lithair.core.validation import encode_exactly
from lithair.declaration import ListenerDeclaration
from lithair.errors import Dropped, LithairError
from lithair.phase import SERVING
from lithair.process import EXIT_FAILED, Child
from lithair.storage.dead_letters import DeadLetters
from lithair.storage.files import Files, OsFiles
from lithair.storage.listener_cursor import Cursor, CursorFile, DamagedCursor
from lithair.storage.listener_files import ListenerFiles
from lithair.transport.sockets import monotonic_ms
from lithair.wire.messages import FeedEvent

LOOK_MS: Final = 1000  # how late a request of the command line may be seen
SYNC_MS: Final = 100  # how much handled work a power loss may have done again
AWAIT_MS: Final = 250  # the model's process makes the cursor when it has opened its log

WAITING: Final = "waiting for the model's process"

log = logging.getLogger(__name__)


def run(child: Child) -> None:
    """Be the listener that `child` is named after, until it is told to stop."""
    if not child.stopping:
        set_own_server(child.run_dir)
        listen(child, OsFiles())


def listen(child: Child, disk: Files) -> None:
    """The same over any disk."""
    declared = child.declaration.listener(child.name)
    assert declared is not None, f"the declaration has no listener {child.name!r}"
    model = child.declaration.model_of_process(declared.model)
    hearing = Hearing(declared, model)
    source = ListenerSource(child, model.name)
    files = ListenerFiles(disk, model.data_dir, declared.name)
    child.on_leave = hearing.leave
    try:
        cursor = _await_cursor(child, source, files)
        if cursor is not None:
            _listen(child, declared, files, Parts(hearing, source, cursor))
    finally:
        source.close()
        hearing.close()


class Parts(NamedTuple):
    """What a listener's process works with: whom it calls, what it hears, and how far it is."""

    hearing: Hearing
    source: ListenerSource
    cursor: CursorFile


def _await_cursor(child: Child, source: ListenerSource, files: ListenerFiles) -> CursorFile | None:
    child.phase(SERVING)
    while not child.stopping:
        try:
            cursor = files.open_cursor(writable=True)
        except DamagedCursor as error:
            child.fail(str(error), EXIT_FAILED)
        if cursor is not None:
            return cursor
        child.detail = WAITING  # it may take as long as it takes to mend the model
        source.pause(AWAIT_MS)
    return None


def _listen(
    child: Child, declared: ListenerDeclaration, files: ListenerFiles, parts: Parts
) -> None:
    letters = DeadLetters(files.files, files.directory)
    row = Row(child, declared.retries, parts.hearing, files, letters)
    requests = ListenerRequests(child, parts.hearing, files, letters)

    def figures() -> dict[str, object]:
        failures = row.failures + requests.failures
        return {"model": declared.model, "failures": failures, "dead_letters": letters.count}

    child.figures = figures
    child.phase(SERVING)
    try:
        Listener(child, declared, parts, row, requests).run()
    except Stopping:
        pass
    except SystemExit:  # the listener was left in the midst of an event, or has called sys.exit()
        parts.cursor.sync()
        raise
    finally:
        letters.close()
    parts.cursor.sync()
    parts.cursor.close()


class Listener:
    """Works off the events of one model."""

    def __init__(
        self,
        child: Child,
        declared: ListenerDeclaration,
        parts: Parts,
        row: Row,
        requests: ListenerRequests,
    ) -> None:
        self._child = child
        self._is_from_beginning = declared.from_beginning
        self._calls = parts.hearing.calls
        self._source = parts.source
        self._cursor = parts.cursor
        self._row = row
        self._requests = requests
        self._look_at_ms = 0
        self._sync_at_ms = 0

    def run(self) -> None:
        """Work until the process has to stop; raises Stopping."""
        row, cursor = self._row, self._cursor
        row.forget_before(cursor.cursor.seq if cursor.cursor.after is None else 0)
        if cursor.cursor.after is not None:
            self._list()
        self._source.follow(cursor.cursor.seq)
        while not self._child.stopping:
            self._look()
            try:
                fact = self._source.next(self._wait_ms())
            except Dropped as error:
                self._begin_anew(error)
            except LogExchanged as error:
                self._go_back(error)
            else:
                if fact is not None:
                    self._handle(fact, Cursor(fact.seq))
                elif self._source.passed > cursor.cursor.seq:  # what a purge has erased
                    self._move(Cursor(self._source.passed))

    # One event

    def _handle(self, fact: FeedEvent, behind: Cursor) -> None:
        """Hand an event over until it is handled, or given up; raises Stopping."""
        row = self._row
        while not row.attempt(fact):
            wait_ms = row.wait_ms()
            while wait_ms > 0:
                self._look()
                self._source.pause(min(wait_ms, LOOK_MS))
                if self._child.stopping:
                    raise Stopping("the process has to stop")
                wait_ms = row.wait_ms()
        self._move(behind)
        child = self._child
        child.progress += 1
        if child.progress == 1:
            child.phase(SERVING)  # at once: a death after it is none of one that gets nowhere

    def _move(self, cursor: Cursor) -> None:
        self._cursor.move(cursor)
        if monotonic_ms() >= self._sync_at_ms:
            self._sync()

    def _sync(self) -> None:
        self._cursor.sync()
        self._sync_at_ms = monotonic_ms() + SYNC_MS

    def _wait_ms(self) -> int:
        """Sync the cursor if it is time for that; give how long to wait for the next event."""
        now_ms = monotonic_ms()
        if self._cursor.is_synced:
            return max(0, self._look_at_ms - now_ms)
        if now_ms >= self._sync_at_ms:
            self._sync()
        return max(0, min(self._look_at_ms, self._sync_at_ms) - now_ms)

    def _look(self) -> None:
        """Carry out what the command line asks for."""
        now_ms = monotonic_ms()
        if now_ms >= self._look_at_ms:
            self._requests.carry_out()
            self._look_at_ms = monotonic_ms() + LOOK_MS

    # Where to go on

    def _begin_anew(self, dropped: Dropped) -> None:
        """Go on although the next events were compacted away."""
        seq = self._cursor.cursor.seq
        if self._is_from_beginning:
            log.info("the events after %d were compacted away: the present items come first", seq)
            self._list()
        else:
            log.error(
                "the events %d to %d were compacted away before they were handled, while this"
                " listener was not declared: it goes on behind them",
                seq + 1,
                dropped.oldest,
            )
            self._move(Cursor(dropped.oldest))
        self._source.follow(self._cursor.cursor.seq)

    def _go_back(self, why: LogExchanged) -> None:
        """Go on with a log that is another one: where its process has put the cursor."""
        self._source.ask(self._calls.count(None))
        self._cursor.reread()
        seq = self._source.seq
        log.warning("the log ends with event %d, before what was handled: %s", seq, why)
        if seq < self._cursor.cursor.seq:
            self._move(Cursor(seq))
        self._source.follow(self._cursor.cursor.seq)

    def _list(self) -> None:
        """Hand over the present items, as if they had been created now; raises Stopping.

        What changes meanwhile comes as events afterwards: those behind `Cursor.seq`.
        """
        calls = self._calls
        # Items that are created meanwhile are the last ones; their events come anyway.
        left: int = self._source.ask(calls.count(None))
        if self._cursor.cursor.after is None:
            self._move(Cursor(self._source.seq, ""))
        seq, after = self._cursor.cursor
        walk = Walk(calls, after or "")
        while left > 0:
            try:
                page = self._walked(walk.page())
            except Stopping:
                raise
            except LithairError as error:
                log.info("the list of the present items is begun again: %s", error)
                self._source.pause(LOOK_MS)
                walk = Walk(calls)
                continue
            if page is None:
                break
            for item in page:
                if self._child.stopping:
                    raise Stopping("the process has to stop")
                self._look()
                key, now_ms = calls.codec.id_of(item), time.time_ns() // 1_000_000
                payload = encode_exactly(item)
                fact = FeedEvent(seq, now_ms, int(EventKind.CREATE), key, payload, b"")
                self._handle(fact, Cursor(seq, key))
                left -= 1
        self._move(Cursor(seq))
        self._sync()

    def _walked(self, steps: "Step[list[object] | None]") -> "list[object] | None":
        answer: object = None
        while True:
            try:
                call = steps.send(answer)
            except StopIteration as end:
                page: list[object] | None = end.value
                return page
            answer = self._source.ask(call)
