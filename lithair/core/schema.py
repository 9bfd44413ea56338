"""The schema of a model: its fields as the rules use them, and their description in the log.

Law: the description covers wire names, types and defaults, never markers or constraints; records of
another description are read with the present class when `differences` finds none. Field order does
not count.

    description := {"fields": fields, "version"?: n}   canonical JSON: names sorted, no white space
    fields      := {wire name: {"type": type, "default"?: default}, ...}
    default     := ["is", JSON] | ["made"]           by a factory, per item
                 | ["filled"]                        by the model process
    type        := "str" | "int" | ... | {"list" | "set": type} | {"tuple": [type, ...]}
                 | {"dict": [type, type]} | {"union": [type, ...]} | {"enum": [value, ...]}
                 | {"struct": fields, "tag"?: [field, value], "order"?: [name, ...]}
                 | {"up": n}                         the struct n levels above: recursive types
"""

import functools
import hashlib
import typing
from collections.abc import Callable

import msgspec
from msgspec import NODEFAULT, inspect

from lithair.core.nan import holds_nan
from lithair.core.schema_text import default_text, is_widened, shape_of, type_text
from lithair.errors import DeclarationError
from lithair.fields import Marker, Permission
from lithair.hints import Hint
from lithair.model import Model, checked_hints, version_of

EMPTY_CONTAINERS: tuple[Callable[[], object], ...] = (list, dict, set, frozenset, tuple, bytearray)

SIMPLE_TYPES: dict[type[inspect.Type], str] = {
    inspect.AnyType: "any",
    inspect.NoneType: "null",
    inspect.BoolType: "bool",
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.StrType: "str",
    inspect.BytesType: "bytes",
    inspect.ByteArrayType: "bytes",
    inspect.MemoryViewType: "bytes",
    inspect.DateTimeType: "datetime",
    inspect.TimeType: "time",
    inspect.DateType: "date",
    inspect.TimeDeltaType: "timedelta",
    inspect.UUIDType: "uuid",
    inspect.DecimalType: "decimal",
    inspect.RawType: "any",
}


class FieldInfo(msgspec.Struct, frozen=True):
    """One field of a model."""

    name: str
    wire: str
    type: object  # the full hint, Annotated and Meta kept
    base: object  # without markers, Meta and None; `float` for `int | float`
    nullable: bool
    required: bool
    default_json: bytes | None  # None: required, filled in, or made per item by a factory
    pinned: bool
    unique: bool
    indexed: bool
    immutable: bool
    hidden: bool
    audited: bool
    created: bool
    updated: bool
    owner: bool
    primary_key: bool  # the field holds the id, `id` itself included
    permission: Permission | None
    ref: str | None  # the class name of the model referred to
    scalar: bool  # its values can be compared and ordered


class Schema(msgspec.Struct, frozen=True):
    """A model as the rules see it."""

    model: type[Model]
    name: str
    fields: tuple[FieldInfo, ...]
    by_wire: dict[str, FieldInfo]
    key: FieldInfo
    fingerprint: bytes  # 16 bytes, blake2b of the description
    description: bytes
    version: int = 1


class _FieldDescription(msgspec.Struct, omit_defaults=True):
    type: object
    default: list[object] = []


class _Description(msgspec.Struct, omit_defaults=True):
    fields: dict[str, _FieldDescription]
    version: int = 1


def schema_of(model: type[Model]) -> Schema:
    """Return the schema of a model; DeclarationError says what in its declaration can't be used."""
    return _schema_of(model)


