"""Compaction as the model process sees it: its steps, one after another, beside reads and writes.

    IDLE -> SEALING -> HEARING -> MERGING -> STAGING -> ADOPTING -> WAITING -> INSTALLING
         -> REMOVING -> IDLE              any of them, on an error  ->  CLEANING -> IDLE

Law: the loop waits for none of them: what changes the log is done by the log writer's thread
between batches, the merge by a process of its own, files are read and removed in threads, places
are switched in slices. Until INSTALLING no byte of the log is given up; whatever fails before
leaves everything as it was. It goes no further than every listener has handled.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeVar

import msgspec

from lithair.actors.aside import Aside
from lithair.actors.compaction_bound import CompactionBound
from lithair.actors.compaction_schedule import CompactionSchedule
from lithair.actors.compaction_wanted import OnDone, Step, Tools, Wanted
from lithair.actors.errand import CompactTask, Done, Failed, Runs
from lithair.actors.listener_watch import ListenerBehind
from lithair.actors.model_reads import convert
from lithair.actors.upkeep import Answer
from lithair.client.answers import Compacted
from lithair.core.figures import CompactionFigures
from lithair.core.model_state import ModelState
from lithair.core.problem import Refusal, problem_body
from lithair.core.reads import Read
from lithair.core.snapshot import ItemBlock
from lithair.declaration import CompactionDeclaration
from lithair.errors import LithairError
from lithair.storage.compaction import CompactionPlan, remove_leftovers
from lithair.storage.files import Files
from lithair.storage.removal import remove_gently
from lithair.storage.snapshot import Snapshot, snapshot_name
from lithair.wire.messages import ReadRequest

ADOPT_ROWS: Final = 512  # whose places are switched at once: 0.2 to 0.6 ms
REST_S: Final = 0.002  # between two of these, and two steps of removing files: others come first

KEEP_HISTORY: Final = ("keep_history", "true")
DROP_HISTORY: Final = ("keep_history", "false")

# For whoever asked; what has failed names files, and is for the log.
OUTWARD: Final = {
    503: "The compaction was ended: nothing was compacted. The server's log says why",
    507: "The disk is full: nothing was compacted. The server's log says how much is missing",
}
FAILED: Final = "Nothing was compacted. The server's log says why"
BROKEN: Final = "A compaction has failed half-way. Restart the model's process; its log says why"

BlockPart = tuple[ItemBlock, int]  # of the rows from there on
T = TypeVar("T")

__all__ = ["Compaction", "Tools"]

log = logging.getLogger(__name__)


class Compaction:
    """The compactions of one model; `turn` is called by its loop, whenever `fileno` is readable."""

    def __init__(
        self, state: ModelState, tools: Tools, automatic: CompactionDeclaration | None
    ) -> None:
        self._state = state
        self._tools = tools
        self._log = tools.event_log
        self._schedule = CompactionSchedule(automatic) if automatic else None
        self._step = Step.IDLE
        self._wanted: Wanted | None = None  # under way
        self._next: Wanted | None = None  # what that one does not do
        self._completed = 0
        self._broken = ""  # why there will be none any more before the process starts again
        self._cut = self._parity = self._size_before = 0
        self._sealed = 0  # the last event that was sealed for a compaction
        self._begun_s = 0.0
        self._name = ""
        self._begun_reads = 0  # up to this one they go by the old places
        self._errand: Runs | None = None
        self._parts: Iterator[BlockPart] = iter(())
        self._part: BlockPart | None = None
        self._aside = Aside("compaction")
        self._bound = CompactionBound(tools.listeners, self._aside)

    def fileno(self) -> int:
        return self._aside.fileno()

    @property
    def figures(self) -> CompactionFigures:
        snapshot = self._log.snapshot
        return CompactionFigures(
            self._completed,
            snapshot.header.created_ms if snapshot else None,
            self._step is not Step.IDLE,
            self._state.seq - self._log.cut,
        )

    @property
    def progress(self) -> float:
        """How much of the merge is done, from 0 to 1."""
        if self._errand is None:
            return 0.0
        return self._errand.progress.done / max(1, self._errand.progress.total)

    def request(self, keep_history: bool, purge: frozenset[str], on_done: OnDone) -> None:
        """Ask for a compaction; one that runs is joined when it does what is asked.

        Where the application keeps history, every compaction does. `on_done` is called in a turn,
        or at once when there is nothing to do.
        """
        is_kept = self._schedule is not None and self._schedule.keep_history
        wanted = Wanted(keep_history or is_kept, purge, [on_done])
        if self._wanted is None:
            self._begin(wanted)
        elif self._wanted.covers(wanted):
            self._wanted.join(wanted)
        elif self._next is None:
            self._next = wanted
        else:
            self._next.join(wanted)

    def serve(self, request: ReadRequest, answer: Answer) -> None:
        """Do what a request asks for; raises `Refusal` when it is not understood."""
        pairs = convert(request.argument or (), list[tuple[str, str]])
        if any(pair not in (KEEP_HISTORY, DROP_HISTORY) for pair in pairs):
            raise Refusal(400, f"compact: {pairs} is not understood: write keep_history=true")

        def on_done(came: Compacted | LithairError) -> None:
            if isinstance(came, Compacted):
                answer(Read(200, msgspec.json.encode(came)))
            else:
                sentence = BROKEN if self._broken else OUTWARD.get(came.status, FAILED)
                if isinstance(came, ListenerBehind):
                    sentence = f"Nothing was compacted: {came}"
                answer(Read(came.status, problem_body(came.status, sentence)))

        self.request(KEEP_HISTORY in pairs, frozenset(), on_done)

    def turn(self, now_ms: int) -> bool:
        """Do what can be done now; there is never more at once. Raises SyncFailed."""
        self._aside.take()
        if self._step is Step.MERGING:
            self._look_at_errand()
        self._look_at_clock(now_ms)
        if self._step is Step.HEARING:
            self._bound.turn(now_ms)
        if self._step is Step.ADOPTING:
            self._adopt()
        if self._step is Step.WAITING and self._tools.readers.are_over(self._begun_reads):
            self._install()
        return False

    def close(self) -> None:
        """Give up what is under way; the log is as it was, or as it will be found."""
        self._end_errand()
        self._aside.close()

    def _ask_writer(self, act: Callable[[], T], then: Callable[[T], None]) -> None:
        self._tools.writer.ask(partial(self._aside.bring, act, then, self._fail))

    def _start_thread(self, act: Callable[[], T], then: Callable[[T], None]) -> None:
        self._aside.start(act, then, self._fail)

    # The steps

    def _look_at_clock(self, now_ms: int) -> None:
        schedule = self._schedule
        if schedule is None or self._wanted is not None or self._broken:
            return
        if schedule.is_due(now_ms, self._state.seq, self._log.cut):
            self._begin(Wanted(schedule.keep_history, frozenset(), [], is_automatic=True))

    def _begin(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._begun_s = time.monotonic()
        self._size_before = self._log.size_bytes
        self._cut = self._log.cut
        if self._broken:
            self._fail(LithairError(f"{self._broken} Restart the model's process", status=503))
        elif self._state.seq == self._log.cut and not wanted.purge:
            self._finish()
        else:
            self._step = Step.SEALING
            if wanted.is_automatic and self._has_sealed_enough():
                self._hear(self._sealed)
            else:
                self._ask_writer(self._log.seal, self._hear)

    def _has_sealed_enough(self) -> bool:
        """Tell whether what an attempt before has sealed is still to be merged, and worth it.

        A segment more for each attempt would leave a log that can't be compacted in crumbs.
        """
        assert self._schedule is not None, "nothing is automatic without"
        new = self._state.seq - self._sealed
        return self._sealed > self._log.cut and new < self._schedule.events

    def _hear(self, sealed: int) -> None:
        assert self._wanted is not None
        self._sealed = sealed
        self._step = Step.HEARING
        is_kept = self._wanted.keep_history or self._log.has_archive
        if self._wanted.purge:  # wholly or not at all: the item's last event may be the last of all
            self._bound.ask(sealed, None, self._merge, self._fail)
        elif is_kept:  # listeners read the archive
            self._merge(sealed)
        else:
            self._bound.ask(sealed, self._nearest_cut, self._merge, self._fail)

    def _nearest_cut(self, seq: int) -> int:
        """Give where the last segment ends that is not written any more, up to `seq`; 0: none."""
        cut = self._log.last_sealed(seq)
        return cut if cut > self._log.cut else 0

    def _merge(self, cut: int) -> None:
        assert self._wanted is not None
        self._cut = cut
        self._wanted.keep_history |= self._log.has_archive
        now_ms = time.time_ns() // 1_000_000
        plan = CompactionPlan(
            cut, now_ms, self._wanted.keep_history, tuple(sorted(self._wanted.purge))
        )
        try:
            self._errand = self._tools.start_errand(CompactTask(self._log.directory, plan))
        except LithairError as error:
            self._fail(error)
            return
        self._step = Step.MERGING
        self._aside.watch(self._errand.fileno())

    def _look_at_errand(self) -> None:
        assert self._errand is not None
        word = self._errand.poll()
        if word is None:
            return
        self._end_errand()
        if isinstance(word, Failed):
            self._fail(LithairError(word.sentence, status=word.status))
            return
        assert isinstance(word, Done)
        self._name = word.result.decode()
        self._step = Step.STAGING
        self._ask_writer(lambda: self._log.stage(self._name), self._open_parts)

    def _end_errand(self) -> None:
        errand, self._errand = self._errand, None
        if errand is not None:
            self._aside.forget(errand.fileno())
            errand.kill()

    def _open_parts(self, parity: int) -> None:
        self._parity = parity
        self._step = Step.ADOPTING
        self._parts = _parts_of(self._tools.files, self._log.directory, self._name)
        self._start_thread(lambda: next(self._parts, None), self._take_part)

    def _take_part(self, part: BlockPart | None) -> None:
        self._part = part
        if part is None:
            self._step = Step.WAITING
            self._begun_reads = self._tools.readers.begun

    def _adopt(self) -> None:
        """Switch the places of some items, and rest before the next ones."""
        if self._part is None or self._state.seq < self._cut:  # the last batch is not taken in yet
            return
        block, row = self._part
        self._part = None
        self._state.adopt(block, self._parity, row, ADOPT_ROWS)
        self._start_thread(lambda: next(self._parts, None), self._take_part)

    def _install(self) -> None:
        assert self._wanted is not None
        self._step = Step.INSTALLING
        keep_history = self._wanted.keep_history
        self._ask_writer(lambda: self._log.install(keep_history=keep_history), self._remove)

    def _remove(self, paths: list[str]) -> None:
        assert self._wanted is not None
        self._step = Step.REMOVING
        if not self._wanted.keep_history:
            self._state.forget_graves(self._cut)
        files, directory = self._tools.files, self._log.directory
        # A purge of what was compacted already has the same cut: the name of what it replaces.
        unwanted = [path for path in paths if path != os.path.join(directory, self._name)]
        rest = partial(time.sleep, REST_S)
        remove = partial(remove_gently, files, directory, unwanted, rest)
        self._start_thread(remove, lambda _: self._complete())

    def _complete(self) -> None:
        self._completed += 1
        if self._schedule is not None:
            self._schedule.succeeded()
        self._finish()

    # The end of one

    def _finish(self) -> None:
        took_ms = int((time.monotonic() - self._begun_s) * 1000)
        done = Compacted(self._cut, self._size_before, self._log.size_bytes, took_ms)
        if self._step is not Step.IDLE:
            log.info(
                "the log was compacted up to event %d: from %d to %d bytes, in %d ms",
                *msgspec.structs.astuple(done),
            )
        self._answer(done)

    def _fail(self, error: LithairError) -> None:
        log.error("the log was not compacted: %s", error)
        step = self._step
        if step is Step.REMOVING:  # the rest goes at the next opening; this one is done
            self._complete()
            return
        if self._schedule is not None and self._wanted is not None and self._wanted.is_automatic:
            self._schedule.failed()
        if step in (Step.ADOPTING, Step.WAITING, Step.INSTALLING):
            self._broken = f"A compaction has failed half-way: {error}."
        self._part = None
        if step in (Step.MERGING, Step.STAGING, Step.ADOPTING):
            self._step = Step.CLEANING  # before another one may begin
            is_present = self._name == snapshot_name(self._log.cut)  # see `_remove`
            unwanted = "" if step is Step.MERGING or is_present else self._name
            self._start_thread(partial(self._clean, unwanted), lambda _: self._answer(error))
        else:
            self._answer(error)

    def _clean(self, name: str) -> None:
        """Remove what a failed compaction has left; nobody would use it."""
        try:
            remove_leftovers(self._tools.files, self._log.directory)
            if name:
                self._tools.files.remove(os.path.join(self._log.directory, name))
        except OSError as error:
            log.warning("what a failed compaction has left could not be removed: %s", error)

    def _answer(self, came: Compacted | LithairError) -> None:
        wanted, self._wanted, self._step = self._wanted, None, Step.IDLE
        assert wanted is not None
        for on_done in wanted.waiting:
            on_done(came)
        wanted, self._next = self._next, None
        if wanted is not None:
            self._begin(wanted)


def _parts_of(files: Files, directory: str, name: str) -> Iterator[BlockPart]:
    """Read the index of a snapshot, in parts that are switched to at once, with rests between."""
    snapshot = Snapshot.open(files, directory, name)
    try:
        for block in snapshot.items():
            for row in range(0, len(block.keys), ADOPT_ROWS):
                yield block, row
                time.sleep(REST_S)
    finally:
        snapshot.close()
