"""Calls of handles as values: what is asked, and how its answer is read.

Law: everything that a handle does is here, once; `Handle` and `AsyncHandle` only carry it out. A
call carries its command id, so that carrying it out over a death of the process is one write.
"""

import builtins
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

import msgspec
import uuid_utils

from lithair.client.answers import Compacted, HistoryEntry, Page, Purged, Stats
from lithair.client.filters import (
    AsOf,
    Fields,
    Filters,
    Pairs,
    as_of_pairs,
    fields_of,
    options_of,
    pairs_of,
)
from lithair.client.item_codec import ItemCodec
from lithair.client.refusals import error_of
from lithair.core.schema import schema_of
from lithair.errors import LithairError
from lithair.model import Model
from lithair.transport.pending import Asked
from lithair.wire.messages import Reply, Write
from lithair.wire.protocol import BODY_BYTES_MAX, Verb

T = TypeVar("T")
R = TypeVar("R")
PartialItem = dict[str, Any]  # Any: JSON values of whichever fields were asked for

_decode_partial = msgspec.json.Decoder(PartialItem).decode
_decode_page = msgspec.json.Decoder(Page[PartialItem]).decode
_decode_count = msgspec.json.Decoder(dict[str, int]).decode
_decode_bool = msgspec.json.Decoder(bool).decode
_decode_stats = msgspec.json.Decoder(Stats).decode
_decode_compacted = msgspec.json.Decoder(Compacted).decode
_decode_purged = msgspec.json.Decoder(Purged).decode


class Call(Generic[R]):
    """One request: a verb with what it is about, and how to read the body of its answer."""

    __slots__ = ("argument", "instead", "read", "verb", "write")

    def __init__(
        self,
        verb: Verb,
        read: Callable[[bytes], R],
        argument: Asked = None,
        write: Write | None = None,
        instead: tuple[int, Callable[[], R]] | None = None,
    ) -> None:
        self.verb = verb
        self.read = read
        self.argument = argument
        self.write = write
        self.instead = instead  # of the error of this status

    def result(self, reply: Reply) -> R:
        """Read the answer; raises the error that belongs to a refusal."""
        if reply.status < 400:
            return self.read(reply.body)
        if self.instead is not None and reply.status == self.instead[0]:
            return self.instead[1]()
        raise error_of(reply.status, reply.body)