@functools.cache
def _schema_of(model: type[Model]) -> Schema:
    name = model.__name__
    try:
        hints = checked_hints(model)
        info = inspect.type_info(model)
    except (NameError, AttributeError) as error:
        raise DeclarationError(f"{name}: a field's type can't be found: {error}") from error
    if not isinstance(info, inspect.StructType):
        raise DeclarationError(f"{name}: write `class {name}(Model):`")
    described = {
        field.encode_name: _FieldDescription(
            _describe(f"{name}.{field.name}", field.type, (info,)),
            _default(f"{name}.{field.name}", field),
        )
        for field in info.fields
    }
    key = next((n for n, hint in hints.items() if Marker.PRIMARY_KEY in hint.markers), "id")
    fields = tuple(
        _field_info(field, hints[field.name], described[field.encode_name], field.name == key)
        for field in info.fields
    )
    for field in fields:
        _check_default(name, field)
    version = version_of(model)
    description = msgspec.json.encode(_Description(described, version), order="sorted")
    return Schema(
        model=model,
        name=name,
        fields=fields,
        by_wire={field.wire: field for field in fields},
        key=next(field for field in fields if field.primary_key),
        fingerprint=hashlib.blake2b(description, digest_size=16).digest(),
        description=description,
        version=version,
    )


def described_version(description: bytes) -> int:
    """Give the version of the class that a description was made of."""
    return msgspec.json.decode(description, type=_Description).version


def differences(old_description: bytes, new_description: bytes) -> list[str]:
    """Say what keeps records of the old description from being read with the new class.

    Empty when nothing does: fields were added that have a default, fields got a default that had
    none, or types were widened to admit null. One sentence per field otherwise.
    """
    old = msgspec.json.decode(old_description, type=_Description).fields
    new = msgspec.json.decode(new_description, type=_Description).fields
    return list(_compare("", old, new))


def _compare(
    path: str, old: dict[str, _FieldDescription], new: dict[str, _FieldDescription]
) -> typing.Iterator[str]:
    for name in sorted({*old, *new}):
        field = f'"{path}{name}"'
        if name not in new:
            yield f"field {field} is gone (it was {type_text(old[name].type)})"
        elif name not in old:
            if not new[name].default:
                yield f"field {field} ({type_text(new[name].type)}) is new and has no default"
        else:
            yield from _compare_field(f"{path}{name}", old[name], new[name])


def _compare_field(
    path: str, old: _FieldDescription, new: _FieldDescription
) -> typing.Iterator[str]:
    if (nested := _nested(old.type, new.type)) is not None:
        yield from _compare(f"{path}.", *nested)
    elif not is_widened(old.type, new.type):
        yield f'field "{path}" was {type_text(old.type)} and is now {type_text(new.type)}'
        return
    if old.default and old.default != new.default and old.default != ["filled"]:
        was = default_text(old.default)
        now = f"is now {default_text(new.default)}" if new.default else "there is none now"
        yield f'the default of field "{path}" was {was}, and {now}'


def _nested(
    old: object, new: object
) -> tuple[dict[str, _FieldDescription], dict[str, _FieldDescription]] | None:
    """Return the fields of both when both are structs (or lists of them), to name what differs."""
    was, now = shape_of(old), shape_of(new)
    if "list" in was and "list" in now:
        return _nested(was["list"], now["list"])
    if "struct" not in was or "struct" not in now:
        return None
    if any(was.get(word) != now.get(word) for word in ("tag", "order")):
        return None
    return (
        msgspec.convert(was["struct"], dict[str, _FieldDescription]),
        msgspec.convert(now["struct"], dict[str, _FieldDescription]),
    )


def _field_info(
    field: inspect.Field, hint: Hint, described: _FieldDescription, is_key: bool
) -> FieldInfo:
    default = described.default
    return FieldInfo(
        name=field.name,
        wire=field.encode_name,
        type=hint.full,
        base=hint.base,
        nullable=hint.nullable,
        required=not default,
        default_json=msgspec.json.encode(default[1]) if default[:1] == ["is"] else None,
        primary_key=is_key,
        permission=hint.permission,
        ref=hint.ref,
        scalar=hint.scalar,
        **{marker.name.lower(): marker in hint.markers for marker in _FLAGS},
    )


_FLAGS = tuple(marker for marker in Marker if marker is not Marker.PRIMARY_KEY)


