"""Schemas of the OpenAPI document: what items of a model look like on the wire.

Owns the step from a model's class to JSON Schema (2020-12). msgspec writes the types, constraints,
defaults and wire names; what the markers say is added here. Law: a Hidden field, and what only it
refers to, is in none of them.

    Product              an item as it is answered, whole
    ProductPart          the same, with the fields that were asked for or that the caller may read
    ProductNew           what creates one
    ProductReplacement   what takes its place: PUT
    ProductPatch         what changes it: PATCH
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, cast

import msgspec

from lithair.core.schema import FieldInfo, Schema, schema_of
from lithair.declaration import ModelDeclaration
from lithair.gateway.openapi.answers import OWN, Node, schema_ref
from lithair.gateway.openapi.examples import Examples
from lithair.model import Model

ID: Final[Node] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    # No slash, no control character, and no word that is a path of its own.
    "pattern": r"^(?!(?:count|random-id|stream|_bulk|\.|\.\.)$)[^/\x00-\x1f\x7f-\x9f]+$",
}
REF: Final = "#/components/schemas/{name}"
SUFFIXES: Final = ("", "Part", "New", "Replacement", "Patch")


class ModelSchemas(msgspec.Struct, frozen=True):
    """One model: its schemas' names among the components, and examples of what goes in and out."""

    declared: ModelDeclaration
    schema: Schema
    item: str
    part: str
    new: str
    replacement: str
    patch: str
    example: Node | None  # an item; None where none could be made up
    example_new: Node | None

    @property
    def visible(self) -> tuple[FieldInfo, ...]:
        """The fields that are told of."""
        return tuple(field for field in self.schema.fields if not field.hidden)

    @property
    def answered(self) -> Node:
        """What a write is answered with: the item, as far as its caller may read it."""
        return schema_ref(self.item) if self.declared.roles is None else self.found

    @property
    def found(self) -> Node:
        """What a read is answered with."""
        return {"anyOf": [schema_ref(self.item), schema_ref(self.part)]}


def model_schemas(
    models: Sequence[ModelDeclaration],
) -> tuple[list[ModelSchemas], dict[str, Node]]:
    """Make the schemas of all models, and of the classes that their fields have."""
    classes = [model.handler.model for model in models]
    names, components = _components(classes)
    made = [_of_model(model, names[model.handler.model], components) for model in models]
    return made, components


def _components(classes: Sequence[type[Model]]) -> tuple[dict[type[Model], str], dict[str, Node]]:
    """Make msgspec's schemas; gives the name of each class's own, too.

    A class with a default that msgspec can't show (a Raw) has its fields named, and no more.
    """
    told = [kind for kind in classes if _told(kind) is not None]
    refs, named = msgspec.json.schema_components(told, ref_template=REF)
    names = {kind: _name_of(cast("Node", ref)) for kind, ref in zip(told, refs, strict=True)}
    components = cast("dict[str, Node]", named)
    for kind in classes:
        if kind not in names:
            names[kind] = OWN + kind.__name__
            wires = [field.wire for field in schema_of(kind).fields]
            components[names[kind]] = {"properties": {wire: Node() for wire in wires}}
    return names, components


def _told(kind: type[Model]) -> object:
    try:
        return msgspec.json.schema_components([kind], ref_template=REF)
    except TypeError:
        return None


def _of_model(model: ModelDeclaration, own_name: str, components: dict[str, Node]) -> ModelSchemas:
    schema = schema_of(model.handler.model)
    source = components[own_name]
    makers: tuple[Callable[[_Source], Node], ...] = (_item, _part, _new, _replacement, _patch)
    written = _Source(model, schema, source, components)
    names: list[str] = []
    for suffix, make in zip(SUFFIXES, makers, strict=True):
        name = own_name + suffix
        while suffix and name in components:
            name += "_"
        components[name] = {**_titles(source, name), "type": "object", **make(written)}
        names.append(name)
    item, part, new, replacement, patch = names
    examples = Examples(components)
    return ModelSchemas(
        model,
        schema,
        item,
        part,
        new,
        replacement,
        patch,
        examples.of_item(schema, components[item]),
        examples.of_new(schema, components[new], has_roles=model.roles is not None),
    )


def _titles(source: Node, name: str) -> Node:
    described = source.get("description")
    return {"title": name} | ({} if described is None else {"description": described})