class Calls(Generic[T]):
    """Makes the calls of one model's handles."""

    def __init__(self, model: type[T] | str) -> None:
        if isinstance(model, str):
            self.name = model
            self.codec: ItemCodec[T] = cast("ItemCodec[T]", ItemCodec(PartialItem, None))
            return
        found = _model_class(model)
        self.name = found.__name__
        self.codec = cast("ItemCodec[T]", ItemCodec(found, schema_of(found)))

    # Reads

    def get(self, item_id: str, as_of: AsOf | None) -> Call[T | None]:
        argument = _item_argument(item_id, as_of_pairs(as_of))
        return Call[T | None](Verb.GET, self.codec.item, argument, instead=(404, _nothing))

    def get_fields(
        self, item_id: str, fields: Fields, as_of: AsOf | None
    ) -> Call[PartialItem | None]:
        pairs = fields_of(fields, self.codec.wire_name) + as_of_pairs(as_of)
        argument = _item_argument(item_id, pairs)
        return Call[PartialItem | None](
            Verb.GET, _decode_partial, argument, instead=(404, _nothing)
        )

    def list(self, pairs: Pairs) -> Call[Page[T]]:
        return Call(Verb.LIST, self.codec.page, pairs)

    def page_after(self, after: str | None, asked: Pairs = ()) -> Call[Page[T] | None]:
        """Ask for the items behind one of them; gives None when that one is not there."""
        if after is None:
            return Call[Page[T] | None](Verb.LIST, self.codec.page, asked)
        pairs = (*asked, ("after", after))
        return Call[Page[T] | None](Verb.LIST, self.codec.page, pairs, instead=(400, _nothing))

    def list_fields(self, pairs: Pairs) -> Call[Page[PartialItem]]:
        return Call(Verb.LIST, _decode_page, pairs)

    def count(self, filters: Filters | None, as_of: AsOf | None = None) -> Call[int]:
        pairs = pairs_of(filters, self.codec.wire_name) + as_of_pairs(as_of)
        return Call(Verb.COUNT, _count, pairs)

    def history(self, item_id: str) -> Call[builtins.list[HistoryEntry[T]]]:
        item_id = _checked(item_id)
        return Call(Verb.HISTORY, self.codec.history, item_id, instead=(404, _no_entries))

    def stats(self) -> Call[Stats]:
        return Call(Verb.STATS, _decode_stats)

    def compact(self, keep_history: bool) -> Call[Compacted]:
        pairs = (("keep_history", "true"),) if keep_history else ()
        return Call(Verb.COMPACT, _decode_compacted, pairs)

    def purge(self, item_id: str) -> Call[Purged]:
        return Call(Verb.PURGE, _decode_purged, _checked(item_id))

    def pairs(
        self,
        filters: Filters | None,
        sort: str | Sequence[str] | None = None,
        skip: int = 0,
        take: int | None = None,
        shown: tuple[Fields | None, AsOf | None] = (None, None),
    ) -> Pairs:
        """Give the query of a list; `shown` are its fields and its point of the past."""
        name, (fields, as_of) = self.codec.wire_name, shown
        options = options_of(sort, skip, take, name) + fields_of(fields, name)
        return pairs_of(filters, name) + options + as_of_pairs(as_of)

    # Writes

    def create(self, item: T) -> Call[T]:
        body = self.codec.encode(self.codec.identified(item))
        return self._write(Verb.CREATE, self.codec.item, body=body)

    def bulk_create(self, items: Iterable[T]) -> Call[builtins.list[T]]:
        return self._write(Verb.BULK, self.codec.items, body=self._array(items))

    def replace(self, item_id: str, item: T, if_seq: int | None) -> Call[T]:
        body = self.codec.encode(self.codec.identified(item, item_id))
        return self._write(Verb.REPLACE, self.codec.item, item_id, body, if_seq)

    def patch(self, item_id: str, changes: Mapping[str, object], if_seq: int | None) -> Call[T]:
        body = self.codec.encode_changes(changes)
        return self._write(Verb.PATCH, self.codec.item, item_id, body, if_seq)

    def delete(self, item_id: str, if_seq: int | None) -> Call[None]:
        return self._write(Verb.DELETE, _ignored, item_id, if_seq=if_seq)

    def upsert(self, items: Iterable[T]) -> Call[int]:
        return self._write(Verb.UPSERT, _count, body=self._array(items))

    def upsert_one(self, item: T) -> Call[None]:
        return self._write(Verb.UPSERT, _ignored, body=self._array([item]))

    def upsert_at(self, item_id: str, item: T) -> Call[None]:
        body = self.codec.encode(self.codec.identified(item, item_id))
        return self._write(Verb.UPSERT_AT, _ignored, item_id, body)

    def erase(self, item_id: str) -> Call[bool]:
        return self._write(Verb.ERASE, _decode_bool, item_id)

    def _array(self, items: Iterable[T]) -> bytes:
        codec = self.codec
        return b"[%b]" % b",".join([codec.encode(codec.identified(item)) for item in items])

    def _write(
        self,
        verb: Verb,
        read: Callable[[bytes], R],
        key: str = "",
        body: bytes = b"",
        if_seq: int | None = None,
    ) -> Call[R]:
        if len(body) > BODY_BYTES_MAX:
            raise LithairError(
                f"{verb.name.lower()}: {len(body)} bytes; one call is one atomic commit and takes"
                f" {BODY_BYTES_MAX} bytes at most: split the list into several calls",
                status=413,
            )
        command_id = uuid.UUID(str(uuid_utils.uuid7())).bytes
        if_match = None if if_seq is None else (if_seq,)
        return Call(verb, read, write=Write(command_id, _checked(key), body, if_match))


def _model_class(model: object) -> type[Model]:
    if isinstance(model, type) and issubclass(model, Model):
        return model
    raise TypeError(f"{model!r} is no model: give a subclass of lithair.Model, or a name")


def _item_argument(item_id: str, pairs: Pairs) -> str | tuple[str, Pairs]:
    """Give the argument of GET: the id alone, where nothing else is asked."""
    return (_checked(item_id), pairs) if pairs else _checked(item_id)


def _checked(item_id: object) -> str:
    """Refuse what is no id, before it is sent: the wire has a place for a text only."""
    if not isinstance(item_id, str):
        raise TypeError(f"{item_id!r} is no id: ids are texts")
    return item_id


def _count(body: bytes) -> int:
    return _decode_count(body)["count"]


def _nothing() -> None:
    return None


def _no_entries() -> list[Any]:
    return []


def _ignored(_body: bytes) -> None:
    return None
