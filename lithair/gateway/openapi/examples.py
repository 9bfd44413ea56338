"""Examples of the OpenAPI document: items made up of their schema.

Law: what is given as an example is one the model would take; where none can be made up that is, a
pattern of the user's own say, there is none.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Final, cast, get_args

import msgspec

from lithair.core.schema import FieldInfo, Schema
from lithair.fields import EmailAddress, Slug, Url
from lithair.gateway.openapi.answers import Node

ID: Final = "01900000-0000-7000-8000-000000000000"  # of the form that ids are made in
TIME: Final = "2026-01-31T12:00:00Z"
OWNER: Final = "ada"
DEPTH_MAX: Final = 8  # of classes that hold themselves

_BY_FORMAT: Final[Mapping[str, str]] = {
    "date-time": TIME,
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "uuid": ID,
    "decimal": "9.50",
}


def _pattern(kind: object) -> str:
    """Give the pattern of one of the ready-made types."""
    meta = cast("msgspec.Meta", get_args(kind)[1])
    return meta.pattern or ""


_BY_PATTERN: Final[Mapping[str, str]] = {
    _pattern(EmailAddress): "ada@example.org",
    _pattern(Url): "https://example.org/",
    _pattern(Slug): "a-slug",
}


class Examples:
    """Makes examples of schemas, which may point at components."""

    def __init__(self, components: Mapping[str, Node]) -> None:
        self._components = components

    def of_item(self, schema: Schema, node: Node) -> Node | None:
        """Make an item as it is answered."""
        properties = cast("dict[str, Node]", node["properties"])
        fields = [field for field in schema.fields if field.wire in properties]
        made = {field.wire: self._of_field(field, properties[field.wire]) for field in fields}
        return made if _is_valid(schema, made) else None

    def of_new(self, schema: Schema, node: Node, *, has_roles: bool) -> Node | None:
        """Make what creates an item: what has to be sent, and what anybody may."""
        properties = cast("dict[str, Node]", node["properties"])
        required = cast("list[str]", node.get("required", []))
        made = {
            field.wire: self._of_field(field, properties[field.wire])
            for field in schema.fields
            if field.wire in required
            or (field.wire in properties and not _is_left_out(field, has_roles=has_roles))
        }
        owner = next((f.wire for f in schema.fields if f.owner), None)
        filled = made if owner is None else {owner: OWNER, **made}
        return made if _is_valid(schema, filled) else None

    def _of_field(self, field: FieldInfo, node: Node) -> object:
        if field.primary_key or field.ref is not None:
            return ID
        if field.owner:
            return OWNER
        if field.base is dt.time and field.default_json is None:
            return "12:00:00"  # a schema does not tell it from other texts
        if field.default_json is not None and "examples" not in node:
            return msgspec.json.decode(field.default_json, type=object)
        return self._of(node, 0)

    def _of(self, node: Node, depth: int) -> object:
        if "examples" in node:
            return cast("list[object]", node["examples"])[0]
        for word in ("default", "const"):
            if word in node:
                return node[word]
        if depth > DEPTH_MAX:
            return None
        if "$ref" in node:
            return self._of(
                self._components[cast("str", node["$ref"]).rpartition("/")[2]], depth + 1
            )
        if "enum" in node:
            values = cast("list[object]", node["enum"])
            return next((value for value in values if value is not None), None)
        for word in ("anyOf", "allOf", "oneOf"):
            if word in node:
                arms = cast("list[Node]", node[word])
                arm = next((arm for arm in arms if arm.get("type") != "null"), arms[0])
                return self._of(arm, depth + 1)
        return self._of_type(node, depth)

    def _of_type(self, node: Node, depth: int) -> object:
        kind = node.get("type")
        if kind == "object":
            properties = cast("dict[str, Node]", node.get("properties", {}))
            return {name: self._of(inner, depth + 1) for name, inner in properties.items()}
        if kind == "array":
            listed = cast("list[Node]", node.get("prefixItems", []))
            items = [self._of(inner, depth + 1) for inner in listed]
            least = cast("int", node.get("minItems", 0))
            while len(items) < least and isinstance(node.get("items"), dict):
                items.append(self._of(cast("Node", node["items"]), depth + 1))
            return items
        if kind == "string":
            return _text(node)
        if kind in ("integer", "number"):
            return _number(node)
        return True if kind == "boolean" else None


def _is_left_out(field: FieldInfo, *, has_roles: bool) -> bool:
    is_asked_for = has_roles and field.permission is not None
    is_made = field.primary_key or field.created or field.updated or field.owner
    return is_asked_for or is_made or field.ref is not None


def _is_valid(schema: Schema, made: Mapping[str, object]) -> bool:
    """Tell whether the model takes it; hidden fields, of which there is no example, apart."""
    try:
        for field in schema.fields:
            if field.wire in made:
                msgspec.convert(made[field.wire], type=field.type)
            elif field.required and not field.hidden:
                return False
    except (msgspec.ValidationError, TypeError):
        return False
    return True


def _text(node: Node) -> str:
    if "contentEncoding" in node:
        return ""
    known = _BY_FORMAT.get(cast("str", node.get("format", "")))
    known = known or _BY_PATTERN.get(cast("str", node.get("pattern", "")))
    text = known or "text"
    least, most = cast("int", node.get("minLength", 0)), cast("int", node.get("maxLength", 1 << 20))
    return text.ljust(least, "x")[:most]


def _number(node: Node) -> object:
    """Choose the least number that is allowed, else the greatest up to 1; of steps, a step."""
    step = cast("float", node.get("multipleOf", 1))
    if "minimum" in node or "exclusiveMinimum" in node:
        least = cast("float", node.get("minimum", node.get("exclusiveMinimum")))
        steps = -(-least // step)
        if "exclusiveMinimum" in node and steps * step <= least:
            steps += 1
        return steps * step if "multipleOf" in node or "minimum" not in node else least
    if "maximum" in node or "exclusiveMaximum" in node:
        most = cast("float", node.get("maximum", node.get("exclusiveMaximum")))
        below = most - step if "exclusiveMaximum" in node else most
        return min(step, below // step * step)
    return step