def _default(name: str, field: inspect.Field) -> list[object]:
    """Describe a field's default; empty when it is required."""
    if field.required:
        return []
    factory = field.default_factory
    if field.default is NODEFAULT and factory is NODEFAULT:
        return ["filled"]  # msgspec.inspect does not show a default of UNSET
    value: object = field.default
    if factory is not NODEFAULT:
        if (typing.get_origin(factory) or factory) not in EMPTY_CONTAINERS:
            return ["made"]
        value = factory()
    try:
        return ["is", msgspec.json.decode(msgspec.json.encode(value))]
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise DeclarationError(f"{name}: its default can't be written as JSON: {error}") from error


def _check_default(model: str, field: FieldInfo) -> None:
    """Refuse a default that could be stored and then not be read: msgspec does not check it."""
    if field.default_json is None or field.primary_key:
        return
    try:
        default = msgspec.json.decode(field.default_json, type=field.type)
        if holds_nan(default):
            raise msgspec.ValidationError("NaN is not a number")
    except msgspec.ValidationError as error:
        raise DeclarationError(
            f"{model}.{field.name}: its default {field.default_json.decode()} is not allowed by"
            f" its type: {error}"
        ) from error


def _describe(name: str, kind: inspect.Type, above: tuple[inspect.Type, ...]) -> object:
    """Describe a type without names of classes, markers and constraints."""
    while isinstance(kind, inspect.Metadata):  # what a Meta says for readers: words, examples
        kind = kind.type
    simple = SIMPLE_TYPES.get(type(kind))
    if simple is not None:
        return simple
    if isinstance(kind, inspect.EnumType):
        return {"enum": sorted((member.value for member in kind.cls), key=repr)}
    if isinstance(kind, inspect.LiteralType):
        values = sorted((value for value in kind.values if value is not None), key=repr)
        literal = {"enum": values}
        return _union([literal, "null"]) if None in kind.values else literal
    if isinstance(kind, inspect.UnionType):
        return _union([_describe(name, arm, above) for arm in kind.types])
    if isinstance(kind, inspect.CollectionType):
        return {_collection_word(kind): _describe(name, kind.item_type, above)}
    if isinstance(kind, inspect.TupleType):
        return {"tuple": [_describe(name, item, above) for item in kind.item_types]}
    if isinstance(kind, inspect.DictType):
        pair = (kind.key_type, kind.value_type)
        return {"dict": [_describe(name, item, above) for item in pair]}
    if isinstance(
        kind,
        inspect.StructType | inspect.DataclassType | inspect.TypedDictType | inspect.NamedTupleType,
    ):
        return _describe_fields(name, kind, above)
    cls = kind.cls.__name__ if isinstance(kind, inspect.CustomType) else type(kind).__name__
    raise DeclarationError(f"{name}: {cls} is not a type that can be checked and written as JSON")


def _union(arms: list[object]) -> object:
    return {"union": sorted(arms, key=msgspec.json.encode)}


def _collection_word(kind: inspect.CollectionType) -> str:
    is_set = isinstance(kind, inspect.SetType | inspect.FrozenSetType)
    return "set" if is_set else "list"


def _describe_fields(
    name: str,
    kind: inspect.StructType
    | inspect.DataclassType
    | inspect.TypedDictType
    | inspect.NamedTupleType,
    above: tuple[inspect.Type, ...],
) -> object:
    for levels, outer in enumerate(reversed(above), 1):
        if outer is kind:
            return {"up": levels}
    inside = (*above, kind)
    described = {
        field.encode_name: _FieldDescription(
            _describe(f"{name}.{field.name}", field.type, inside),
            _default(f"{name}.{field.name}", field),
        )
        for field in kind.fields
    }
    found: dict[str, object] = {"struct": described}
    if isinstance(kind, inspect.StructType) and kind.tag is not None:
        found["tag"] = [kind.tag_field, kind.tag]
    if isinstance(kind, inspect.NamedTupleType) or getattr(kind, "array_like", False):
        found["order"] = [field.encode_name for field in kind.fields]
    return found