class _Source(msgspec.Struct, frozen=True):
    """A model, and what msgspec says of its class."""

    model: ModelDeclaration
    schema: Schema
    said: Node
    components: Mapping[str, Node]

    @property
    def has_hidden(self) -> bool:
        return any(field.hidden for field in self.schema.fields)

    def fields(self) -> Iterable[tuple[FieldInfo, Node]]:
        """List what is told of each field that is not hidden, markers included."""
        properties = cast("dict[str, Node]", self.said["properties"])
        for field in self.schema.fields:
            if not field.hidden:
                yield field, self._described(field, properties[field.wire])

    def object_of(self, properties: dict[str, Node], required: Iterable[str]) -> Node:
        """Make an object that has no other members than these, as far as is told."""
        made: Node = {"properties": properties}
        needed = list(required)
        if needed:
            made["required"] = needed
        if not self.has_hidden:  # of those nothing is told, and they may be sent
            made["additionalProperties"] = False
        return made

    def _described(self, field: FieldInfo, node: Node) -> Node:
        told = dict(node)
        if field.base is dt.datetime:
            _add_format(told)
        if field.primary_key:
            told = {**told, **ID}
            told.pop("default", None)
        sentences = [cast("str", told.pop("description", ""))]
        sentences += [text for marks, text in self._marks(field) if marks]
        description = " ".join(filter(None, sentences))
        return told if not description else {**told, "description": description}

    def _marks(self, field: FieldInfo) -> list[tuple[bool, str]]:
        has_roles = self.model.roles is not None
        permission = field.permission if has_roles else None
        reads = None if permission is None else permission.read
        writes = None if permission is None else permission.write
        return [
            (field.primary_key, "Never changes."),
            (field.unique, "No two items share it."),
            (field.immutable, "Fixed when the item is created."),
            (field.ref is not None, f"The id of an item of {field.ref}, which has to exist."),
            (field.created, "When the item was created; filled in."),
            (field.updated, "When the item was last written; filled in."),
            (field.owner, "The id of the user whose item it is."),
            (
                field.owner and has_roles,
                "Left out of a new item, it is whoever creates it.",
            ),
            (reads is not None, f"Told to roles with the permission {reads} alone."),
            (writes is not None, f"Written by roles with the permission {writes} alone."),
        ]


def _add_format(node: Node) -> None:
    for arm in (node, *cast("list[Node]", node.get("anyOf", []))):
        if arm.get("type") == "string":
            arm["format"] = "date-time"


def _is_filled(field: FieldInfo) -> bool:
    return field.created or field.updated


def _item(source: _Source) -> Node:
    """Describe an item as it is answered; what roles may not read is missing."""
    properties: dict[str, Node] = {}
    required: list[str] = []
    for field, node in source.fields():
        told = {key: value for key, value in node.items() if key != "default"}
        properties[field.wire] = {**told, "readOnly": True} if _is_filled(field) else told
        is_withheld = source.model.roles is not None and field.permission is not None
        if not (is_withheld and field.permission is not None and field.permission.read):
            required.append(field.wire)
    return source.object_of(properties, required) | {"additionalProperties": False}


def _part(source: _Source) -> Node:
    whole = _item(source)
    return {**whole, "required": [source.schema.key.wire]}


def _new(source: _Source) -> Node:
    return _sent(source, is_new=True)


def _replacement(source: _Source) -> Node:
    return _sent(source, is_new=False)


def _sent(source: _Source, *, is_new: bool) -> Node:
    """Describe a whole item as it is sent."""
    properties: dict[str, Node] = {}
    required: list[str] = []
    for field, node in source.fields():
        is_given = _is_filled(field) or (field.primary_key and not is_new)
        properties[field.wire] = {**node, "readOnly": True} if is_given else node
        is_owned = is_new and field.owner and source.model.roles is not None
        if field.required and not (is_owned or field.primary_key):
            required.append(field.wire)
    return source.object_of(properties, required)


def _patch(source: _Source) -> Node:
    """Describe a JSON Merge Patch; a null takes a field back to its default."""
    properties: dict[str, Node] = {}
    for field, node in source.fields():
        told: Node = {key: value for key, value in node.items() if key != "default"}
        if _may_be_object(told, source.components):
            told = {"description": "Merged into what there is."}
        elif not field.required and not field.primary_key and not field.nullable:
            arms: list[Node] = [told, {"type": "null"}]
            told = {"anyOf": arms}
        is_fixed = _is_filled(field) or field.primary_key or field.immutable
        properties[field.wire] = {**told, "readOnly": True} if is_fixed else told
    return source.object_of(properties, ())


def _may_be_object(node: Node, components: Mapping[str, Node]) -> bool:
    """Tell whether a value may be an object: then a patch of it may be part of one."""
    if "$ref" in node:
        return _may_be_object(components[_name_of(node)], components)
    arms = [arm for word in ("anyOf", "allOf") for arm in cast("list[Node]", node.get(word, []))]
    if arms:
        return any(_may_be_object(arm, components) for arm in arms)
    return node.get("type", "object" if "enum" not in node else None) == "object"


def _name_of(ref: Node) -> str:
    return cast("str", ref["$ref"]).rpartition("/")[2]
