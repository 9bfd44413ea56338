"""What the admin API tells of a model's declaration: its fields and its bounds in RAM.

Owns the words for both. Law: a hidden field is named here, as it can be written; its values are
told by nobody, its default, which items may have, included.
"""

from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from lithair.core.schema import FieldInfo, Schema, schema_of
from lithair.core.schema_text import type_text
from lithair.declaration import ModelDeclaration
from lithair.fields import Marker
from lithair.retention import OVERRIDES, declared_retention

REFERENCES: Final = "#/definitions/{name}"

_ON: Final[dict[Marker, Callable[[FieldInfo], bool]]] = {
    Marker.PRIMARY_KEY: lambda field: field.primary_key,
    Marker.PINNED: lambda field: field.pinned,
    Marker.UNIQUE: lambda field: field.unique,
    Marker.INDEXED: lambda field: field.indexed,
    Marker.IMMUTABLE: lambda field: field.immutable,
    Marker.HIDDEN: lambda field: field.hidden,
    Marker.AUDITED: lambda field: field.audited,
    Marker.CREATED: lambda field: field.created,
    Marker.UPDATED: lambda field: field.updated,
    Marker.OWNER: lambda field: field.owner,
}


def bounds_told(model: ModelDeclaration) -> dict[str, object]:
    """Tell the bounds of a model's hot items, as the class has them and as they are."""
    cls = model.handler.model
    declared = declared_retention(cls)
    return {
        name: {
            "value": getattr(model.retention, name),
            "declared": getattr(declared, name),
            "variable": f"LT_{cls.__name__.upper()}{suffix}",
        }
        for name, (suffix, _, _) in OVERRIDES.items()
    }


def declaration_told(model: ModelDeclaration) -> dict[str, object]:
    """Tell a model's fields, with a JSON Schema of each."""
    schema = schema_of(model.handler.model)
    (whole,), definitions = msgspec.json.schema_components((schema.model,), ref_template=REFERENCES)
    own = definitions.get(str(whole.get("$ref", "")).rpartition("/")[2], whole)
    properties: dict[str, Any] = own["properties"]  # Any: JSON Schema, as msgspec makes it
    described = _described_types(schema)
    of_hidden = _reached([properties[one.wire] for one in schema.fields if one.hidden], definitions)
    others = {
        name: _without_defaults(one) if name in of_hidden else one
        for name, one in definitions.items()
        if one is not own
    }
    return {
        "key": schema.key.wire,
        "fields": [
            _field_told(field, described[field.wire], properties[field.wire])
            for field in schema.fields
        ],
        "definitions": others,
    }


def _described_types(schema: Schema) -> dict[str, str]:
    """Give each field's type in words."""
    description = msgspec.json.decode(schema.description)
    return {wire: type_text(one["type"]) for wire, one in description["fields"].items()}


def _field_told(field: FieldInfo, type_words: str, schema: dict[str, Any]) -> dict[str, object]:
    permission = field.permission
    told: dict[str, object] = {
        "name": field.wire,
        "python_name": field.name,
        "type": type_words,
        "markers": [marker.value for marker, is_on in _ON.items() if is_on(field)],
        "required": field.required and not (field.primary_key or field.created or field.updated),
        "nullable": field.nullable,
        "in_ram": field.pinned or field.indexed or field.unique or field.primary_key,
        "hidden": field.hidden,
        "immutable": field.immutable or field.primary_key or field.created,
        "filled_in": field.created or field.updated,
        "sortable": field.scalar and not field.hidden,
        "ref": field.ref,
        "permission": None
        if permission is None
        else {"read": permission.read, "write": permission.write},
        "schema": _without_default(schema) if field.hidden else schema,
    }
    if field.default_json is not None and not (field.primary_key or field.hidden):
        told["default"] = msgspec.Raw(field.default_json)
    return told


def _reached(schemas: list[dict[str, Any]], definitions: dict[str, Any]) -> set[str]:
    """Name the definitions that schemas refer to, by others too."""
    reached: set[str] = set()
    waiting: list[object] = [*schemas]
    while waiting:
        told = waiting.pop()
        if isinstance(told, dict):
            inner = cast("dict[str, object]", told)
            name = str(inner.get("$ref", "")).rpartition("/")[2]
            if name in definitions and name not in reached:
                reached.add(name)
                waiting.append(definitions[name])
            waiting.extend(inner.values())
        elif isinstance(told, list):
            waiting.extend(cast("list[object]", told))
    return reached


def _without_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    if "properties" not in schema:
        return schema
    shown = {name: _without_default(one) for name, one in schema["properties"].items()}
    return {**schema, "properties": shown}


def _without_default(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != "default"}
