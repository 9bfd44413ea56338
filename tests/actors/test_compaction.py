"""A model process compacts its log while it answers: nothing waits or changes, space is back."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lithair.actors.errand import CompactTask
from lithair.app import Lithair
from lithair.fields import Pinned
from lithair.model import Model
from lithair.retention import retention
from lithair.storage.snapshot import snapshot_names
from lithair.wire.messages import Reply
from lithair.wire.protocol import Verb
from tests.actors.errands import Errands
from tests.actors.serving import Note, Served
from tests.support.simulated_files import Failure, SimulatedFiles
from tests.support.waiting import wait_until

KEEP = (("keep_history", "true"),)
DISK_FULL = "The disk is full: nothing was compacted"


@retention(memory=3)
class Card(Model):
    title: Pinned[str] = ""
    text: str = ""


class Compacting(Served):
    """A served model whose errands are done here, over its own disk."""

    def __init__(self, app: Lithair, name: str, run_dir: Path, disk: SimulatedFiles) -> None:
        (model,) = app.declaration({}, {}).models
        self.errands = Errands(disk, model)
        self.disk = disk
        super().__init__(app, name, run_dir, disk, self.errands.start)

    def fill(self, count: int) -> None:
        for number in range(count):
            self.write(Verb.CREATE, {"id": f"n{number}", "text": f"first {number}" * 20})
        for number in range(0, count, 2):
            self.write(Verb.PATCH, {"text": f"second {number}"}, f"n{number}")
        for number in range(0, count, 5):
            self.write(Verb.DELETE, key=f"n{number}")

    def all_items(self) -> bytes:
        return self.ask(Verb.LIST, (("take", "1000"),)).body

    def merging(self) -> bool:
        return bool(self.errands.tasks)


def notes() -> Lithair:
    return Lithair().with_model(Note, "/data", "/api/notes")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Compacting]:
    served = Compacting(notes(), "notes", tmp_path, SimulatedFiles())
    yield served
    served.errands.go.set()
    served.stop()


def reopened(served: Compacting, run_dir: Path) -> Compacting:
    (run_dir / "again").mkdir()
    app = Lithair().with_model(Note, "/data", "/api/notes")
    return Compacting(app, "notes", run_dir / "again", served.disk.fork())


def test_compacting_changes_no_answer_and_gives_the_space_back(
    served: Compacting, tmp_path: Path
) -> None:
    served.fill(40)
    before, seq = served.all_items(), served.ask(Verb.HELLO).seq
    reply = served.ask(Verb.COMPACT, ())
    assert reply.status == 200
    done = json.loads(reply.body)
    assert done["seq"] == seq
    assert done["bytes_after"] == stats(served)["raftlog_size_bytes"]
    assert served.all_items() == before
    assert len(snapshot_names(served.disk, "/data")) == 1
    assert [name for name in served.disk.names("/data") if name.endswith(".raftlog")] == [
        f"{seq + 1:020d}.raftlog"
    ]
    again = reopened(served, tmp_path)
    assert again.all_items() == before
    again.stop()


def test_reads_and_writes_go_on_while_a_merge_is_under_way(
    served: Compacting, tmp_path: Path
) -> None:
    served.fill(10)
    served.errands.go.clear()
    look = served.start(Verb.COMPACT, ())
    wait_until(served.merging, "the merge")
    assert served.ask(Verb.GET, "n1").status == 200
    assert served.write(Verb.PATCH, {"text": "meanwhile"}, "n1").status == 200
    assert served.write(Verb.DELETE, key="n2").status == 204
    assert served.write(Verb.CREATE, {"id": "new", "text": "meanwhile"}).status == 201
    assert stats(served)["compaction_running"]
    assert look() is None
    before = served.all_items()
    served.errands.go.set()
    assert wait_until(look, "the compaction").status == 200
    assert served.all_items() == before
    assert stats(served)["events_since_last_compaction"] == 3
    again = reopened(served, tmp_path)
    assert again.all_items() == before
    again.stop()


def stats(served: Served) -> dict[str, object]:
    found: dict[str, object] = json.loads(served.ask(Verb.STATS).body)
    return found


def test_the_figures_tell_of_compactions(served: Compacting) -> None:
    assert stats(served)["last_compaction_at"] is None
    served.fill(5)
    assert stats(served)["events_since_last_compaction"] == 9
    served.ask(Verb.COMPACT, ())
    found = stats(served)
    assert found["events_since_last_compaction"] == 0
    assert found["last_compaction_at"] is not None
    assert (found["compactions"], found["compaction_running"]) == (1, False)


def test_a_compaction_asked_for_while_one_runs_is_that_one(served: Compacting) -> None:
    served.fill(5)
    served.errands.go.clear()
    first = served.start(Verb.COMPACT, ())
    wait_until(served.merging, "the merge")
    second = served.start(Verb.COMPACT, ())
    served.errands.go.set()
    replies = [wait_until(look, "the answer").body for look in (first, second)]
    assert replies[0] == replies[1]
    assert len(served.errands.tasks) == 1


def test_one_that_keeps_history_follows_one_that_does_not(served: Compacting) -> None:
    served.fill(5)
    served.errands.go.clear()
    first = served.start(Verb.COMPACT, ())
    wait_until(served.merging, "the merge")
    served.write(Verb.CREATE, {"id": "later"})
    second = served.start(Verb.COMPACT, KEEP)
    served.errands.go.set()
    assert wait_until(first, "the first").status == 200
    assert wait_until(second, "the second").status == 200
    plans = [task.plan for task in served.errands.tasks if isinstance(task, CompactTask)]
    assert [plan.keep_history for plan in plans] == [False, True]
    assert len(served.disk.names("/data/archive")) == 1


def test_nothing_is_done_when_nothing_is_new(served: Compacting) -> None:
    assert served.ask(Verb.COMPACT, ()).status == 200
    served.fill(3)
    served.ask(Verb.COMPACT, ())
    disk = served.disk.names("/data")
    assert served.ask(Verb.COMPACT, ()).status == 200
    assert len(served.errands.tasks) == 1
    assert served.disk.names("/data") == disk


def test_what_is_not_understood_is_refused(served: Compacting) -> None:
    assert served.ask(Verb.COMPACT, (("keep_history", "maybe"),)).status == 400
    assert served.ask(Verb.COMPACT, (("forget", "true"),)).status == 400


def sentence(reply: Reply) -> str:
    """Give what a refusal says; nothing of it may name a file, or be the system's own words."""
    said = reply.body.decode()
    assert not [
        word for word in ("/data", "raftlog", "snapshot", "Errno", "No space") if word in said
    ]
    error: str = json.loads(said)["error"]
    return error


