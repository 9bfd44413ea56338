"""Logs are compacted by themselves: every so many seconds, when enough events came."""

from collections.abc import Iterator

import pytest

from lithair.actors.compaction import Compaction, Tools
from lithair.actors.log_loading import load
from lithair.actors.log_writer import LogWriter
from lithair.actors.model_jobs import Jobs
from lithair.app import Lithair
from lithair.core.event import Event, EventKind
from lithair.core.model_state import ModelState
from lithair.declaration import CompactionDeclaration
from lithair.storage.event_log import Appended, EventLog, LogOptions, LogStamp
from lithair.storage.snapshot import snapshot_names
from tests.actors.errands import Errands
from tests.actors.serving import Note
from tests.support.simulated_files import Failure, SimulatedFiles
from tests.support.waiting import wait_until

EVERY_MS = 300_000


class Model:
    """A model's state, log and compaction, with a clock that the test tells."""

    def __init__(self, keep_history: bool = False) -> None:
        (model,) = Lithair().with_model(Note, "/data", "/notes").declaration({}, {}).models
        self.disk = SimulatedFiles()
        self.state = ModelState(model.handler, 1000)
        schema = self.state.schema
        stamp = LogStamp(schema.name, schema.fingerprint, schema.description)
        self.log = EventLog.open(self.disk, "/data", stamp, LogOptions(lock_wait_s=0), 1)
        load(self.log, self.state, 1, lambda: None)
        self.writer = LogWriter(self.log, "always")
        self.writer.start()
        self.errands = Errands(self.disk, model)
        jobs = Jobs(lambda _job, _read: None)  # none are ever begun
        tools = Tools(self.log, self.writer, self.disk, self.errands.start, jobs)
        automatic = CompactionDeclaration(10, EVERY_MS / 1000, keep_history)
        self.compaction = Compaction(self.state, tools, automatic)

    def write(self, count: int) -> None:
        first = self.state.seq + 1
        for seq in range(first, first + count):
            event = Event(seq, seq, EventKind.CREATE, f"n{seq}", b'{"id":"n%d","text":""}' % seq)
            self.writer.submit([event])
            done = wait_until(self.writer.take, "the write")
            assert isinstance(done, Appended)
            self.state._take_in(event, done.placed[0])

    def turn(self, now_ms: int) -> int:
        """Turn until nothing is under way; gives how many compactions were completed by then."""

        def look() -> bool:
            self.compaction.turn(now_ms)
            return not self.compaction.figures.is_running

        wait_until(look, "the compaction")
        return self.compaction.figures.completed

    def close(self) -> None:
        self.compaction.close()
        self.writer.close()
        self.log.close()


@pytest.fixture
def model() -> Iterator[Model]:
    model = Model()
    yield model
    model.close()


def test_enough_events_are_compacted_when_it_is_time(model: Model) -> None:
    assert model.turn(5_000) == 0
    model.write(10)
    assert model.turn(5_000 + EVERY_MS - 1) == 0
    assert model.turn(5_000 + EVERY_MS) == 1
    assert model.log.cut == 10
    assert len(model.errands.tasks) == 1


def test_too_few_events_wait_for_the_next_time(model: Model) -> None:
    model.turn(0)
    model.write(9)
    assert model.turn(EVERY_MS) == 0
    model.write(1)
    assert model.turn(EVERY_MS + 1000) == 0
    assert model.turn(2 * EVERY_MS) == 1
    assert model.turn(3 * EVERY_MS) == 1  # nothing is new


def test_a_failure_is_tried_again_the_next_time(model: Model) -> None:
    model.turn(0)
    model.write(10)
    model.disk.failures = [Failure(28, "create", after=1)]
    assert model.turn(EVERY_MS) == 0
    assert not snapshot_names(model.disk, "/data")
    assert model.turn(EVERY_MS + 1) == 0
    assert len(model.errands.tasks) == 1
    assert model.turn(2 * EVERY_MS) == 1


