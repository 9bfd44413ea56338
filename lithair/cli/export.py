"""`lithair export NAME [FILE]`: a whole copy of a model's items, while its server goes on.

Law: FILE is there completely, or as it was before; in memory is a page of items.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Final

import click
import msgspec

from lithair.cli.completion import complete_models
from lithair.cli.formats import FORMATS, NDJSON, WRITERS, Writer, format_of
from lithair.cli.printing import ProgressLine, to_stdout
from lithair.cli.served import Served
from lithair.cli.server import run_dir_option
from lithair.storage.files import OsFiles
from lithair.storage.whole_file import WholeFile

STDOUT: Final = "-"


@click.command()
@click.argument("name", metavar="NAME", shell_complete=complete_models)
@click.argument("target", metavar="[FILE]", default=STDOUT)
@click.option(
    "--format",
    "form",
    default=None,
    type=click.Choice(FORMATS),
    help="Else what FILE's name ends in, or ndjson.",
)
@run_dir_option
@click.option("--json", "as_json", is_flag=True, help="Say what was done as one JSON object.")
def export(name: str, target: str, form: str | None, run_dir: str | None, as_json: bool) -> None:
    """Write all items of the model NAME (or its class) to FILE, or to stdout.

    With their Hidden fields: it is a whole copy, which `lithair import` takes.
    """
    if as_json and target == STDOUT:
        raise click.UsageError("--json says on stdout what was done: name a FILE for the items")
    with Served(run_dir, name) as served:
        chosen = form or (None if target == STDOUT else format_of(target)) or NDJSON
        writer = WRITERS[chosen](served.described.fields)
        progress = ProgressLine(f"{served.name}: ")
        with contextlib.closing(_Pages(served, progress)) as pages:
            if target == STDOUT:
                with to_stdout():
                    _write(writer, pages, sys.stdout.buffer.write)
                return
            with WholeFile(OsFiles(), target) as file:
                _write(writer, pages, file.write)
                file.finish()
        done = {"file": target, "format": chosen, "items": pages.count}
        took = f"in {progress.seconds:.1f} s, {progress.rate(pages.count):,.0f} items/s"
    sentence = f"{served.name}: {pages.count:,} items in {target}, {took}"
    click.echo(msgspec.json.encode(done).decode() if as_json else sentence)


class _Pages:
    """The items of a model, page by page, and how far that is."""

    def __init__(self, served: Served, progress: ProgressLine) -> None:
        self._served = served
        self._progress = progress
        self._total = served.ask(served.calls.stats()).item_count
        self.count = 0

    def __iter__(self) -> Iterator[list[msgspec.Raw]]:
        for page in self._served.walk():
            self.count += len(page)
            yield page
            self._progress.show(self.count, self.count / max(self._total, 1))

    def close(self) -> None:
        self._progress.end()


def _write(writer: Writer, pages: _Pages, write: Callable[[bytes], object]) -> None:
    write(writer.begin())
    for page in pages:
        write(writer.page(page))
    write(writer.end())
