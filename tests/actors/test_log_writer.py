"""The hand-over between the loop and the thread that syncs."""

from lithair.actors.log_writer import LogWriter
from lithair.core.event import Event, EventKind
from lithair.core.schema import schema_of
from lithair.storage.event_log import Appended, EventLog, LogOptions, LogStamp
from tests.actors.serving import Note
from tests.support.simulated_files import SimulatedFiles

BATCHES = 500


def test_a_result_taken_the_moment_it_is_there_leaves_nothing_behind() -> None:
    """The loop looks in every turn, and may find a batch before it was woken for it."""
    schema = schema_of(Note)
    stamp = LogStamp(schema.name, schema.fingerprint, schema.description)
    log = EventLog.open(SimulatedFiles(), "/data", stamp, LogOptions(durability="os"), 0)
    for _ in log.replay():
        pass
    writer = LogWriter(log, "os")
    writer.start()
    for seq in range(1, BATCHES + 1):
        writer.submit([Event(seq, seq, EventKind.CREATE, str(seq), b"{}")])
        while (done := writer.take()) is None:
            pass
        assert isinstance(done, Appended)
    writer.close()
    log.close()
