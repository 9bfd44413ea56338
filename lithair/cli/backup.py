"""`lithair backup DIR`: a consistent copy of all models of a running server.

Law: exit 0 means a finished backup, synced to the disk; otherwise there is none, and DIR says so.
"""

import os
import sys
import time
from collections.abc import Sequence
from typing import Final, cast

import click
import msgspec

from lithair.cli.compact import in_units
from lithair.cli.server import ask, run_dir_option
from lithair.client.backup import TIMEOUT_S, Source, back_up_all
from lithair.client.connection import Connection
from lithair.storage.backup_manifest import Manifest
from lithair.storage.files import OsFiles

CHECK_S: Final = 5.0  # how often it is seen whether there is still a server


class Watcher:
    """Shows how far it is, on a terminal; raises NotReachable when the server has gone."""

    def __init__(self, run_dir: str | None) -> None:
        self._run_dir = run_dir
        self._is_visible = sys.stderr.isatty()
        self._begun_s = time.monotonic()
        self._check_s = self._begun_s + CHECK_S

    def look(self, done: Sequence[str], total: int) -> None:
        now_s = time.monotonic()
        if self._is_visible:
            passed = f"{len(done)} of {total} models, {now_s - self._begun_s:.0f} s"
            click.echo(f"\r\x1b[K{passed}", nl=False, err=True)
        if now_s >= self._check_s:
            self._check_s = now_s + CHECK_S
            ask(self._run_dir, {"ask": "where"})

    def end(self) -> None:
        if self._is_visible:
            click.echo("\r\x1b[K", nl=False, err=True)


@click.command()
@click.argument("directory", metavar="DIR")
@run_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the backup's backup.json.")
def backup(directory: str, run_dir: str | None, as_json: bool) -> None:
    """Copy all models of a running server into DIR, which must be new or empty.

    Reads and writes go on meanwhile. On the same file system most of it is hard links.
    """
    models = cast("list[dict[str, str]]", ask(run_dir, {"ask": "where"})["models"])
    sources = [Source(model["name"], model["directory"]) for model in models]
    watcher = Watcher(run_dir)
    connection = Connection(run_dir, TIMEOUT_S)
    try:
        target = os.path.abspath(directory)
        made = back_up_all(OsFiles(), connection, sources, target, watcher.look)
    finally:
        connection.close()
        watcher.end()
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(made)))
    else:
        click.echo(summary_of(target, made))


def summary_of(target: str, made: Manifest) -> str:
    """Say in lines what is in a backup."""
    lines = [f"{target}: a backup of {len(made.models)} models"]
    for model in made.models:
        size = in_units(model.size_bytes)
        lines.append(f"  {model.name}: up to event {model.cut}, {size}, in {model.folder}")
    return "\n".join(lines)
