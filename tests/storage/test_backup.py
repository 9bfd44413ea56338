"""Backups while writes go on: the log's prefix at the cut, whatever happens at whichever call."""

import errno
import os
from pathlib import Path

import pytest

from lithair.errors import LithairError, StorageFull
from lithair.storage.backup import STAGED_SUFFIX, back_up
from lithair.storage.backup_manifest import read_manifest
from lithair.storage.event_log import EventLog, LogOptions
from lithair.storage.files import OsFiles
from tests.storage.backups import BACKUP, TARGET, backed_up, held, restored, verified
from tests.storage.samples import (
    ALWAYS,
    DIRECTORY,
    INTERVAL,
    NOW_MS,
    STAMP,
    Writer,
    opened,
    replayed,
)
from tests.support.simulated_files import Failure, SimulatedFiles

FOLDER = f"{BACKUP}/emails"
OTHER_DISK = Path("/dev/shm")


def written(batches: int = 60, options: LogOptions = ALWAYS) -> tuple[SimulatedFiles, Writer]:
    disk = SimulatedFiles()
    log, found = opened(disk, options)
    writer = Writer(log, found, 3)
    writer.write_all(batches)
    return disk, writer


def calls_of_a_backup() -> int:
    """Count the calls that change the disk."""
    disk, writer = written()
    seen: list[str] = []
    disk.watch = lambda verb, _path: seen.append(verb)
    backed_up(disk, writer.log)
    return len(seen)


CALLS = calls_of_a_backup()


def test_a_backup_holds_the_log_and_is_sound() -> None:
    disk, writer = written()
    before = {path: inode.cached for path, inode in disk.names_cached.items()}
    manifest = backed_up(disk, writer.log)
    assert manifest.models[0].cut == len(writer.facts)
    assert read_manifest(disk, BACKUP) == manifest
    assert {path: disk.names_cached[path].cached for path in before} == before
    assert len(manifest.models[0].files) > 3
    seen = verified(disk, FOLDER)
    assert seen.is_sound
    assert not seen.notes
    assert seen.events == len(writer.facts)
    assert restored(disk).last_seq == len(writer.facts)
    assert held(disk, f"{TARGET}/emails") == writer.facts


@pytest.mark.parametrize("call", range(CALLS))
def test_what_is_written_at_any_moment_of_a_backup_is_not_in_it(call: int) -> None:
    """The log grows by several segments in the middle of the backup."""
    disk, writer = written()
    left = [call]
    cut = len(writer.facts)

    def write_more(_verb: str, _path: str) -> None:
        left[0] -= 1
        if left[0] == -1:
            writer.write_all(40)

    disk.watch = write_more
    manifest = backed_up(disk, writer.log)
    disk.watch = None
    assert manifest.models[0].cut in (cut, len(writer.facts))
    assert len(writer.facts) > cut
    restored(disk)
    assert held(disk, f"{TARGET}/emails") == writer.facts[: manifest.models[0].cut]
    assert writer.log.last_seq == len(writer.facts)


@pytest.mark.parametrize("call", range(CALLS - 1))
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_backup_that_fails_leaves_nothing_and_the_log_as_it_was(call: int, code: int) -> None:
    disk, writer = written()
    before = set(disk.names_cached)
    disk.failures = [Failure(code, after=call)]
    failed: LithairError | None = None
    try:
        taken = back_up(disk, writer.log.view, FOLDER)
        assert call >= CALLS - 6, "the calls of the manifest are the last"
        assert taken.cut == len(writer.facts)
    except LithairError as error:
        failed = error
    if failed is not None:
        assert isinstance(failed, StorageFull) == (code == errno.ENOSPC)
        assert set(disk.names_cached) == before
        assert FOLDER not in disk.directories
    disk.failures = []
    writer.write_all(3)
    writer.log.close()


def test_a_finished_backup_survives_a_power_loss() -> None:
    disk, writer = written(options=INTERVAL)
    backed_up(disk, writer.log)
    left = disk.after_power_loss()
    restored(left)
    assert held(left, f"{TARGET}/emails") == writer.facts


