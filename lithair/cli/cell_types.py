"""Cells of a CSV file, by the types that a model declares.

    text      as it stands                        number, bool       as in JSON; yes, no, 1, 0 too
    null      an empty cell, where null is admitted
    default   an empty cell otherwise, unless the field is a text
    list, object, anything else                   as JSON

Law: a cell that is none of its type is passed on as a text, so that the model says what is wrong.
"""

from collections.abc import Callable
from typing import Final, cast

import msgspec

from lithair.client.raw import DescribedField
from lithair.core.schema_text import NULL, shape_of

LEFT_OUT: Final = object()  # the field gets its default

Read = Callable[[str], object]

AS_TEXT: Final = frozenset(("str", "datetime", "date", "time", "timedelta", "uuid", "bytes"))
BOOLS: Final = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}

_decode: Final = msgspec.json.Decoder().decode
_decode_number: Final = msgspec.json.Decoder(int | float).decode


def cell_reader(field: DescribedField) -> Read:
    """Give what reads the cells of a field."""
    arms = cast("list[object]", shape_of(field.type).get("union", [field.type]))
    types = [arm for arm in arms if arm != NULL]
    empty: object = LEFT_OUT
    if len(types) < len(arms) or "any" in arms:
        empty = None
    elif "str" in types:
        empty = ""
    readers = [_reader(kind) for kind in types]

    def read(text: str) -> object:
        if not text:
            return empty
        for reader in readers:
            value = reader(text)
            if value is not LEFT_OUT:
                return value
        return text

    return read


def _reader(kind: object) -> Read:
    """Give what reads one type; LEFT_OUT for what is not of that type."""
    if kind == "bool":
        return lambda text: BOOLS.get(text.strip().lower(), LEFT_OUT)
    if kind in ("int", "float"):
        return _number
    if kind == "decimal":
        return lambda text: text.strip()
    if isinstance(kind, str) and kind in AS_TEXT:
        return lambda text: text
    shape = shape_of(kind)
    if "enum" in shape:
        members = cast("list[object]", shape["enum"])
        by_text = {m if isinstance(m, str) else str(m): m for m in members}
        return lambda text: by_text.get(text, LEFT_OUT)
    return _json


def _number(text: str) -> object:
    try:
        _decode_number(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return LEFT_OUT
    return msgspec.Raw(text.strip().encode())  # with all of its digits


def _json(text: str) -> object:
    try:
        _decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return LEFT_OUT
    return msgspec.Raw(text.strip().encode())
