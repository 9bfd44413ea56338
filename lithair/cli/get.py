"""`lithair get MODEL ID`: one item, now or as it was."""

import click

from lithair.cli.completion import complete_models
from lithair.cli.printing import indented, say, to_stdout
from lithair.cli.served import Served
from lithair.cli.server import run_dir_option
from lithair.client.filters import Pairs
from lithair.errors import NotFound


@click.command()
@click.argument("name", metavar="MODEL", shell_complete=complete_models)
@click.argument("item_id", metavar="ID")
@click.option("--fields", default=None, metavar="A,B", help="Only these fields, and the id.")
@click.option("--as-of", default=None, metavar="WHEN", help="As it was: a seq, or a time.")
@run_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON in one line.")
def get(
    name: str,
    item_id: str,
    fields: str | None,
    as_of: str | None,
    run_dir: str | None,
    as_json: bool,
) -> None:
    """Print the item ID of the model MODEL (or its class), with its Hidden fields."""
    asked: Pairs = () if fields is None else (("fields", fields),)
    asked += () if as_of is None else (("as_of", as_of),)
    with Served(run_dir, name) as served:
        item = served.query(served.calls.get_as_asked(item_id, asked))
        if item is None:
            when = "" if as_of is None else f" at {as_of}"
            raise NotFound(f"{served.name} has no item {item_id!r}{when}")
    with to_stdout():
        say(bytes(item) if as_json else indented(item))
