"""Same values: does an item hold what a row says, however that is written.

Law: only the fields that the row names count, and not those that the model's process fills in.
"""

import datetime as dt
import decimal
import uuid
from typing import Any, Final, cast

import msgspec

from lithair.client.raw import Described, DescribedField
from lithair.core.schema_text import shape_of

FILLED: Final = ["filled"]
WRITTEN_VARIOUSLY: Final[dict[str, type[object]]] = {
    "datetime": dt.datetime,
    "time": dt.time,
    "date": dt.date,
    "timedelta": dt.timedelta,
    "uuid": uuid.UUID,
    "decimal": decimal.Decimal,
    "bytes": bytes,
}

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode  # Any: JSON


class SameValues:
    """Compares rows with items of one model."""

    def __init__(self, described: Described) -> None:
        fields = described.schema.fields
        self._filled = {name for name, field in fields.items() if field.default == FILLED}
        self._kinds = {name: _kind(field) for name, field in fields.items()}
        self._sets = {name for name, field in fields.items() if "set" in shape_of(field.type)}

    def differences(self, row: bytes, item: bytes) -> list[str]:
        """Name the fields of a row that the item has other values of."""
        held = _decode(item)
        return [
            name
            for name, value in _decode(row).items()
            if name not in self._filled
            and (name not in held or not self._are_equal(name, value, held[name]))
        ]

    def _are_equal(self, name: str, one: object, other: object) -> bool:
        if one == other:
            return isinstance(one, bool) is isinstance(other, bool)
        if name in self._sets:
            return _members(one) == _members(other)
        kind = self._kinds.get(name)
        if kind is None or one is None or other is None:
            return False
        try:
            return bool(msgspec.convert(one, kind) == msgspec.convert(other, kind))
        except (msgspec.ValidationError, TypeError, ArithmeticError):  # the last: of Decimal's sNaN
            return False


def _members(value: object) -> list[str]:
    """Put what a set holds in one order."""
    members = cast("list[object]", value) if isinstance(value, list) else [value]
    return sorted(map(repr, members))


def _kind(field: DescribedField) -> type[object] | None:
    """Give the type of a field whose values can be written in several ways."""
    arms = cast("list[object]", shape_of(field.type).get("union", [field.type]))
    names = [arm for arm in arms if isinstance(arm, str) and arm in WRITTEN_VARIOUSLY]
    return WRITTEN_VARIOUSLY[names[0]] if len(names) == 1 else None
