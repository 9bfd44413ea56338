"""A listener is given each event of its model, in order, at least once, whatever it does."""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from lithair.client.answers import Event
from lithair.core.listening import Retries
from lithair.storage.dead_letters import read_letters
from lithair.storage.listener_cursor import Cursor, CursorFile
from lithair.webhooks.sender import NotDelivered
from lithair.wire.protocol import Verb
from tests.actors.listened import QUICK, Ear, Place, write
from tests.actors.serving import Note
from tests.support.waiting import wait_until

OPENED: list[Place] = []
SLOW = Retries(first_ms=3_600_000, most_ms=3_600_000)  # a try is due when the test is long over


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


class Failing:
    """A listener that fails at whatever it is told."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def on_event(self, event: Event[Note]) -> None:
        assert event.seq
        raise self._error


def place_of(tmp_path: Path, ear: object, retries: Retries = QUICK, start: str = "now") -> Place:
    place = Place(tmp_path, ear, retries, start)
    OPENED.append(place)
    return place


def seqs_of_letters(place: Place) -> list[int]:
    return [letter.seq for letter in read_letters(place.disk, place.files.directory)]


def _has_tried(ear: Ear, times: int) -> bool:
    return len(ear.tries) >= times


def wait_for(look: Callable[[], object], what: str) -> None:
    wait_until(lambda: bool(look()), what)


def test_each_event_comes_once_and_in_order_with_the_item_as_it_was(tmp_path: Path) -> None:
    ear = Ear()
    place = place_of(tmp_path, ear)
    served, listened = place.serve(), place.listen()
    write(served, "a", "b")
    assert served.write(Verb.PATCH, {"text": "b2"}, "b").status == 200
    assert served.write(Verb.DELETE, None, "a").status == 204
    assert served.write(Verb.BULK, [{"id": "c", "text": "c"}, {"id": "d", "text": "d"}]).status
    place.wait_for_cursor(6)
    assert ear.told() == [
        (1, "create", "a"),
        (2, "create", "b"),
        (3, "update", "b2"),
        (4, "delete", "a"),
        (5, "create", "c"),
        (6, "create", "d"),
    ]
    event = ear.heard[2]
    assert isinstance(event.item, Note)
    assert (event.model, event.id, event.item.id) == ("notes", "b", "b")
    assert abs(dt.datetime.now(dt.UTC) - event.timestamp) < dt.timedelta(minutes=5)
    listened.stop()
    assert listened.ending is None
    assert ear.is_closed


class AsyncEar(Ear):
    """The same, asynchronous; `loops` are the event loops that it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.loops: set[int] = set()

    async def on_event(self, event: Event[Note]) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        await asyncio.to_thread(super().on_event, event)
        self.loops.add(id(asyncio.get_running_loop()))


def test_an_async_listener_is_awaited_and_has_one_event_loop(tmp_path: Path) -> None:
    ear = AsyncEar()
    ear.faults[2] = 1
    place = place_of(tmp_path, ear)
    served = place.serve()
    place.listen()
    write(served, "a", "b", "c")
    place.wait_for_cursor(3)
    assert (ear.tries, ear.seqs()) == ([1, 2, 2, 3], [1, 2, 3])
    assert len(ear.loops) == 1


class CancellingEar(AsyncEar):
    async def on_event(self, event: Event[Note]) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        await super().on_event(event)
        if self.tries.count(event.seq) == 1:
            raise asyncio.CancelledError


def test_an_async_listener_that_is_cancelled_has_failed(tmp_path: Path) -> None:
    ear = CancellingEar()
    place = place_of(tmp_path, ear)
    served = place.serve()
    place.listen()
    write(served, "a", "b")
    place.wait_for_cursor(2)
    assert ear.tries == [1, 1, 2, 2]


def test_from_now_on_is_from_the_start_of_the_server_and_not_of_the_listener(
    tmp_path: Path,
) -> None:
    ear = Ear()
    place = place_of(tmp_path, ear)
    old = place.serve(is_declared=False)
    write(old, "before")
    old.stop()
    served = place.serve()
    write(served, "meanwhile")
    place.listen()
    place.wait_for_cursor(2)
    assert ear.told() == [(2, "create", "meanwhile")]


