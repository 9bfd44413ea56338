"""What the lists of a `RolePolicy` name that no model and no field of the application asks for.

Law: it is told at start and no mistake: the application's own code may ask for such a permission.
Any other checker answers for itself; what it knows can't be seen.
"""

import difflib
from collections.abc import Iterable, Iterator

from lithair.core.roles import ModelRules, permissions_of
from lithair.declaration.asked import AskedModel
from lithair.declaration.declared import ModelDeclaration
from lithair.roles import RolePolicy

LIKENESS_MIN = 0.8  # of 1: "ProductRaed" is 0.9 like "ProductRead", "OrderRead" 0.7


def unknown_permissions(
    asked: Iterable[AskedModel], models: Iterable[ModelDeclaration]
) -> Iterator[str]:
    """Give a sentence for each policy that lists a permission which nobody asks for."""
    rules = [model.roles.rules for model in models if model.roles is not None]
    known = {name for each in rules for name in permissions_of(each)}
    policies = {id(one.checker): one.checker for one in asked if one.has_roles}
    for policy in policies.values():
        if not isinstance(policy, RolePolicy):
            continue
        listed = dict.fromkeys(name for names in policy.permissions.values() for name in names)
        told = [_told(name, known, rules) for name in listed if name not in known]
        if told:
            yield (
                f"RolePolicy lists what no model and no field asks for: {', '.join(told)}."
                " That is right only if your own code asks for it."
            )


def _told(name: str, known: set[str], rules: list[ModelRules]) -> str:
    for each in rules:
        if not each.has_owner and name in permissions_of(each, owned=True):
            return f"{name!r} ({each.class_name} has no field marked Owner)"
    in_lower_case = {each.lower(): each for each in sorted(known)}
    near = difflib.get_close_matches(name.lower(), in_lower_case, 1, LIKENESS_MIN)
    return f"{name!r} (did you mean {in_lower_case[near[0]]!r}?)" if near else f"{name!r}"
