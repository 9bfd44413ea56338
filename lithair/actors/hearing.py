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
from lithair.errors import LithairError
from lithair.model import Model
from lithair.process import EXIT_DONE
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
        self._may_be_left = getattr(self._listener, "may_be_left", None) is True
        self._is_called = False
        self._is_left = False

    def hear(self, fact: FeedEvent) -> None:
        """Call the listener; raises what it raises, and LithairError for an unreadable item."""
        event = self.calls.codec.event(self._name, fact)
        self._is_called = True
        try:
            if self._is_left:
                raise SystemExit(EXIT_DONE)
            self._carry_out(event)
        finally:
            self._is_called = False

    def leave(self) -> None:
        """Leave a listener that waits for somebody, as a webhook does: the process has to stop.

        Called in the midst of whatever the main thread does. The event comes again next time.
        """
        if self._may_be_left and not self._is_left:
            self._is_left = True
            if self._is_called:
                raise SystemExit(EXIT_DONE)

    def _carry_out(self, event: Event[Any]) -> None:
        answer = self._call(event)
        if isinstance(answer, Awaitable):
            if self._runner is None:
                self._runner = asyncio.Runner()
            try:
                self._runner.run(_finished(cast("Awaitable[object]", answer)))
            except asyncio.CancelledError as error:  # no Exception; but nobody else cancels it
                raise LithairError("it was cancelled by something that it has awaited") from error

    def close(self) -> None:
        """Close the listener, if it has a `close()`, and its event loop."""
        try:
            close: object = getattr(self._listener, "close", None)
            if callable(close):
                cast("Callable[[], object]", close)()
        finally:
            if self._runner is not None:
                self._runner.close()

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
