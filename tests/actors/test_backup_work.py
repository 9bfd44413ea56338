"""A model process that backs itself up: nothing waits for the copy, and one is made at a time."""

import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from lithair.app import Lithair
from lithair.storage.backup_manifest import ModelBackup
from lithair.transport.sockets import monotonic_ms
from lithair.wire.messages import Reply
from lithair.wire.protocol import PUBLIC, TRUSTED, Verb
from tests.actors.serving import Note, Served
from tests.support.simulated_files import Failure, SimulatedFiles
from tests.support.waiting import wait_until


@pytest.fixture
def disk() -> SimulatedFiles:
    return SimulatedFiles()


@pytest.fixture
def served(disk: SimulatedFiles, tmp_path: Path) -> Iterator[Served]:
    served = Served(notes(), "notes", tmp_path, disk)
    yield served
    served.stop()


def notes() -> Lithair:
    return Lithair().with_model(Note, "/data", "/api/notes")


def begin(
    served: Served, directory: str, access: str = TRUSTED
) -> tuple[Callable[[], Reply | None], list[Reply]]:
    """Ask for a backup; gives what looks for the answer."""
    replies: list[Reply] = []
    deadline_ms = monotonic_ms() + 10_000
    served.client.ask_read(Verb.BACKUP, deadline_ms, access, directory, replies.append)

    def look() -> Reply | None:
        served.client.flush(monotonic_ms())
        served.client.tick(monotonic_ms())
        return replies[0] if replies else None

    look()
    return look, replies


def answer(served: Served, directory: str, access: str = TRUSTED) -> Reply:
    look, _ = begin(served, directory, access)
    return wait_until(look, "the answer to a backup")


def test_reads_and_writes_go_on_while_a_copy_is_held_up_by_the_disk(
    disk: SimulatedFiles, served: Served
) -> None:
    served.write(Verb.CREATE, {"id": "a", "text": "before"})
    has_begun, may_go_on = threading.Event(), threading.Event()

    def hold(_verb: str, path: str) -> None:
        if path.startswith("/backup"):
            has_begun.set()
            assert may_go_on.wait(10)

    disk.watch = hold
    look, replies = begin(served, "/backup/notes")
    assert has_begun.wait(10)
    served.write(Verb.CREATE, {"id": "b", "text": "during"})
    assert served.ask(Verb.GET, "b").status == 200
    second = answer(served, "/backup/second")
    assert second.status == 409
    assert b"is being made" in second.body
    assert not replies
    may_go_on.set()
    first = wait_until(look, "the answer to the first backup")
    assert first.status == 200
    made = msgspec.json.decode(first.body, type=ModelBackup)
    assert (made.name, made.class_name, made.folder) == ("notes", "Note", "notes")
    assert made.cut == 1, "what is written after the request is not in it"
    assert answer(served, "/backup/third").status == 200


def test_only_the_trusted_may_ask_and_only_for_a_place_that_is_clear(
    disk: SimulatedFiles, served: Served
) -> None:
    assert answer(served, "/backup/notes", PUBLIC).status == 400
    assert answer(served, "backup/notes").status == 400
    assert "/backup" not in disk.directories


def test_a_copy_that_fails_is_answered_and_the_next_one_succeeds(
    disk: SimulatedFiles, served: Served
) -> None:
    for code, status in ((errno.ENOSPC, 507), (errno.EIO, 500)):
        disk.failures = [Failure(code, "create")]
        failed = answer(served, "/backup/notes")
        assert failed.status == status
        assert b"/backup/notes" in failed.body
    assert answer(served, "/backup/notes").status == 200
    assert answer(served, "/backup/notes").status == 409


def test_a_log_that_could_not_be_made_ready_on_a_full_disk_is_not_backed_up(
    disk: SimulatedFiles, tmp_path: Path
) -> None:
    disk.make_directory("/data")
    disk.capacity_bytes = 0
    served = Served(notes(), "notes", tmp_path, disk)
    refused = answer(served, "/backup/notes")
    assert refused.status == 507
    disk.capacity_bytes = 1 << 40
    assert served.write(Verb.CREATE, {"text": "room"}).status == 201
    assert answer(served, "/backup/notes").status == 200
    served.stop()


def test_a_process_that_has_to_stop_does_not_wait_for_its_copy(
    disk: SimulatedFiles, tmp_path: Path
) -> None:
    served = Served(notes(), "notes", tmp_path, disk)
    has_begun, may_go_on, has_ended = threading.Event(), threading.Event(), threading.Event()

    def hold(verb: str, path: str) -> None:
        if path.startswith("/backup"):
            has_begun.set()
            assert may_go_on.wait(10)
            if verb == "sync_directory":
                has_ended.set()

    disk.watch = hold
    begin(served, "/backup/notes")
    assert has_begun.wait(10)
    served.stop()
    may_go_on.set()
    assert has_ended.wait(10), "its thread comes to its end without anybody to tell"
