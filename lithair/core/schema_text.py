"""Types of a schema's description: are records of one readable as the other, and in words.

Owns the reading of `type` and `default` in the grammar of `schema`. Law: a type only ever widens to
admit null; everything else is a difference that a person has to decide about.
"""

from collections.abc import Mapping
from typing import cast

import msgspec

NULL = "null"


def is_widened(old: object, new: object) -> bool:
    """Say whether every value of the old type is one of the new: equal, or null was added in it."""
    if old == new:
        return True
    old_arms, new_arms = _arms(old), _arms(new)
    if NULL in old_arms and NULL not in new_arms:
        return False
    old_types = [arm for arm in old_arms if arm != NULL]
    new_types = [arm for arm in new_arms if arm != NULL]
    if len(old_types) != len(new_types):
        return False
    if len(old_types) == 1:
        return _same_inside(old_types[0], new_types[0])
    return old_types == new_types


def type_text(kind: object) -> str:
    """Write a described type as a person would: `list[str]`, `int|null`."""
    if isinstance(kind, str):
        return kind
    shape = shape_of(kind)
    if "list" in shape or "set" in shape:
        word = "list" if "list" in shape else "set"
        return f"{word}[{type_text(shape[word])}]"
    if "union" in shape:
        arms = cast("list[object]", shape["union"])
        return "|".join(sorted((type_text(arm) for arm in arms), key=lambda arm: arm == NULL))
    if "dict" in shape or "tuple" in shape:
        word = "dict" if "dict" in shape else "tuple"
        return f"{word}[{', '.join(type_text(arm) for arm in cast('list[object]', shape[word]))}]"
    if "enum" in shape:
        values = cast("list[object]", shape["enum"])
        return f"one of {', '.join(msgspec.json.encode(value).decode() for value in values)}"
    if "struct" in shape:
        fields = cast("Mapping[str, Mapping[str, object]]", shape["struct"])
        inside = ", ".join(f"{name}: {type_text(field['type'])}" for name, field in fields.items())
        return "{" + inside + "}"
    return "the object it is in"


def default_text(default: list[object]) -> str:
    """Write a described default as a person would."""
    if default[0] == "is":
        return msgspec.json.encode(default[1]).decode()
    return "made by a factory" if default[0] == "made" else "filled in by the model process"


def shape_of(kind: object) -> Mapping[str, object]:
    """Return a type that has parts as what it is, and a simple one as nothing."""
    return cast("Mapping[str, object]", kind) if isinstance(kind, dict) else {}


def _arms(kind: object) -> list[object]:
    return cast("list[object]", shape_of(kind).get("union", [kind]))


def _same_inside(old: object, new: object) -> bool:
    if old == new:
        return True
    was, now = shape_of(old), shape_of(new)
    for word in ("list", "set"):
        if word in was and word in now:
            return is_widened(was[word], now[word])
    if "dict" in was and "dict" in now:
        old_key, old_value = cast("list[object]", was["dict"])
        new_key, new_value = cast("list[object]", now["dict"])
        return old_key == new_key and is_widened(old_value, new_value)
    return False
