"""Field markers and ready-made constrained types.

Owns the words a user writes in a model's annotations. Law: a marker says something about the field
and never changes its type, so a type checker sees `Pinned[str]` as `str`. Each works alone, nested
(`Pinned[Unique[str]]`), or as the first argument of `Annotated`.
"""

import enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from lithair.errors import DeclarationError

T = TypeVar("T")


class Marker(enum.Enum):
    """What a marker leaves in a hint; the value is the name the user wrote."""

    PINNED = "Pinned"
    UNIQUE = "Unique"
    INDEXED = "Indexed"
    IMMUTABLE = "Immutable"
    HIDDEN = "Hidden"
    AUDITED = "Audited"
    CREATED = "Created"
    UPDATED = "Updated"
    OWNER = "Owner"
    PRIMARY_KEY = "PrimaryKey"


Pinned = Annotated[T, Marker.PINNED]  # stays in RAM after the item is evicted
Unique = Annotated[T, Marker.UNIQUE]  # no two items share the value; null is not a value
Indexed = Annotated[T, Marker.INDEXED]  # equality, range and sort without a scan
Immutable = Annotated[T, Marker.IMMUTABLE]  # fixed when the item is created
Hidden = Annotated[T, Marker.HIDDEN]  # never leaves by HTTP; can be written; handles see it
Audited = Annotated[T, Marker.AUDITED]  # old and new value appear in the item's history
Created = Annotated[T, Marker.CREATED]  # filled in by the model process when the item is created
Updated = Annotated[T, Marker.UPDATED]  # filled in by the model process at every write
Owner = Annotated[T, Marker.OWNER]  # the owner's user id
PrimaryKey = Annotated[T, Marker.PRIMARY_KEY]  # takes the place of `id`


class Permission(msgspec.Struct, frozen=True):
    """The permissions that a role needs for one field: `Annotated[str, Permission(read="X")]`."""

    read: str | None = None
    write: str | None = None


class RefTo(msgspec.Struct, frozen=True):
    """What `Ref["Movie"]` leaves in a hint: the class name of the model referred to."""

    model: str


if TYPE_CHECKING:
    from typing_extensions import TypeAliasType

    Ref = TypeAliasType("Ref", str, type_params=(T,))
else:

    class Ref:
        """The id of an item of another model, checked to exist at the moment of the write."""

        def __class_getitem__(cls, model: object) -> object:
            name = model.__name__ if isinstance(model, type) else model
            if not (isinstance(name, str) and name.isidentifier()):
                raise DeclarationError(
                    f'Ref[{model!r}]: write the name of a model\'s class, Ref["Movie"]'
                )
            return Annotated[str, RefTo(name)]


# `$(?!\n)` instead of `\Z`: it means the same in Python and in the ECMA dialect of JSON Schema.
NonEmpty = Annotated[str, Meta(min_length=1)]
EmailAddress = Annotated[
    str,
    Meta(
        max_length=254,  # RFC 5321, 4.5.3.1.3: a path is at most 256 octets, its brackets included
        pattern=r"^[^@\s<>\"(),:;\\\[\]]+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
        r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$(?!\n)",
    ),
]
Url = Annotated[
    str,
    Meta(max_length=2048, pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@]+(?:[/?#]\S*)?$(?!\n)"),
]
Slug = Annotated[str, Meta(max_length=255, pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$(?!\n)")]


def filled_in(*, init: Literal[False] = False) -> Any:  # as msgspec.field: any type fits
    """Leave a field to the model process: `created: Created[datetime] = ` and this call.

    Created and Updated fields need nothing behind them to work; this makes type checkers content
    with a call that leaves the field out.
    """
    return msgspec.field(default=msgspec.UNSET)
