"""JSON Merge Patch (RFC 7396) on an item's JSON.

Law: a null in a patch is null where the field's type admits it; else it takes the member away, so
that the field's default stands, and where there is none the validation that follows refuses it.
"""

import typing
from collections.abc import Mapping

import msgspec

from lithair.core.schema import Schema
from lithair.core.values import members

Json = dict[str, object]


_decode = msgspec.json.Decoder(dict[str, object]).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def _bare(hint: object) -> object:
    """Take `Annotated` off a type."""
    while typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    return hint


def _members_of(hint: object) -> Mapping[str, object]:
    """Give wire name -> type of a nested object's members; empty when they are free."""
    for kind in map(_bare, members(hint)):
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return {f.encode_name: f.type for f in msgspec.structs.fields(kind)}
    return {}


def _admits_null(hint: object) -> bool:
    bare = _bare(hint)
    return bare is typing.Any or type(None) in members(bare)


def _merge(target: object, patch: Json, hints: Mapping[str, object]) -> Json:
    merged: Json = dict(typing.cast(Json, target)) if isinstance(target, dict) else {}
    for name, value in patch.items():
        hint = hints.get(name)
        if value is None:
            if hint is not None and _admits_null(hint):
                merged[name] = None
            else:
                merged.pop(name, None)
        elif isinstance(value, dict):
            merged[name] = _merge(merged.get(name), typing.cast(Json, value), _members_of(hint))
        else:
            merged[name] = value
    return merged


def merge_patch(schema: Schema, payload: bytes, patch: bytes) -> bytes:
    """Apply `patch`, a JSON object, to the item `payload`; gives the merged JSON, not yet checked.

    A null for an unknown member is kept, so that the check names it as unknown.
    """
    try:
        changes = _decode(patch)
    except msgspec.ValidationError:  # a number beyond the range of floats; the check names it
        changes = dict[str, object](_decode_members(patch))
    if not any(value is None or isinstance(value, dict) for value in changes.values()):
        return _encode({**_decode_members(payload), **changes})  # what most patches are
    unknown = {name: None for name in changes if name not in schema.by_wire}
    hints = {f.wire: f.type for f in schema.fields}
    return _encode(_merge(_decode(payload), changes, hints) | unknown)
