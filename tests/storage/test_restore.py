"""Restoring backups: to the end and to every event and time; damage and what is no backup."""

import errno
from collections.abc import Callable

import pytest

from lithair.core.as_of import AsOf
from lithair.errors import DamagedLog, LithairError, Mistakes, StorageFull, UnknownFormat
from lithair.storage.backup import back_up
from lithair.storage.backup_manifest import ModelBackup, write_manifest
from lithair.storage.restore import restore
from tests.storage.backups import BACKUP, TARGET, TIME, backed_up, held, restored, verified
from tests.storage.samples import INTERVAL, NOW_MS, Writer, opened
from tests.support.simulated_files import Failure, SimulatedFiles

HOME = f"{TARGET}/emails"


def backup_of(batches: int) -> tuple[SimulatedFiles, Writer]:
    """Give a disk with a backup of a log that was opened three times, once after a crash."""
    disk = SimulatedFiles()
    log, found = opened(disk)
    writer = Writer(log, found, 5)
    writer.write_all(batches)
    log.close()
    log, found = opened(disk, INTERVAL)
    writer = Writer(log, found, 6)
    writer.write_all(batches)
    disk = disk.fork()  # killed: what was not synced is carried into a new segment
    log, found = opened(disk)
    writer = Writer(log, found, 7)
    writer.write_all(batches)
    backed_up(disk, log)
    return disk, writer


def test_every_event_is_restored_exactly() -> None:
    """In the middle of commits and at the borders of segments; each log is gone on with."""
    disk, writer = backup_of(14)
    count = len(writer.facts)
    assert any(fact[3] for fact in writer.facts), "there are commits of several events"
    for seq in range(count + 1):
        target = f"/restored-{seq}"
        done = restored(disk, AsOf(seq=seq), target)
        assert done.last_seq == seq
        seen = verified(disk, done.directory)
        assert seen.is_sound, f"event {seq}: {seen.damage}"
        assert not seen.notes, f"event {seq}: {seen.notes}"
        assert held(disk, done.directory) == writer.facts[:seq]
        assert held(disk, done.directory) == writer.facts[:seq], "and again at the next opening"
    with pytest.raises(LithairError, match=f"ends with event {count}"):
        restored(disk, AsOf(seq=count + 1), "/restored-later")
    assert "/restored-later" not in disk.directories


def test_every_time_is_restored_exactly() -> None:
    """All events of that time are included, and none that came later."""
    disk, writer = backup_of(14)
    for time_ms in range(NOW_MS - 1, NOW_MS + len(writer.facts) + 3):
        done = restored(disk, AsOf(time_ms=time_ms), f"/restored-{time_ms}")
        expected = [fact for fact in writer.facts if fact[1] <= time_ms]
        assert held(disk, done.directory) == expected
        assert done.last_seq == len(expected)


def test_a_bit_that_flipped_is_found_or_does_not_matter() -> None:
    """In a closing frame alone it does not: that holds nothing, and is written anew."""
    disk, writer = backup_of(4)
    paths = [path for path in disk.names_cached if path.startswith(f"{BACKUP}/emails/")]
    harmless = 0
    for path in paths:
        data = disk.names_cached[path].cached
        for at in range(0, len(data), 7):
            changed = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
            damaged = disk.with_bytes(path, changed)
            try:
                restored(damaged)
            except (DamagedLog, UnknownFormat):
                assert TARGET not in damaged.directories
                assert not [each for each in damaged.names_cached if each.startswith(TARGET)]
            else:
                harmless += 1
                assert held(damaged, HOME) == writer.facts
    assert harmless <= 36 // 7 + 1


def test_a_file_that_is_missing_or_shorter_is_damage() -> None:
    disk, _ = backup_of(4)
    path = next(path for path in disk.names_cached if path.startswith(f"{BACKUP}/emails/"))
    short = disk.with_bytes(path, disk.names_cached[path].cached[:-1])
    with pytest.raises(DamagedLog, match="when the backup was made"):
        restored(short)
    disk.remove(path)
    with pytest.raises(DamagedLog, match="missing") as missing:
        restored(disk)
    assert path in str(missing.value)


def test_a_directory_without_a_manifest_is_no_finished_backup() -> None:
    disk, writer = backup_of(4)
    back_up(disk, writer.log.view, "/backups/two/emails")
    with pytest.raises(LithairError, match="no finished backup"):
        restored(disk, backup="/backups/two")
    with pytest.raises(LithairError, match="no finished backup"):
        restored(disk, backup="/backups/nowhere")
    for text, kind in ((b"{", DamagedLog), (b'{"format": 2}', UnknownFormat)):
        with pytest.raises(kind):
            restored(disk.with_bytes(f"{BACKUP}/backup.json", text))


