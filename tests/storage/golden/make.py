"""Made the golden log once, by `python -m tests.storage.golden.make DIR`; not to be run again.

The files beside this one are of format version 1, and every later version of Lithair has to read
them as test_golden_log.py says. A new format gets a directory of its own.
"""

import sys

from lithair.core.event import Event, EventKind, Flags
from lithair.storage.event_log import EventLog, LogOptions, LogStamp
from lithair.storage.files import OsFiles

STAMP = LogStamp("Email", b"golden-schema-01", b'{"fields":[{"name":"subject","type":"str"}]}')
TIME_MS = 1_760_000_000_000
OPTIONS = LogOptions(segment_bytes_max=400)


def make(directory: str) -> None:
    """Write the log: two segments by size, a clean stop, and a third one cut short by a kill."""
    log = EventLog.open(OsFiles(), directory, STAMP, OPTIONS, TIME_MS)
    for _ in log.replay():
        raise AssertionError("the directory is not empty")
    first = log.append([Event(1, TIME_MS, EventKind.CREATE, "a", b'{"id":"a","subject":"one"}')])
    at_a = first.placed[0].position
    bulk = bytes(range(16))
    log.append(
        [
            Event(2, TIME_MS + 1, EventKind.CREATE, "é/ß", b"{}", bulk, Flags.BULK),
            Event(3, TIME_MS + 1, EventKind.UPDATE, "a", b'{"id":"a"}', bulk, Flags.BULK, at_a),
            Event(4, TIME_MS + 1, EventKind.DELETE, "a", b'{"id":"a"}', bulk, 3, None, 1),
        ]
    )
    keyed = Event(5, TIME_MS + 2, EventKind.CREATE, "k", b'{"id":"k"}', bytes([7] * 16))
    keyed.key_hash, keyed.body_hash, keyed.status = bytes([8] * 16), bytes([9] * 16), 201
    log.append([keyed])
    log.close()
    log = EventLog.open(OsFiles(), directory, STAMP, OPTIONS, TIME_MS + 1000)
    for _ in log.replay():
        pass
    log.append([Event(6, TIME_MS + 1001, EventKind.CREATE, "z", b'{"id":"z"}')])


if __name__ == "__main__":
    make(sys.argv[1])
