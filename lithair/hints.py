"""Reads what a field's hint says: its markers, and the type that is left without them.

Owns the checks of a single field and of a model's fields together. Law: a marker is either
understood, or refused with a TypeError that says what to write instead; none is silently ignored.

    hint := marker "[" hint "]" | "Annotated[" hint "," extra, ... "]" | hint "| None" | type
"""

import datetime as dt
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, TypeVar, Union

import msgspec

from lithair.errors import DeclarationError
from lithair.fields import Marker, Permission, Ref, RefTo

SCALARS = (
    str, int, float, bool, bytes, dt.datetime, dt.date, dt.time,
    dt.timedelta, decimal.Decimal, uuid.UUID,
)  # fmt: skip
RESERVED_WIRE_NAMES = frozenset(
    ("skip", "take", "sort", "fields", "since", "snapshot", "as_of", "after", "models")
)  # query parameters of lists and streams: a filter of that name could not be told from them


class Hint(msgspec.Struct, frozen=True):
    """What one field's hint says."""

    full: object
    base: object  # without markers, Meta and None
    nullable: bool
    scalar: bool
    markers: frozenset[Marker]
    permission: Permission | None
    ref: str | None


def read_hint(field: str, hint: object) -> Hint:
    """Take a hint apart; `field` is "Email.subject". DeclarationError when it means nothing."""
    base, nullable, extras = _peel(hint)
    name = field.rpartition(".")[2]
    markers = [extra for extra in extras if isinstance(extra, Marker)]
    if isinstance(base, TypeVar):
        what = markers[0].value if markers else "a type variable"
        outer = what if markers else "Pinned"
        raise DeclarationError(f"{field}: {what} needs a type: write `{name}: {outer}[str]`")
    permissions = [extra for extra in extras if isinstance(extra, Permission)]
    refs = [extra.model for extra in extras if isinstance(extra, RefTo)]
    if Permission in extras or base is Permission:
        raise DeclarationError(
            f'{field}: write `{name}: Annotated[str, Permission(read="...", write="...")]`'
        )
    if base is Ref:
        raise DeclarationError(f'{field}: Ref needs a model: write `{name}: Ref["Movie"]`')
    if len(permissions) > 1 or len(refs) > 1:
        raise DeclarationError(f"{field}: only one Permission and one Ref fit on a field; keep one")
    if Permission() in permissions:
        raise DeclarationError(
            f'{field}: Permission() asks for nothing: write Permission(read="...") or write="..."'
        )
    for inner in _inner_types(base, set()):
        _refuse_inner(field, name, inner)
    return Hint(
        full=hint,
        base=base,
        nullable=nullable,
        scalar=is_scalar(base),
        markers=frozenset(markers),
        permission=permissions[0] if permissions else None,
        ref=refs[0] if refs else None,
    )


def is_scalar(base: object) -> bool:
    """Say whether values of this type can be compared and ordered."""
    if isinstance(base, type):
        return base in SCALARS or issubclass(base, enum.Enum)
    return typing.get_origin(base) is Literal


def check_markers(field: str, hint: Hint) -> None:
    """Refuse a marker on a type it can't mean."""
    name = field.rpartition(".")[2]
    marks = hint.markers
    for marker in (Marker.UNIQUE, Marker.INDEXED):
        if marker in marks and not hint.scalar:
            raise DeclarationError(
                f"{field}: {marker.value} needs a type whose values compare, such as str, int,"
                f" datetime or an Enum; leave {marker.value} off {type_name(hint.base)}"
            )
    for marker in (Marker.CREATED, Marker.UPDATED):
        if marker in marks and hint.base is not dt.datetime:
            raise DeclarationError(f"{field}: write `{name}: {marker.value}[datetime]`")
    if Marker.CREATED in marks and Marker.UPDATED in marks:
        raise DeclarationError(f"{field}: Created or Updated, not both; use two fields")
    if Marker.OWNER in marks and hint.base is not str:
        raise DeclarationError(f"{field}: the owner is a user id: write `{name}: Owner[str]`")
    if Marker.PRIMARY_KEY in marks:
        if hint.base is not str or hint.nullable:
            raise DeclarationError(f"{field}: an id is text: write `{name}: PrimaryKey[str]`")
        _check_key(field, hint)
    elif name == "id":
        if hint.base is not str or hint.nullable:
            raise DeclarationError(f"{field}: an id is text: write `id: str`, or leave it out")
        _check_key(field, hint)


