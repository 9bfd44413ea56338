"""`lithair verify`: check model directories, running or not, and backups.

Law: changes nothing and takes no lock. Exit 0 when every byte is as it was written, 3 when not, 1
when there is no log or this version does not know its format.
"""

import os
import sys
from types import TracebackType

import click
import msgspec

from lithair.errors import DamagedLog, LithairError
from lithair.process import EXIT_DAMAGED, EXIT_DONE
from lithair.storage.backup_manifest import has_manifest, missing_files, read_manifest
from lithair.storage.files import Files, OsFiles
from lithair.storage.verify import Damage, Verified, directories_with_logs
from lithair.storage.verify import verify as verify_directory


class ProgressLine:
    """How far it is, on a terminal's stderr; nothing elsewhere."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._shown = -1
        self._is_visible = sys.stderr.isatty()

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown >= 0:
            click.echo("\r\x1b[K", nl=False, err=True)

    def show(self, done: int, total: int) -> None:
        percent = done * 100 // max(total, 1)
        if self._is_visible and percent != self._shown:
            self._shown = percent
            click.echo(f"\r{self._directory}: {percent}%", nl=False, err=True)


@click.command()
@click.argument(
    "directories",
    metavar="DIR...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False),
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as a JSON array.")
@click.pass_context
def verify(ctx: click.Context, directories: tuple[str, ...], as_json: bool) -> None:
    """Check every byte of the event logs in DIR, or in the directories right below it.

    Works beside a running server. A backup is also compared with its backup.json. Exit status 3:
    damage was found.
    """
    files = OsFiles()
    found: list[Verified] = []
    for given in directories:
        inside = _directories(files, given)
        if not inside:
            raise LithairError(f"{given}: there is no event log (*.raftlog) here, nor right below")
        for directory, missing in inside.items():
            found.append(_verified(files, directory, missing))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        for each in found:
            click.echo(summary_of(each))
    ctx.exit(EXIT_DONE if all(each.is_sound for each in found) else EXIT_DAMAGED)


def _directories(files: Files, given: str) -> dict[str, list[DamagedLog]]:
    """Give the directories to check, and what is known to be missing in each."""
    if not has_manifest(files, given):
        return {directory: [] for directory in directories_with_logs(files, given)}
    manifest = read_manifest(files, given)
    return {
        os.path.join(given, model.folder): missing_files(files, given, (model,))
        for model in manifest.models
    }


def _verified(files: Files, directory: str, missing: list[DamagedLog]) -> Verified:
    if missing and not holds_log(files, directory):
        found = Verified(directory)
    else:
        with ProgressLine(directory) as line:
            found = verify_directory(files, directory, line.show)
    found.damage[:0] = [Damage(each.path, each.offset, each.what) for each in missing]
    return found


def holds_log(files: Files, directory: str) -> bool:
    """Say whether there is anything of a log in a directory, or a directory at all."""
    try:
        return directories_with_logs(files, directory) == [directory]
    except FileNotFoundError:
        return False


def summary_of(found: Verified) -> str:
    """Say in lines what was found in one directory."""
    verdict = "sound" if found.is_sound else "DAMAGED"
    model = found.model or "unknown model"
    parts = [f"{found.events} events"]
    if found.snapshot_seq:
        parts.append(f"a snapshot of event {found.snapshot_seq}")
    parts.append(f"{found.segments} segments")
    if found.archived:
        parts.append(f"{found.archived} in the archive")
    parts.append(f"{found.size_bytes} bytes")
    lines = [f"{found.directory}: {verdict}. {model}: {', '.join(parts)}"]
    lines += [
        f"  {each.path}: damaged at offset {each.offset}: {each.what}" for each in found.damage
    ]
    lines += [f"  note: {note}" for note in found.notes]
    return "\n".join(lines)
