"""NaN of `Decimal`: what stands for it where values are compared, and where one is found.

Law: no new item holds one (see `validation`); old logs may, and such items can be read and listed.
A NaN of `decimal` can't do for itself: comparing it raises, and a signalling one can't be hashed.
"""

import decimal
import typing

import msgspec

from lithair.errors import FieldError

_COMPARED = (int, float, decimal.Decimal)


class NotANumber:
    """Stands for every NaN: equal to itself, before all numbers. There is one, `NAN`."""

    # Numbers give up on comparing with it, so Python asks it, too, when it stands on the right.
    # With null it can't be compared, as numbers can't.

    def __lt__(self, other: object) -> bool:
        return isinstance(other, _COMPARED) or (NotImplemented if other is not self else False)

    def __le__(self, other: object) -> bool:
        return other is self or isinstance(other, _COMPARED) or NotImplemented

    def __gt__(self, other: object) -> bool:
        return False if other is self or isinstance(other, _COMPARED) else NotImplemented

    def __ge__(self, other: object) -> bool:
        return other is self or (False if isinstance(other, _COMPARED) else NotImplemented)


NAN: typing.Final = NotANumber()


def holds_nan(value: object) -> bool:
    """Tell whether a field's value is a NaN of `Decimal`, or one stands anywhere in it."""
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    if value is None or value is msgspec.UNSET:
        return False
    kept = (decimal.Decimal,)
    return _holds(msgspec.to_builtins(value, builtin_types=kept, enc_hook=_nothing))


def _nothing(_: object) -> None:
    """Stand for what is no plain value: `msgspec.Raw`, in which no NaN can be."""


def _holds(value: object) -> bool:
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    if isinstance(value, dict):
        held = typing.cast("dict[object, object]", value)
        return any(map(_holds, held)) or any(map(_holds, held.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(_holds, typing.cast("list[object]", value)))
    return False


def nan_fault(wire: str, *, nullable: bool) -> FieldError:
    """Say what to write in the place of a NaN."""
    instead = 'a number such as "9.90"' + (", or null" if nullable else "")
    return FieldError(wire, f"holds NaN, which is not a number: write {instead}")


def names_type(described: object, name: str) -> bool:
    """Tell whether a described type (see `schema`) is or holds the type `name`; "up" is one."""
    if isinstance(described, list):
        return any(names_type(part, name) for part in typing.cast("list[object]", described))
    if not isinstance(described, dict):
        return described == name
    shape = typing.cast("dict[str, object]", described)
    if "struct" in shape:
        fields = typing.cast("dict[str, dict[str, object]]", shape["struct"])
        return any(names_type(field["type"], name) for field in fields.values())
    if "enum" in shape:
        return False
    return name in shape or any(names_type(part, name) for part in shape.values())