def check_fields(model: str, hints: Mapping[str, Hint]) -> None:
    """Refuse what only shows when a model's fields are seen together."""
    for marker in (Marker.PRIMARY_KEY, Marker.OWNER, Marker.CREATED, Marker.UPDATED):
        names = [name for name, hint in hints.items() if marker in hint.markers]
        if len(names) > 1:
            raise DeclarationError(
                f"{model}: {marker.value} stands on {' and '.join(names)}; keep it on one of them"
            )
        if marker is Marker.PRIMARY_KEY and names and "id" in hints and names != ["id"]:
            raise DeclarationError(
                f"{model}: {names[0]} is the PrimaryKey and takes the place of id; remove one"
            )


def check_wire_name(field: str, wire: str) -> None:
    """Refuse a wire name that a query could not use."""
    if wire in RESERVED_WIRE_NAMES:
        raise DeclarationError(
            f'{field}: "{wire}" is a query parameter of every list; give the field another name'
        )
    if not wire or "." in wire:
        raise DeclarationError(
            f'{field}: "{wire}" can\'t be a name on the wire; give it another name'
        )


def type_name(base: object) -> str:
    """Name a type as the user would write it."""
    if typing.get_origin(base) is None and isinstance(base, type):
        return base.__name__
    return str(base).replace("typing.", "")


def _check_key(field: str, hint: Hint) -> None:
    for marker in (Marker.HIDDEN, Marker.OWNER):
        if marker in hint.markers:
            raise DeclarationError(
                f"{field}: an id can't be {marker.value}; use a field of its own"
            )
    if hint.permission is not None:
        raise DeclarationError(f"{field}: an id can't have a Permission; use a field of its own")


def _peel(hint: object) -> tuple[object, bool, list[object]]:
    """Take off Annotated, aliases, NewType and None; return the base, nullable, and the extras."""
    extras: list[object] = []
    nullable = False
    while True:
        origin = typing.get_origin(hint)
        if origin is Annotated:
            arguments = typing.get_args(hint)
            hint = arguments[0]
            extras.extend(arguments[1:])
        elif origin is Union or origin is types.UnionType:
            arms = [arm for arm in typing.get_args(hint) if arm is not type(None)]
            nullable = nullable or len(arms) < len(typing.get_args(hint))
            if set(arms) == {int, float}:
                arms = [float]  # JSON has one kind of number, and so has every comparison of them
            if len(arms) != 1:
                return Union[tuple(arms)], nullable, extras  # noqa: UP007 - made of a tuple
            hint = arms[0]
        elif origin is Literal and None in typing.get_args(hint):
            nullable = True
            hint = Literal[tuple(value for value in typing.get_args(hint) if value is not None)]
        elif (value := _alias_value(hint)) is not None:
            hint = value
        else:
            return hint, nullable, extras


def _alias_value(hint: object) -> object | None:
    """Return what a NewType or a `type X = ...` alias stands for."""
    if isinstance(hint, typing.NewType):
        return hint.__supertype__
    if type(hint).__name__ == "TypeAliasType":
        return typing.cast("object", getattr(hint, "__value__"))  # noqa: B009 - 3.12 and later
    return None


def _inner_types(base: object, seen: set[object]) -> Iterator[object]:
    """Walk over the hints inside a type: arguments, and the fields of nested classes."""
    for argument in typing.get_args(base):
        if typing.get_origin(base) is not Literal:
            yield argument
            yield from _inner_types(argument, seen)
    if isinstance(base, type) and issubclass(base, msgspec.Struct) and base not in seen:
        seen.add(base)
        try:
            nested = typing.get_type_hints(base, include_extras=True)
        except (NameError, AttributeError):
            return  # a name not defined yet; looked at again when the model is registered
        for hint in nested.values():
            yield hint
            yield from _inner_types(hint, seen)


def _refuse_inner(field: str, name: str, inner: object) -> None:
    if inner is Ref:
        raise DeclarationError(f'{field}: Ref needs a model: write `{name}: Ref["Movie"]`')
    if typing.get_origin(inner) is not Annotated:
        return
    for extra in typing.get_args(inner)[1:]:
        if isinstance(extra, RefTo):
            raise DeclarationError(
                f"{field}: a Ref inside another type can't be checked to exist: write"
                f' `{name}: Ref["{extra.model}"]`, or use plain str'
            )
        if isinstance(extra, (Marker, Permission)):
            word = extra.value if isinstance(extra, Marker) else "Permission"
            around = f"{word}[...]" if isinstance(extra, Marker) else "Annotated[..., Permission()]"
            raise DeclarationError(
                f"{field}: {word} says something about the whole field: write `{name}: {around}`"
                " around the whole type"
            )
