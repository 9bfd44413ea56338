"""`lithair import NAME FILE`: rows become items, in batches, each of which is committed.

Law: broken off anywhere and run again, it is complete, and nothing is there twice. In memory are
two batches, whatever the size of the input.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, cast

import click
import msgspec

from lithair.cli.completion import complete_models
from lithair.cli.formats import CSV, FORMATS, JSON, NDJSON, format_of
from lithair.cli.import_book import Counts, ImportBook, Meant
from lithair.cli.import_writes import CREATE, REPLACE, UPSERT, Batch, Entry, ImportWrites, Refused
from lithair.cli.printing import ProgressLine
from lithair.cli.row_formats import ROWS, SPACE, Row
from lithair.cli.served import Served
from lithair.cli.server import ask, run_dir_option
from lithair.errors import LithairError
from lithair.process import EXIT_FAILED
from lithair.storage.input_file import STDIN, InputFile
from lithair.storage.places import resolved

NO_OBJECT: Final = "is no JSON object"
AGAIN: Final = "Run the same command again: it goes on"

_decode_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str).decode
_encode: Final = msgspec.json.Encoder().encode


class Asked(NamedTuple):
    """The options of the command that say how."""

    source: str | None
    bad: str | None
    form: str | None
    is_upsert: bool
    is_replace: bool

    @property
    def mode(self) -> str:
        if self.is_upsert and self.is_replace:
            raise click.UsageError("--upsert and --replace exclude each other")
        return UPSERT if self.is_upsert else REPLACE if self.is_replace else CREATE


@click.command("import")
@click.argument("name", metavar="NAME", shell_complete=complete_models)
@click.argument("path", metavar="FILE")
@click.option(
    "--format",
    "form",
    default=None,
    type=click.Choice(FORMATS),
    help="Else what FILE's name ends in, or what it begins with.",
)
@click.option("--upsert", "is_upsert", is_flag=True, help="Change the items that exist.")
@click.option("--replace", "is_replace", is_flag=True, help="Replace the items that exist.")
@click.option("--source", default=None, help="What the input is called, in place of its content.")
@click.option("--bad", default=None, metavar="FILE", help="Where rows go that are refused.")
@run_dir_option
@click.option("--json", "as_json", is_flag=True, help="Say what was done as one JSON object.")
def import_(name: str, path: str, run_dir: str | None, as_json: bool, **asked: Any) -> None:
    """Make items of the model NAME (or its class) of the rows of FILE, or of stdin (-).

    NDJSON, JSON or CSV. A row whose id exists with other values is refused, unless --upsert or
    --replace says what to do. Broken off and run again, it goes on.
    """
    options = Asked(**asked)
    mode = options.mode
    if options.bad is not None and resolved(options.bad) == resolved(path):
        raise click.UsageError("--bad names the input: name another file")
    with InputFile(path) as given, Served(run_dir, name) as served:
        stats = served.ask(served.calls.stats())
        directory = _directory_of(run_dir, served.name)
        meant = Meant(served.name, directory, mode, options.source, options.bad)
        book = ImportBook(meant, given, stats.seq)
        work = _Import(served, book, mode, given)
        try:
            work.run(_rows(given, options.form, served))
            book.end()
        except KeyboardInterrupt:
            raise LithairError(f"{work.broken_off()}. {AGAIN}") from None
        except LithairError as error:
            if book.progress.rows:
                click.echo(f"{work.broken_off()}. {AGAIN}. Why it was broken off:", err=True)
            raise error
        finally:
            work.progress.end()
            book.close()
    click.echo(work.told() if as_json else work.summary())
    if book.progress.counts.bad:
        raise SystemExit(EXIT_FAILED)


def _directory_of(run_dir: str | None, name: str) -> str:
    models = cast("list[dict[str, str]]", ask(run_dir, {"ask": "where"})["models"])
    return next(model["directory"] for model in models if model["name"] == name)


def _rows(given: InputFile, form: str | None, served: Served) -> Iterator[Row]:
    """Read the input in its format."""
    chunks = given.chunks()
    chosen = form or (None if given.path == STDIN else format_of(given.path))
    if chosen is None:
        first = next(chunks, b"")
        chunks = itertools.chain((first,), chunks)
        chosen = {b"[": JSON, b"{": NDJSON, b"": NDJSON}.get(
            first.lstrip(b"\xef\xbb\xbf" + SPACE)[:1], CSV
        )
    return ROWS[chosen](chunks, served.described)


class _Import:
    """One run: rows to batches, a batch ahead of the one that is being written."""

    def __init__(self, served: Served, book: ImportBook, mode: str, given: InputFile) -> None:
        self._book = book
        self._given = given
        self._writes = ImportWrites(served, book, mode)
        self._key = served.described.key
        self._name = served.name
        self._is_warned = book.is_known
        self.progress = ProgressLine(f"{served.name}: ")
        self.progress.begin_at(book.resumed_rows)

    def run(self, rows: Iterable[Row]) -> None:
        batches = self._batches(rows)
        batch = next(batches, None)
        while batch is not None:
            sent = self._writes.send(batch)
            following: Batch | None = None
            try:
                if self._given.is_regular:  # who writes to a pipe may take any time
                    following = next(batches, None)  # is made while this one is written
            finally:
                self._writes.settle(batch, sent)
            self.progress.show(batch.last_row, self._given.part)
            batch = following if self._given.is_regular else next(batches, None)

    def _batches(self, rows: Iterable[Row]) -> Iterator[Batch]:
        book = self._book
        batch = Batch()
        try:
            for row in rows:
                if not book.next_row(row.source):
                    continue
                entry = self._entry(row)
                if _is_in(entry, batch):
                    yield batch
                    batch = Batch()
                batch.add(entry)
                batch.last_row, batch.chain = book.row, book.chain
                if batch.is_full:
                    yield batch
                    batch = Batch()
        except LithairError:  # the input can't be read any further
            if batch.last_row:
                yield batch
            raise
        if batch.last_row:
            yield batch

    def _entry(self, row: Row) -> Entry | Refused:
        """Read a row's id, or give it one; a row that can't be read is refused here."""
        number = self._book.row
        if row.problem:
            return Refused(number, row, row.problem)
        try:
            members = _decode_members(row.item)
        except msgspec.ValidationError:
            return Refused(number, row, NO_OBJECT)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Refused(number, row, f"is no JSON: {error}")
        given = members.get(self._key)
        if given is not None:
            try:
                key = _decode_text(given)
            except msgspec.DecodeError:
                return Refused(number, row, f"{self._key}: is no text")
            return Entry(number, row, key, row.item, is_named=False)
        self._warn()
        key = self._book.new_id()
        rest = row.item.lstrip(SPACE)[1:].lstrip(SPACE)
        comma = b"" if rest[:1] == b"}" else b","
        item = b"{%b:%b%b%b" % (_encode(self._key), _encode(key), comma, rest)
        return Entry(number, row, key, item, is_named=True)

    def _warn(self) -> None:
        if not self._is_warned:
            self._is_warned = True
            click.echo(
                f"{self._name}: rows without an id, from a pipe: run again, they would be there"
                " twice. --source NAME gives the input a name to know them by",
                err=True,
            )

    # What to say

    def broken_off(self) -> str:
        return f"{self._name}: broken off after {self._book.progress.rows:,} rows"

    def told(self) -> str:
        counts, done = self._book.progress.counts, self._book.progress.rows
        told = {
            "rows": done,
            "created": counts.created,
            "changed": counts.changed,
            "unchanged": counts.unchanged,
            "bad": counts.bad,
            "bad_file": self._book.refused.path if counts.bad else None,
            "resumed_after": self._book.resumed_rows,
            "seconds": round(self.progress.seconds, 3),
            "rows_per_second": round(self.progress.rate(done)),
        }
        return _encode(told).decode()

    def summary(self) -> str:
        done = self._book.progress.rows
        said = [f"{self._name}: {done:,} rows", _counted(self._book.progress.counts)]
        if self._book.resumed_rows:
            said.append(f"went on after row {self._book.resumed_rows:,}")
        said.append(f"{self.progress.seconds:.1f} s, {self.progress.rate(done):,.0f} rows/s")
        if self._book.progress.counts.bad:
            said.append(f"the bad ones, with their reasons, are in {self._book.refused.path}")
        return "; ".join(said)


def _is_in(entry: Entry | Refused, batch: Batch) -> bool:
    return isinstance(entry, Entry) and entry.key in batch.keys


def _counted(counts: Counts) -> str:
    named = (
        (counts.created, "created"),
        (counts.changed, "changed"),
        (counts.unchanged, "there already"),
        (counts.bad, "bad"),
    )
    return ", ".join(f"{count:,} {what}" for count, what in named if count) or "nothing to do"
