"""Backups of compacted logs: with snapshot and archive, and with a compaction at any moment."""

import os

import pytest

from lithair.core.as_of import AsOf
from lithair.errors import DamagedLog, Dropped, UnknownFormat
from lithair.storage.backup import back_up
from lithair.storage.backup_manifest import ModelBackup, discard
from lithair.storage.event_log import EventLog
from lithair.storage.log_files import LogFiles
from tests.storage.backups import BACKUP, TIME, backed_up, restored, verified
from tests.storage.compacting import check_held, check_history, compact_log, opened_log, writer_of
from tests.storage.samples import DIRECTORY, NOW_MS, Fact, Writer
from tests.support.simulated_files import SimulatedFiles

DATA = "/data"  # the folder of a backup is called as the log's directory is: emails


def begun() -> tuple[SimulatedFiles, Writer]:
    disk = SimulatedFiles()
    log, held = opened_log(disk)
    return disk, writer_of(log, held, [], 9)


def compacted(*keep_history: bool) -> tuple[SimulatedFiles, Writer]:
    """Give a log that was compacted so often, and was written to before, between and after."""
    disk, writer = begun()
    for keep in keep_history:
        writer.write_all(12)
        compact_log(disk, writer.log, keep_history=keep)
    writer.write_all(12)
    return disk, writer


def elsewhere(disk: SimulatedFiles) -> SimulatedFiles:
    """Give a disk that has the backups only."""
    other = disk.fork()
    for path in list(other.names_cached):
        if path.startswith(DATA):
            other.remove(path)
    other.directories -= {path for path in other.directories if path.startswith(DATA)}
    return other


def check_restored(
    disk: SimulatedFiles, facts: list[Fact], point: AsOf | None = None, *, has_past: bool = False
) -> None:
    """Restore on a disk of its own, open it as a server does, and compare."""
    other = elsewhere(disk)
    done = restored(other, point, target=DATA)
    assert done.directory == DIRECTORY
    assert done.last_seq == len(facts)
    seen = verified(other, DIRECTORY)
    assert seen.is_sound, seen.damage
    assert not seen.notes
    for _ in range(2):
        log, held = opened_log(other)
        check_held(held, facts)
        if has_past:
            check_history(held, facts)
        log.close()


def test_a_backup_holds_snapshot_and_archive_and_restores_to_its_end() -> None:
    for keep in (False, True):
        disk, writer = compacted(keep, keep)
        manifest = backed_up(disk, writer.log)
        paths = [file.path for file in manifest.models[0].files]
        assert sum(path.endswith(".snapshot") for path in paths) == 1
        assert any(path.startswith("archive/") for path in paths) == keep
        assert verified(disk, f"{BACKUP}/emails").is_sound
        check_restored(disk, writer.facts)


def test_every_event_since_the_compaction_is_restored_and_none_before() -> None:
    disk, writer = compacted(False, False)
    backed_up(disk, writer.log)
    cut = writer.log.cut
    for seq in range(cut, len(writer.facts) + 1):
        check_restored(disk, writer.facts[:seq], AsOf(seq=seq))
    for seq in range(cut):
        other = elsewhere(disk)
        with pytest.raises(Dropped, match=f"event {cut}") as dropped:
            restored(other, AsOf(seq=seq), target=DATA)
        assert dropped.value.oldest == cut
        assert dropped.value.oldest_ms == writer.facts[cut - 1][1]
        assert DATA not in other.directories
    for time_ms in (NOW_MS - 1, writer.facts[cut - 1][1] - 1):
        with pytest.raises(Dropped):
            restored(elsewhere(disk), AsOf(time_ms=time_ms), target=DATA)
    for fact in writer.facts[cut - 1 :]:
        check_restored(disk, writer.facts[: fact[0]], AsOf(time_ms=fact[1]))


def test_every_event_is_restored_when_the_archive_begins_with_the_first() -> None:
    disk, writer = compacted(True, True)
    backed_up(disk, writer.log)
    for seq in range(len(writer.facts) + 1):
        check_restored(disk, writer.facts[:seq], AsOf(seq=seq), has_past=True)
    for fact in writer.facts:
        check_restored(disk, writer.facts[: fact[0]], AsOf(time_ms=fact[1]), has_past=True)
    check_restored(disk, [], AsOf(time_ms=NOW_MS))


def test_an_archive_that_begins_later_leads_to_nothing_before_the_snapshot() -> None:
    disk, writer = compacted(False, True)
    backed_up(disk, writer.log)
    cut = writer.log.cut
    check_restored(disk, writer.facts[:cut], AsOf(seq=cut))
    check_restored(disk, writer.facts)
    with pytest.raises(Dropped):
        restored(elsewhere(disk), AsOf(seq=cut - 1), target=DATA)


