"""A compaction goes no further than every listener has handled, as the disk has it."""

import errno
from collections.abc import Callable, Iterator

import pytest

from lithair.actors.aside import Aside
from lithair.actors.compaction_bound import HEAR_MS_MAX, LOOK_MS, CompactionBound
from lithair.actors.listener_watch import Heard, ListenerBehind, ListenerWatch
from lithair.core.listening import Retries
from lithair.declaration import ListenerDeclaration
from lithair.declaration.packing import Part
from lithair.errors import LithairError
from lithair.storage.listener_cursor import Cursor, CursorFile
from lithair.storage.listener_files import ListenerFiles
from tests.support.simulated_files import Failure, SimulatedFiles
from tests.support.waiting import wait_until

MODEL = "/data/emails"


def declared(name: str, *, from_beginning: bool = False) -> ListenerDeclaration:
    part: Part[object] = Part(b"", None)
    return ListenerDeclaration(name, "emails", from_beginning, Retries(), part)


class Bench:
    """Two listeners of a log that ends with event 10, and a compaction that asks for its bound."""

    def __init__(self) -> None:
        self.disk = SimulatedFiles()
        self.watch = ListenerWatch(self.disk, MODEL, [declared("one"), declared("two")], 10)
        self.aside = Aside("test")
        self.bound = CompactionBound(self.watch, self.aside)
        self.cuts: list[int] = []
        self.errors: list[LithairError] = []
        self.now_ms = 5_000_000

    def close(self) -> None:
        self.aside.close()
        self.watch.close()

    def cursor(self, name: str) -> CursorFile:
        cursor = ListenerFiles(self.disk, MODEL, name).open_cursor(writable=True)
        assert cursor is not None
        return cursor

    def ask(self, cut: int, nearest: Callable[[int], int] | None = None) -> None:
        self.bound.ask(cut, nearest, self.cuts.append, self.errors.append)

    def look(self, after_ms: int = LOOK_MS) -> None:
        """Let it look once, and hear what came of it."""
        self.now_ms += after_ms
        self.bound.turn(self.now_ms)

        def heard() -> bool:
            self.aside.take()
            return not self.bound._is_looking

        wait_until(heard, "the look at the cursors")


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_without_listeners_nothing_is_waited_for() -> None:
    aside = Aside("test")
    cuts: list[int] = []
    CompactionBound(None, aside).ask(7, None, cuts.append, lambda _: None)
    assert cuts == [7]
    aside.close()


def test_it_waits_until_the_last_listener_is_there(bench: Bench) -> None:
    bench.ask(12)
    bench.look()
    bench.cursor("one").move(Cursor(12))
    bench.look()
    assert (bench.cuts, bench.errors) == ([], [])
    bench.cursor("two").move(Cursor(13))
    bench.look()
    assert (bench.cuts, bench.errors) == ([12], [])
    bench.look()
    assert bench.cuts == [12], "told once"


def test_what_it_goes_by_is_on_the_disk(bench: Bench) -> None:
    """After a power loss no cursor lies before what was compacted."""
    bench.cursor("one").move(Cursor(12))
    bench.cursor("two").move(Cursor(12))
    bench.ask(12)
    bench.look()
    assert bench.cuts == [12]
    lost = bench.disk.after_power_loss()
    for name in ("one", "two"):
        assert CursorFile.open(lost, f"{MODEL}/listeners/{name}").cursor == Cursor(12)


def test_before_a_listener_that_is_stuck_it_goes_as_far_as_a_segment_ends(bench: Bench) -> None:
    asked: list[int] = []

    def nearest(seq: int) -> int:
        asked.append(seq)
        return 9

    bench.ask(12, nearest)
    bench.look()
    bench.look(HEAR_MS_MAX)
    assert (asked, bench.cuts, bench.errors) == ([10], [9], [])


def nowhere(_seq: int) -> int:
    return 0


@pytest.mark.parametrize("nearest", [None, nowhere])
def test_where_nothing_can_be_compacted_the_listener_is_named(
    bench: Bench, nearest: Callable[[int], int] | None
) -> None:
    bench.cursor("one").move(Cursor(11))
    bench.ask(12, nearest)
    bench.look()
    bench.look(HEAR_MS_MAX)
    assert bench.cuts == []
    (error,) = bench.errors
    assert isinstance(error, ListenerBehind)
    assert error.status == 409
    assert str(error).startswith("the listener two has not handled the events after 10 yet")
    bench.ask(12)
    bench.look()
    bench.cursor("two").move(Cursor(12))
    bench.cursor("one").move(Cursor(12))
    bench.look()
    assert bench.cuts == [12], "asked again, it waits again"


def test_a_disk_that_fails_at_a_cursor_fails_the_compaction(bench: Bench) -> None:
    bench.ask(10)
    bench.disk.failures.append(Failure(errno.EIO, "sync"))
    bench.look()
    assert bench.cuts == []
    assert "Input/output error" in str(bench.errors[0])


def test_cursors_are_made_before_anything_is_served_and_kept_afterwards() -> None:
    disk = SimulatedFiles()
    names = [declared("old", from_beginning=True), declared("new")]
    ListenerWatch(disk, MODEL, names, 10).close()
    again = ListenerWatch(disk.after_power_loss(), MODEL, [*names, declared("newest")], 12)
    assert again.handled() == {"old": 0, "new": 10, "newest": 12}
    assert again.least() == Heard(0, "old")
    again.close()


def test_a_cursor_that_does_not_fit_on_a_full_disk_is_made_when_there_is_room() -> None:
    disk = SimulatedFiles(capacity_bytes=10)
    watch = ListenerWatch(disk, MODEL, [declared("new")], 10)
    assert watch.handled() == {"new": 0}
    assert watch.least() == Heard(0, "new"), "nothing is compacted meanwhile"
    watch.turn(5_000)
    assert watch.handled() == {"new": 0}
    disk.capacity_bytes = 1 << 20
    watch.turn(5_500)
    assert watch.handled() == {"new": 0}, "looked at once a second"
    watch.turn(6_000)
    assert watch.handled() == {"new": 10}
    watch.close()


def test_a_cursor_beyond_the_end_of_the_log_is_put_back(caplog: pytest.LogCaptureFixture) -> None:
    disk = SimulatedFiles()
    ListenerWatch(disk, MODEL, [declared("new")], 10).close()
    ListenerWatch(disk, MODEL, [declared("new")], 7).close()
    assert CursorFile.open(disk.after_power_loss(), f"{MODEL}/listeners/new").cursor == Cursor(7)
    assert "the listener new had handled the events up to 10 of another log" in caplog.text
