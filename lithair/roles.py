"""Roles as an application declares them: the checker of permissions, and a ready-made policy.

Law: these are plain values, checked once when the application starts (`checker_mistakes`), and
copied to each gateway, which asks its copy.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Protocol, cast

HAS = "has_permission"
METHOD = "def has_permission(self, role, permission) -> bool"
LISTS = 'write RolePolicy({"editor": ["ProductRead", "ProductWrite"]})'


class PermissionChecker(Protocol):
    """What `with_model_full` takes: tells which permissions a role has."""

    def has_permission(self, role: str, permission: str, /) -> bool:
        """Tell whether a role has a permission, at once: the gateway waits for it."""
        ...


class RolePolicy:
    """A permission checker made of lists: each role's permissions."""

    def __init__(self, permissions: Mapping[str, Iterable[str]]) -> None:
        self.permissions = permissions

    @property
    def roles(self) -> tuple[str, ...]:
        """Return the names of the roles, in the order in which they were written."""
        return tuple(self.permissions)

    def has_permission(self, role: str, permission: str) -> bool:
        """Tell whether a role's list has a permission; an unknown role has none."""
        return permission in self.permissions.get(role, ())


def checker_mistakes(call: str, checker: object) -> list[str]:
    """Say what is wrong with what `with_model_full` was given; `call` is how it was written."""
    if isinstance(checker, type):
        return [f"{call}: {checker.__name__} is a class; write {checker.__name__}(...)."]
    if isinstance(checker, RolePolicy):
        return [f"{call}: {what}." for what in _policy_mistakes(checker.permissions)]
    name = type(checker).__name__
    method: object = getattr(checker, HAS, None)
    if not callable(method):
        return [f"{call}: the {name} object has no method {HAS}; write {METHOD}."]
    if inspect.iscoroutinefunction(method):
        return [f"{call}: {name}.{HAS} is a coroutine function; write a plain def."]
    try:
        inspect.signature(method).bind("role", "permission")
    except TypeError:
        return [f"{call}: {name}.{HAS} has to take a role and a permission; write {METHOD}."]
    except ValueError:  # of a builtin, which has no signature to look at
        pass
    return []


def _policy_mistakes(permissions: object) -> Iterable[str]:
    if not isinstance(permissions, Mapping):
        yield f"RolePolicy takes a mapping of roles to their permissions; {LISTS}"
        return
    for role, listed in cast("Mapping[object, object]", permissions).items():
        if not isinstance(role, str) or not role:
            yield f"RolePolicy: {role!r} is not the name of a role; {LISTS}"
        if isinstance(listed, str) or not isinstance(listed, Iterable):
            yield f"RolePolicy: the permissions of {role!r} have to be a list of names; {LISTS}"
        elif not all(isinstance(name, str) for name in cast("Iterable[object]", listed)):
            yield f"RolePolicy: a permission of {role!r} is not a name; {LISTS}"