@pytest.mark.parametrize("keep", [False, True])
def test_a_compaction_at_any_moment_of_a_backup_takes_nothing_from_it(keep: bool) -> None:
    """The backup is of the log before the compaction or of that after it, and always whole."""
    disk, writer = compacted(keep)
    seen: list[str] = []
    disk.watch = lambda verb, _path: seen.append(verb)
    backed_up(disk, writer.log)
    cuts: set[int] = set()
    for call in range(len(seen)):
        disk, writer = compacted(keep)
        left = [call]

        def compact_now(
            _verb: str,
            _path: str,
            left: list[int] = left,
            disk: SimulatedFiles = disk,
            writer: Writer = writer,
        ) -> None:
            left[0] -= 1
            if left[0] == -1:
                writer.write_all(8)
                compact_log(disk, writer.log, keep_history=keep)
                writer.write_all(3)

        disk.watch = compact_now
        cut = backed_up(disk, writer.log).models[0].cut
        disk.watch = None
        cuts.add(cut)
        assert verified(disk, f"{BACKUP}/emails").is_sound
        check_restored(disk, writer.facts[:cut])
        check_restored(disk, writer.facts[: cut - 1], AsOf(seq=cut - 1))
    assert len(cuts) > 1, "some backups were begun anew, since a file was gone"


def test_a_view_is_of_one_moment_or_says_that_it_is_not() -> None:
    """At each call of a compaction: all segments that there are, whatever is being moved."""
    for keep in (False, True):
        disk, writer = compacted(keep)
        writer.write_all(8)
        views: list[LogFiles] = []

        def look(
            _verb: str, _path: str, views: list[LogFiles] = views, log: EventLog = writer.log
        ) -> None:
            views.append(log.view())

        before = begins_of(writer.log.view())
        disk.watch = look
        compact_log(disk, writer.log, keep_history=keep)
        disk.watch = None
        after = begins_of(writer.log.view())
        settled = [begins_of(view) for view in views if view.is_settled]
        assert all(begins >= before or begins == after for begins in settled)
        assert after in settled
        assert len(settled) < len(views) or not keep
        if keep:
            assert after >= before
        moving = [view for view in views if not view.is_settled]
        left = iter([*moving[:1], writer.log.view()])
        taken = back_up(disk, left.__next__, "/backups/later/emails")
        assert taken.cut == len(writer.facts)


def begins_of(view: LogFiles) -> set[int]:
    """Give the first events of all segments of a view."""
    paths = [segment.path for segment in (*view.sealed, view.active)] + list(view.archive or ())
    return {int(os.path.basename(path).split(".")[0]) for path in paths}


def test_an_archive_that_somebody_took_segments_from_leads_back_to_the_gap() -> None:
    disk, writer = compacted(True, True)
    archived = writer.log.view().archive or ()
    assert len(archived) > 3
    disk.remove(archived[1])
    writer.log.close()
    log, held = opened_log(disk)
    writer = writer_of(log, held, writer.facts, 4)
    backed_up(disk, log)
    assert restored(elsewhere(disk), target=DATA).last_seq == log.last_seq
    first = int(os.path.basename(archived[1]).split(".")[0])
    check_restored(disk, writer.facts[: first - 1], AsOf(seq=first - 1))
    for seq in (first, log.cut - 1):
        other = elsewhere(disk)
        with pytest.raises(Dropped):
            restored(other, AsOf(seq=seq), target=DATA)
        assert DATA not in other.directories


def test_what_is_discarded_of_a_backup_is_gone_with_its_archive() -> None:
    for keep in (False, True):
        disk, writer = compacted(keep)
        disk.make_directory("/data/emails/archive")  # maybe empty
        taken = back_up(disk, writer.log.view, f"{BACKUP}/emails")
        model = ModelBackup("emails", "Email", "emails", taken.cut, TIME, taken.files)
        discard(disk, BACKUP, [model], keep_target=False)
        assert not [path for path in disk.names_cached if path.startswith(BACKUP)]
        assert BACKUP not in disk.directories


def test_a_bit_that_flipped_in_snapshot_or_archive_is_found() -> None:
    disk, writer = compacted(True)
    manifest = backed_up(disk, writer.log)
    for file in manifest.models[0].files:
        if file.path.startswith("archive/") or file.path.endswith(".snapshot"):
            path = f"{BACKUP}/emails/{file.path}"
            data = disk.names_cached[path].cached
            for at in range(0, len(data), 61):
                changed = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
                with pytest.raises((DamagedLog, UnknownFormat)):
                    restored(elsewhere(disk.with_bytes(path, changed)), target=DATA)