def test_from_the_beginning_is_from_the_first_event_on(tmp_path: Path) -> None:
    ear = Ear()
    place = place_of(tmp_path, ear, start="beginning")
    old = place.serve(is_declared=False)
    write(old, "a", "b")
    assert old.write(Verb.DELETE, None, "a").status == 204
    old.stop()
    served = place.serve()
    place.listen()
    write(served, "c")
    place.wait_for_cursor(4)
    assert ear.told() == [
        (1, "create", "a"),
        (2, "create", "b"),
        (3, "delete", "a"),
        (4, "create", "c"),
    ]


def test_it_goes_on_where_it_was_over_any_number_of_lives_of_both_processes(
    tmp_path: Path,
) -> None:
    ear = Ear()
    place = place_of(tmp_path, ear)
    served, listened = place.serve(), place.listen()
    for life in range(4):
        write(served, f"a{life}", f"b{life}")
        place.wait_for_cursor(3 * life + 2)
        if life % 2:
            listened.stop()
            write(served, f"c{life}")
            served.stop()
            listened, served = place.listen(), place.serve()
        else:
            served.stop()
            served = place.serve()
            write(served, f"c{life}")
        place.wait_for_cursor(3 * life + 3)
    assert ear.tries == list(range(1, 13))


def test_one_that_raises_is_tried_again_in_order_and_holds_no_writer_up(tmp_path: Path) -> None:
    ear = Ear()
    ear.faults[2] = 1_000_000
    place = place_of(tmp_path, ear)
    served, listened = place.serve(), place.listen()
    write(served, "a", "b", "c")
    wait_for(lambda: ear.tries.count(2) > 5, "some tries")
    write(served, "d")
    assert place.cursor() == 1
    failing = place.files.failing()
    assert failing is not None
    assert (failing.seq, failing.error) == (2, "ValueError: no b")
    detail = wait_until(lambda: listened.child.detail, "the detail of lithair status")
    assert "times at event 2: ValueError: no b; tried again every 0.005 s" in detail
    assert listened.child.figures is not None
    assert int(str(listened.child.figures()["failures"])) > 5
    ear.faults.clear()
    place.wait_for_cursor(4)
    assert ear.seqs() == [1, 2, 3, 4]
    assert place.files.failing() is None
    assert listened.child.detail == ""
    assert seqs_of_letters(place) == []


@pytest.mark.parametrize(
    ("error", "has_traceback"), [(ValueError("no"), True), (NotDelivered("answered 503"), False)]
)
def test_the_first_failure_has_a_traceback_unless_it_is_a_receivers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception, has_traceback: bool
) -> None:
    place = place_of(tmp_path, Failing(error))
    served, listened = place.serve(), place.listen()
    write(served, "a")
    wait_for(lambda: "event 1, try 3" in caplog.text, "the third try")
    listened.stop()
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert len(tracebacks) == int(has_traceback)
    assert f"failed at event 1, try 1: {type(error).__name__}: {error}" in caplog.text


def test_after_its_retries_an_event_is_a_dead_letter_and_the_next_one_comes(
    tmp_path: Path,
) -> None:
    ear = Ear()
    ear.faults[2] = 1_000_000
    place = place_of(tmp_path, ear, Retries(first_ms=1, max_retries=2))
    served, listened = place.serve(), place.listen()
    write(served, "a", "b", "c")
    place.wait_for_cursor(3)
    assert ear.tries == [1, 2, 2, 2, 3]
    (letter,) = read_letters(place.disk, place.files.directory)
    assert (letter.seq, letter.operation, letter.id, letter.tries) == (2, "create", "b", 3)
    assert letter.error == "ValueError: no b"
    assert bytes(letter.item) == b'{"id":"b","text":"b"}'
    assert place.files.failing() is None
    assert listened.child.figures is not None
    assert listened.child.figures() == {"model": "notes", "failures": 3, "dead_letters": 1}


def test_without_retries_one_try_is_all(tmp_path: Path) -> None:
    ear = Ear()
    ear.faults = dict.fromkeys((1, 2, 3), 9)
    place = place_of(tmp_path, ear, Retries(max_retries=0))
    served = place.serve()
    place.listen()
    write(served, "a", "b", "c")
    place.wait_for_cursor(3)
    assert ear.tries == [1, 2, 3]
    assert seqs_of_letters(place) == [1, 2, 3]


def test_what_has_failed_before_the_process_ended_counts_afterwards(tmp_path: Path) -> None:
    ear = Ear()
    ear.faults[1] = 1_000_000
    place = place_of(tmp_path, ear, Retries(first_ms=200, max_retries=3))
    served = place.serve()
    write(served, "a", "b")
    for tries in (1, 2, 3):
        life = place.listen()
        wait_until(partial(_has_tried, ear, tries), "another try")
        life.stop()
    place.listen()
    place.wait_for_cursor(2)
    assert ear.tries == [1, 1, 1, 1, 2]
    (letter,) = read_letters(place.disk, place.files.directory)
    assert letter.tries == 4


