"""Shapes: reading some fields out of stored JSON, and making JSON of some fields.

Law: nothing here checks constraints. What is stored was valid when it was written, and a
declaration may have been narrowed since; reading must not fail for that.
"""

import operator
import types
import typing
from collections.abc import Callable, Iterable, Sequence

import msgspec

from lithair.core.schema import FieldInfo, Schema
from lithair.core.values import Sort, Sortable, itself, members, sortable_type

PLAIN = (str, int, float, bool)
READERS_MAX = 256  # of one model; lists ask about few combinations of fields
JOINED_BYTES_MAX = 1 << 20  # of JSON that is copied to be decoded by one call


class Path(msgspec.Struct, frozen=True):
    """A field, or a place inside a nested object, as a query names it."""

    text: str
    field: FieldInfo
    steps: tuple[str, ...]
    base: object  # the leaf's type, without null and constraints
    sort: Sort

    @property
    def is_field(self) -> bool:
        return not self.steps


def _plain_type(hint: object) -> object:
    """Take `Annotated` and null off a type."""
    while typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    left = [m for m in members(hint) if m is not type(None)]
    if len(left) == 1 and left[0] is not hint:
        return _plain_type(left[0])
    return hint


def _step_into(hint: object, name: str) -> object | None:
    """Give the type of member `name` of an object of type `hint`; None when there is none."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        for field in msgspec.structs.fields(hint):
            if field.encode_name == name:
                return _plain_type(field.type)
        return None
    if typing.get_origin(hint) is dict:
        return _plain_type(typing.get_args(hint)[1])
    return typing.Any if hint in (dict, typing.Any) else None


def find_path(schema: Schema, text: str, unreadable: frozenset[str]) -> Path | None:
    """Resolve a (dotted) wire name; None when there is none that the caller may see."""
    top, *steps = text.split(".")
    field = schema.by_wire.get(top)
    if field is None or top in unreadable:
        return None
    base: object | None = field.base
    for step in steps:
        base = _step_into(base, step)
        if base is None:
            return None
    return Path(text, field, tuple(steps), base, sortable_type(base))


def nullable(base: object) -> object:
    """Give the type that admits `base` and null."""
    return typing.Union[base, None]  # noqa: UP007 - made at run time


def _struct_of(
    fields: Iterable[tuple[FieldInfo, object]], *, as_array: bool = False
) -> type[msgspec.Struct]:
    """Make a struct type that decodes just these fields, of an object or of an array of them."""
    chosen = list(fields)
    return msgspec.defstruct(
        "Fields",
        [(f.name, hint, None) for f, hint in chosen],
        rename={f.name: f.wire for f, _ in chosen},
        array_like=as_array,
        gc=False,
    )


def _decoder_of_all(fields: type[msgspec.Struct]) -> Callable[[bytes], list[object]]:
    decoder: msgspec.json.Decoder[list[object]] = msgspec.json.Decoder(
        types.GenericAlias(list, (fields,))
    )
    return decoder.decode


class Reader:
    """Reads the values at some paths, made comparable, out of an item's JSON.

    With `kept`, out of the array of these fields' values that an evicted item leaves behind.
    """

    def __init__(self, paths: Iterable[Path], kept: Sequence[FieldInfo] | None = None) -> None:
        self.paths = tuple(paths)
        hints: dict[str, tuple[FieldInfo, object]] = {}
        for field in kept or ():
            hints[field.wire] = (field, msgspec.Raw)
        for path in self.paths:
            deep = any(p.steps for p in self.paths if p.field is path.field)
            hint = typing.Any if deep else nullable(path.base)
            hints[path.field.wire] = (path.field, hint)
        fields = _struct_of(hints.values(), as_array=kept is not None)
        self._decode = msgspec.json.Decoder(fields).decode
        self._decode_all = _decoder_of_all(fields)
        self._getters = [_getter(path, hints[path.field.wire][1]) for path in self.paths]

    def read(self, payload: bytes) -> list[Sortable | None]:
        fields = self._decode(payload)
        return [get(fields) for get in self._getters]

    def read_columns(self, payloads: Sequence[bytes]) -> list[list[Sortable | None]]:
        """Give the same of many items, path by path: several times faster while they are short."""
        if sum(map(len, payloads)) <= JOINED_BYTES_MAX:
            rows = self._decode_all(b"[%b]" % b",".join(payloads))
        else:
            rows = list(map(self._decode, payloads))
        return [list(map(get, rows)) for get in self._getters]


class Readers:
    """Readers that were made before, by what they read.

    Each has a class of its own, which only Python's search for cycles could free: made for one
    list, it would stay when that search is told to pass over what is there (`actors.upkeep`).
    """

    def __init__(self, kept: Sequence[FieldInfo] | None = None) -> None:
        self._kept = kept
        self._made: dict[tuple[str, ...], Reader] = {}

    def of(self, paths: Sequence[Path]) -> Reader:
        """Give what reads these paths, all of one model."""
        texts = tuple(path.text for path in paths)
        reader = self._made.get(texts)
        if reader is None:
            if len(self._made) >= READERS_MAX:
                self._made.clear()
            reader = self._made[texts] = Reader(paths, self._kept)
        return reader


def _getter(path: Path, hint: object) -> Callable[[object], Sortable | None]:
    name, steps, sort, base = path.field.name, path.steps, path.sort, path.base
    if hint is not typing.Any:
        if sort is itself:
            return operator.attrgetter(name)

        def of_field(fields: object) -> Sortable | None:
            value = getattr(fields, name)
            return None if value is None else sort(value)

        return of_field

    def of_place(fields: object) -> Sortable | None:
        value: object = getattr(fields, name)
        for step in steps:
            value = (
                typing.cast(dict[str, object], value).get(step) if isinstance(value, dict) else None
            )
        if value is None:
            return None
        if base is not typing.Any and not any(base is plain for plain in PLAIN):
            value = msgspec.convert(value, type=base)
        return sort(value)

    return of_place


class Shape:
    """Makes the JSON of some fields of an item, in the order of the declaration."""

    def __init__(self, schema: Schema, wires: Iterable[str]) -> None:
        wanted = {*wires, schema.key.wire}
        fields = [(f, msgspec.Raw) for f in schema.fields if f.wire in wanted]
        self._decode = msgspec.json.Decoder(_struct_of(fields)).decode
        self._encode = msgspec.json.Encoder().encode

    def apply(self, payload: bytes) -> bytes:
        return self._encode(self._decode(payload))
