"""Views: which items a caller reaches, what it may see of them, and how an answer shows it.

Law: the only place that decides which items and fields leave. The bytes are served as they are
stored where nothing has to be left out.
"""

import msgspec

from lithair.core.as_of import rfc3339
from lithair.core.command import PUBLIC, TRUSTED
from lithair.core.event import Event, EventKind, Flags
from lithair.core.grants import Grants, grants_of
from lithair.core.problem import Refusal
from lithair.core.query import Filter, QueryReader
from lithair.core.schema import Schema
from lithair.core.shape import Reader, Shape
from lithair.core.tables import path_of
from lithair.core.values import itself

SHAPES_MAX = 256  # of one sight; making one costs more than using it, and callers ask for few
SIGHTS_MAX = 256  # distinct sets of fields to leave out; there are about as many as roles
VIEWS_MAX = 4096  # distinct accesses; of own items, one for each user. Making one takes some 10 us

OPERATIONS = {EventKind.CREATE: "create", EventKind.UPDATE: "update", EventKind.DELETE: "delete"}

_encode = msgspec.json.Encoder().encode


class Sight:
    """What is left when some fields are left out of items; `owner` reads whose they are."""

    def __init__(self, schema: Schema, unreadable: frozenset[str], owner: Reader | None) -> None:
        self.schema = schema
        self.unreadable = unreadable
        self.owner = owner
        self._shapes: dict[frozenset[str], Shape] = {}
        self._whole = self.shape(frozenset(schema.by_wire)) if unreadable else None

    def shape(self, fields: frozenset[str]) -> Shape:
        """Give what makes the JSON of some fields, as far as they are not left out."""
        shape = self._shapes.get(fields)
        if shape is None:
            if len(self._shapes) >= SHAPES_MAX:
                self._shapes.clear()
            shape = self._shapes[fields] = Shape(self.schema, fields - self.unreadable)
        return shape

    def show(self, payload: bytes) -> bytes:
        """Give the item's JSON without what is left out."""
        return payload if self._whole is None else self._whole.apply(payload)


class View:
    """One caller's sight of a model's items; `grants` is None for callers without a role.

    `author` is what the log keeps of who makes a change; `tells_by`: a history says it.
    """

    author = ""
    tells_by = False

    def __init__(self, sight: Sight, take_max: int, grants: Grants | None = None) -> None:
        self.schema = sight.schema
        self.grants = grants
        self.unreadable = sight.unreadable
        self.shape = sight.shape
        self.own: Filter | None = None  # items that do not match it are not there for this caller
        self._sight = sight
        self._of_user: Filter | None = None  # made where it matters whose an item is
        shows = "all" if grants is None else grants.shows
        self._shows_none = shows == "none"
        self._shows_own = shows == "own"
        self.show = sight.show if shows == "all" else self._show_some
        if grants is not None and (grants.own or self._shows_own):
            self._of_user = _own_items(sight, grants.user)
            self.own = self._of_user if grants.own else None
        self.queries = QueryReader(self.schema, self.unreadable, take_max, self.own)

    def reaches(self, payload: bytes) -> bool:
        """Tell whether an item is there for this caller."""
        return self.own is None or self._is_own(payload)

    def unseen(self, payload: bytes) -> frozenset[str]:
        """Give the fields of an item that this caller may not see."""
        return self.unreadable if self._is_shown(payload) else self._all_fields()

    def withheld(self, payload: bytes) -> frozenset[str]:
        """Give those that are kept from its role: hidden fields are kept from everybody."""
        if not self._is_shown(payload):
            return self._all_fields()
        return frozenset() if self.grants is None else frozenset(self.grants.unreadable)

    def _all_fields(self) -> frozenset[str]:
        return frozenset(self.schema.by_wire) - {self.schema.key.wire}

    def _show_some(self, payload: bytes) -> bytes:
        """Give the item's JSON as this caller may see it: of an item it may not see, the id."""
        if self._is_shown(payload):
            return self._sight.show(payload)
        return self.shape(frozenset()).apply(payload)

    def _is_shown(self, payload: bytes) -> bool:
        return not self._shows_none and (not self._shows_own or self._is_own(payload))

    def _is_own(self, payload: bytes) -> bool:
        assert self._of_user is not None
        assert self._sight.owner is not None
        return self._of_user.matches(self._sight.owner.read(payload)[0])

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
        entry: dict[str, object] = {
            "seq": event.seq,
            "operation": OPERATIONS[EventKind(event.kind)],
            "timestamp": rfc3339(event.time_ms),
            "item": msgspec.Raw(self.show(event.payload)),
            "changes": self._changes(event, before),
        }
        if self.tells_by:
            entry["by"] = event.author or None
        return _encode(entry)

    def history(self, events: list[Event]) -> list[bytes]:
        """Encode an item's events, oldest first, as far as it was there for this caller then."""
        befores = [None, *events][: len(events)]
        return [
            self.history_entry(event, self._known(before))
            for event, before in zip(events, befores, strict=True)
            if self.reaches(event.payload)
        ]

    def _known(self, before: Event | None) -> Event | None:
        return before if before is not None and self.reaches(before.payload) else None

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


def _own_items(sight: Sight, user: str) -> Filter:
    """Make the test which the items of one user pass; raises `Refusal` 400."""
    if sight.owner is None:
        name = sight.schema.name
        raise Refusal(400, f"{name} has no Owner field, so nobody has items of his own")
    return Filter(sight.owner.paths[0], "=", (itself(user),), lambda value: value == user)


class Views(dict[str, View]):
    """The views of one model, by access; made when they are asked for.

    `views[access]` raises `Refusal` 400 when it can't be understood.
    """

    def __init__(self, schema: Schema, take_max: int) -> None:
        super().__init__()
        self.schema = schema
        self._take_max = take_max
        self._hidden = frozenset(f.wire for f in schema.fields if f.hidden)
        self._owner = next((Reader([path_of(f)]) for f in schema.fields if f.owner), None)
        self._sights: dict[frozenset[str], Sight] = {}

    def __missing__(self, access: str) -> View:
        view = self._make(access)
        if len(self) >= VIEWS_MAX:
            self.clear()
        self[access] = view
        return view

    def _make(self, access: str) -> View:
        if access == TRUSTED:
            view = View(self._sight(frozenset()), self._take_max)
            view.tells_by = True
            return view
        if access == PUBLIC:
            return View(self._sight(self._hidden), self._take_max)
        grants = grants_of(access)
        known = self.schema.by_wire.keys() - {self.schema.key.wire}
        unreadable = self._hidden.union(known.intersection(grants.unreadable))
        asked = grants if grants.restricts else None
        view = View(self._sight(unreadable), self._take_max, asked)
        view.author, view.tells_by = grants.by, grants.tells_by
        return view

    def _sight(self, unreadable: frozenset[str]) -> Sight:
        sight = self._sights.get(unreadable)
        if sight is None:
            if len(self._sights) >= SIGHTS_MAX:
                self._sights.clear()
            sight = self._sights[unreadable] = Sight(self.schema, unreadable, self._owner)
        return sight
