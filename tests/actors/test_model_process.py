"""A model process over its real sockets: reads beside a slow disk, full disks, references."""

import errno
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lithair.app import Lithair
from lithair.errors import SyncFailed
from lithair.fields import Ref
from lithair.model import Model
from lithair.process import SYNCING
from lithair.storage.files import OsFiles
from lithair.wire.protocol import Verb
from tests.actors.serving import Note, Served
from tests.support.simulated_files import Failure, SimulatedFiles
from tests.support.waiting import wait_until


class Author(Model):
    name: str = ""
    favourite: Ref["Book"] | None = None


class Book(Model):
    author: Ref["Author"] | None = None


@pytest.fixture
def disk() -> SimulatedFiles:
    return SimulatedFiles()


def notes(directory: str = "/data") -> Lithair:
    return Lithair().with_model(Note, directory, "/api/notes")


@pytest.fixture
def served(disk: SimulatedFiles, tmp_path: Path) -> Iterator[Served]:
    served = Served(notes(), "notes", tmp_path, disk)
    yield served
    served.stop()


def test_reads_do_not_wait_for_a_sync_and_see_nothing_of_what_is_being_synced(
    disk: SimulatedFiles, served: Served
) -> None:
    served.write(Verb.CREATE, {"id": "a", "text": "old"})
    let_sync = threading.Event()

    def hold(verb: str, _path: str) -> None:
        if verb == "sync":
            assert let_sync.wait(10)

    disk.watch = hold
    first = served.start(Verb.PATCH, served.command({"text": "new"}, "a"))
    wait_until(lambda: served.child.detail == SYNCING, "the batch is with the disk")
    second = served.start(Verb.CREATE, served.command({"id": "b"}))
    read = served.ask(Verb.GET, "a")
    assert (b"old" in read.body, read.seq) == (True, 1)
    assert served.ask(Verb.GET, "b").status == 404
    assert first() is None
    assert second() is None
    let_sync.set()
    assert wait_until(first, "the first write").status == 200
    assert wait_until(second, "the second write").status == 201
    assert served.ask(Verb.GET, "a").seq == 3


def test_writes_that_gather_behind_a_sync_share_the_next_ones(
    disk: SimulatedFiles, served: Served
) -> None:
    let_sync, syncs = threading.Event(), list[str]()

    def hold(verb: str, path: str) -> None:
        if verb == "sync":
            syncs.append(path)
            assert let_sync.wait(10)

    disk.watch = hold
    looks = [served.start(Verb.CREATE, served.command({"id": "0"}))]
    wait_until(lambda: syncs, "the first sync")
    looks += [served.start(Verb.CREATE, served.command({"id": str(n)})) for n in range(1, 50)]
    wait_until(lambda: served.ask(Verb.STATS), "the loop has taken all of them")
    let_sync.set()
    assert {wait_until(look, "a write").status for look in looks} == {201}
    assert len(syncs) in (2, 3), "all 49 together, or by halves where that sync was a short one"


def test_a_full_disk_refuses_writes_until_there_is_room(
    disk: SimulatedFiles, served: Served
) -> None:
    served.write(Verb.CREATE, {"id": "a"})
    disk.capacity_bytes = disk.used_bytes() + 10
    refused = served.write(Verb.CREATE, {"id": "b"})
    assert (refused.status, b"/data" in refused.body) == (507, False), "no path leaves"
    assert served.ask(Verb.GET, "a").status == 200
    disk.capacity_bytes = 1 << 40
    assert served.write(Verb.CREATE, {"id": "b"}).status == 201


def test_a_failed_sync_answers_nothing_and_ends_the_process(
    disk: SimulatedFiles, tmp_path: Path
) -> None:
    served = Served(notes(), "notes", tmp_path, disk)
    disk.failures = [Failure(errno.EIO, "sync")]
    look = served.start(Verb.CREATE, served.command({"id": "a"}))
    wait_until(lambda: served.ending, "the end")
    assert isinstance(served.ending, SyncFailed)
    assert look() is None
    served.stop()


def test_a_damaged_log_ends_the_process_with_a_sentence(
    disk: SimulatedFiles, tmp_path: Path
) -> None:
    for number in range(2):
        served = Served(notes(), "notes", tmp_path, disk)
        served.write(Verb.CREATE, {"id": str(number)})
        served.stop()
    path = next(path for path in disk.names_cached if path.endswith(".raftlog"))
    data = bytearray(disk.names_cached[path].cached)
    data[len(data) // 2] ^= 1
    broken = Served(notes(), "notes", tmp_path, disk.with_bytes(path, bytes(data)))
    ((sentence, status),) = broken.said.sentences
    broken.stop()
    assert status == 3
    assert path in sentence
    assert "lithair verify" in sentence


def test_what_was_committed_is_served_again_after_a_restart(
    disk: SimulatedFiles, tmp_path: Path
) -> None:
    served = Served(notes(), "notes", tmp_path, disk)
    command = served.command({"text": "x"})
    first = wait_until(served.start(Verb.CREATE, command), "the write")
    served.stop()
    again = Served(notes(), "notes", tmp_path, disk)
    repeated = wait_until(again.start(Verb.CREATE, command), "the repeat")
    assert repeated.body == first.body
    assert repeated.item_seq == first.item_seq
    entries = msgspec.json.decode(again.ask(Verb.HISTORY, first.key).body)
    assert [entry["seq"] for entry in entries] == [1]
    assert again.ask(Verb.STATS).seq == 1
    again.stop()


def library(directory: Path) -> Lithair:
    return (
        Lithair()
        .with_model(Author, str(directory / "authors"), "/api/authors")
        .with_model(Book, str(directory / "books"), "/api/books")
    )


def test_models_that_refer_to_each_other_write_at_the_same_time(tmp_path: Path) -> None:
    app = library(tmp_path)
    authors = Served(app, "authors", tmp_path, OsFiles())
    books = Served(app, "books", tmp_path, OsFiles())
    assert authors.write(Verb.CREATE, {"id": "a"}).status == 201
    assert books.write(Verb.CREATE, {"id": "b"}).status == 201
    looks = [
        served.start(Verb.CREATE, served.command({field: target}))
        for _ in range(50)
        for served, field, target in ((authors, "favourite", "b"), (books, "author", "a"))
    ]
    assert {wait_until(look, "a write").status for look in looks} == {201}
    refused = books.write(Verb.CREATE, {"author": "nobody"})
    assert (refused.status, b'"field":"author"' in refused.body) == (422, True)
    authors.stop()
    unknown = books.write(Verb.CREATE, {"author": "a"})
    assert (unknown.status, b"Author" in unknown.body) == (503, True)
    assert books.write(Verb.CREATE, {}).status == 201, "writes without references go on"
    books.stop()


def test_a_record_that_is_damaged_under_a_running_process_costs_that_answer_alone(
    disk: SimulatedFiles, served: Served
) -> None:
    served.write(Verb.CREATE, {"id": "a", "text": "aaaa"})
    served.write(Verb.CREATE, {"id": "b", "text": "bbbb"})
    (inode,) = (inode for path, inode in disk.names_cached.items() if path.endswith(".raftlog"))
    inode.cached = inode.cached.replace(b"aaaa", b"aaxa")
    broken = served.ask(Verb.HISTORY, "a")
    assert (broken.status, b"/data" in broken.body) == (500, False)
    assert served.ask(Verb.HISTORY, "b").status == 200
