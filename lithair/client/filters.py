"""Filters and options of a list, as the pairs of a query string (docs/http.md).

A value that is a text is one in the grammar of queries (`">10"`, `"!draft"`, `"[a,b]"`); anything
else, members of an Enum too, is meant literally: `{"price": ">10", "read": False, "owner": None}`.
A list of them on one field is ANDed. Law: a literal matches its value and no other; what can't be
written as one is refused.
"""

import datetime as dt
import enum
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

import msgspec

from lithair.errors import FieldError, ValidationFailed

OPTIONS: Final = frozenset(("sort", "skip", "take", "after", "fields", "as_of"))  # no fields

Filters = Mapping[str, object]
Pairs = tuple[tuple[str, str], ...]
AsOf = int | dt.datetime  # a seq, or a time with an offset from UTC
Fields = str | Sequence[str]

_encode = msgspec.json.Encoder().encode


def literal(value: object) -> str:
    """Write a value as the text of a filter that it alone equals."""
    if value is None:
        return "null"
    if isinstance(value, enum.Enum):
        value = cast(object, value.value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValidationFailed(f"a filter can't be {value!r}: no item holds it")
    try:
        encoded = _encode(value)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise ValidationFailed(f"a filter can't be {value!r}: {error}") from None
    if encoded[:1] in (b"{", b"["):
        raise ValidationFailed(f"a filter can't be {value!r}: give a text, or a scalar value")
    text = str(msgspec.json.decode(encoded)) if encoded[:1] == b'"' else encoded.decode()
    return "=" + text  # whatever it begins with, and be it "null", it is meant as it stands


def pairs_of(filters: Filters | None, wire_name: Callable[[str], str]) -> Pairs:
    """Give the pairs of some filters."""
    pairs: list[tuple[str, str]] = []
    for name, asked in (filters or {}).items():
        if name in OPTIONS:
            message = "is no field: give it as an argument of its own"
            raise ValidationFailed(
                f"Filter {name!r} {message}", errors=(FieldError(name, message),)
            )
        several = cast("Sequence[object]", asked) if isinstance(asked, list | tuple) else (asked,)
        for value in several:
            text = value if isinstance(value, str) and not isinstance(value, enum.Enum) else None
            pairs.append((wire_name(name), literal(value) if text is None else text))
    return tuple(pairs)


def options_of(
    sort: str | Sequence[str] | None,
    skip: int,
    take: int | None,
    wire_name: Callable[[str], str],
) -> Pairs:
    """Give the pairs of a list's options; what is left out takes its default."""
    pairs: list[tuple[str, str]] = []
    if sort:
        names = sort.split(",") if isinstance(sort, str) else sort
        signed = (
            "-" + wire_name(name[1:]) if name.startswith("-") else wire_name(name) for name in names
        )
        pairs.append(("sort", ",".join(signed)))
    if skip:
        pairs.append(("skip", str(skip)))
    if take is not None:
        pairs.append(("take", str(take)))
    return tuple(pairs)


def fields_of(fields: Fields | None, wire_name: Callable[[str], str]) -> Pairs:
    """Give the pair that asks for some fields only; none for whole items."""
    if fields is None:
        return ()
    names = fields.split(",") if isinstance(fields, str) else fields
    return (("fields", ",".join(wire_name(name) for name in names)),)


def as_of_pairs(as_of: AsOf | None) -> Pairs:
    """Give the pair that asks for a point of the past; none for the present."""
    if as_of is None:
        return ()
    if isinstance(as_of, dt.datetime):
        return (("as_of", _in_utc(as_of)),)
    return (("as_of", str(int(as_of))),)


def _in_utc(moment: dt.datetime) -> str:
    """Write a time as RFC 3339; in UTC, for offsets of long ago have seconds."""
    try:
        if moment.utcoffset() is not None:
            return moment.astimezone(dt.UTC).isoformat()
        message = f"{moment} has no offset from UTC: give it a tzinfo"
    except OverflowError:
        message = f"{moment} is out of the range of times"
    raise ValidationFailed(f"as_of: {message}", errors=(FieldError("as_of", message),))
