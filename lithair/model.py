"""Model: the class a user declares.

Owns what happens when a class statement runs: `id`, wire names, defaults that the model process
fills in, and the checks that need no other class. Law: a class that exists has passed every check
that could be made when its statement ran; hints that name something not defined yet are checked
when the model is registered (`checked_hints`).
"""

import ast
import sys
import typing
from typing import TYPE_CHECKING, Any, dataclass_transform

import msgspec

from lithair.errors import DeclarationError
from lithair.fields import Marker, filled_in
from lithair.hints import Hint, check_fields, check_markers, check_wire_name, read_hint

REFUSED_OPTIONS: dict[str, str] = {
    "array_like": "items are JSON objects",
    "tag": "a model's items are all of one class",
    "tag_field": "a model's items are all of one class",
    "omit_defaults": "an item is stored and served whole",
    "kw_only": "a model is always keyword-only",
    "forbid_unknown_fields": "unknown fields are always refused",
}
FILLED_IN = (Marker.CREATED, Marker.UPDATED)
VERSION = "__lithair_version__"  # the attribute that holds a class's version


def wire_name(name: str) -> str:
    """Drop one trailing underscore, so that Python's keywords can be field names."""
    return name.removesuffix("_")


def checked_hints(model: type) -> dict[str, Hint]:
    """Read and check a model's hints by field name; NameError when one can't be resolved yet."""
    hints = _type_hints(model)
    if not isinstance(model, msgspec.StructMeta):
        raise DeclarationError(f"{model.__name__}: write `class {model.__name__}(Model):`")
    found: dict[str, Hint] = {}
    for name, wire in zip(model.__struct_fields__, model.__struct_encode_fields__, strict=True):
        field = f"{model.__name__}.{name}"
        check_wire_name(field, wire)
        found[name] = read_hint(field, hints[name])
        check_markers(field, found[name])
    check_fields(model.__name__, found)
    return found


def _type_hints(model: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(model, include_extras=True)
    except NameError:  # its own name is not in its module before the class statement has ended
        here = {model.__name__: model}
        return typing.get_type_hints(model, localns=here, include_extras=True)


def _prepare(name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> tuple[type, ...]:
    """Give the fields their defaults, and the class its id; return the bases to use."""
    inherited = {field for base in bases for field in getattr(base, "__struct_fields__", ())}
    own = {
        field: _marker_names(annotation, namespace)
        for field, annotation in _annotations(namespace).items()
    }
    key = [field for field, markers in own.items() if Marker.PRIMARY_KEY.value in markers]
    for field, markers in own.items():
        if field not in namespace and markers.intersection(m.value for m in FILLED_IN):
            namespace[field] = msgspec.field(default=msgspec.UNSET)
    for field in {*key, "id"}.intersection(own):
        namespace.setdefault(field, "")
    if key and "id" in inherited:
        raise DeclarationError(
            f"{name}: a base class has an id already; put PrimaryKey on a field there"
        )
    if key and key != ["id"]:
        if "id" in own:
            raise DeclarationError(
                f"{name}: {key[0]} is the PrimaryKey and takes the place of id; remove one"
            )
        namespace["id"] = _id_property(key[0])
    has_key = key or "id" in own or any(hasattr(base, "id") for base in bases)
    if not has_key:
        bases = tuple(IdentifiedModel if base is Model else base for base in bases)
    holders = [base.__name__ for base in bases if getattr(base, "__struct_fields__", ())]
    if len(holders) > 1:
        shown = " and ".join(holders).replace("IdentifiedModel", "Model (id)")
        raise DeclarationError(
            f"{name}: {shown} have fields; only one base can, so derive one from the other"
        )
    return bases


def _id_property(key: str) -> property:
    def held_id(self: object) -> str:
        """Return the item's id, which the field marked PrimaryKey holds."""
        value: str = getattr(self, key)
        return value

    return property(held_id)


def _annotations(namespace: dict[str, Any]) -> dict[str, object]:
    """Return a class body's annotations as they were written (text, or evaluated)."""
    if sys.version_info >= (3, 14):
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is not None:
            return annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF)
    found: dict[str, object] = namespace.get("__annotations__", {})
    return found


def _marker_names(annotation: object, namespace: dict[str, Any]) -> set[str]:
    """Name the markers in an annotation, before the class exists.

    Text (`from __future__ import annotations`) is evaluated in the class's module; when it names
    something not defined yet, the words in it are looked at instead.
    """
    if isinstance(annotation, str):
        module = sys.modules.get(namespace.get("__module__", ""))
        try:
            annotation = eval(annotation, dict(vars(module)) if module else {}, dict(namespace))
        except (NameError, AttributeError, TypeError, SyntaxError):
            return _words(str(annotation))
    try:
        return {marker.value for marker in read_hint("field", annotation).markers}
    except DeclarationError:
        return set()  # refused with its name once the class exists


def _words(text: str) -> set[str]:
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        return set()
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def _refuse_options(name: str, options: dict[str, Any]) -> None:
    for option, why in REFUSED_OPTIONS.items():
        if option in options:
            raise DeclarationError(f"{name}: leave {option}= out: {why}")


def _check_now(model: type) -> None:
    """Check what can be checked when the class statement has run."""
    try:
        checked_hints(model)
    except (NameError, AttributeError):
        pass  # a hint names something that is defined later; registration checks it


def _check_version(name: str, version: object) -> None:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise DeclarationError(f"{name}: version={version!r} has to be a whole number above 0")


def version_of(model: type) -> int:
    """Return the version that a class says it is of; not that of a class above it."""
    version: int = vars(model).get(VERSION, 1)
    return version


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field, filled_in))
class ModelMeta(msgspec.StructMeta):
    """Makes model classes; see `Model`."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        /,
        *,
        version: int = 1,
        **options: Any,
    ) -> "ModelMeta":
        _refuse_options(name, options)
        _check_version(name, version)
        namespace[VERSION] = version
        if any(isinstance(base, ModelMeta) for base in bases):
            bases = _prepare(name, bases, namespace)
        options.setdefault("rename", wire_name)
        try:
            cls = super().__new__(
                mcls, name, bases, namespace, kw_only=True, forbid_unknown_fields=True, **options
            )
        except ValueError as error:  # msgspec's own sentence: two fields with one name on the wire
            raise DeclarationError(f"{name}: {error}; give each a name of its own") from None
        _check_now(cls)
        return cls


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field, filled_in))
class Model(msgspec.Struct, metaclass=ModelMeta):
    """Declare items of one kind: fields, their types, and markers on them.

    Keyword-only; unknown fields are refused. Types are checked when an item is written, not when
    it is made in Python (`msgspec.convert` checks at once). `class Email(Model, version=2)` says
    that migrations lead to this form; see `migrate`.
    """

    if TYPE_CHECKING:
        id: str = ""  # 1 to 255 characters; left out, the item gets a UUIDv7 when it is written


class IdentifiedModel(Model):
    """The base that `Model` is exchanged for in a class without a key of its own."""

    id: str = ""
