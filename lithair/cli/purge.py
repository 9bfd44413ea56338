"""`lithair purge MODEL ID`: erase an item for good, while its server goes on."""

import sys

import click
import msgspec

from lithair.cli.compact import TIMEOUT_S, check_name, wait
from lithair.cli.completion import complete_models
from lithair.cli.server import run_dir_option
from lithair.client.calls import Calls, PartialItem
from lithair.client.connection import Connection


@click.command()
@click.argument("name", metavar="MODEL", shell_complete=complete_models)
@click.argument("item_id", metavar="ID")
@run_dir_option
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as one JSON object.")
def purge(name: str, item_id: str, run_dir: str | None, yes: bool, as_json: bool) -> None:
    """Delete the item ID of the model MODEL (or its class) and erase all that is stored of it.

    Its records leave the log, the snapshot and the archive; torn tails of the model are removed.
    Backups that were made before keep it. Reads and writes go on meanwhile.
    """
    check_name(run_dir, name)  # at once, where a handle would wait for the server to come up
    if not yes:
        _confirm(name, item_id)
    connection = Connection(run_dir, TIMEOUT_S)
    calls = Calls[PartialItem](name)
    deletion, call = calls.erase(item_id), calls.purge(item_id)
    try:
        was_there = deletion.result(connection.start(name, deletion).result())
        done = call.result(wait(connection.start(name, call), run_dir, name, "purging"))
    finally:
        connection.close()
    if as_json:
        click.echo(msgspec.json.encode(done).decode())
        return
    deleted = "deleted and purged" if was_there else "purged; it had been deleted, or never was"
    click.echo(
        f"{name}: {item_id} is {deleted}. {done.segments} archived segments held records of it,"
        f" {done.torn} torn tails were removed. Backups made before keep it"
    )


def _confirm(name: str, item_id: str) -> None:
    """Ask on a terminal; a script has to say --yes."""
    if not sys.stdin.isatty():
        raise click.UsageError("this can't be undone: add --yes")
    click.confirm(
        f"Erase the item {item_id!r} of {name} with its history? It can't be undone", abort=True
    )
