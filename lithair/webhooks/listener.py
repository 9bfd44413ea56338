"""Webhook: the listener that sends each event to an address.

Law: what leaves is what everybody may see of an item: a Hidden field never does. An event counts as
handled when the receiver has said so. The secret is in no text that is logged or shown.
"""

import datetime as dt
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import lithair
from lithair.core.command import PUBLIC
from lithair.core.delivery import Told, body_of, delivery_id
from lithair.core.schema import schema_of
from lithair.core.validation import encode_exactly
from lithair.core.view import View, Views
from lithair.model import Model
from lithair.webhooks.sender import WebhookSender
from lithair.webhooks.signature import DELIVERY_HEADER, EVENT_HEADER, SIGNATURE_HEADER, sign

if TYPE_CHECKING:
    from lithair.client.answers import Event

JSON_TYPE: Final = "application/json"
USER_AGENT: Final = f"Lithair/{lithair.__version__}"
TAKE_NOTHING: Final = 1  # of a page: nothing is listed here

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)


class Webhook:
    """Sends the events of a model to one URL; `name` is the listener's."""

    may_be_left = True  # when the process has to stop: a receiver may take its time to answer

    def __init__(
        self, model: type[Model], name: str, url: str, secret: str | bytes, events: tuple[str, ...]
    ) -> None:
        self.name = name
        self.url = url
        self.events = events
        self._model = model
        self._secret = secret
        self._view: View | None = None
        self._sender: WebhookSender | None = None

    def __reduce__(self) -> "tuple[type[Webhook], tuple[object, ...]]":
        """Travel as what it was declared with: connections stay where they are."""
        return type(self), (self._model, self.name, self.url, self._secret, self.events)

    def __repr__(self) -> str:
        return f"Webhook({self.name!r}, {address(self.url)!r})"

    def on_event(self, event: "Event[Model]") -> None:
        """Send an event, if it is of a kind that is wanted; NotDelivered when it was not taken."""
        if event.operation not in self.events:
            return
        told = self._told(event)
        body = body_of(told)
        headers = {
            "Content-Type": JSON_TYPE,
            "User-Agent": USER_AGENT,
            EVENT_HEADER: told.event,
            DELIVERY_HEADER: delivery_id(self.name, told),
            SIGNATURE_HEADER: sign(self._secret, body, int(time.time())),
        }
        if self._sender is None:
            self._sender = WebhookSender(self.url)
        self._sender.post(body, headers)

    def close(self) -> None:
        """Close the connection; the next event opens a new one."""
        if self._sender is not None:
            self._sender.close()

    def _told(self, event: "Event[Model]") -> Told:
        if self._view is None:
            self._view = Views(schema_of(self._model), TAKE_NOTHING)[PUBLIC]
        return Told(
            model=event.model,
            seq=event.seq,
            event=event.operation,
            id=event.id,
            time_ms=(event.timestamp - _EPOCH) // _MILLISECOND,
            item=self._view.show(encode_exactly(event.item)),
        )


def address(url: str) -> str:
    """Give what may be shown of a URL: its query may hold a key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
