"""Errands that hang: they are ended after a minute, whoever waits is told, nothing is left."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lithair.actors.errand import CompactTask, Errand, Failed, PurgeTask, Task, start_errand
from lithair.actors.silence import LOOK_S_MAX, SILENCE_S_MAX, Silence
from lithair.app import Lithair
from lithair.core.compaction import CompactionPlan
from lithair.declaration import Declaration
from lithair.storage.files import OsFiles
from lithair.wire.messages import Reply
from lithair.wire.protocol import TRUSTED, Verb
from tests.actors.serving import Note, Served
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("no_leaks")

HURRY = 100  # the errand's clock runs so much faster than the test's
LEFT = "left-by-the-errand.snapshot.tmp"


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def stopped(declaration: Declaration, task: Task, clock: Callable[[], float]) -> Errand:
    """Start an errand that hangs from the beginning."""
    errand = start_errand(declaration, "notes", "errand of notes", task, clock)
    os.kill(errand.pid, signal.SIGSTOP)
    return errand


def declared(directory: Path) -> Lithair:
    return Lithair().with_model(Note, directory, "/api/notes")


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[tuple[Errand, Clock]]:
    clock = Clock()
    task = CompactTask(str(tmp_path / "nothing"), CompactionPlan(1, 1))
    errand = stopped(declared(tmp_path).declaration({}, {}), task, clock)
    yield errand, clock
    errand.kill()
    assert not psutil.pid_exists(errand.pid)


def looks(errand: Errand, clock: Clock, seconds: int) -> Failed | None:
    """Let time pass, looking each second; gives what the last look found."""
    word = None
    for _ in range(seconds):
        assert word is None
        clock.now_s += 1
        found = errand.poll()
        assert found is None or isinstance(found, Failed)
        word = found
    return word


def test_an_errand_that_makes_no_progress_for_a_minute_has_failed(
    hung: tuple[Errand, Clock],
) -> None:
    errand, clock = hung
    errand.poll()  # what it may have said before it was stopped
    word = looks(errand, clock, int(SILENCE_S_MAX))
    assert word is not None
    assert (word.status, "no progress for 60 s" in word.sentence) == (503, True)


def test_an_errand_that_goes_on_in_time_is_waited_for(hung: tuple[Errand, Clock]) -> None:
    errand, clock = hung
    errand.poll()
    assert looks(errand, clock, int(SILENCE_S_MAX) - 1) is None
    os.kill(errand.pid, signal.SIGCONT)

    def look() -> bool:
        word = errand.poll()  # time stands still
        return isinstance(word, Failed) and "nothing" in word.sentence

    wait_until(look, "its own last word", 30)


def test_a_stretch_in_which_nobody_looked_is_not_held_against_anybody() -> None:
    clock = Clock()
    silence = Silence(clock)
    clock.now_s += 10 * SILENCE_S_MAX
    assert not silence.is_too_long()
    for _ in range(int(SILENCE_S_MAX / LOOK_S_MAX) - 2):
        clock.now_s += LOOK_S_MAX
        assert not silence.is_too_long()
    silence.end()
    clock.now_s += LOOK_S_MAX
    assert not silence.is_too_long()


class Hanging(Served):
    """A served model on the real disk, whose next errands of one kind hang."""

    access = TRUSTED

    def __init__(self, run_dir: Path, hangs: type[Task]) -> None:
        self.data = run_dir / "data"
        self.hangs: type[Task] | None = hangs
        app = declared(self.data)
        self.declaration = app.declaration({}, {})
        super().__init__(app, "notes", run_dir, OsFiles(), self._start_errand)

    def _start_errand(self, task: Task) -> Errand:
        if self.hangs is not None and isinstance(task, self.hangs):
            return stopped(self.declaration, task, lambda: HURRY * time.monotonic())
        return start_errand(self.declaration, "notes", "errand of notes", task)

    def ask_patiently(self, verb: Verb, argument: str | tuple[tuple[str, str], ...]) -> Reply:
        return wait_until(self.start(verb, argument, 30), f"the answer to {verb.name}", 30)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[type[Task]], Hanging]]:
    served: list[Hanging] = []

    def start(hangs: type[Task]) -> Hanging:
        served.append(Hanging(tmp_path, hangs))
        return served[0]

    yield start
    served[0].stop()


def test_a_hung_compaction_is_ended_and_the_next_one_works(
    start: Callable[[type[Task]], Hanging],
) -> None:
    served = start(CompactTask)
    served.write(Verb.CREATE, {"id": "one", "text": "stays"})
    (served.data / LEFT).write_bytes(b"half a snapshot")
    reply = served.ask_patiently(Verb.COMPACT, ())
    assert (reply.status, b"was ended: nothing was compacted" in reply.body) == (503, True)
    assert not (served.data / LEFT).exists()
    assert served.ask(Verb.GET, "one").status == 200
    served.hangs = None
    assert served.ask_patiently(Verb.COMPACT, ()).status == 200


def test_a_hung_purge_is_ended_and_can_be_asked_for_again(
    start: Callable[[type[Task]], Hanging],
) -> None:
    served = start(PurgeTask)
    served.write(Verb.CREATE, {"id": "gone", "text": "the canary"})
    assert served.ask_patiently(Verb.COMPACT, (("keep_history", "true"),)).status == 200
    served.write(Verb.DELETE, key="gone")
    left = served.data / "archive" / LEFT
    left.write_bytes(b"the canary, in half a segment")
    reply = served.ask_patiently(Verb.PURGE, "gone")
    assert (reply.status, b"no progress" in reply.body) == (503, True)
    assert not left.exists()
    served.hangs = None
    assert served.ask_patiently(Verb.PURGE, "gone").status == 200
    found = [path for path in served.data.rglob("*") if path.is_file()]
    assert [path for path in found if b"the canary" in path.read_bytes()] == []