def test_without_hard_links_files_are_copied_while_they_are_kept() -> None:
    """First no links to the target, then none at all."""
    for may_stage in (True, False):
        disk, writer = written()
        attempts: list[str] = []

        def refuse(
            verb: str, path: str, attempts: list[str] = attempts, may_stage: bool = may_stage
        ) -> None:
            if verb == "link":
                attempts.append(path)
                if not (may_stage and len(attempts) % 2 == 0):
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)

        disk.watch = refuse
        backed_up(disk, writer.log)
        disk.watch = None
        assert len(attempts) > 4
        assert not [path for path in disk.names_cached if path.endswith(STAGED_SUFFIX)]
        inodes = {id(inode) for p, inode in disk.names_cached.items() if p.startswith(DIRECTORY)}
        copies = [inode for p, inode in disk.names_cached.items() if p.startswith(BACKUP)]
        assert not inodes & {id(inode) for inode in copies}
        assert all(inode.synced == inode.cached for inode in copies)
        restored(disk)
        assert held(disk, f"{TARGET}/emails") == writer.facts


def test_names_that_a_killed_backup_left_go_at_the_next_opening() -> None:
    disk, writer = written()
    name = f"{DIRECTORY}/00000000000000000001.raftlog"
    disk.link(name, name + STAGED_SUFFIX)
    left = disk.fork()
    opened(left)
    assert name + STAGED_SUFFIX not in left.names_cached
    assert name in left.names_cached
    disk.failures = [Failure(errno.EXDEV, "link")]  # it is in the way of no other backup
    backed_up(disk, writer.log)
    assert name + STAGED_SUFFIX not in disk.names_cached


def test_a_directory_that_something_is_in_is_refused(tmp_path: Path) -> None:
    files = OsFiles()
    log = EventLog.open(files, str(tmp_path / "data"), STAMP, ALWAYS, NOW_MS)
    writer = Writer(log, replayed(log), 3)
    writer.write_all(5)
    target = tmp_path / "backup"
    (target / "something").mkdir(parents=True)
    with pytest.raises(LithairError, match="not empty") as refused:
        back_up(files, log.view, str(target))
    assert refused.value.status == 409
    assert list(target.iterdir()) == [target / "something"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(LithairError, match="no directory"):
        back_up(files, log.view, str(tmp_path / "file"))
    log.close()


def test_an_empty_log_is_backed_up_and_restored() -> None:
    disk, writer = written(0)
    assert backed_up(disk, writer.log).models[0].cut == 0
    assert restored(disk).time is None
    assert held(disk, f"{TARGET}/emails") == []
    assert verified(disk, f"{TARGET}/emails").is_sound


def test_on_a_real_disk_sealed_segments_are_linked_and_the_active_one_is_copied(
    tmp_path: Path,
) -> None:
    files = OsFiles()
    log = EventLog.open(files, str(tmp_path / "data"), STAMP, ALWAYS, NOW_MS)
    writer = Writer(log, replayed(log), 3)
    writer.write_all(60)
    backup = tmp_path / "backup"
    backed_up(files, log, str(backup))
    cut = len(writer.facts)
    links = [path.stat().st_nlink for path in sorted((backup / "emails").iterdir())]
    assert links == [2] * (len(links) - 1) + [1]
    writer.write_all(60)
    log.close()
    restored(files, target=str(tmp_path / "restored"), backup=str(backup))
    assert held(files, str(tmp_path / "restored" / "emails")) == writer.facts[:cut]


@pytest.mark.skipif(not OTHER_DISK.is_dir(), reason="there is no second file system here")
def test_a_backup_to_another_file_system_is_a_copy(tmp_path: Path) -> None:
    if OTHER_DISK.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("it is the same file system")
    files = OsFiles()
    target = OTHER_DISK / f"lithair-{os.getpid()}-backup"
    log = EventLog.open(files, str(tmp_path / "data"), STAMP, ALWAYS, NOW_MS)
    writer = Writer(log, replayed(log), 3)
    writer.write_all(60)
    try:
        backed_up(files, log, str(target))
        assert verified(files, str(target / "emails")).events == len(writer.facts)
        assert not list((tmp_path / "data").glob("*.tmp"))
        restored(files, target=str(tmp_path / "restored"), backup=str(target))
    finally:
        for path in sorted(target.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        target.rmdir()
    log.close()
    assert held(files, str(tmp_path / "restored" / "emails")) == writer.facts
