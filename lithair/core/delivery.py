"""Delivery of webhooks: what is sent, and when it is tried again.

Law: a delivery is told from any other by what it tells of, so it has the same id on every try, also
by another process. What follows from failures is the business of `lithair.core.listening`.

    body := {"id", "seq", "model", "event", "timestamp", "item"}    the item as everybody sees it
"""

import hashlib
from typing import Final

import msgspec

from lithair.core.as_of import rfc3339

RETRY_FIRST_MS: Final = 5_000  # a receiver that is being restarted is back by then
RETRY_MAX_MS: Final = 3_600_000  # one that is down for days is not asked often, nor found up late
ID_CHARACTERS: Final = 32  # 128 bits: no two are the same by chance

_encode = msgspec.json.Encoder().encode


class Told(msgspec.Struct, frozen=True):
    """What a delivery tells of: an event of the model `model`; `item` is its JSON."""

    model: str
    seq: int
    event: str
    id: str
    time_ms: int
    item: bytes


def delivery_id(webhook: str, told: Told) -> str:
    """Give what receivers know a repeat by: the same for one event, whoever sends it and when.

    The event's time is in it, because a restored log may count on from an earlier seq.
    """
    facts = (webhook, told.model, told.seq, told.event, told.id, told.time_ms)
    return hashlib.sha256(_encode(facts)).hexdigest()[:ID_CHARACTERS]


def body_of(told: Told) -> bytes:
    """Encode the body of a delivery."""
    return _encode(
        {
            "id": told.id,
            "seq": told.seq,
            "model": told.model,
            "event": told.event,
            "timestamp": rfc3339(told.time_ms),
            "item": msgspec.Raw(told.item),
        }
    )
