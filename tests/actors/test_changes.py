"""CHANGES: what a model process tells of its past to who follows the feed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lithair.app import Lithair
from lithair.core.changes import LEAVE
from lithair.wire.codec import decode_changes
from lithair.wire.messages import ChangesPage, Reply
from lithair.wire.protocol import PUBLIC, TRUSTED, Verb
from tests.actors.serving import Note, Served
from tests.support.simulated_files import Failure, SimulatedFiles

Told = list[tuple[int, int, str]]
CREATE, UPDATE, DELETE = 1, 2, 3
MANY = 3000


class Follows(Served):
    """A model process, asked as a follower asks."""

    access = TRUSTED

    def changes(self, since: int, events_max: int = 10_000, **filters: str) -> ChangesPage:
        reply = self.ask(Verb.CHANGES, (since, events_max, tuple(filters.items())))
        assert reply.status == 200, reply.body
        return decode_changes(reply.body)

    def all_changes(self, since: int, events_max: int = 10_000, **filters: str) -> Told:
        """Ask until nothing is left."""
        told: Told = []
        while True:
            page = self.changes(since, events_max, **filters)
            told += [(event.seq, event.kind, event.key) for event in page.events]
            if page.upto == since:
                return told
            since = page.upto

    def refusal(self, since: int, *pairs: tuple[str, str]) -> Reply:
        return self.ask(Verb.CHANGES, (since, 10, pairs))


@pytest.fixture
def disk() -> SimulatedFiles:
    return SimulatedFiles()


@pytest.fixture
def served(tmp_path: Path, disk: SimulatedFiles) -> Iterator[Follows]:
    app = Lithair().with_model(Note, "/data", "/api/notes")
    served = Follows(app, "notes", tmp_path, disk)
    yield served
    served.stop()


def test_changes_are_the_events_after_a_seq_each_with_what_was_before(served: Follows) -> None:
    served.write(Verb.CREATE, {"id": "a", "text": "old"})
    served.write(Verb.PATCH, {"text": "new"}, "a")
    served.write(Verb.DELETE, key="a")
    served.write(Verb.CREATE, {"id": "a", "text": "again"})
    old, new, again = (b'{"id":"a","text":"%b"}' % text for text in (b"old", b"new", b"again"))
    upto, events = served.changes(0)
    assert upto == 4
    assert [(e.seq, e.kind, e.payload, e.before) for e in events] == [
        (1, CREATE, old, b""), (2, UPDATE, new, old), (3, DELETE, new, new), (4, CREATE, again, b"")
    ]  # fmt: skip
    assert served.changes(2) == (4, events[2:])
    assert served.changes(4) == (4, [])


def test_with_filters_an_item_comes_changes_and_leaves(served: Follows) -> None:
    for text in ("in", "in too", "out", "out too", "in again"):
        served.write(Verb.UPSERT, [{"id": "a", "text": text}])
    served.write(Verb.UPSERT, [{"id": "b", "text": "out"}])
    served.write(Verb.ERASE, key="b")
    served.write(Verb.ERASE, key="a")
    assert served.all_changes(0, text="~in") == [
        (1, CREATE, "a"), (2, UPDATE, "a"), (3, LEAVE, "a"), (5, UPDATE, "a"), (8, DELETE, "a")
    ]  # fmt: skip
    assert served.changes(5, text="~in").upto == 8
    assert served.all_changes(0, text="~nowhere") == []


def test_an_answer_is_bounded_and_says_where_to_go_on(served: Follows) -> None:
    served.write(Verb.BULK, [{"id": f"k{n}", "text": "x"} for n in range(MANY)])
    assert served.changes(0, 3)[0] == 3
    first = served.changes(0)
    assert 0 < first.upto < MANY
    assert [event.seq for event in first.events] == list(range(1, first.upto + 1))
    assert [seq for seq, _, _ in served.all_changes(0)] == list(range(1, MANY + 1))
    assert [seq for seq, _, _ in served.all_changes(0, 99)] == list(range(1, MANY + 1))
    assert served.all_changes(0, id="k2500") == [(2501, CREATE, "k2500")]
    nothing = served.changes(0, id="k2500")
    assert nothing.events == []
    assert 0 < nothing.upto < MANY


def test_an_event_longer_than_an_answer_is_told_alone(served: Follows) -> None:
    for n in range(3):
        served.write(Verb.CREATE, {"id": str(n), "text": "x" * 200_000})
    served.write(Verb.CREATE, {"id": "long", "text": "x" * 1_000_000})
    pages = [served.changes(since) for since in range(4)]
    assert [page.upto for page in pages] == [1, 2, 3, 4]


def test_nothing_is_told_before_it_is_committed(served: Follows, disk: SimulatedFiles) -> None:
    served.write(Verb.CREATE, {"id": "a"})
    disk.failures = [Failure(28, "write")]
    assert served.write(Verb.CREATE, {"id": "never"}).status == 507
    served.write(Verb.CREATE, {"id": "b"})
    assert served.all_changes(0) == [(1, CREATE, "a"), (2, CREATE, "b")]


def test_a_damaged_record_is_not_told_and_what_follows_it_is(
    served: Follows, disk: SimulatedFiles
) -> None:
    """An event whose item's record before it is damaged is told as one of an unknown past."""
    served.write(Verb.CREATE, {"id": "a", "text": "damaged"})
    served.write(Verb.PATCH, {"text": "whole"}, "a")
    inode = next(inode for path, inode in disk.names_cached.items() if path.endswith(".raftlog"))
    inode.cached = inode.cached.replace(b'"damaged"', b'"DAMAGED"')
    assert served.refusal(0).status == 500
    assert b"DAMAGED" not in served.refusal(0).body
    assert [event.before for event in served.changes(1).events] == [b""]
    assert served.all_changes(1, text="damaged") == [(2, LEAVE, "a")]


def test_what_can_not_be_answered_is_refused(served: Follows) -> None:
    served.write(Verb.CREATE, {"id": "a"})
    assert served.refusal(2).status == 400
    assert b"beyond the log's end" in served.refusal(2).body
    for name in ("sort", "take", "skip", "after", "fields", "as_of", "nowhere"):
        reply = served.refusal(0, (name, "1"))
        assert reply.status == 400
        assert f'"field":"{name}"'.encode() in reply.body
    served.access = PUBLIC
    assert served.refusal(0).status == 403
