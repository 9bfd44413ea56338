"""A listener and its log: what was compacted away, replaced, damaged, purged, or kept for it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lithair.client.answers import Event
from lithair.core.listening import Retries
from lithair.storage.dead_letters import read_letters
from lithair.storage.listener_cursor import CURSOR_BYTES
from lithair.wire.protocol import Verb
from tests.actors.listened import QUICK, Ear, Place, write
from tests.actors.serving import Note, Served
from tests.support.waiting import wait_until

OPENED: list[Place] = []


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def place_of(tmp_path: Path, ear: object, retries: Retries = QUICK, start: str = "now") -> Place:
    place = Place(tmp_path, ear, retries, start)
    OPENED.append(place)
    return place


class Choosy(Ear):
    """One that fails at some items, whatever their events' seqs."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()

    def on_event(self, event: Event[Note]) -> None:
        self.tries.append(event.seq)
        if event.id in self.refused:
            raise ValueError(f"not {event.id}")
        self.heard.append(event)

    def has_heard(self, *told: tuple[str, str]) -> bool:
        return [(event.operation, event.id) for event in list(self.heard)] == list(told)


def compact(served: Served) -> int:
    reply = served.ask(Verb.COMPACT, ())
    assert reply.status == 200, reply.body
    seq: int = json.loads(reply.body)["seq"]
    return seq


def test_from_the_beginning_on_a_compacted_log_the_present_items_come_first(
    tmp_path: Path,
) -> None:
    ear = Choosy()
    place = place_of(tmp_path, ear, start="beginning")
    old = place.serve(is_declared=False)
    write(old, "a", "b", "c")
    assert old.write(Verb.DELETE, key="a").status == 204
    assert compact(old) == 4
    write(old, "d")
    old.stop()
    served = place.serve()
    place.listen()
    place.wait_for_cursor(5)
    write(served, "e")
    place.wait_for_cursor(6)
    assert ear.has_heard(("create", "b"), ("create", "c"), ("create", "d"), ("create", "e"))
    assert [event.seq for event in ear.heard] == [5, 5, 5, 6]
    assert isinstance(ear.heard[0].item, Note)


def test_the_present_items_come_once_over_a_death_in_their_midst(tmp_path: Path) -> None:
    """Also when the one that it was at is deleted meanwhile, and others are created."""
    ear = Choosy()
    place = place_of(tmp_path, ear, start="beginning")
    old = place.serve(is_declared=False)
    keys = [f"n{number}" for number in range(9)]
    write(old, *keys)
    compact(old)
    old.stop()
    served = place.serve()
    ear.refused = {"n5"}
    listened = place.listen()
    wait_until(place.files.failing, "the failure at the sixth item")
    listened.stop()
    cursor = place.files.open_cursor()
    assert cursor is not None
    assert cursor.cursor == (9, "n4")
    assert served.write(Verb.DELETE, key="n4").status == 204
    write(served, "late")
    assert len(ear.heard) == 5
    ear.refused = set()
    place.listen()
    place.wait_for_cursor(11)
    listed = [event for event in ear.heard if event.seq == 9]
    assert {event.id for event in listed} - {"late"} == set(keys)
    assert len({event.id for event in listed}) == len(listed)
    assert [(event.seq, event.operation, event.id) for event in ear.heard if event.seq > 9] == [
        (10, "delete", "n4"),
        (11, "create", "late"),
    ]


def test_nothing_is_compacted_away_that_a_declared_listener_has_not_handled(
    tmp_path: Path,
) -> None:
    ear = Ear()
    ear.faults[2] = 1_000_000
    place = place_of(tmp_path, ear)
    served = place.serve()
    place.listen()
    write(served, "a", "b", "c")
    wait_until(place.files.failing, "the failure")
    answer = served.start(Verb.COMPACT, (), timeout_s=60)
    wait_until(lambda: ear.tries.count(2) > 10, "some more tries")
    assert answer() is None
    assert served.ask(Verb.CHANGES, (0, 100, ())).status == 200
    ear.faults.clear()
    reply = wait_until(answer, "the compaction")
    assert (reply.status, json.loads(reply.body)["seq"]) == (200, 3)
    assert served.ask(Verb.CHANGES, (0, 100, ())).status == 410
    assert ear.seqs() == [1, 2, 3]


def test_one_that_was_not_declared_meanwhile_is_told_what_it_has_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear()
    place = place_of(tmp_path, ear)
    served, listened = place.serve(), place.listen()
    write(served, "a")
    place.wait_for_cursor(1)
    listened.stop()
    served.stop()
    other = place.serve(is_declared=False)
    write(other, "b", "c")
    compact(other)
    write(other, "d")
    other.stop()
    place.serve()
    place.listen()
    place.wait_for_cursor(4)
    assert ear.seqs() == [1, 4]
    assert "the events 2 to 3 were compacted away before they were handled" in caplog.text


