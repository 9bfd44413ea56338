"""The hand-over between the loop and the thread that syncs."""

import select
import threading
import weakref

from lithair.actors.log_writer import LogWriter
from lithair.core.event import Event, EventKind
from lithair.core.schema import schema_of
from lithair.errors import LithairError
from lithair.storage.event_log import Appended, EventLog, LogOptions, LogStamp
from tests.actors.serving import Note
from tests.support.simulated_files import SimulatedFiles

BATCHES = 500


class Batch(list[Event]):
    """A list that tells when it is gone."""


def started() -> tuple[EventLog, LogWriter]:
    schema = schema_of(Note)
    stamp = LogStamp(schema.name, schema.fingerprint, schema.description)
    log = EventLog.open(SimulatedFiles(), "/data", stamp, LogOptions(durability="os"), 0)
    for _ in log.replay():
        pass
    writer = LogWriter(log, "os")
    writer.start()
    return log, writer


def note(seq: int) -> Event:
    return Event(seq, seq, EventKind.CREATE, str(seq), b"{}")


def test_a_result_taken_the_moment_it_is_there_leaves_nothing_behind() -> None:
    """The loop looks in every turn, and may find a batch before it was woken for it."""
    log, writer = started()
    for seq in range(1, BATCHES + 1):
        writer.submit([note(seq)])
        while (done := writer.take()) is None:
            pass
        assert isinstance(done, Appended)
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
    unwritable = note(1)
    unwritable.key = None  # type: ignore[assignment]
    writer.submit([unwritable])
    assert select.select([writer], [], [], 10)[0]
    assert type(writer.take()) is LithairError
    writer.close()
    log.close()
