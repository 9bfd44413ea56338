"""`lithair stats`: the figures of a server's models, once or as they change.

Law: a table for people, drawn in place on a terminal; JSON for programs, one line for each look.
"""

import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click
import msgspec

from lithair.cli.model_rows import (
    HEADS,
    TEXTS,
    ModelFiguresReader,
    ModelRow,
    cells_of,
    columns_within,
)
from lithair.cli.server import run_dir_option
from lithair.cli.status import table

if TYPE_CHECKING:
    from rich.table import Table

EVERY_S: Final = 1.0
EVERY_S_MIN: Final = 0.1
EVERY_S_MAX: Final = 3600.0


@click.command()
@run_dir_option
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C; reads and writes are rates then.")
@click.option(
    "--every",
    "every_s",
    default=EVERY_S,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(EVERY_S_MIN, EVERY_S_MAX),
    help="How often --watch looks.",
)
@click.option("--all", "with_internal", is_flag=True, help="Lithair's own models, too.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array; --watch: one a line.")
def stats(
    run_dir: str | None, watch: bool, every_s: float, with_internal: bool, as_json: bool
) -> None:
    """Show the models of a running server: items, memory, log, reads, writes, process.

    Reads and writes are counted since the process's start; with --watch they are per second.
    """
    reader = ModelFiguresReader(run_dir, with_internal=with_internal)
    try:
        if not watch:
            _print(reader.read(), as_json)
        elif as_json or not sys.stdout.isatty():
            while True:
                _print(reader.read(), as_json)
                time.sleep(every_s)
        else:
            _watch(reader, every_s)
    except KeyboardInterrupt:
        pass  # how --watch ends
    finally:
        reader.close()


def _print(rows: Sequence[ModelRow], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_told(row) for row in rows], ensure_ascii=False))
    elif sys.stdout.isatty():
        from rich.console import Console

        console = Console()
        console.print(drawn(rows, console.width))
    else:
        click.echo("\n".join(table([HEADS, *map(cells_of, rows)])))


def _told(row: ModelRow) -> object:
    """Make the object of a model: its figures beside what is made of them."""
    told: dict[str, object] = msgspec.to_builtins(row)
    del told["figures"]
    if row.figures is not None:
        told.update(msgspec.to_builtins(row.figures))
    return told


def drawn(rows: Sequence[ModelRow], width: int) -> "Table":
    """Draw the table for a terminal, as many of its columns as fit."""
    from rich import box
    from rich.table import Table

    cells = [cells_of(row) for row in rows]
    shown = columns_within(width, cells)
    drawing = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for at in shown:
        drawing.add_column(HEADS[at], justify="left" if at < TEXTS else "right", no_wrap=True)
    for row, texts in zip(rows, cells, strict=True):
        style = None if row.figures is not None and not row.figures.damaged else "bold red"
        drawing.add_row(*(texts[at] for at in shown), style=style)
    return drawing


def _watch(reader: ModelFiguresReader, every_s: float) -> None:
    from rich.live import Live

    with Live(screen=True, auto_refresh=False) as live:
        while True:
            live.update(drawn(reader.read(), live.console.width), refresh=True)
            time.sleep(every_s)
