"""`lithair status`: the processes of a running server, as a table or as JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import click

from lithair.cli.server import ask, run_dir_option

COLUMNS = ("name", "kind", "pid", "phase", "restarts", "since", "detail")


@click.command()
@run_dir_option
@click.option("--json", "as_json", is_flag=True, help="print the answer as one JSON object")
def status(run_dir: str | None, as_json: bool) -> None:
    """Show the processes of a running server."""
    reply = ask(run_dir, {"ask": "status"})
    # Any: the supervisor's answer, whose form is that of lithair.actors.control
    processes = cast("list[Mapping[str, Any]]", reply["processes"])
    if as_json:
        click.echo(json.dumps(reply))
    else:
        click.echo(f"Lithair {reply['version']}, pid {reply['pid']}, {reply['url']}")
        click.echo(f"started {reply['started']}")
        click.echo("\n".join(table([COLUMNS, *map(_row, processes)])))


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align the columns of a table."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(process: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(process["name"]),
        str(process["kind"]),
        str(process["pid"] or "-"),
        str(process["phase"]),
        str(process["restarts"]),
        duration(float(process["since_s"])),
        str(process["detail"]),
    )


def duration(seconds: float) -> str:
    """Write a duration for people: 8s, 12m, 3h, 5d."""
    for unit, unit_s in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= unit_s:
            return f"{int(seconds // unit_s)}{unit}"
    return f"{int(seconds)}s"
