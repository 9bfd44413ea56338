"""Items <-> JSON, for one model class or for plain dicts.

Law: an item that the model process stores can be read here, also when the class has got stricter
constraints since: they are checked when something is written, not when it is read.
"""

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar, cast

import msgspec
import uuid_utils

from lithair.client.answers import Change, Event, HistoryEntry, Page
from lithair.core.changes import names
from lithair.core.schema import Schema, schema_of
from lithair.core.validation import encode_exactly
from lithair.errors import LithairError
from lithair.model import Model
from lithair.wire.messages import FeedEvent

T = TypeVar("T")

_raw_page: Final = msgspec.json.Decoder(Page[msgspec.Raw])
_raw_items: Final = msgspec.json.Decoder(list[msgspec.Raw])
_raw_history: Final = msgspec.json.Decoder(list[HistoryEntry[msgspec.Raw]])


def new_id() -> str:
    """Give a new item its id, before it is sent: a UUIDv7, in creation order by its text."""
    return str(uuid_utils.uuid7())


class ItemCodec(Generic[T]):
    """Encodes items, and decodes what the model process answers with."""

    def __init__(self, kind: type[T], schema: Schema | None) -> None:
        self._kind = kind
        self._schema = schema
        self._item = msgspec.json.Decoder(kind)
        self._items = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
        self._page = msgspec.json.Decoder(Page[kind])  # type: ignore[valid-type]
        self._history = msgspec.json.Decoder(list[HistoryEntry[kind]])  # type: ignore[valid-type]

    # Names

    def wire_name(self, name: str) -> str:
        """Give a field's name on the wire, for that or for the attribute's name."""
        if self._schema is None:
            return name
        first, dot, rest = name.partition(".")
        for field in self._schema.fields:
            if field.name == first:
                return field.wire + dot + rest
        return name

    def id_of(self, item: T) -> str:
        """Give an item's id; raises LithairError when a dict does not tell which field it is."""
        if self._schema is not None:
            return str(getattr(item, self._schema.key.name))
        found = cast("Mapping[str, object]", item).get("id")
        if not isinstance(found, str):
            raise LithairError(
                "these items have no field `id`: use a handle of the model's class,"
                " which knows the field that is its PrimaryKey"
            )
        return found

    # Encoding

    def encode(self, item: T) -> bytes:
        """Encode an item as it is; without an id, the model process gives it one."""
        if self._schema is not None and not isinstance(item, self._schema.model):
            raise TypeError(f"{item!r} is not a {self._schema.name}, which this handle takes")
        return encode_exactly(item)

    def identified(self, item: T, item_id: str = "") -> T:
        """Give the item with an id: its own, `item_id`, or a new one. Dicts stay as they are."""
        if self._schema is None or not isinstance(item, self._schema.model) or self.id_of(item):
            return item
        key = self._schema.key.name
        # Any: msgspec's own signature wants a Struct, and T is one whenever there is a schema
        replace = cast("Callable[..., T]", msgspec.structs.replace)
        return replace(item, **{key: item_id or new_id()})

    def encode_changes(self, changes: Mapping[str, object]) -> bytes:
        """Encode a merge patch; its names are attributes' or the wire's."""
        return encode_exactly({self.wire_name(name): value for name, value in changes.items()})

    # Decoding

    def item(self, body: bytes) -> T:
        try:
            return self._item.decode(body)
        except msgspec.ValidationError:
            return self._leniently(body)

    def items(self, body: bytes) -> list[T]:
        try:
            return self._items.decode(body)
        except msgspec.ValidationError:
            return [self.item(raw) for raw in _raw_items.decode(body)]

    def page(self, body: bytes) -> Page[T]:
        try:
            return self._page.decode(body)
        except msgspec.ValidationError:
            page = _raw_page.decode(body)
            items = [self.item(raw) for raw in page.data]
            return Page(items, page.total, page.skip, page.take, page.has_more)

    def history(self, body: bytes) -> list[HistoryEntry[T]]:
        try:
            return self._history.decode(body)
        except msgspec.ValidationError:
            entries: list[HistoryEntry[T]] = []
            for e in _raw_history.decode(body):
                changes: dict[str, Change] = e.changes
                item = self.item(e.item)
                entries.append(HistoryEntry(e.seq, e.operation, e.timestamp, item, changes, e.by))
            return entries

    def event(self, model: str, told: FeedEvent) -> Event[T]:
        """Give an event of the feed, or of an answer to CHANGES, as handles give it."""
        seconds, ms = divmod(told.time_ms, 1000)
        at = dt.datetime.fromtimestamp(seconds, dt.UTC).replace(microsecond=1000 * ms)
        return Event(told.seq, names[told.kind], model, told.key, self.item(told.payload), at)

    def _leniently(self, body: bytes | msgspec.Raw) -> T:
        """Decode an item without the constraints of its fields."""
        if self._schema is None:
            raise LithairError("the model process answered with something that is no object")
        try:
            fields = _without_constraints(self._schema.model)(body)
        except msgspec.ValidationError as error:
            raise self._other_declaration(str(error)) from None
        values = msgspec.structs.asdict(fields)
        try:
            return self._kind(**{n: v for n, v in values.items() if v is not msgspec.UNSET})
        except TypeError as error:  # a field that this declaration requires is not there
            raise self._other_declaration(str(error)) from None

    def _other_declaration(self, why: str) -> LithairError:
        assert self._schema is not None, "dicts have no declaration"
        return LithairError(
            f"an item of {self._schema.name} as stored is not one as declared here: {why}."
            " Run the server and this program with the same declaration"
        )


@functools.cache
def _without_constraints(model: type[Model]) -> Callable[[bytes | msgspec.Raw], msgspec.Struct]:
    fields: list[tuple[str, Any, Any]] = []  # Any: types are values here
    for field in schema_of(model).fields:
        kind: Any = field.base
        if field.nullable:
            kind = kind | None
        fields.append((field.name, kind | msgspec.UnsetType, msgspec.UNSET))
    names = {field.name: field.wire for field in schema_of(model).fields}
    struct = msgspec.defstruct(f"Stored{model.__name__}", fields, kw_only=True, rename=names)
    return msgspec.json.Decoder(struct).decode
