"""How far a compaction may go: no further than every listener has handled.

Law: a listener is behind by what it is about to be given, so it is waited for a moment; one that is
stuck holds no compaction up, it only keeps what it has not handled. What is asked of the disk is
asked in a thread.
"""

from collections.abc import Callable
from typing import Final

from lithair.actors.aside import Aside
from lithair.actors.listener_watch import Heard, ListenerBehind, ListenerWatch
from lithair.errors import LithairError

HEAR_MS_MAX: Final = 10_000  # a listener that works is there by then; one that does not is stuck
LOOK_MS: Final = 100  # each look syncs the cursors


class CompactionBound:
    """The listeners of one model as its compactions see them; `watch` None: there are none."""

    def __init__(self, watch: ListenerWatch | None, aside: Aside) -> None:
        self._watch = watch
        self._aside = aside
        self._cut = 0
        self._then: Callable[[int], None] | None = None
        self._fail: Callable[[LithairError], None] | None = None
        self._nearest: Callable[[int], int] | None = None
        self._until_ms = self._look_at_ms = 0
        self._is_looking = False

    def ask(
        self,
        cut: int,
        nearest: Callable[[int], int] | None,
        then: Callable[[int], None],
        fail: Callable[[LithairError], None],
    ) -> None:
        """Have `then` called with how far to compact, `cut` at most; in this turn or a later one.

        `nearest` gives the last possible cut up to an event, 0 for none; None: `cut` or nothing.
        `fail` is called with ListenerBehind when a listener is stuck before any of them.
        """
        if self._watch is None:
            then(cut)
            return
        self._cut, self._nearest, self._then, self._fail = cut, nearest, then, fail
        self._until_ms = self._look_at_ms = 0

    def turn(self, now_ms: int) -> None:
        """Look how far the listeners are, if somebody waits for that."""
        if self._then is None or self._is_looking or now_ms < self._look_at_ms:
            return
        if not self._until_ms:
            self._until_ms = now_ms + HEAR_MS_MAX
        assert self._watch is not None, "nobody waits for what is known"
        self._is_looking = True
        self._look_at_ms = now_ms + LOOK_MS
        is_last = now_ms >= self._until_ms
        self._aside.start(
            self._watch.least, lambda heard: self._take(heard, is_last=is_last), self._failed
        )

    def _take(self, heard: Heard, *, is_last: bool) -> None:
        self._is_looking = False
        then, nearest = self._then, self._nearest
        assert then is not None, "somebody waits"
        if heard.seq < self._cut and not is_last:
            return
        cut = self._cut if heard.seq >= self._cut else 0
        if not cut and nearest is not None:
            cut = nearest(heard.seq)
        if cut:
            self._then = None
            then(cut)
            return
        self._failed(
            ListenerBehind(
                f"the listener {heard.name} has not handled the events after {heard.seq} yet, and"
                " what it has not handled is kept: see `lithair listeners`"
            )
        )

    def _failed(self, error: LithairError) -> None:
        self._is_looking = False
        fail, self._then = self._fail, None
        assert fail is not None, "somebody waits"
        fail(error)