@pytest.mark.parametrize("folder", ["../elsewhere", "/elsewhere", "", "a/../../b"])
def test_a_manifest_leads_nowhere_but_into_the_backup(folder: str) -> None:
    disk, _ = backup_of(1)
    disk.make_directory("/backups/three")
    write_manifest(disk, "/backups/three", TIME, (ModelBackup("a", "A", folder, 0, TIME, ()),))
    with pytest.raises(DamagedLog, match="within a backup"):
        restored(disk, backup="/backups/three")


def test_a_target_that_something_is_in_is_refused() -> None:
    disk, _ = backup_of(1)
    disk.make_directory(TARGET)
    disk.create(f"{TARGET}/notes").close()
    with pytest.raises(LithairError, match="not empty"):
        restored(disk)
    disk.remove(f"{TARGET}/notes")
    restored(disk)


def several(disk: SimulatedFiles, names: tuple[str, ...]) -> dict[str, Writer]:
    """Make a backup of several models in `/backups/all`."""
    writers: dict[str, Writer] = {}
    models: list[ModelBackup] = []
    for at, name in enumerate(names):
        other = SimulatedFiles()
        log, found = opened(other)
        writers[name] = Writer(log, found, at)
        writers[name].write_all(10 + at)
        taken = back_up(other, log.view, f"/backups/all/{name}")
        for path, inode in other.names_cached.items():
            if path.startswith("/backups"):
                disk.names_cached[path] = disk.names_synced[path] = inode
        disk.directories |= {path for path in other.directories if path.startswith("/backups")}
        models.append(ModelBackup(name, name.title(), name, taken.cut, TIME, taken.files))
    write_manifest(disk, "/backups/all", TIME, tuple(models))
    return writers


def test_models_are_chosen_by_name_and_a_seq_belongs_to_one() -> None:
    disk = SimulatedFiles()
    writers = several(disk, ("emails", "invoices", "films"))

    def ask(target: str, point: AsOf, *names: str) -> dict[str, int]:
        done = restore(disk, "/backups/all", target, point, names, lambda _done, _total: None)
        for each in done:
            assert held(disk, each.directory) == writers[each.name].facts[: each.last_seq]
        return {each.name: each.last_seq for each in done}

    counts = {name: len(writer.facts) for name, writer in writers.items()}
    assert ask("/all", AsOf()) == counts
    assert ask("/some", AsOf(), "Films", "emails") == {
        "films": counts["films"],
        "emails": counts["emails"],
    }
    assert ask("/one", AsOf(seq=3), "Invoices") == {"invoices": 3}
    then = AsOf(time_ms=NOW_MS + 5)
    assert ask("/then", then) == {"emails": 5, "invoices": 5, "films": 5}
    with pytest.raises(Mistakes, match="--model"):
        ask("/seq", AsOf(seq=3))
    with pytest.raises(Mistakes, match="no model 'movies'"):
        ask("/unknown", AsOf(), "movies")


def each_call(batches: int) -> tuple[SimulatedFiles, Writer, int]:
    disk, writer = backup_of(batches)
    counted = disk.fork()
    seen: list[str] = []
    counted.watch = lambda verb, _path: seen.append(verb)
    restored(counted)
    return disk, writer, len(seen)


def test_a_restoration_that_fails_at_any_call_leaves_nothing() -> None:
    disk, _, calls = each_call(6)
    before = set(disk.names_cached)
    for call in range(calls):
        for code, kind in ((errno.ENOSPC, StorageFull), (errno.EIO, LithairError)):
            failing = disk.fork()
            failing.failures = [Failure(code, after=call)]
            with pytest.raises(kind):
                restored(failing)
            assert set(failing.names_cached) == before
            assert TARGET not in failing.directories


def test_a_restoration_that_was_killed_never_opens_as_a_shorter_log() -> None:
    """At every call, by a kill and by a power loss: nothing, damage, or all of it."""
    disk, writer, calls = each_call(6)
    whole = 0
    for call in range(calls):
        for crash in (SimulatedFiles.fork, SimulatedFiles.after_power_loss):
            left = crashed(disk, call, crash)
            if f"{HOME}/00000000000000000001.raftlog" not in left.names_cached:
                if any(path.startswith(HOME) and ".tmp" not in path for path in left.names_cached):
                    with pytest.raises(DamagedLog):
                        held(left, HOME)
                continue
            whole += 1
            assert held(left, HOME) == writer.facts
    assert whole > 0


def crashed(
    disk: SimulatedFiles, call: int, crash: Callable[[SimulatedFiles], SimulatedFiles]
) -> SimulatedFiles:
    """Give the disk as it is found when a restoration ended before one of its calls."""
    running, states = disk.fork(), list[SimulatedFiles]()
    left = [call]

    def look(_verb: str, _path: str) -> None:
        if left[0] == 0:
            states.append(crash(running))
        left[0] -= 1

    running.watch = look
    restored(running)
    return states[0]
