"""Hearing: how the user's listener is called with an event, and what an event is to it.

Law: a listener's mistake is an exception, whatever it raises; nothing else of it reaches us. One
whose `on_event` is async has one event loop for all events, which runs while it is called.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import msgspec

from lithair.client.answers import Event
from lithair.client.calls import Calls
from lithair.core import changes
from lithair.core.as_of import rfc3339
from lithair.declaration import ListenerDeclaration, ModelDeclaration
from lithair.model import Model
from lithair.storage.dead_letters import Letter
from lithair.wire.messages import FeedEvent

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND: Final = dt.timedelta(milliseconds=1)
KINDS: Final = {name: kind for kind, name in changes.names.items()}


class Hearing:
    """Calls one listener of one model. Close it."""

    def __init__(self, declared: ListenerDeclaration, model: ModelDeclaration) -> None:
        """Load the user's listener, and with it their module."""
        self._listener = declared.listener_part.load()
        self._call = declared.call
        self._name = model.name
        # Any: items of whichever model it is
        self.calls: Calls[Any] = Calls(cast("type[Model]", model.handler.model))
        self._runner: asyncio.Runner | None = None

    def hear(self, fact: FeedEvent) -> None:
        """Call the listener; raises what it raises, and LithairError for an unreadable item."""
        answer = self._call(self._event_of(fact))
        if isinstance(answer, Awaitable):
            if self._runner is None:
                self._runner = asyncio.Runner()
            self._runner.run(_finished(cast("Awaitable[object]", answer)))

    def close(self) -> None:
        """Close the listener, if it has a `close()`, and its event loop."""
        try:
            close: object = getattr(self._listener, "close", None)
            if callable(close):
                cast("Callable[[], object]", close)()
        finally:
            if self._runner is not None:
                self._runner.close()

    def _event_of(self, fact: FeedEvent) -> Event[Any]:
        return Event(
            seq=fact.seq,
            operation=changes.names[fact.kind],
            model=self._name,
            id=fact.key,
            item=self.calls.codec.item(fact.payload),
            timestamp=EPOCH + fact.time_ms * MILLISECOND,
        )

    def letter_of(self, fact: FeedEvent, error: str, tries: int, now_ms: int) -> Letter:
        """Make the dead letter of an event."""
        return Letter(
            seq=fact.seq,
            operation=changes.names[fact.kind],
            model=self._name,
            id=fact.key,
            item=msgspec.Raw(fact.payload),
            timestamp=rfc3339(fact.time_ms),
            error=error,
            failed_at=rfc3339(now_ms),
            tries=tries,
        )


def fact_of(letter: Letter) -> FeedEvent:
    """Give the event that a dead letter is about."""
    time_ms = (dt.datetime.fromisoformat(letter.timestamp) - EPOCH) // MILLISECOND
    return FeedEvent(
        letter.seq, time_ms, KINDS[letter.operation], letter.id, bytes(letter.item), b""
    )


async def _finished(answer: Awaitable[object]) -> None:
    await answer
