"""`lithair history MODEL ID`: what happened to an item, oldest first."""

from typing import Any, Final

import click
import msgspec

from lithair.cli.completion import complete_models
from lithair.cli.printing import cell, say, to_stdout
from lithair.cli.served import Served
from lithair.cli.server import run_dir_option
from lithair.client import HistoryEntry
from lithair.client.raw import Raw
from lithair.core.as_of import rfc3339
from lithair.errors import NotFound

VALUE_CHARACTERS_MAX: Final = 100
CREATE: Final = "create"

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode  # Any: JSON


@click.command()
@click.argument("name", metavar="MODEL", shell_complete=complete_models)
@click.argument("item_id", metavar="ID")
@run_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the events as a JSON array.")
def history(name: str, item_id: str, run_dir: str | None, as_json: bool) -> None:
    """Print every event still held of the item ID of the model MODEL, and what each changed.

    A deleted item has one, too, until a compaction drops it.
    """
    with Served(run_dir, name) as served:
        entries = served.query(served.calls.history(item_id))
        if not entries:
            raise NotFound(f"{served.name} holds no event of an item {item_id!r}")
    with to_stdout():
        if as_json:
            say(msgspec.json.encode([_told(entry) for entry in entries]))
        else:
            say("\n".join(_lines(entries)))


def _told(entry: HistoryEntry[Raw]) -> dict[str, object]:
    told: dict[str, object] = {
        "seq": entry.seq,
        "operation": entry.operation,
        "timestamp": _time(entry),
        "item": entry.item,
        "changes": entry.changes,
    }
    return told if entry.by is None else {**told, "by": entry.by}


def _lines(entries: list[HistoryEntry[Raw]]) -> list[str]:
    lines: list[str] = []
    before: dict[str, Any] = {}
    for entry in entries:
        after = _decode(entry.item)
        lines.append(f"{entry.seq}  {_time(entry)}  {entry.operation}{_author(entry)}")
        was = {} if entry.operation == CREATE else before
        lines += [
            f"    {name}: {_change(was.get(name), value, is_new=not was)}"
            for name, value in after.items()
            if name not in was or was[name] != value
        ]
        before = after
    return lines


def _author(entry: HistoryEntry[Raw]) -> str:
    return "" if entry.by is None else f"  by {cell(entry.by)}"


def _change(old: object, new: object, *, is_new: bool) -> str:
    told = cell(new, VALUE_CHARACTERS_MAX)
    return told if is_new else f"{cell(old, VALUE_CHARACTERS_MAX)} -> {told}"


def _time(entry: HistoryEntry[Raw]) -> str:
    return rfc3339(round(entry.timestamp.timestamp() * 1000))