def refused(served: Compacting, failure: Failure) -> Reply:
    """Compact while the disk fails; see that nothing has changed, and that it works after that."""
    before = served.all_items()
    served.disk.failures = [failure]
    reply = served.ask(Verb.COMPACT, ())
    served.disk.failures = []
    assert served.all_items() == before
    assert not snapshot_names(served.disk, "/data")
    assert served.write(Verb.CREATE, {"id": "after"}).status == 201
    before = served.all_items()
    assert served.ask(Verb.COMPACT, ()).status == 200
    assert served.all_items() == before
    assert not [name for name in served.disk.names("/data") if name.endswith(".tmp")]
    return reply


def test_a_full_disk_refuses_a_compaction_with_507_and_nothing_else(served: Compacting) -> None:
    served.fill(10)
    # Only the snapshot's first write fails: the seal before it makes a segment.
    reply = refused(served, Failure(errno.ENOSPC, "write", after=1))
    assert (reply.status, sentence(reply)) == (507, DISK_FULL)


def test_a_compaction_that_does_not_fit_takes_no_writers_room(
    served: Compacting, caplog: pytest.LogCaptureFixture
) -> None:
    served.fill(40)
    used = served.disk.used_bytes()
    served.disk.capacity_bytes = used + used // 4
    changed: list[str] = []
    served.disk.watch = lambda _, path: changed.append(path)
    reply = served.ask(Verb.COMPACT, ())
    assert (reply.status, sentence(reply)) == (507, DISK_FULL)
    assert not [path for path in changed if "snapshot" in path]
    assert "have to stay free, and only" in caplog.text
    assert served.write(Verb.CREATE, {"id": "beside", "text": "as before"}).status == 201
    served.disk.capacity_bytes *= 10
    assert served.ask(Verb.COMPACT, ()).status == 200


def test_no_room_for_a_new_segment_refuses_a_compaction(served: Compacting) -> None:
    served.fill(10)
    reply = refused(served, Failure(errno.ENOSPC, "create"))
    assert (reply.status, sentence(reply)) == (507, DISK_FULL)


def test_a_damaged_segment_stops_a_compaction_and_changes_nothing(
    served: Compacting, caplog: pytest.LogCaptureFixture
) -> None:
    served.fill(10)
    path = "/data/" + served.disk.names("/data")[0]
    inode = served.disk.names_cached[path]
    inode.cached = inode.cached[:300] + b"\x00" + inode.cached[301:]
    names = served.disk.names("/data")
    reply = served.ask(Verb.COMPACT, ())
    assert (reply.status, sentence(reply)) == (500, "Nothing was compacted")
    assert "damaged at offset" in caplog.text
    assert "/data" in caplog.text
    assert [n for n in served.disk.names("/data") if n in names] == names
    assert not snapshot_names(served.disk, "/data")
    assert served.ask(Verb.GET, "n1").status == 200


def test_evicted_items_are_read_from_the_snapshot(tmp_path: Path) -> None:
    app = Lithair().with_model(Card, "/data", "/api/cards")
    served = Compacting(app, "cards", tmp_path, SimulatedFiles())
    for number in range(20):
        served.write(Verb.CREATE, {"id": f"n{number}", "title": f"t{number}", "text": "x" * 50})
    for step in range(3):  # the second and third replace a snapshot
        served.write(Verb.PATCH, {"text": f"step {step}"}, f"n{step}")
        before = served.all_items()
        assert served.ask(Verb.COMPACT, ()).status == 200
        assert stats(served)["warm_count"] == 17
        assert served.all_items() == before
        got = served.ask(Verb.GET, "n9")
        assert (got.status, b"x" * 50 in got.body) == (200, True)
    served.stop()