def test_an_event_is_skipped_while_it_fails_or_before_the_listener_runs(tmp_path: Path) -> None:
    ear = Ear()
    ear.faults = dict.fromkeys((2, 3), 1_000_000)
    place = place_of(tmp_path, ear, SLOW)
    served, listened = place.serve(), place.listen()
    write(served, "a", "b", "c", "d")
    wait_for(place.files.failing, "the first failure")
    place.files.ask_skip(2)
    wait_for(lambda: 3 in ear.tries, "the next event")
    assert place.files.skip() is None
    listened.stop()
    place.files.ask_skip(3)
    place.listen()
    place.wait_for_cursor(4)
    assert ear.tries == [1, 2, 3, 4]
    letters = list(read_letters(place.disk, place.files.directory))
    assert [letter.seq for letter in letters] == [2, 3]
    assert letters[0].error == "skipped by `lithair listeners skip`; ValueError: no b"


def test_what_is_skipped_is_only_the_event_that_was_named(tmp_path: Path) -> None:
    ear = Ear()
    place = place_of(tmp_path, ear)
    served = place.serve()
    write(served, "a", "b", "c")
    CursorFile.place(place.disk, place.files.directory, Cursor(1)).close()
    place.files.ask_skip(1)
    place.listen()
    place.wait_for_cursor(3)
    assert ear.seqs() == [2, 3]
    assert place.files.skip() is None
    assert seqs_of_letters(place) == []


def test_one_that_is_disabled_is_not_tried_until_it_is_enabled(tmp_path: Path) -> None:
    ear = Ear()
    ear.faults[1] = 2
    retries = Retries(first_ms=1, most_ms=1, disable_after_ms=1)
    place = place_of(tmp_path, ear, retries)
    served, listened = place.serve(), place.listen()
    write(served, "a", "b")

    def is_disabled() -> bool:
        failing = place.files.failing()
        return failing is not None and failing.disabled_ms is not None

    wait_for(is_disabled, "the listener to be disabled")
    tries = len(ear.tries)
    assert listened.child.detail.startswith("disabled: failed 2 times at event 1: ValueError")
    listened.stop()
    listened = place.listen()
    wait_for(lambda: listened.child.detail.startswith("disabled: "), "the next life to say so")
    assert len(ear.tries) == tries
    place.files.end_failing()
    place.wait_for_cursor(2)
    assert ear.tries == [1] * tries + [1, 2]

    ear.faults[3] = 2
    write(served, "c")
    wait_for(is_disabled, "it to be disabled again")
    place.files.end_failing()
    place.wait_for_cursor(3)
    assert listened.child.detail == ""


def test_dead_letters_are_replayed_and_those_that_fail_again_stay(tmp_path: Path) -> None:
    ear = Ear()
    ear.faults = {1: 1, 2: 2, 3: 1}
    place = place_of(tmp_path, ear, Retries(max_retries=0))
    served, listened = place.serve(), place.listen()
    write(served, "a", "b", "c", "d")
    place.wait_for_cursor(4)
    assert ear.seqs() == [4]
    place.files.ask_replay((1, 2))
    wait_for(lambda: place.files.replay() is None, "the replay")
    assert ear.told()[1:] == [(1, "create", "a")]
    assert seqs_of_letters(place) == [2, 3]
    assert place.cursor() == 4
    listened.stop()
    place.files.ask_replay()
    listened = place.listen()
    wait_for(lambda: place.files.replay() is None, "the replay of all")
    assert ear.seqs() == [4, 1, 2, 3]
    assert seqs_of_letters(place) == []
    assert listened.child.figures is not None
    assert listened.child.figures()["dead_letters"] == 0


def test_dead_letters_are_replayed_while_an_event_waits_for_its_next_try(tmp_path: Path) -> None:
    ear = Ear()
    ear.faults = dict.fromkeys((1, 2), 1)
    place = place_of(tmp_path, ear, SLOW)
    served = place.serve()
    place.listen()
    write(served, "a", "b")
    wait_for(place.files.failing, "the first failure")
    place.files.ask_skip(1)
    wait_for(lambda: 2 in ear.tries, "the next event")
    place.files.ask_replay()
    wait_for(lambda: ear.seqs() == [1], "the dead letter")
    assert place.cursor() == 1
