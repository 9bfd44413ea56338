"""The rules that one model's declaration sets for a write.

Law: they are the same for every writer, HTTP, handle or worker. Only what a caller can't see makes
a difference (a field that it may not read and left out keeps its value), and what its role may not
write: see `guard`.
"""

import datetime as dt
import typing

import msgspec

from lithair.core.command import Command, Reference
from lithair.core.guard import Guard
from lithair.core.merge import merge_patch
from lithair.core.nan import holds_nan
from lithair.core.overlay import Overlay, Present
from lithair.core.schema import Schema
from lithair.core.shape import Reader, nullable
from lithair.core.tables import path_of
from lithair.core.validation import ItemReader, changed_fields, check_depth, invalid
from lithair.core.view import View, Views
from lithair.errors import FieldError
from lithair.handler import ModelHandler
from lithair.model import Model

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class ItemRules:
    """What holds for the items of one model: hooks, fixed fields, times, references."""

    def __init__(self, schema: Schema, handler: ModelHandler[typing.Any], views: Views) -> None:
        self.schema = schema
        self.handler = handler
        self.reader = ItemReader(schema)
        self.views = views
        self._guard = Guard(schema, self.reader)
        own = type(handler)
        self.has_hooks = any(
            getattr(own, name) is not getattr(ModelHandler, name)
            for name in ("before_create", "before_update", "before_delete")
        )
        self._immutable = [f for f in schema.fields if f.immutable]
        self.has_references = any(f.ref is not None for f in schema.fields)
        self._created = next((f for f in schema.fields if f.created), None)
        self._updated = next((f for f in schema.fields if f.updated), None)
        self.has_times = bool(self._created or self._updated)
        self._unseen = [f.wire for f in schema.fields if f.hidden]
        self._refs = [f for f in schema.fields if f.ref is not None]
        self._ref_reader = Reader(path_of(f) for f in self._refs) if self._refs else None
        self.needs_old = bool(self.has_hooks or self._immutable or self.has_times)
        self._lenient = msgspec.json.Decoder(_lenient_type(schema)).decode

    def stored(self, payload: bytes) -> Model:
        """Decode what is stored, though the declaration may have been narrowed since."""
        fields = self._lenient(payload)
        return self.schema.model(**{f.name: getattr(fields, f.name) for f in self.schema.fields})

    def set_id(self, item: Model, key: str) -> None:
        msgspec.structs.force_setattr(item, self.schema.key.name, key)

    def stamp(self, item: Model, now: dt.datetime, old: Model | None) -> None:
        """Fill in the fields that tell when the item was created and last written."""
        if self._updated is not None:
            msgspec.structs.force_setattr(item, self._updated.name, now)
        if self._created is not None:
            name = self._created.name
            value = now if old is None else getattr(old, name)
            msgspec.structs.force_setattr(item, name, value)

    def check_immutable(self, old: Model, new: Model) -> None:
        """Refuse a write that changes a field which is fixed at creation."""
        fixed = self._immutable
        if fixed and self.reader.decimals:  # a NaN of an old log may be mended: nothing else fits
            fixed = [f for f in fixed if not holds_nan(getattr(old, f.name))]
        changed = changed_fields(old, new, fixed)
        if changed:
            raise invalid(FieldError(f.wire, "is fixed when the item is created") for f in changed)

    def created(self, view: View, body: bytes) -> Model:
        """Read an item that is to be created; raises `Refusal`."""
        grants = view.grants
        return self.reader.item(body) if grants is None else self._guard.created(grants, body)

    def replacing(self, command: Command, payload: bytes) -> Model:
        """Read what takes the place of an item; raises `Refusal`."""
        view = self.views[command.access]
        if view.grants is not None:
            return self._guard.replacing(view, view.grants, command.body, payload)
        if not self._unseen or not command.access:
            return self.reader.item(command.body)
        return self.reader.item(self._fill_unseen(command.body, payload))

    def patched(self, command: Command, payload: bytes) -> Model:
        """Read what a patch makes of an item; raises `Refusal`."""
        view = self.views[command.access]
        if view.grants is not None:
            return self._guard.patched(view, view.grants, command.body, payload)
        check_depth(command.body)
        try:
            merged = merge_patch(self.schema, payload, command.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.reader.fields(command.body)  # says what is wrong with it
            raise
        return self.reader.item(merged)

    def _fill_unseen(self, body: bytes, payload: bytes) -> bytes:
        """Give a replacement the present value of fields that its caller can't see and left out."""
        given = self.reader.fields(body)
        present = _decode_members(payload)
        kept = {
            wire: present[wire] for wire in self._unseen if wire not in given and wire in present
        }
        return _encode({**given, **kept})

    def missing_references(
        self, payload: bytes, key: str, command: Command, overlay: Overlay, before: Present | None
    ) -> frozenset[Reference]:
        """Check the references that a write sets; gives those that still have to be looked up.

        One that the item had before is not checked again: its target may be gone by now, and the
        rest of the item must stay writable.
        """
        if self._ref_reader is None:
            return frozenset()
        values = self._ref_reader.read(payload)
        held = self._ref_reader.read(before.payload) if before is not None else [None] * len(values)
        missing: set[Reference] = set()
        faults: list[FieldError] = []
        for field, value, old in zip(self._refs, values, held, strict=True):
            if value is None or value == old:
                continue
            target = (typing.cast(str, field.ref), typing.cast(str, value))
            if target[0] == self.schema.name:
                exists: bool | None = target[1] == key or overlay.holds(target[1])
            else:
                exists = command.known.get(target)
            if exists is None:
                missing.add(target)
            elif not exists:
                faults.append(FieldError(field.wire, f"there is no {target[0]} {target[1]!r}"))
        if faults:
            raise invalid(faults)
        return frozenset(missing)


def _lenient_type(schema: Schema) -> type[msgspec.Struct]:
    """Make a struct like the model, without its constraints."""
    return msgspec.defstruct(
        "Stored",
        [(f.name, nullable(f.base), None) for f in schema.fields],
        rename={f.name: f.wire for f in schema.fields},
    )
