"""Views: what a kind of caller may see of an item, and how an answer shows it.

Law: the only place that decides which fields leave. The bytes are served as they are stored where
nothing has to be left out.
"""

import msgspec

from lithair.core.as_of import rfc3339
from lithair.core.command import TRUSTED
from lithair.core.event import Event, EventKind, Flags
from lithair.core.query import QueryReader
from lithair.core.schema import Schema
from lithair.core.shape import Shape

SHAPES_MAX = 256  # of one view; making one costs more than using it, and callers ask for few

OPERATIONS = {EventKind.CREATE: "create", EventKind.UPDATE: "update", EventKind.DELETE: "delete"}

_encode = msgspec.json.Encoder().encode


class View:
    """One kind of caller's sight of a model's items."""

    def __init__(self, schema: Schema, access: str, take_max: int) -> None:
        hidden = frozenset(f.wire for f in schema.fields if f.hidden)
        self.schema = schema
        self.unreadable: frozenset[str] = frozenset() if access == TRUSTED else hidden
        self.queries = QueryReader(schema, self.unreadable, take_max)
        self._shapes: dict[frozenset[str], Shape] = {}
        self._whole = self.shape(frozenset(schema.by_wire)) if self.unreadable else None

    def shape(self, fields: frozenset[str]) -> Shape:
        """Give what makes the JSON of some fields, as far as this caller may see them."""
        shape = self._shapes.get(fields)
        if shape is None:
            if len(self._shapes) >= SHAPES_MAX:
                self._shapes.clear()
            shape = self._shapes[fields] = Shape(self.schema, fields - self.unreadable)
        return shape

    def show(self, payload: bytes) -> bytes:
        """Give the item's JSON as this caller may see it."""
        return payload if self._whole is None else self._whole.apply(payload)

    def answer(self, events: list[Event]) -> tuple[int, bytes, int, str]:
        """Tell from a command's events what it is answered: status, body, item's seq, id.

        The first answer and every repeat of it are made here, from the same events.
        """
        last = events[-1]
        if last.flags & Flags.REPLICATED:
            if last.flags & Flags.BULK:
                return 200, b'{"count":%d}' % len(events), 0, ""
            if last.kind == EventKind.DELETE:
                return 200, b"true", 0, ""
            return 200, self.show(last.payload), last.seq, last.key
        if last.flags & Flags.BULK:
            return 201, b"[%b]" % b",".join(self.show(e.payload) for e in events), 0, ""
        if last.kind == EventKind.DELETE:
            return 204, b"", 0, ""
        status = 201 if last.kind == EventKind.CREATE else 200
        return status, self.show(last.payload), last.seq, last.key

    def history_entry(self, event: Event, before: Event | None) -> bytes:
        """Encode one event of an item's history; `before` is the item's event before it."""
        return _encode(
            {
                "seq": event.seq,
                "operation": OPERATIONS[EventKind(event.kind)],
                "timestamp": rfc3339(event.time_ms),
                "item": msgspec.Raw(self.show(event.payload)),
                "changes": self._changes(event, before),
            }
        )

    def _changes(self, event: Event, before: Event | None) -> dict[str, dict[str, object]]:
        """Give the old and new values of the audited fields that an event changed.

        None when what was before is not known any more.
        """
        if before is None and event.kind != EventKind.CREATE:
            return {}
        wires = [f.wire for f in self.schema.fields if f.audited and f.wire not in self.unreadable]
        if not wires:
            return {}
        new = _members(event) if event.kind != EventKind.DELETE else {}
        old = _members(before) if before is not None and before.kind != EventKind.DELETE else {}
        return {
            wire: {"old": old.get(wire), "new": new.get(wire)}
            for wire in wires
            if old.get(wire) != new.get(wire)
        }


_decode_members = msgspec.json.Decoder(dict[str, object]).decode


def _members(event: Event) -> dict[str, object]:
    return _decode_members(event.payload)
