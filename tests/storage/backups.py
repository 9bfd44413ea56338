"""Backups to test with: of one log on any disk, and what a restored directory holds."""

from lithair.core.as_of import AsOf
from lithair.storage.backup import back_up
from lithair.storage.backup_manifest import Manifest, ModelBackup, write_manifest
from lithair.storage.event_log import EventLog
from lithair.storage.files import Files
from lithair.storage.restore import Restored, restore
from lithair.storage.verify import Verified, verify
from tests.storage.samples import ALWAYS, NOW_MS, STAMP, Fact, replayed

TIME = "2026-01-31T12:00:00.000Z"
BACKUP = "/backups/one"
TARGET = "/restored"


def backed_up(files: Files, log: EventLog, directory: str = BACKUP) -> Manifest:
    """Make a finished backup of one log."""
    taken = back_up(files, log.view, f"{directory}/emails")
    model = ModelBackup("emails", "Email", "emails", taken.cut, TIME, taken.files)
    return write_manifest(files, directory, TIME, (model,))


def restored(
    files: Files, point: AsOf | None = None, target: str = TARGET, backup: str = BACKUP
) -> Restored:
    """Restore the one model of a backup."""
    [one] = restore(files, backup, target, point or AsOf(), (), lambda _done, _total: None)
    return one


def held(files: Files, directory: str) -> list[Fact]:
    """Open a log as a server does and give all that it holds; leaves it closed."""
    log = EventLog.open(files, directory, STAMP, ALWAYS, NOW_MS)
    try:
        facts = replayed(log).facts
        assert log.last_seq == len(facts)
        return facts
    finally:
        log.close()


def verified(files: Files, directory: str) -> Verified:
    return verify(files, directory, lambda _done, _total: None)
