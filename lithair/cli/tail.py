"""`lithair tail MODEL [FILTER]...`: the changes of a model as they happen.

Law: each event once and in the log's order, over any number of deaths of the model's process; it is
out of this process before the next one is waited for.
"""

import sys
from typing import Final

import click
import msgspec

from lithair.cli.completion import complete_models
from lithair.cli.filters import filters_of
from lithair.cli.printing import cell, safe, say, to_stdout
from lithair.cli.served import Served
from lithair.cli.server import run_dir_option
from lithair.client import Event
from lithair.client.raw import Raw
from lithair.core.as_of import rfc3339
from lithair.errors import Dropped, LithairError, ModelUnavailable, ValidationFailed

TIMEOUT_S: Final = 30.0  # how long is waited for a server that has gone to come back
ITEM_CHARACTERS_MAX: Final = 200  # in a line for people


@click.command()
@click.argument("name", metavar="MODEL", shell_complete=complete_models)
@click.argument("filters", metavar="[FILTER]...", nargs=-1)
@click.option(
    "--since",
    default=None,
    type=click.IntRange(0),
    metavar="SEQ",
    help="Begin behind this event; 0 is the beginning. Else what happens from now on.",
)
@run_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
def tail(
    name: str, filters: tuple[str, ...], since: int | None, run_dir: str | None, as_json: bool
) -> None:
    """Print what happens to the items of the model MODEL, as it happens, until Ctrl-C.

    With filters (as of `lithair find`), an item that stops matching is told once, as `leave`.
    """
    asked = filters_of(filters)
    with Served(run_dir, name, TIMEOUT_S) as served, to_stdout():
        if asked:  # a mistake in them is told now, not with the first event
            served.query(served.calls.count(asked))
        try:
            _follow(served, since, asked, as_json=as_json)
        except KeyboardInterrupt:
            return
        except Dropped as error:
            raise LithairError(f"{error}. Go on from there: --since {error.oldest}") from None
        except ValidationFailed as error:
            raise click.UsageError(str(error)) from None
        except ModelUnavailable:
            Served(run_dir, name).__exit__()  # NotReachable is told in its place
            raise


def _follow(
    served: Served, since: int | None, filters: dict[str, object], *, as_json: bool
) -> None:
    with served.subscribe(since, filters) as events:
        click.echo(f"{served.name}: following from event {events.seq}; Ctrl-C ends it", err=True)
        for event in events:
            say(_told(event) if as_json else _line(event))
            sys.stdout.buffer.flush()


def _told(event: Event[Raw]) -> bytes:
    return msgspec.json.encode(
        {
            "seq": event.seq,
            "operation": event.operation,
            "model": event.model,
            "id": event.id,
            "item": event.item,
            "timestamp": _time(event),
        }
    )


def _line(event: Event[Raw]) -> str:
    item = bytes(event.item).decode()
    if len(item) > ITEM_CHARACTERS_MAX:
        item = item[: ITEM_CHARACTERS_MAX - 1] + "…"
    return f"{event.seq}  {_time(event)}  {event.operation}  {cell(event.id)}  {safe(item)}"


def _time(event: Event[Raw]) -> str:
    return rfc3339(round(event.timestamp.timestamp() * 1000))
