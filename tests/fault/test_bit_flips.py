"""A flipped bit anywhere in a log is refused, or is a torn tail; it never becomes a wrong item."""

from typing import NamedTuple

import pytest

from lithair.errors import DamagedLog
from lithair.storage.event_log import LogOptions
from lithair.storage.verify import verify
from tests.storage.samples import DIRECTORY, Fact, Writer, opened
from tests.support.simulated_files import SimulatedFiles

SMALL = LogOptions(segment_bytes_max=500, lock_wait_s=0)


class SmallLog(NamedTuple):
    disk: SimulatedFiles
    facts: list[Fact]
    last_frame: tuple[str, int, int]  # file, offset, and how many events it holds


def small_log(stop: str) -> SmallLog:
    """Give a log of several segments, one of which was closed in between, stopped like `stop`."""
    disk = SimulatedFiles()
    log, found = opened(disk, SMALL)
    Writer(log, found, 7).write_all(3)
    log.close()
    log, found = opened(disk, SMALL)
    writer = Writer(log, found, 8)
    writer.write_all(6)
    count = len(writer.batch(2))
    position = writer.append(writer.batch(2)).placed[0].position
    if stop == "clean":
        log.close()
    path = f"{DIRECTORY}/{position.segment:020d}.raftlog"
    return SmallLog(disk.fork(), writer.facts, (path, position.offset - 36, count))


def test_every_flip_is_refused_or_is_a_torn_tail() -> None:
    for stop in ("clean", "killed"):
        small = small_log(stop)
        path_of_last, begin, count = small.last_frame
        torn = flips = 0
        paths = [path for path in small.disk.names_cached if path.endswith(".raftlog")]
        assert len(paths) >= 3
        for path in paths:
            data = small.disk.names_cached[path].cached
            for at in range(len(data)):
                for bit in range(8):
                    flips += 1
                    changed = bytearray(data)
                    changed[at] ^= 1 << bit
                    disk = small.disk.with_bytes(path, bytes(changed))
                    if stop == "killed" and path == path_of_last and at >= begin:
                        torn += 1
                        _, found = opened(disk, SMALL)
                        assert found.facts == small.facts[:-count]
                        continue
                    with pytest.raises(DamagedLog) as refused:
                        opened(disk, SMALL)
                    assert refused.value.path == path
                    assert refused.value.offset <= at
                    assert path in str(refused.value)
                    assert "lithair verify" in str(refused.value)
        assert flips > 8 * 1000
        assert (torn > 0) == (stop == "killed")


def test_a_refused_log_is_not_changed() -> None:
    small = small_log("killed")
    path = min(path for path in small.disk.names_cached if path.endswith(".raftlog"))
    data = small.disk.names_cached[path].cached
    disk = small.disk.with_bytes(path, data[:-50] + b"x" + data[-49:])
    before = {name: inode.cached for name, inode in disk.names_cached.items()}
    with pytest.raises(DamagedLog):
        opened(disk, SMALL)
    assert {name: inode.cached for name, inode in disk.names_cached.items()} == before


def test_verify_finds_what_opening_refuses() -> None:
    small = small_log("clean")
    assert verify(small.disk, DIRECTORY, lambda _done, _all: None).is_sound
    for path in [path for path in small.disk.names_cached if path.endswith(".raftlog")]:
        data = small.disk.names_cached[path].cached
        for at in range(0, len(data), 5):
            changed = bytearray(data)
            changed[at] ^= 4
            disk = small.disk.with_bytes(path, bytes(changed))
            found = verify(disk, DIRECTORY, lambda _done, _all: None)
            assert [damage.path for damage in found.damage] == [path]
            assert found.damage[0].offset <= at
