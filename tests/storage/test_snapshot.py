"""A snapshot gives back what was written into it, in any amount, and notices what was not."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lithair.core import snapshot as codec
from lithair.core.event import Event, Flags, Position
from lithair.core.lookup import PAGE_ENTRIES
from lithair.core.snapshot import SnapshotHeader, payloads_in
from lithair.storage import snapshot_writer
from lithair.storage.files import OsFiles
from lithair.storage.snapshot import Snapshot
from lithair.storage.snapshot_writer import SnapshotWriter
from tests.support.simulated_files import SimulatedFiles

DIRECTORY = "/data/emails"
HEADER = SnapshotHeader(
    model_name="Email",
    cut=1000,
    time_ms=1_700_000_001_000,
    prev_crc=0xDEADBEEF,
    created_ms=1_700_000_002_000,
    fingerprint=b"fingerprint-0001",
    description=b'{"fields":[["subject","str"]]}',
    kept=("subject",),
)
Item = tuple[Event, Position, bytes]


def item(number: int, key: str, payload: bytes = b"{}") -> Item:
    event = Event(number, 1_700_000_000_000 + number, 1 + number % 2, key, payload)
    event.prev = Position(1, number) if number % 2 else None
    if number % 3 == 0:
        event.command_id = number.to_bytes(16, "big")
    if number % 5 == 0:
        event.key_hash, event.body_hash, event.status = b"k" * 16, b"b" * 16, 201
    return event, Position(1 + number // 100, number * 7), b'["%d"]' % number


def read_back(event: Event) -> Event:
    """Give the event as a read gives it."""
    event.fingerprint = HEADER.fingerprint
    return event


def written(items: Sequence[Item], header: SnapshotHeader = HEADER) -> SimulatedFiles:
    disk = SimulatedFiles()
    disk.make_directory(DIRECTORY)
    writer = SnapshotWriter(disk, DIRECTORY, header)
    for each in items:
        writer.add_item(*each)
    writer.finish()
    return disk


def opened(disk: SimulatedFiles, name: str = "00000000000000001000.snapshot") -> Snapshot:
    return Snapshot.open(disk, DIRECTORY, name)


def test_what_was_written_is_read() -> None:
    items = [item(number, f"key-{number}é") for number in range(1, 900)]
    snapshot = opened(written(items))
    assert snapshot.header == HEADER
    assert snapshot.item_count == len(items)
    [block] = snapshot.items()
    assert block.keys == [event.key for event, _, _ in items]
    assert block.cells == [cell for _, _, cell in items]
    for row, (event, home, _) in enumerate(items):
        assert (block.seqs[row], block.times[row]) == (event.seq, event.time_ms)
        assert Position(block.segments[row], block.offsets[row]) == home
        assert snapshot.read(block.places[row], block.lengths[row]) == read_back(event)
        assert snapshot.read(block.places[row]) == event
        assert snapshot.find(event.key) == event
    assert snapshot.find("nobody") is None
    found = {
        begin + at: payload for begin, run in snapshot.records() for at, payload in payloads_in(run)
    }
    assert found == dict(zip(block.places, (event.payload for event, _, _ in items), strict=True))
