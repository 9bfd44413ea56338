"""Rows of an input: NDJSON, JSON or CSV, in order, without holding more than one at a time.

    ndjson := (object? LF)*                         a line that is no object is a bad row
    json   := "[" (object ("," object)*)? "]" | object*
    csv    := names LF (cells LF)*                  RFC 4180; "," ";" or TAB, what the names have

Law: a row comes out with its place in the input and the bytes it was made of, which are the same
whenever the input is read; one that can't be read comes out with the reason, and the others go on.
"""

import csv
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from lithair.cli.cell_types import LEFT_OUT, Read, cell_reader
from lithair.cli.formats import CSV, JSON, NDJSON
from lithair.client.raw import Described
from lithair.errors import LithairError

ROW_BYTES_MAX: Final = 16 << 20  # a longer one is no item: the input is of another format
BOM: Final = b"\xef\xbb\xbf"
SEPARATORS: Final = (",", ";", "\t")
NOT_UTF8: Final = "its text is not UTF-8"
TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},"]', re.DOTALL)
SPACE: Final = b" \t\r\n"

_encode: Final = msgspec.json.Encoder().encode


class Row(NamedTuple):
    """A row: `place` is its line, or its number in an array; `item` its JSON, unless `problem`."""

    place: int
    source: bytes
    item: bytes
    problem: str = ""


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Split into lines, with their ends."""
    rest = b""
    is_first = True
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield (line.removeprefix(BOM) if is_first else line) + b"\n"
            is_first = False
        if len(rest) > ROW_BYTES_MAX:
            raise LithairError(
                f"a line is longer than {ROW_BYTES_MAX >> 20} MiB: is the input of another format?"
                " Name it with --format"
            )
    if rest:
        yield rest.removeprefix(BOM) if is_first else rest


def ndjson_rows(chunks: Iterable[bytes], _described: Described) -> Iterator[Row]:
    for number, line in enumerate(lines_of(chunks), 1):
        text = line.strip(SPACE)
        if text:
            yield Row(number, text, text)


def json_rows(chunks: Iterable[bytes], _described: Described) -> Iterator[Row]:
    splitter = _Splitter()
    number = 0
    for chunk in chunks:
        for text in splitter.feed(chunk):
            number += 1
            yield Row(number, text, text)
    splitter.finish()


class _Splitter:
    """Cuts the elements out of an array, or objects that follow each other, as they come."""

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0  # up to where the buffer was looked at
        self._depth = 0
        self._element_depth: int | None = None  # 1 within an array, 0 without; None: not known yet
        self._is_over = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Add bytes; gives the elements that are whole now."""
        self._buffer += chunk
        if self._element_depth is None and not self._begin():
            return
        start = 0
        for token in TOKEN.finditer(self._buffer, self._at):
            if token.group() == b'"':
                break  # a text that goes on in the next chunk
            self._at = token.end()
            is_end = self._take(token.group())
            if is_end is None:
                continue
            text = self._buffer[start : token.start() if is_end != b"}" else token.end()]
            start = token.end()
            text = text.strip(SPACE)
            if text:
                yield text
        self._buffer, self._at = self._buffer[start:], self._at - start
        if len(self._buffer) > ROW_BYTES_MAX:
            raise LithairError(f"an element is longer than {ROW_BYTES_MAX >> 20} MiB")

    def finish(self) -> None:
        """Check that nothing is left."""
        left = self._buffer.strip(SPACE)
        if left or (self._element_depth and not self._is_over):
            raise LithairError(
                "the input ends within an array or an object: is it whole? What came before is"
                " imported"
            )

    def _begin(self) -> bool:
        self._buffer = self._buffer.lstrip(BOM + SPACE)
        if not self._buffer:
            return False
        is_array = self._buffer[:1] == b"["
        self._element_depth = self._depth = int(is_array)
        self._buffer = self._buffer[int(is_array) :]
        return True

    def _take(self, token: bytes) -> bytes | None:
        """Count brackets; gives the token that ends an element, if it does."""
        if token in (b"[", b"{"):
            self._depth += 1
        elif token in (b"]", b"}"):
            self._depth -= 1
            if self._element_depth == 0:
                return token if token == b"}" and self._depth == 0 else None
            if self._depth == 0:
                self._is_over = True
                return token
        elif token == b"," and self._depth == self._element_depth:
            return token
        return None


def csv_rows(chunks: Iterable[bytes], described: Described) -> Iterator[Row]:
    """Read CSV; LithairError when the first line names what is no field."""
    lines = lines_of(chunks)
    first = next(lines, b"")
    head = _text(first)
    separator = max(SEPARATORS, key=head.count)
    texts = map(_text, itertools.chain((first,), lines))
    reader = csv.reader(texts, delimiter=separator, strict=True)
    csv.field_size_limit(ROW_BYTES_MAX)
    try:
        nothing: list[str] = []
        names = [name.strip() for name in next(reader, nothing)]
        readers = _columns(names, described)
        place = reader.line_num + 1
        for cells in reader:
            if cells:
                yield _csv_row(place, cells, names, readers)
            place = reader.line_num + 1
    except csv.Error as error:
        raise LithairError(f"the input is no CSV from line {reader.line_num} on: {error}") from None


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


def _columns(names: list[str], described: Described) -> list[Read]:
    fields = described.schema.fields
    unknown = [name for name in names if name not in fields]
    if unknown or len(set(names)) < len(names) or not names:
        twice = sorted({name for name in names if names.count(name) > 1})
        what = f"{unknown[0]!r}, which is no field" if unknown else f"{twice} more than once"
        raise LithairError(
            f"the first line names {what if names else 'no field'}; the fields of"
            f" {described.model} are {', '.join(described.fields)}"
        )
    return [cell_reader(fields[name]) for name in names]


def _csv_row(place: int, cells: list[str], names: list[str], readers: list[Read]) -> Row:
    source = "\x1f".join(cells).encode("utf-8", "surrogateescape")
    if len(cells) != len(names):
        return Row(place, source, b"", f"has {len(cells)} cells, the first line has {len(names)}")
    values = zip(names, readers, cells, strict=True)
    found = {name: value for name, read, text in values if (value := read(text)) is not LEFT_OUT}
    try:
        return Row(place, source, _encode(found))
    except UnicodeEncodeError:
        return Row(place, source, b"", NOT_UTF8)


ROWS: Final[dict[str, Callable[[Iterable[bytes], Described], Iterator[Row]]]] = {
    NDJSON: ndjson_rows,
    JSON: json_rows,
    CSV: csv_rows,
}
