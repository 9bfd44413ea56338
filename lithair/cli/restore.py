"""`lithair restore BACKUP TARGET`: directories of models from a backup, without a server.

Law: exit 0 means that every byte was checked and is on the disk; otherwise nothing is in TARGET.
"""

import os

import click
import msgspec

from lithair.cli.verify import ProgressLine
from lithair.core.as_of import AsOf, parse_as_of
from lithair.storage.files import OsFiles
from lithair.storage.restore import Restored
from lithair.storage.restore import restore as restore_backup


@click.command()
@click.argument("backup", type=click.Path(exists=True, file_okay=False))
@click.argument("target")
@click.option(
    "--model",
    "models",
    metavar="NAME",
    multiple=True,
    help="Restore this model only, by its name or its class; may be given several times.",
)
@click.option(
    "--to-seq",
    metavar="N",
    type=click.IntRange(min=0),
    help="Restore up to event N, and nothing after it; of one model.",
)
@click.option(
    "--to-time",
    metavar="TIME",
    help="Restore up to this time, such as 2026-01-31T12:00:00Z: what came later is left out.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was restored as a JSON array.")
def restore(
    backup: str,
    target: str,
    models: tuple[str, ...],
    to_seq: int | None,
    to_time: str | None,
    as_json: bool,
) -> None:
    """Restore models of BACKUP as directories in TARGET, which must be new or empty.

    The directories are then a server's to open. Exit status 3: the backup is damaged.
    """
    point = _point(to_seq, to_time)
    with ProgressLine(backup) as line:
        done = restore_backup(
            OsFiles(), os.path.abspath(backup), os.path.abspath(target), point, models, line.show
        )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(done)))
    else:
        click.echo("\n".join(summary_of(each) for each in done))


def _point(to_seq: int | None, to_time: str | None) -> AsOf:
    if to_seq is not None and to_time is not None:
        raise click.UsageError("--to-seq and --to-time name two points: give one of them")
    if to_seq is not None:
        return AsOf(seq=to_seq)
    if to_time is None:
        return AsOf()
    return _time(to_time)


def _time(text: str) -> AsOf:
    try:
        point = parse_as_of(text)
    except ValueError:
        point = None
    if point is None or point.is_seq:
        raise click.UsageError(
            f"--to-time {text!r}: write a time with its zone, such as 2026-01-31T12:00:00Z"
        )
    return point


def summary_of(each: Restored) -> str:
    """Say in a line what was restored."""
    when = f", of {each.time}" if each.time else ""
    return f"{each.directory}: {each.class_name} up to event {each.last_seq}{when}"
