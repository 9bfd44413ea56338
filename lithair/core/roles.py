"""Roles: which permissions an action needs, and what follows of them for one role.

    action        any item                      own items only
    read          ProductRead, Read             ProductReadOwn, ReadOwn
    write         ProductWrite, Write           ProductWriteOwn, WriteOwn
    delete        ProductDelete, Delete         ProductDeleteOwn, DeleteOwn
    a field       what its Permission(read=..., write=...) names

Law: what no permission was found for is not permitted. A permission on a model without an `Owner`
field is never for own items: nobody owns any.
"""

import enum
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from lithair.core.command import PUBLIC
from lithair.core.grants import Grants
from lithair.core.schema import Schema

Has = Callable[[str], bool]  # whether a role has a permission


class Deed(enum.Enum):
    """What is done to a model's items; the values are the words in permissions."""

    READ = "Read"
    WRITE = "Write"
    DELETE = "Delete"


class Scope(enum.Enum):
    """To which items something may be done."""

    NONE = "none"
    OWN = "own"
    ALL = "all"


class FieldRule(msgspec.Struct, frozen=True):
    """What a field asks of who reads it and of who writes it."""

    wire: str
    read: str | None
    write: str | None


class ModelRules(msgspec.Struct, frozen=True):
    """What a model asks of roles."""

    class_name: str
    has_owner: bool
    fields: tuple[FieldRule, ...]

    def needed(self, deed: Deed) -> str:
        """Name the permission that a deed needs, for whoever lacks it."""
        return f"{self.class_name}{deed.value}"


class Rights(msgspec.Struct, frozen=True):
    """What one role may do in one model."""

    scopes: dict[Deed, Scope]
    unreadable: tuple[str, ...] = ()
    unwritable: tuple[str, ...] = ()


EVERYTHING: Final = Rights(dict.fromkeys(Deed, Scope.ALL))  # an administrator's

_SHOWS: Final[dict[Scope, Literal["all", "own", "none"]]] = {
    Scope.ALL: "all",
    Scope.OWN: "own",
    Scope.NONE: "none",
}


def rules_of(schema: Schema) -> ModelRules:
    """Read from a model's declaration what it asks of roles."""
    return ModelRules(
        class_name=schema.name,
        has_owner=any(field.owner for field in schema.fields),
        fields=tuple(
            FieldRule(field.wire, field.permission.read, field.permission.write)
            for field in schema.fields
            if field.permission is not None
        ),
    )


def permissions_of(rules: ModelRules, owned: bool = False) -> set[str]:
    """Name every permission that a model asks about; `owned`: as if its items had owners."""
    deeds = {name for deed in Deed for name in (rules.needed(deed), deed.value)}
    own = {f"{name}Own" for name in deeds} if owned or rules.has_owner else set[str]()
    of_fields = {name for field in rules.fields for name in (field.read, field.write) if name}
    return deeds | own | of_fields


def rights_of(rules: ModelRules, has: Has) -> Rights:
    """Work out what a role may do that has these permissions."""
    return Rights(
        scopes={deed: _scope(rules, deed, has) for deed in Deed},
        unreadable=tuple(f.wire for f in rules.fields if f.read is not None and not has(f.read)),
        unwritable=tuple(f.wire for f in rules.fields if f.write is not None and not has(f.write)),
    )


def _scope(rules: ModelRules, deed: Deed, has: Has) -> Scope:
    names = (rules.needed(deed), deed.value)
    if any(map(has, names)):
        return Scope.ALL
    if rules.has_owner and any(has(f"{name}Own") for name in names):
        return Scope.OWN
    return Scope.NONE


def access_of(rules: ModelRules, rights: Rights, deed: Deed, user: str) -> str | None:
    """Say with which access a request is made that `rights` permit; None: it is not permitted.

    Who may do everything is "public", like anyone where there are no roles: nothing is looked at.
    """
    scope = rights.scopes[deed]
    shows = rights.scopes[Deed.READ]
    if not user and Scope.OWN in (scope, shows):  # whose own? nobody's
        if scope is Scope.OWN:
            return None
        shows = Scope.NONE
    if scope is Scope.NONE:
        return None
    if deed is Deed.READ:
        grants = Grants(
            user=user if scope is Scope.OWN else "",
            own=scope is Scope.OWN,
            shows=_SHOWS[scope],
            unreadable=rights.unreadable,
        )
    else:
        grants = Grants(
            user=user if rules.has_owner else "",
            own=scope is Scope.OWN,
            shows=_SHOWS[shows],
            unreadable=rights.unreadable,
            unwritable=rights.unwritable,
        )
    return PUBLIC if grants == Grants() else grants.access
