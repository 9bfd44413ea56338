"""The hand-over between the loop and the thread that syncs."""

import select
import threading
import time
import weakref

import pytest

from lithair.actors.log_writer import SYNC_INTERVAL_S, LogWriter
from lithair.core.event import Event, EventKind
from lithair.core.schema import schema_of
from lithair.errors import LithairError, StorageFull, SyncFailed
from lithair.storage.event_log import Appended, Durability, EventLog, LogOptions, LogStamp
from tests.actors.serving import Note
from tests.support.simulated_files import SimulatedFiles
from tests.support.waiting import wait_until

BATCHES = 500


class Batch(list[Event]):
    """A list that tells when it is gone."""


def started(
    durability: Durability = "os", disk: SimulatedFiles | None = None
) -> tuple[EventLog, LogWriter]:
    schema = schema_of(Note)
    stamp = LogStamp(schema.name, schema.fingerprint, schema.description)
    options = LogOptions(durability=durability)
    log = EventLog.open(disk or SimulatedFiles(), "/data", stamp, options, 0)
    for _ in log.replay():
        pass
    writer = LogWriter(log, durability)
    writer.start()
    return log, writer


def appended(writer: LogWriter, events: list[Event]) -> Appended | LithairError:
    """Give what became of a batch, whoever appends it."""
    done = writer.submit(events)
    if done is not None:
        return done
    return taken(writer)


def taken(writer: LogWriter) -> Appended | LithairError:
    done = wait_until(writer.take, "the thread's answer", every_s=0)
    assert isinstance(done, Appended | LithairError)
    return done


def used_to_speed(log: EventLog, writer: LogWriter) -> None:
    """Append until the loop does it itself."""
    for _ in range(BATCHES):
        if writer.submit([note(log.last_seq + 1)]) is not None:
            return
        taken(writer)
    raise AssertionError(f"{BATCHES} appends to memory are not quick")


def note(seq: int) -> Event:
    return Event(seq, seq, EventKind.CREATE, str(seq), b"{}")


def unwritable(seq: int) -> Event:
    event = note(seq)
    event.key = None  # type: ignore[assignment]
    return event


def test_a_result_taken_the_moment_it_is_there_leaves_nothing_behind() -> None:
    """The loop looks in every turn, and may find a batch before it was woken for it."""
    log, writer = started()
    for seq in range(1, BATCHES + 1):
        assert isinstance(appended(writer, [note(seq)]), Appended)
    writer.close()
    log.close()


def test_a_thread_that_waits_keeps_no_batch_alive() -> None:
    """An idle model would hold the bodies of its last batch, up to 16 MiB."""
    log, writer = started()
    batch = Batch([note(1)])
    gone = threading.Event()
    weakref.finalize(batch, gone.set)
    writer.submit(batch)
    del batch
    assert gone.wait(10), "nothing is asked any more, and the batch is still held"
    writer.close()
    log.close()


def test_a_mistake_in_the_thread_reaches_the_loop_which_ends_the_process() -> None:
    """Else everybody would wait for ever for a thread that is gone."""
    log, writer = started()
    writer.submit([unwritable(1)])
    assert select.select([writer], [], [], 10)[0]
    assert type(writer.take()) is LithairError
    writer.close()
    log.close()


def test_a_mistake_in_the_loop_is_told_like_one_in_the_thread() -> None:
    log, writer = started()
    used_to_speed(log, writer)
    assert type(writer.submit([unwritable(log.last_seq + 1)])) is LithairError
    writer.close()
    log.close()


def test_a_slow_disk_is_left_to_the_thread() -> None:
    disk = SimulatedFiles()
    log, writer = started("always", disk)
    used_to_speed(log, writer)

    def hold(verb: str, _path: str) -> None:
        if verb == "sync":
            until = time.monotonic() + 0.1
            wait_until(lambda: time.monotonic() > until, "a slow sync")

    disk.watch = hold
    assert isinstance(writer.submit([note(log.last_seq + 1)]), Appended), "nobody knew before"
    disk.watch = None
    assert writer.submit([note(log.last_seq + 1)]) is None
    assert isinstance(taken(writer), Appended)
    used_to_speed(log, writer)
    writer.close()
    log.close()


def test_a_batch_comes_after_what_was_asked_before_it() -> None:
    log, writer = started()
    used_to_speed(log, writer)
    before, go_on, seen = log.last_seq, threading.Event(), list[int]()

    def act() -> None:
        assert go_on.wait(10)
        seen.append(log.last_seq)

    writer.ask(act)
    assert writer.submit([note(before + 1)]) is None
    assert writer.take() is None
    go_on.set()
    assert isinstance(taken(writer), Appended)
    assert seen == [before]
    writer.close()
    log.close()


def test_a_sync_that_fails_right_behind_a_batch_is_told_of_after_it() -> None:
    log, writer = started()

    def fail() -> None:
        raise SyncFailed("no such luck")

    writer.submit([note(1)])
    writer.ask(fail)
    wait_until(lambda: "log-writer" not in {one.name for one in threading.enumerate()}, "its end")
    assert isinstance(taken(writer), Appended)
    assert isinstance(taken(writer), SyncFailed)
    writer.close()
    log.close()


def test_refusals_of_a_full_disk_do_not_make_it_a_quick_one() -> None:
    disk = SimulatedFiles()
    log, writer = started("always", disk)
    disk.capacity_bytes = disk.used_bytes()
    for _ in range(BATCHES):
        assert isinstance(appended(writer, [note(1)]), StorageFull)
    disk.capacity_bytes = 1 << 40
    assert writer.submit([note(1)]) is None
    assert isinstance(taken(writer), Appended)
    writer.close()
    log.close()


@pytest.mark.parametrize("is_in_thread", [True, False])
def test_an_interval_is_kept_while_batches_come_without_a_pause(is_in_thread: bool) -> None:
    disk, syncs = SimulatedFiles(), list[float]()
    log, writer = started("interval", disk)

    def count(verb: str, _path: str) -> None:
        if verb == "sync":
            syncs.append(time.monotonic())

    disk.watch = count
    end = time.monotonic() + 5 * SYNC_INTERVAL_S
    while time.monotonic() < end:
        if is_in_thread:
            writer.ask(lambda: None)  # so the loop leaves the batch to the thread, too
        assert isinstance(appended(writer, [note(log.last_seq + 1)]), Appended)
    assert len(syncs) >= 3
    writer.close()
    log.close()
