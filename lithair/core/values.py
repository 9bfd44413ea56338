"""Values of fields: how they are ordered, and how a query's text becomes one.

Law: two values of one field can always be compared after `sortable`, whatever the field's type
admits; text that isn't a value of the field's type is refused with `ValueError`.
"""

import datetime as dt
import decimal
import enum
import math
import types
import typing
from collections.abc import Callable
from typing import Protocol, Self

import msgspec

from lithair.core.nan import NAN
from lithair.core.schema import FieldInfo

UTC = dt.UTC


class Sortable(Protocol):
    """A value that was made comparable with every other one of its field."""

    def __lt__(self, other: Self, /) -> bool: ...


Sort = Callable[[object], Sortable]


def itself(value: object) -> Sortable:
    """Give a value that is comparable as it is."""
    return typing.cast(Sortable, value)


def _of_datetime(value: object) -> Sortable:
    moment = typing.cast(dt.datetime, value)
    # A time without an offset is read as UTC: Python refuses to order the two kinds.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _of_time(value: object) -> Sortable:
    return typing.cast(dt.time, value).isoformat()


def _of_decimal(value: object) -> Sortable:
    # An old log may hold a NaN, with which Python refuses to compare.
    number = typing.cast(decimal.Decimal, value)
    return itself(NAN if number.is_nan() else number)


def _of_enum(value: object) -> Sortable:
    return _of_mixed(typing.cast(enum.Enum, value).value)


def _of_mixed(value: object) -> Sortable:
    """Order values of different types by type first, so that any two can be compared."""
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool):
        return (0, "", _of_decimal(value) if isinstance(value, decimal.Decimal) else value)
    if isinstance(value, dt.datetime):
        value = _of_datetime(value)
    elif isinstance(value, dt.time):
        value = value.isoformat()
    elif not isinstance(value, (bool, str, bytes, dt.date, dt.timedelta)):
        # A list or an object has no order of its own; its JSON gives it one, and an equality.
        return (2, "", msgspec.json.encode(value, order="sorted"))
    return (1, type(value).__name__, value)


def members(hint: object) -> tuple[object, ...]:
    """Give the types that a union admits, or the type itself."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def sortable(field: FieldInfo) -> Sort:
    """Choose how values of `field` are made comparable; null is never passed to it."""
    return sortable_type(field.base)


def sortable_type(hint: object) -> Sort:
    kinds = list(members(hint))
    if len(kinds) > 1:
        return _of_mixed
    kind = kinds[0]
    if typing.get_origin(kind) in (list, tuple, set, frozenset, dict):
        return itself  # never ordered, only searched
    if typing.get_origin(kind) is typing.Literal:
        texts = [isinstance(value, str) for value in typing.get_args(kind)]
        return itself if all(texts) else _of_mixed
    if isinstance(kind, type) and kind is not typing.Any:
        if issubclass(kind, enum.Enum):
            return _of_enum
        if issubclass(kind, dt.datetime):
            return _of_datetime
        if issubclass(kind, decimal.Decimal):
            return _of_decimal
        if issubclass(kind, dt.time):
            return _of_time
        return _of_mixed if issubclass(kind, msgspec.Struct) else itself
    return _of_mixed


def _expected(hint: object) -> str:
    """Say what to write for a type, where msgspec's own words would not help."""
    if hint is bool:
        return "write true or false"
    if hint is int or hint is float:
        return "write a number"
    if hint is dt.datetime:
        return "write a time such as 2026-01-31 or 2026-01-31T12:00:00Z"
    if typing.get_origin(hint) is typing.Literal:
        return "write one of " + ", ".join(str(value) for value in typing.get_args(hint))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return "write one of " + ", ".join(str(member.value) for member in hint)
    return ""


def _parse_any(text: str) -> object:
    """Read a query's text where any type may be: a number or a truth value if it looks like one."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value if isinstance(value, (bool, int, float)) else text


def parse_text(text: str, hint: object) -> object:
    """Read a query's text as a value of type `hint`; raises `ValueError` when it isn't one."""
    if hint is str:
        return text
    if hint is typing.Any:
        return _parse_any(text)
    try:
        value = msgspec.convert(text, type=hint, strict=False)
    except msgspec.ValidationError as error:
        if hint is dt.datetime and len(text) == len("2026-01-31"):
            return parse_text(text + "T00:00:00Z", hint)
        raise ValueError(_expected(hint) or str(error)) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not a finite number")
    return typing.cast(object, value)
