"""Raw items: what commands read and write, which know a model by its name alone.

Law: an item's JSON goes through untouched, so that a copy has every number as it was written; of
the item only its id is looked at.
"""

from typing import Any, Final

import msgspec

from lithair.client.calls import Call, Calls
from lithair.client.filters import Pairs
from lithair.client.item_codec import ItemCodec
from lithair.core.validation import encode_exactly
from lithair.wire.messages import Write
from lithair.wire.protocol import Verb

Raw = msgspec.Raw

_decode_ids: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_id: Final = msgspec.json.Decoder(str).decode
_decode_count: Final = msgspec.json.Decoder(dict[str, int]).decode
_decode_found: Final = msgspec.json.Decoder(list[bool]).decode


class DescribedField(msgspec.Struct, frozen=True):
    """A field in the grammar of `core.schema`."""

    type: object
    default: list[Any] = []  # Any: JSON


class DescribedFields(msgspec.Struct, frozen=True):
    fields: dict[str, DescribedField]


class Described(msgspec.Struct, frozen=True):
    """A model as its process describes it: `key` is its id's field, `fields` as declared."""

    model: str
    key: str
    fields: list[str]
    schema: DescribedFields


_decode_described: Final = msgspec.json.Decoder(Described).decode


def describe() -> Call[Described]:
    """Ask a model what it is like."""
    return Call(Verb.DESCRIBE, _decode_described)


class RawCodec(ItemCodec[Raw]):
    """Leaves items as they are."""

    def __init__(self, key: str) -> None:
        super().__init__(Raw, None)
        self._key = key

    def id_of(self, item: Raw) -> str:
        return _decode_id(_decode_ids(item)[self._key])

    def encode(self, item: Raw) -> bytes:
        return bytes(item)

    def identified(self, item: Raw, item_id: str = "") -> Raw:
        return item


class RawCalls(Calls[Raw]):
    """Makes the calls about one model, with items as JSON."""

    def __init__(self, name: str, key: str) -> None:
        super().__init__(name)
        self.codec: ItemCodec[Raw] = RawCodec(key)

    def get_as_asked(self, item_id: str, pairs: Pairs) -> Call[Raw | None]:
        """Ask for an item, with `fields` and `as_of` as they were written."""
        argument = (item_id, pairs) if pairs else item_id
        return Call[Raw | None](Verb.GET, self.codec.item, argument, instead=(404, _none))

    def count_as_asked(self, pairs: Pairs) -> Call[int]:
        """Ask how many there are, with `as_of` as it was written."""
        return Call(Verb.COUNT, _count, pairs)

    def exist(self, ids: list[str]) -> Call[list[bool]]:
        """Ask which of these ids are taken."""
        return Call(Verb.EXISTS, _decode_found, ids)

    def put_all(self, verb: Verb, body: bytes, command_id: bytes) -> Call[None]:
        """Write a JSON array in one atomic commit, BULK or UPSERT, under an id of its own.

        Sent again under that id, it is answered again and not done again.
        """
        return Call(verb, _nothing, write=Write(command_id, "", body, None))

    def change(self, item_id: str, changes: bytes, command_id: bytes) -> Call[None]:
        """Change some fields (JSON Merge Patch), under an id as in `put_all`."""
        return Call(Verb.PATCH, _nothing, write=Write(command_id, item_id, changes, None))


def as_json(value: object) -> bytes:
    """Write what Python made as JSON; ValidationFailed for what JSON has no word for."""
    return encode_exactly(value)


def _nothing(_body: bytes) -> None:
    return None


def _none() -> None:
    return None


def _count(body: bytes) -> int:
    return _decode_count(body)["count"]
