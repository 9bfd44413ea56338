"""Files appear by temporary name, sync, rename, sync of the directory; leftovers go."""

import errno

from lithair.storage.event_log import EventLog
from tests.storage.samples import ALWAYS, DIRECTORY, NOW_MS, STAMP, Writer, opened
from tests.support.simulated_files import Failure, SimulatedFiles


def test_a_segment_is_synced_before_it_has_its_name() -> None:
    disk = SimulatedFiles()
    calls: list[tuple[str, str]] = []
    disk.watch = lambda verb, path: calls.append((verb, path.removeprefix(f"{DIRECTORY}/")))
    opened(disk)
    name = "00000000000000000001.raftlog"
    assert calls[-5:] == [
        ("create", f"{name}.tmp"),
        ("write", f"{name}.tmp"),
        ("sync", f"{name}.tmp"),
        ("rename", f"{name}.tmp"),
        ("sync_directory", DIRECTORY),
    ]


def test_leftovers_of_files_that_never_appeared_are_removed() -> None:
    disk = SimulatedFiles()
    log, found = opened(disk)
    Writer(log, found, 1).write_all(3)
    log.close()
    for name in ("00000000000000000009.raftlog.tmp", "0-1-2.torn.tmp"):
        disk.create(f"{DIRECTORY}/{name}")
    EventLog.open(disk, DIRECTORY, STAMP, ALWAYS, NOW_MS).close()
    assert not [name for name in disk.names(DIRECTORY) if name.endswith(".tmp")]


def test_a_file_that_failed_on_the_way_leaves_nothing() -> None:
    for verb in ("write", "sync", "rename"):
        disk = SimulatedFiles()
        disk.failures.append(Failure(errno.ENOSPC, verb))
        log, _ = opened(disk)
        assert log.is_read_only
        assert disk.names(DIRECTORY) == []
        assert log.retry_writable()


def test_a_torn_tail_is_kept_aside_once() -> None:
    disk = SimulatedFiles()
    log, found = opened(disk)
    writer = Writer(log, found, 1)
    writer.write_all(4)
    last = writer.places[-1][0]
    path = f"{DIRECTORY}/{last.segment:020d}.raftlog"
    data = disk.names_cached[path].cached
    torn = disk.with_bytes(path, data[:-7])
    opened(torn)
    [name] = [name for name in torn.names(DIRECTORY) if name.endswith(".torn")]
    kept = torn.names_cached[f"{DIRECTORY}/{name}"].cached
    assert kept
    assert data[:-7].endswith(kept)
    again = torn.after_power_loss()
    opened(again)
    assert [n for n in again.names(DIRECTORY) if n.endswith(".torn")] == [name]


def test_opening_again_and_again_makes_no_more_files() -> None:
    disk = SimulatedFiles()
    log, found = opened(disk)
    Writer(log, found, 1).write_all(6)
    disk = disk.fork()
    opened(disk)
    names = disk.fork().names(DIRECTORY)
    for stop in ("kill", "close", "kill", "close", "power"):
        disk = disk.after_power_loss() if stop == "power" else disk.fork()
        log, _ = opened(disk)
        if stop == "close":
            log.close()
    again = disk.names(DIRECTORY)
    assert len(again) <= len(names) + 1  # the empty segment that follows the carried one