@pytest.mark.parametrize("is_alive", [False, True])
def test_a_log_that_was_replaced_by_an_older_one_is_followed_from_its_end(
    tmp_path: Path, is_alive: bool
) -> None:
    ear = Ear()
    place = place_of(tmp_path, ear)
    served, listened = place.serve(), place.listen()
    write(served, "a", "b")
    place.wait_for_cursor(2)
    served.stop()
    log = tmp_path / "data" / "00000000000000000001.raftlog"
    shutil.copy(log, tmp_path / "older")
    served = place.serve()
    write(served, "c", "d", "e")
    place.wait_for_cursor(5)
    if not is_alive:
        listened.stop()
    served.stop()
    for path in (tmp_path / "data").glob("*.raftlog"):
        path.unlink()
    shutil.copy(tmp_path / "older", log)
    served = place.serve()
    write(served, "f")
    if not is_alive:
        place.listen()
    wait_until(lambda: len(ear.heard) == 6, "the new event")
    assert ear.told()[5:] == [(3, "create", "f")]
    wait_until(lambda: place.cursor() == 3, "the cursor to be there")


def test_a_damaged_cursor_stops_its_listener_with_a_sentence_and_nobody_else(
    tmp_path: Path,
) -> None:
    ear = Ear()
    place = place_of(tmp_path, ear)
    served, listened = place.serve(), place.listen()
    write(served, "a")
    place.wait_for_cursor(1)
    listened.stop()
    served.stop()
    path = Path(place.files.directory) / "cursor"
    path.write_bytes(b"\xff" * CURSOR_BYTES)
    served, listened = place.serve(), place.listen()
    wait_until(listened.ended, "the listener to end")
    assert isinstance(listened.ending, SystemExit)
    told: list[tuple[str, int]] = listened.child._reporter.sentences  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    assert "cursor: neither of the two positions in it is as it was written" in told[0][0]
    write(served, "b")
    stats = msgspec.json.decode(served.ask(Verb.STATS).body)
    assert stats["listeners"] == {"ear": 0}
    path.unlink()
    served.stop()
    served = place.serve()
    place.listen()
    write(served, "c")
    place.wait_for_cursor(3)
    assert ear.seqs() == [1, 3]


def test_stats_say_how_far_each_listener_is(tmp_path: Path) -> None:
    ear = Ear()
    ear.faults[2] = 1_000_000
    place = place_of(tmp_path, ear)
    served = place.serve()
    place.listen()
    write(served, "a", "b", "c")
    wait_until(place.files.failing, "the failure")
    stats = msgspec.json.decode(served.ask(Verb.STATS).body)
    assert (stats["seq"], stats["listeners"]) == (3, {"ear": 1})


def test_a_purge_leaves_nothing_of_the_item_in_dead_letters(tmp_path: Path) -> None:
    ear = Choosy()
    ear.refused = {"canary", "other"}
    place = place_of(tmp_path, ear, Retries(max_retries=0))
    served, listened = place.serve(), place.listen()
    write(served, "canary", "other")
    place.wait_for_cursor(2)
    ear.refused = set()
    assert served.write(Verb.DELETE, key="canary").status == 204
    place.wait_for_cursor(3)
    path = Path(place.files.directory) / "dead-letters.ndjson"
    assert b"canary" in path.read_bytes()
    reply = served.ask(Verb.PURGE, "canary")
    assert reply.status == 200, reply.body
    assert b"canary" not in path.read_bytes()
    assert [letter.id for letter in read_letters(place.disk, place.files.directory)] == ["other"]
    figures = listened.child.figures
    assert figures is not None
    wait_until(lambda: figures()["dead_letters"] == 1, "the figures to follow")


def test_what_a_purge_has_erased_does_not_hold_the_cursor(tmp_path: Path) -> None:
    """With an archive the log is whole, but for records that say nothing any more."""
    ear = Ear()
    place = place_of(tmp_path, ear, start="beginning")
    old = place.serve(is_declared=False)
    write(old, "a", "gone")
    assert old.ask(Verb.COMPACT, (("keep_history", "true"),)).status == 200
    assert old.write(Verb.DELETE, key="gone").status == 204
    assert old.ask(Verb.PURGE, "gone").status == 200
    old.stop()
    place.serve()
    place.listen()
    place.wait_for_cursor(3)
    assert ear.told() == [(1, "create", "a")]


def test_with_an_archive_nothing_is_dropped_and_no_listener_waited_for(tmp_path: Path) -> None:
    ear = Ear()
    ear.faults[1] = 1_000_000
    place = place_of(tmp_path, ear)
    served = place.serve()
    place.listen()
    write(served, "a", "b", "c")
    wait_until(place.files.failing, "the failure")
    assert served.ask(Verb.COMPACT, (("keep_history", "true"),)).status == 200
    ear.faults.clear()
    place.wait_for_cursor(3)
    assert ear.told() == [(1, "create", "a"), (2, "create", "b"), (3, "create", "c")]


def test_a_listener_waits_for_a_model_that_has_never_been_opened(tmp_path: Path) -> None:
    ear = Ear()
    place = place_of(tmp_path, ear)
    listened = place.listen()
    wait_until(lambda: listened.child.detail, "what it waits for")
    assert listened.child.detail == "waiting for the model's process"
    served = place.serve()
    write(served, "a")
    place.wait_for_cursor(1)
    assert listened.child.detail == ""
    assert ear.seqs() == [1]
