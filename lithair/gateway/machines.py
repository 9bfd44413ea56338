"""Machines: who bears an API token, as a gateway knows it.

Law: as of `bearers`. That a token was used is stored once a minute at most.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from lithair.api_tokens import TokenRecord, user_of
from lithair.gateway.bearers import Bearers, wall_ms
from lithair.gateway.identity import Identity, Kind
from lithair.gateway.own_model import OwnModel
from lithair.gateway.token_cache import Entry, Times

TOUCH_MS: Final = 60_000

_decode = msgspec.json.Decoder(TokenRecord).decode


class Machines(Bearers[TokenRecord]):
    """The machines of an application, one of these per gateway."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: OwnModel[TokenRecord],
        clock_ms: Callable[[], int] = wall_ms,
    ) -> None:
        super().__init__(loop, store, entry_of, clock_ms)


def entry_of(body: bytes, seq: int) -> Entry[Identity]:
    """Make an entry of a token as it is stored."""
    record = _decode(body)
    machine = Identity(Kind.TOKEN, user_of(record.name), record.role)
    times = Times(record.seen_ms, record.dies_ms, touch_ms=TOUCH_MS)
    return Entry(record.id, machine, seq, times)
