"""Formats: items as NDJSON, as one JSON array, or as CSV.

    ndjson := (item LF)*
    json   := "[" LF (item ("," LF item)*)? LF "]" LF
    csv    := RFC 4180 in UTF-8 with LF, the fields' names in the first line

Law: NDJSON and JSON keep an item as it is stored, byte for byte. In CSV a text stands as it is,
null is an empty cell, and anything else is its JSON; so null and the empty text look the same.
"""

import csv
import io
import os
from collections.abc import Callable
from typing import Final

import msgspec

from lithair.client.raw import Raw

NDJSON: Final = "ndjson"
JSON: Final = "json"
CSV: Final = "csv"
FORMATS: Final = (NDJSON, JSON, CSV)
ENDINGS: Final = {".ndjson": NDJSON, ".jsonl": NDJSON, ".json": JSON, ".csv": CSV}

_decode_cells: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str).decode


def format_of(path: str) -> str | None:
    """Tell the format of a file by how its name ends."""
    return ENDINGS.get(os.path.splitext(path)[1].lower())


class Writer:
    """Makes the bytes of a file, a page at a time: `begin`, `page`*, `end`."""

    def begin(self) -> bytes:
        return b""

    def page(self, items: list[Raw]) -> bytes:
        return b"".join(bytes(item) + b"\n" for item in items)

    def end(self) -> bytes:
        return b""


class ArrayWriter(Writer):
    def __init__(self) -> None:
        self._before = b"["

    def page(self, items: list[Raw]) -> bytes:
        parts: list[bytes] = []
        for item in items:
            parts += (self._before, b"\n", bytes(item))
            self._before = b","
        return b"".join(parts)

    def end(self) -> bytes:
        return b"\n]\n" if self._before == b"," else b"[]\n"


class CsvWriter(Writer):
    def __init__(self, columns: list[str]) -> None:
        self._columns = columns

    def begin(self) -> bytes:
        return _lines([self._columns])

    def page(self, items: list[Raw]) -> bytes:
        rows: list[list[str]] = []
        for item in items:
            values = _decode_cells(item)
            rows.append([_cell(values.get(column)) for column in self._columns])
        return _lines(rows)


WRITERS: Final[dict[str, Callable[[list[str]], Writer]]] = {
    NDJSON: lambda _: Writer(),
    JSON: lambda _: ArrayWriter(),
    CSV: CsvWriter,
}


def _lines(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _cell(value: msgspec.Raw | None) -> str:
    json = b"null" if value is None else bytes(value)
    if json == b"null":
        return ""
    return _decode_text(json) if json[:1] == b'"' else json.decode()
