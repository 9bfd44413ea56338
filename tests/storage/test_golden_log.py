"""A log of format version 1, committed as it was written, is read for ever."""

import shutil
from pathlib import Path

import msgspec

from lithair.core.event import Event, Flags, Position
from lithair.core.frame import records_in
from lithair.storage.event_log import EventLog
from lithair.storage.files import OsFiles
from lithair.storage.verify import verify
from tests.storage.golden.make import OPTIONS, STAMP, TIME_MS, make

GOLDEN = Path(__file__).parent / "golden" / "version_1"
BULK = bytes(range(16))
EVENTS = [
    Event(1, TIME_MS, 1, "a", b'{"id":"a","subject":"one"}'),
    Event(2, TIME_MS + 1, 1, "é/ß", b"{}", BULK, Flags.BULK),
    Event(3, TIME_MS + 1, 2, "a", b'{"id":"a"}', BULK, Flags.BULK, Position(1, 155)),
    Event(4, TIME_MS + 1, 3, "a", b'{"id":"a"}', BULK, 3, Position(1, 337)),
    Event(
        5,
        TIME_MS + 2,
        1,
        "k",
        b'{"id":"k"}',
        bytes([7] * 16),
        key_hash=bytes([8] * 16),
        body_hash=bytes([9] * 16),
        status=201,
    ),
    Event(6, TIME_MS + 1001, 1, "z", b'{"id":"z"}'),
]


def golden_copy(tmp_path: Path) -> str:
    directory = tmp_path / "log"
    shutil.copytree(GOLDEN, directory)
    return str(directory)


def test_the_golden_log_gives_its_events(tmp_path: Path) -> None:
    directory = golden_copy(tmp_path)
    log = EventLog.open(OsFiles(), directory, STAMP, OPTIONS, TIME_MS + 5000)
    places: list[tuple[Position, int]] = []
    for run in log.replay():
        assert (run.fingerprint, run.description) == STAMP[1:]
        places += [
            (Position(run.segment, run.base_offset + record[0]), record[1])
            for record in records_in(run.buffer, run.start, run.end)
        ]
    events = [msgspec.structs.replace(event, fingerprint=STAMP.fingerprint) for event in EVENTS]
    assert [log.read(*place) for place in places] == events
    assert log.events_since(0, 100, 1 << 20) == events
    log.append([Event(7, TIME_MS + 5000, 1, "new", b"{}")])
    log.close()
    assert verify(OsFiles(), directory, lambda _done, _all: None).events == 7


def test_the_golden_log_is_still_written_byte_for_byte(tmp_path: Path) -> None:
    make(str(tmp_path))
    written = {path.name: path.read_bytes() for path in tmp_path.glob("*.raftlog")}
    assert written == {path.name: path.read_bytes() for path in GOLDEN.iterdir()}
