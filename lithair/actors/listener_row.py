"""A listener's tries at one event: what it raises, when it is tried again, when it is given up.

Owns the row of failures (`core.listening` decides), in memory and in the file `failing`. Law: a try
is made only when it is due, and an event is given up only as a dead letter on the disk. A row
outlives the process: what has failed three times has failed three times, whoever tries next.
"""

import logging
import time
from typing import Final

from lithair.actors.hearing import Hearing
from lithair.core.listening import Failing, Retries, Then, failed, then, wait_ms
from lithair.process import Child
from lithair.storage.dead_letters import DeadLetters
from lithair.storage.listener_files import ListenerFiles
from lithair.webhooks.sender import NotDelivered
from lithair.wire.messages import FeedEvent

LOOK_MS: Final = 1000  # how late it is seen that a listener was enabled, or told to skip
SKIPPED: Final = "skipped by `lithair listeners skip`"

log = logging.getLogger(__name__)


class Row:
    """The failures at the present event of one listener."""

    def __init__(
        self,
        child: Child,
        retries: Retries,
        hearing: Hearing,
        files: ListenerFiles,
        letters: DeadLetters,
    ) -> None:
        self.failures = 0
        self._child = child
        self._retries = retries
        self._hearing = hearing
        self._files = files
        self._letters = letters
        self._failing = files.failing()
        self._is_kept = self._failing is not None  # in the file, which somebody may remove
        self._is_new = True  # nothing was tried in this life of the process

    def forget_before(self, seq: int) -> None:
        """Forget a row of an event that is done with: its process died before it could."""
        if self._failing is not None and self._failing.seq <= seq:
            self._end()

    def attempt(self, fact: FeedEvent) -> bool:
        """Try an event if that is due; tells whether it is done with."""
        if self._failing is not None or self._is_new:
            self._is_new = False
            if self._is_skipped(fact):
                return True
            self._reread(fact.seq)
            if self.wait_ms() > 0:
                self._show()  # a row that another life of the process has left
                return False
        try:
            self._hearing.hear(fact)
        except Exception as error:  # noqa: BLE001 - the loop of this process: it is logged below
            return self._fail(fact, error)
        if self._failing is not None:
            log.info("event %d was handled after %d failures", fact.seq, self._failing.tries)
            self._end()
        return True

    def wait_ms(self) -> int:
        """Give how long to wait before the next attempt, at most until somebody may want it."""
        failing = self._failing
        if failing is None:
            return 0
        if self._is_kept and self._files.failing() is None:
            log.info("enabled: event %d is tried again at once", failing.seq)
            self._failing = None
            self._child.detail = ""
            return 0
        skip = self._files.skip()
        if skip is not None and skip.seq == failing.seq:
            return 0
        if failing.disabled_ms is not None:
            return LOOK_MS
        whole_ms = wait_ms(self._retries, failing.tries)
        return min(whole_ms, failing.last_ms + whole_ms - _now_ms())

    def _reread(self, seq: int) -> None:
        """See whether the row on the disk is about this event."""
        if self._failing is not None and self._failing.seq != seq:
            self._end()

    def _is_skipped(self, fact: FeedEvent) -> bool:
        skip = self._files.skip()
        if skip is None or skip.seq > fact.seq:
            return False
        if skip.seq == fact.seq:
            before = self._failing
            error = SKIPPED if before is None else f"{SKIPPED}; {before.error}"
            if not self._is_buried(fact, error, 0 if before is None else before.tries):
                return False
            self._end()
        self._files.end_skip()
        return skip.seq == fact.seq

    def _fail(self, fact: FeedEvent, error: Exception) -> bool:
        """Note a failure; tells whether the event is given up."""
        self.failures += 1
        text = f"{type(error).__name__}: {error}"
        failing = failed(self._retries, self._failing, fact.seq, text, _now_ms())
        what = then(self._retries, failing)
        log.warning(
            "failed at event %d, try %d: %s",
            fact.seq,
            failing.tries,
            text,
            exc_info=None if failing.tries > 1 or isinstance(error, NotDelivered) else error,
        )
        if what is Then.DEAD_LETTER and self._is_buried(fact, failing.error, failing.tries):
            if self._failing is not None:
                self._end()
            return True
        self._keep(failing)
        if what is Then.DISABLE:
            name = self._child.name
            log.error("disabled; when it can go on, run: lithair listeners enable %s", name)
        return False

    def _is_buried(self, fact: FeedEvent, error: str, tries: int) -> bool:
        """Make an event a dead letter; tells whether that could be done."""
        try:
            self._letters.append(self._hearing.letter_of(fact, error, tries, _now_ms()))
        except OSError as failure:  # a full disk: it is tried again, and given up another time
            log.error("event %d can't be given up: %s", fact.seq, failure)
            return False
        log.error("event %d was given up: it is in the dead letters", fact.seq)
        return True

    def _keep(self, failing: Failing) -> None:
        self._failing = failing
        self._show()
        try:
            self._files.keep_failing(failing)
            self._is_kept = True
        except OSError as error:  # a full disk: it is tried again all the same
            self._is_kept = False
            log.warning("the failure can't be kept: %s", error)

    def _show(self) -> None:
        assert self._failing is not None, "a row"
        self._child.detail = _told(self._failing, self._retries)

    def _end(self) -> None:
        self._failing = None
        self._child.detail = ""
        self._files.end_failing()


def _told(failing: Failing, retries: Retries) -> str:
    """Say for `lithair status` how it stands."""
    tries = "once" if failing.tries == 1 else f"{failing.tries} times"
    told = f"failed {tries} at event {failing.seq}: {failing.error}"
    if failing.disabled_ms is not None:
        return f"disabled: {told}"
    return f"{told}; tried again every {wait_ms(retries, failing.tries) / 1000:g} s"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
