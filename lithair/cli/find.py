"""`lithair find MODEL [FILTER]...`: the items that match, as a table or as JSON."""

from collections.abc import Iterator
from typing import Any, Final

import click
import msgspec

from lithair.cli.completion import complete_models
from lithair.cli.filters import filters_of
from lithair.cli.printing import cells, say, to_stdout
from lithair.cli.served import Served
from lithair.cli.server import run_dir_option
from lithair.cli.status import table
from lithair.client.filters import Pairs, pairs_of
from lithair.client.raw import Raw

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode  # Any: JSON


class Asked(msgspec.Struct, frozen=True):
    """What to find, as it was written."""

    filters: tuple[str, ...]
    sort: str | None
    skip: int
    take: int | None
    fields: str | None
    as_of: str | None

    def pairs(self) -> Pairs:
        """Give it as the pairs of a query, without the place of the page."""
        found = pairs_of(filters_of(self.filters), str)
        options = (("sort", self.sort), ("fields", self.fields), ("as_of", self.as_of))
        return (*found, *((name, text) for name, text in options if text is not None))

    @property
    def is_plain(self) -> bool:
        """Tell whether all items are asked for that match now, in the order of their creation."""
        return self.sort is None and self.as_of is None and not self.skip and self.take is None


@click.command()
@click.argument("name", metavar="MODEL", shell_complete=complete_models)
@click.argument("filters", metavar="[FILTER]...", nargs=-1)
@click.option("--sort", default=None, metavar="-A,B", help="By these fields; - is descending.")
@click.option("--skip", default=0, type=click.IntRange(0), help="Leave out so many first.")
@click.option("--take", default=None, type=click.IntRange(0), help="At most so many; else all.")
@click.option("--fields", default=None, metavar="A,B", help="Only these fields, and the id.")
@click.option("--as-of", default=None, metavar="WHEN", help="As it was: a seq, or a time.")
@click.option("--count", "is_count", is_flag=True, help="Print how many there are, and no more.")
@run_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, an item a line.")
def find(name: str, run_dir: str | None, as_json: bool, is_count: bool, **asked: object) -> None:
    """Print the items of the model MODEL (or its class) that match every FILTER.

    A filter is a field, an operator (= != > < >= <= ~) and a value: state=open 'price>10' name~disc
    """
    query = msgspec.convert(asked, Asked)
    pairs = query.pairs()
    with Served(run_dir, name) as served, to_stdout():
        if is_count:
            _say_count(served, query, as_json=as_json)
            return
        pages = (
            served.walk(pairs) if query.is_plain else served.ordered(pairs, query.skip, query.take)
        )
        if as_json:
            _say_array(pages)
        else:
            _say_table(pages, _columns(served, query.fields))


def _say_count(served: Served, query: Asked, *, as_json: bool) -> None:
    if query.sort or query.fields or query.skip or query.take is not None:
        raise click.UsageError("--count takes filters and --as-of only")
    count = served.query(served.calls.count_as_asked(query.pairs()))
    say(msgspec.json.encode({"count": count}) if as_json else str(count))


def _say_array(pages: Iterator[list[Raw]]) -> None:
    before = b"["
    for page in pages:
        for item in page:
            say(before + bytes(item))
            before = b","
    say(b"]" if before == b"," else b"[]")


def _say_table(pages: Iterator[list[Raw]], columns: list[str]) -> None:
    """Print a page at a time; the columns of each are as wide as its cells."""
    is_first = True
    for page in pages:
        rows = [cells(_decode(item), columns) for item in page]
        if rows or is_first:
            lines = table([columns, *rows])
            say("\n".join(lines if is_first else lines[1:]))
        is_first = False


def _columns(served: Served, fields: str | None) -> list[str]:
    described = served.described
    if fields is None:
        return [described.key, *(field for field in described.fields if field != described.key)]
    asked = [field.strip() for field in fields.split(",")]
    return asked if described.key in asked else [described.key, *asked]