def segments(model: Model) -> int:
    return sum(name.endswith(".raftlog") for name in model.disk.names("/data"))


def fail_merges(model: Model) -> None:
    """Fail each merge, at its snapshot's first write, and nothing else, until `mend`."""
    failure = Failure(28, "write", times=0)

    def strike_at_a_snapshot(verb: str, path: str) -> None:
        failure.times = int(verb == "write" and path.endswith(".snapshot.tmp"))

    model.disk.watch = strike_at_a_snapshot
    model.disk.failures = [failure]


def mend(model: Model) -> None:
    model.disk.watch, model.disk.failures = None, []


def tries(model: Model, begin_ms: int, end_ms: int) -> list[int]:
    """Let time pass, minute by minute; gives at which minute it was tried to compact."""
    found: list[int] = []
    for now_ms in range(begin_ms, end_ms, 60_000):
        count = len(model.errands.tasks)
        model.turn(now_ms)
        if len(model.errands.tasks) > count:
            found.append(now_ms // 60_000)
    return found


def test_what_fails_again_is_tried_ever_more_rarely_but_every_hour(model: Model) -> None:
    model.turn(0)
    model.write(10)
    fail_merges(model)
    five_hours = 300 * 60_000
    expected = [5, 10, 20, 40, 80, 140, 200, 260]  # minutes: doubled up to an hour
    assert tries(model, 0, five_hours) == expected
    assert model.compaction.figures.completed == 0
    mend(model)
    assert tries(model, five_hours, five_hours + 60 * 60_000) == [320]
    model.write(10)  # and from now on as before
    assert tries(model, five_hours + 60 * 60_000, five_hours + 70 * 60_000) == [360]
    assert model.compaction.figures.completed == 2


def test_attempts_that_fail_seal_no_segment_for_the_sake_of_a_few_events(model: Model) -> None:
    model.turn(0)
    model.write(10)
    fail_merges(model)
    assert tries(model, 60_000, 6 * 60_000) == [5]
    count = segments(model)
    assert count == 2
    for minute in (6, 11, 21):
        model.write(3)
        assert len(tries(model, minute * 60_000, (minute + 10) * 60_000)) <= 1
    assert len(model.errands.tasks) == 3
    assert segments(model) == count
    mend(model)
    assert tries(model, 31 * 60_000, 60 * 60_000) == [40]
    assert model.log.cut == 10
    assert model.compaction.figures.events_since == 9


def test_many_new_events_are_worth_an_attempt_before_its_time(model: Model) -> None:
    model.turn(0)
    model.write(10)
    fail_merges(model)
    assert tries(model, 60_000, 11 * 60_000) == [5, 10]
    model.write(10)  # after a second failure it takes twice as many
    assert tries(model, 11 * 60_000, 16 * 60_000) == []
    model.write(10)
    mend(model)
    assert tries(model, 16 * 60_000, 25 * 60_000) == [20]  # the next occasion
    assert model.log.cut == 30


def test_history_is_kept_when_it_was_declared() -> None:
    model = Model(keep_history=True)
    model.turn(0)
    model.write(12)
    assert model.turn(EVERY_MS) == 1
    assert len(model.disk.names("/data/archive")) == 1
    model.close()


def test_history_that_was_declared_is_kept_by_whoever_asks_for_a_compaction() -> None:
    model = Model(keep_history=True)
    model.write(3)
    model.compaction.request(False, frozenset(("n2",)), lambda _came: None)  # as a purge does
    assert model.turn(0) == 1
    assert len(model.disk.names("/data/archive")) == 1
    model.close()


def test_nothing_is_left_behind_by_a_process_that_stops_in_the_midst_of_it(model: Model) -> None:
    model.errands.go.clear()
    model.turn(0)
    model.write(10)
    model.compaction.turn(EVERY_MS)
    wait_until(lambda: model.compaction.turn(EVERY_MS) or model.errands.tasks, "the merge")
    model.errands.go.set()
