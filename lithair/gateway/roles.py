"""Roles in the gateway: the access of a request, as the model's permission checker says.

Law: fails closed. What the checker did not answer with True is not permitted, and when it fails,
nothing is. Its answers about a role are used for `ANSWERS_S`, then it is asked anew; an
administrator is not asked about.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec

from lithair.core.roles import EVERYTHING, Deed, ModelRules, Rights, access_of, rights_of
from lithair.declaration import ModelDeclaration
from lithair.gateway.answers import Problem
from lithair.gateway.identity import ADMIN_ROLE, Identity
from lithair.roles import PermissionChecker
from lithair.wire.protocol import Verb

ANSWERS_S: Final = (
    1.0  # how long a change in the checker may go unnoticed; docs/sessions.md says so
)
ROLES_MAX: Final = 1024  # remembered at a time; an application has a handful
ACCESSES_MAX: Final = 1024  # of one role: callers within a second

CHECKER_FAILED: Final = "The server failed while it looked up what your role may do"

DEEDS: Final[dict[Verb, Deed]] = {
    Verb.GET: Deed.READ,
    Verb.LIST: Deed.READ,
    Verb.COUNT: Deed.READ,
    Verb.RANDOM: Deed.READ,
    Verb.HISTORY: Deed.READ,
    Verb.EVENTS: Deed.READ,
    Verb.CREATE: Deed.WRITE,
    Verb.BULK: Deed.WRITE,
    Verb.REPLACE: Deed.WRITE,
    Verb.PATCH: Deed.WRITE,
    Verb.DELETE: Deed.DELETE,
}

log = logging.getLogger("lithair.http")


class _Role(msgspec.Struct):
    """What is known of one role until `ends_s`; `accesses` by deed and user."""

    rights: Rights
    ends_s: float
    accesses: dict[tuple[Deed, str], str | None] = {}


class ModelRoles:
    """What roles may do in one model."""

    def __init__(
        self,
        rules: ModelRules,
        checker: PermissionChecker,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rules = rules
        self._checker = checker
        self._clock_s = clock_s
        self._roles: dict[str, _Role] = {}
        self._admin = _Role(EVERYTHING, 0.0)

    def access(self, identity: Identity, verb: Verb) -> str:
        """Give the access of a request; raises Problem 403 when its role does not permit it."""
        deed = DEEDS[verb]
        role = self._admin if identity.role == ADMIN_ROLE else self._role(identity.role)
        asked = (deed, identity.user_id)
        try:
            access = role.accesses[asked]
        except KeyError:
            if len(role.accesses) >= ACCESSES_MAX:
                role.accesses.clear()
            access = role.accesses[asked] = access_of(
                self.rules, role.rights, deed, identity.user_id
            )
        if access is None:
            raise Problem(403, self._refusal(identity.role, deed))
        return access

    def rights(self, role: str) -> Rights:
        """Work out what a role may do; raises Problem 500 when the checker fails."""
        if role == ADMIN_ROLE:
            return EVERYTHING
        answers: dict[str, bool] = {}

        def has(permission: str) -> bool:
            if permission not in answers:
                answer: object = self._checker.has_permission(role, permission)
                if type(answer) is not bool:
                    raise TypeError(f"has_permission has to return a bool, not {answer!r}")
                answers[permission] = answer
            return answers[permission]

        try:
            return rights_of(self.rules, has)
        except Exception:  # the user's own code, whatever is wrong with it
            log.exception("the permission checker of %s failed", self.rules.class_name)
            raise Problem(500, CHECKER_FAILED) from None

    def _role(self, name: str) -> _Role:
        role, now_s = self._roles.get(name), self._clock_s()
        if role is None or now_s >= role.ends_s:
            if len(self._roles) >= ROLES_MAX:
                self._roles.clear()
            role = self._roles[name] = _Role(self.rights(name), now_s + ANSWERS_S)
        return role

    def _refusal(self, role: str, deed: Deed) -> str:
        who = f"The role {role!r}" if role else "A session without a role"
        return f"{who} may not do this: it needs the permission {self.rules.needed(deed)}"


def roles_of(model: ModelDeclaration) -> ModelRoles | None:
    """Make what a model's declaration asks for; None: roles mean nothing there."""
    declared = model.roles
    assert model.is_gated == (declared is None), f"{model.name} has neither a gate nor roles"
    return None if declared is None else ModelRoles(declared.rules, declared.checker)
