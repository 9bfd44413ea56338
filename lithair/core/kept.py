"""Kept fields: what of an item stays in RAM when it is evicted.

    cell := object          the whole item's JSON: hot
          | array           the values of the kept fields, in the order of the declaration: warm

Law: kept are the fields that are pinned, indexed or unique, and no others; so filters and sorts on
them, and every index, never need the disk. The first byte of a cell tells which of both it is.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from lithair.core.schema import FieldInfo, Schema
from lithair.core.shape import Path, Readers
from lithair.core.values import Sortable

HOT: Final = ord("{")
NOTHING_KEPT: Final = b"[]"

_encode = msgspec.json.Encoder().encode


def is_hot(cell: bytes) -> bool:
    """Tell whether a cell holds the whole item."""
    return cell[0] == HOT


class Kept:
    """The kept fields of one model: makes warm cells, and what reads them."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.fields: tuple[FieldInfo, ...] = tuple(
            f for f in schema.fields if (f.pinned or f.indexed or f.unique) and not f.primary_key
        )
        self.wires: tuple[str, ...] = tuple(f.wire for f in self.fields)
        raws = msgspec.defstruct(
            "KeptFields",
            [(f.name, msgspec.Raw, msgspec.Raw(b"null")) for f in self.fields],
            rename={f.name: f.wire for f in self.fields},
            gc=False,
        )
        self._decode = msgspec.json.Decoder(raws).decode
        self.readers = Readers(self.fields)

    def cell(self, payload: bytes) -> bytes:
        """Give the warm cell of an item."""
        if not self.fields:
            return NOTHING_KEPT
        return _encode(msgspec.structs.astuple(self._decode(payload)))

    def covers(self, wires: Iterable[str]) -> bool:
        """Tell whether these fields can be had from a warm cell; the key always can."""
        return all(wire in self.wires or wire == self._schema.key.wire for wire in wires)

    def reader(self, paths: Iterable[Path]) -> "KeptReader":
        """Give what reads the values at `paths`, all of kept fields, out of warm cells."""
        return KeptReader(self, paths)

    def shape(self, wires: Iterable[str]) -> "KeptShape":
        return KeptShape(self, self._schema, wires)


class KeptReader:
    """Reads out of a warm cell and its key what `Reader` reads out of a hot one."""

    def __init__(self, kept: Kept, paths: Iterable[Path]) -> None:
        asked = list(paths)
        self._keys = [(at, p.sort) for at, p in enumerate(asked) if p.field.primary_key]
        others = [path for path in asked if not path.field.primary_key]
        self._others = kept.readers.of(others) if others else None

    def read(self, cell: bytes, key: str) -> list[Sortable | None]:
        values = [] if self._others is None else self._others.read(cell)
        for at, sort in self._keys:
            values.insert(at, sort(key))
        return values

    def read_columns(
        self, cells: Sequence[bytes], keys: Sequence[str]
    ) -> list[list[Sortable | None]]:
        """Give the same of many items, path by path."""
        columns = [] if self._others is None else self._others.read_columns(cells)
        for at, sort in self._keys:
            columns.insert(at, [sort(key) for key in keys])
        return columns


class KeptShape:
    """Makes of a warm cell what `Shape` makes of a hot one: the JSON of some fields and the key."""

    def __init__(self, kept: Kept, schema: Schema, wires: Iterable[str]) -> None:
        wanted = {*wires, schema.key.wire}
        places = {f.wire: at for at, f in enumerate(kept.fields)}
        self._names = [
            (_encode(f.wire) + b":", places.get(f.wire, -1))
            for f in schema.fields
            if f.wire in wanted
        ]
        self._decode = msgspec.json.Decoder(list[msgspec.Raw]).decode

    def apply(self, cell: bytes, key: str) -> bytes:
        values = self._decode(cell)
        return b"{%b}" % b",".join(
            name + (_encode(key) if at < 0 else bytes(values[at])) for name, at in self._names
        )
