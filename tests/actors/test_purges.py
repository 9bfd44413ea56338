"""A model process purges items while it answers; nothing of them is on the disk afterwards."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lithair.actors.errand import PurgeTask
from lithair.app import Lithair
from lithair.core.event import ERASED
from lithair.wire.codec import decode_events
from lithair.wire.messages import Reply, Write
from lithair.wire.protocol import TRUSTED, Verb
from tests.actors.errands import Errands
from tests.actors.serving import Note, Served
from tests.support.simulated_files import Failure, SimulatedFiles
from tests.support.waiting import wait_until

CANARY = "canary-of-whoever-was-here"
KEEP = (("keep_history", "true"),)


class Purging(Served):
    """A served model whose errands are done here, over its own disk, asked as handles ask."""

    access = TRUSTED

    def __init__(self, run_dir: Path, disk: SimulatedFiles) -> None:
        app = Lithair().with_model(Note, "/data", "/api/notes")
        (model,) = app.declaration({}, {}).models
        self.errands = Errands(disk, model)
        self.disk = disk
        super().__init__(app, "notes", run_dir, disk, self.errands.start)

    def fill(self) -> None:
        """Write the item that is to be purged, often, and others around it."""
        self.write(Verb.CREATE, {"id": "gone", "text": CANARY})
        for number in range(8):
            self.write(Verb.CREATE, {"id": f"n{number}", "text": "stays"})
            self.write(Verb.PATCH, {"text": f"{CANARY} {number}"}, "gone")
        self.write(
            Verb.BULK, [{"id": "b1", "text": "stays"}, {"id": "b2", "text": "stays as well"}]
        )

    def delete(self) -> None:
        assert self.write(Verb.DELETE, key="gone").status == 204

    def purge(self, key: str = "gone") -> Reply:
        return self.ask(Verb.PURGE, key)

    def traces(self) -> list[str]:
        """Name the files in which there is anything of the item."""
        return [
            path
            for path, inode in self.disk.names_cached.items()
            if CANARY.encode() in inode.cached or b"gone" in inode.cached
        ]

    def history(self, key: str) -> list[str]:
        reply = self.ask(Verb.HISTORY, key)
        if reply.status == 404:
            return []
        return [entry["item"]["text"] for entry in json.loads(reply.body)]

    def listed(self) -> bytes:
        return self.ask(Verb.LIST, (("take", "100"),)).body


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Purging]:
    served = Purging(tmp_path, SimulatedFiles())
    yield served
    served.errands.go.set()
    served.stop()


def reopened(served: Purging, run_dir: Path) -> Purging:
    (run_dir / "again").mkdir()
    return Purging(run_dir / "again", served.disk.fork())


@pytest.mark.parametrize("archived", [False, True])
def test_nothing_of_a_purged_item_is_in_any_file(
    served: Purging, tmp_path: Path, archived: bool
) -> None:
    served.fill()
    if archived:
        served.ask(Verb.COMPACT, KEEP)
        served.write(Verb.PATCH, {"text": f"{CANARY} again"}, "gone")
        served.ask(Verb.COMPACT, ())
    torn = served.disk.create("/data/1-2-3.torn")
    torn.write(CANARY.encode(), 0)
    served.delete()
    before = served.listed()
    assert len(served.traces()) >= (3 if archived else 2)
    reply = served.purge()
    assert reply.status == 200
    done = json.loads(reply.body)
    assert done == {"seq": served.ask(Verb.HELLO).seq, "segments": 3 * archived, "torn": 1}
    assert served.traces() == []
    assert served.listed() == before
    assert served.history("gone") == []
    assert served.ask(Verb.GET, "gone").status == 404
    assert served.history("n1") == ["stays"]
    again = reopened(served, tmp_path)
    assert again.listed() == before
    assert again.history("gone") == []
    assert again.history("n1") == ["stays"]
    again.stop()


def test_an_item_that_is_there_is_not_purged_and_one_that_never_was_may_be(served: Purging) -> None:
    served.fill()
    refused = served.purge()
    assert refused.status == 409
    assert "delete it, then it can be purged" in json.loads(refused.body)["error"]
    assert served.ask(Verb.GET, "gone").status == 200
    assert served.purge("never there").status == 200


def test_over_http_nobody_purges(served: Purging) -> None:
    served.access = "public"
    assert served.purge("n1").status == 403


@pytest.mark.parametrize("archived", [False, True])
def test_what_is_made_anew_under_the_same_id_meanwhile_stays(
    served: Purging, tmp_path: Path, archived: bool
) -> None:
    served.fill()
    if archived:
        served.ask(Verb.COMPACT, KEEP)
    served.delete()
    served.errands.go.clear()
    look = served.start(Verb.PURGE, "gone")
    wait_until(lambda: bool(served.errands.tasks), "the merge")
    assert served.write(Verb.CREATE, {"id": "gone", "text": "made anew"}).status == 201
    served.errands.go.set()
    assert wait_until(look, "the purge").status == 200
    assert served.history("gone") == ["made anew"]
    assert served.write(Verb.PATCH, {"text": "and changed"}, "gone").status == 200
    served.ask(Verb.COMPACT, ())
    assert [path for path in served.traces() if CANARY in str(served.disk.names_cached[path])] == []
    again = reopened(served, tmp_path)
    assert json.loads(again.ask(Verb.GET, "gone").body)["text"] == "and changed"
    assert again.history("gone") == (["made anew", "and changed"] if archived else ["and changed"])
    again.stop()


def test_purges_that_are_asked_for_together_are_all_carried_out(served: Purging) -> None:
    served.fill()
    served.delete()
    for key in ("n1", "n2", "n3"):
        assert served.write(Verb.DELETE, key=key).status == 204
    looks = [served.start(Verb.PURGE, key) for key in ("gone", "n1", "n2", "n3", "gone")]
    for look in looks:
        assert wait_until(look, "each purge").status == 200
    assert served.traces() == []
    assert sum(isinstance(task, PurgeTask) for task in served.errands.tasks) == 5
    assert served.history("n4") == ["stays"]


def test_a_purge_that_failed_is_carried_on_when_it_is_asked_for_again(served: Purging) -> None:
    served.fill()
    served.ask(Verb.COMPACT, KEEP)
    served.delete()
    served.disk.failures.append(Failure(errno.EIO, "rename", after=1))  # after the snapshot's
    reply = served.purge()
    assert reply.status == 500
    assert json.loads(reply.body)["error"].startswith("Not purged: ")
    assert served.traces() != []
    assert served.purge().status == 200
    assert served.traces() == []


def test_a_repeat_of_a_write_to_a_purged_item_is_not_carried_out_anew(served: Purging) -> None:
    served.fill()
    create = served.command({"id": "second", "text": "to be purged"})
    assert wait_until(served.start(Verb.CREATE, create), "the item").status == 201
    assert served.write(Verb.DELETE, key="second").status == 204
    assert served.purge("second").status == 200
    repeat = wait_until(served.start(Verb.CREATE, create), "the repeat")
    assert repeat.status == 410
    assert served.ask(Verb.GET, "second").status == 404


def test_events_of_a_purged_item_are_told_apart(served: Purging) -> None:
    """An archive that is read as a log says what it no longer holds."""
    served.fill()
    served.ask(Verb.COMPACT, KEEP)
    served.delete()
    assert served.purge().status == 200
    seen = decode_events(served.ask(Verb.EVENTS, (0, 1000)).body)
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
    erased = [event for event in seen if event.kind == ERASED]
    assert len(erased) == 10
    assert all(not event.key and not any(event.payload) for event in erased)
    assert "gone" not in [event.key for event in seen]


def test_a_bulk_that_wrote_a_purged_item_is_not_answered_again_in_part(served: Purging) -> None:
    items = [{"id": key, "text": CANARY} for key in ("x", "gone", "y")]
    keyed = served.command(items)._replace(idempotency=bytes(range(32)))
    other = served.command([{"id": "z"}])._replace(idempotency=bytes(range(1, 33)))

    def again(command: Write) -> int:
        repeat = command._replace(command_id=served.command().command_id)
        return wait_until(served.start(Verb.BULK, repeat), "the repeat").status

    for command in (keyed, other):
        assert wait_until(served.start(Verb.BULK, command), "the bulk").status == 201
    served.delete()
    assert (again(keyed), again(other)) == (201, 201)
    assert served.purge().status == 200
    assert (again(keyed), again(other)) == (410, 201)
