"""The permission map: what each role may do on every route of every model, field by field.

Owns the map; it is made by the very code that answers requests, of the very tables that they are
looked up in. Law: one cell for each route, method and role, none left out.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal, cast

import msgspec

from lithair.core.command import PUBLIC
from lithair.core.grants import Grants, grants_of
from lithair.core.roles import Deed
from lithair.core.schema import schema_of
from lithair.declaration import Declaration, ModelDeclaration
from lithair.gateway.answers import Problem
from lithair.gateway.gate import Rule, rule_of_model
from lithair.gateway.identity import ADMIN_ROLE, Identity, Kind
from lithair.gateway.roles import DEEDS, roles_of
from lithair.gateway.routes import SHAPES
from lithair.wire.protocol import Verb

SOMEBODY: Final = "somebody"  # the user whose items are "own" in the map
WITHOUT_FIELDS: Final = (Verb.RANDOM, Verb.DELETE)  # no field is shown or written, but the id

Items = Literal["all", "own", "none"]


class PermissionCell(msgspec.Struct, frozen=True):
    """What a role may do with one method on one path; `role` None is a caller without a session.

    `status` is that of the refusal, 0 without one. `shown` are the fields that answers have and
    filters may name, `written` those that a body may change.
    """

    model: str
    path: str
    method: str
    role: str | None
    status: int
    items: Items
    shown: tuple[str, ...] = ()
    written: tuple[str, ...] = ()


def roles_known(declaration: Declaration) -> list[str]:
    """List the roles that permission checkers name in an attribute `roles`, as `RolePolicy` does.

    An administrator is the last of them in any case.
    """
    known: dict[str, None] = {}
    for model in declaration.models:
        if model.roles is None:
            continue
        named: object = getattr(model.roles.checker, "roles", ())
        if isinstance(named, Iterable) and not isinstance(named, str):
            texts = cast("Iterable[object]", named)
            known.update((role, None) for role in texts if isinstance(role, str))
    known.pop(ADMIN_ROLE, None)
    return [*known, ADMIN_ROLE]


def permission_map(declaration: Declaration, roles: Iterable[str]) -> list[PermissionCell]:
    """Map every route of every model for callers without a session and for these roles."""
    columns = [None, *dict.fromkeys(roles)]
    return [cell for model in declaration.models for cell in _cells(declaration, model, columns)]


def _cells(
    declaration: Declaration, model: ModelDeclaration, columns: list[str | None]
) -> Iterator[PermissionCell]:
    rule, fields = rule_of_model(declaration, model), _Fields(model)
    roles = roles_of(model)
    for shape, actions in SHAPES.items():
        for method, action in actions.items():
            for role in columns:
                status, access = 0, PUBLIC
                if role is None and rule is not Rule.OPEN:
                    status = 401
                elif role is not None:
                    identity = Identity(Kind.SESSION, SOMEBODY, role)
                    try:
                        access = roles.access(identity, action.verb) if roles else PUBLIC
                    except Problem as problem:
                        status = problem.status
                path = model.path + shape.value
                yield fields.cell((path, method, role), action.verb, status, access)


class _Fields:
    """The fields of a model, as a cell lists them."""

    def __init__(self, model: ModelDeclaration) -> None:
        self._model = model.name
        self._schema = schema_of(model.handler.model)

    def cell(
        self, place: tuple[str, str, str | None], verb: Verb, status: int, access: str
    ) -> PermissionCell:
        path, method, role = place
        if status:
            return PermissionCell(self._model, path, method, role, status, "none")
        grants = Grants() if access == PUBLIC else grants_of(access)
        shown: list[str] = []
        written: list[str] = []
        for field in self._schema.fields if verb not in WITHOUT_FIELDS else ():
            wire = field.wire
            is_withheld = wire in grants.unreadable
            if field.primary_key or (
                not field.hidden and not is_withheld and grants.shows != "none"
            ):
                shown.append(wire)
            is_refused = wire in grants.unwritable or (
                (field.unique and is_withheld) or (field.owner and grants.own)
            )
            is_filled = field.created or field.updated
            if DEEDS[verb] is Deed.WRITE and not is_refused and not is_filled:
                written.append(wire)
        items: Items = "own" if grants.own else "all"
        cell = PermissionCell(self._model, path, method, role, 0, items)
        return msgspec.structs.replace(cell, shown=tuple(shown), written=tuple(written))
