"""What a cut is made from: a model's events in order, its lists, and for whom it is made.

Owns the border between cuts and the rest of streams. Law: `take` gets every event after the seq
that `attach` gave, each once and in order; nothing is taken after `detach` or `lose`.
"""

from collections.abc import Sequence
from typing import Protocol

from lithair.transport.pending import Asked
from lithair.wire.messages import FeedEvent, Filters, Reply
from lithair.wire.protocol import Verb


class Taker(Protocol):
    """Who follows the events of a model."""

    def take(self, events: Sequence[FeedEvent], upto: int) -> None:
        """Take the events that come next; all up to seq `upto` have been given then."""
        ...

    def lose(self) -> None:
        """The events that come next do not follow: the log is another one than before."""
        ...


class CutSource(Protocol):
    """A model as its gateway follows it."""

    @property
    def key_wire(self) -> str:
        """Give the name of the field that is the id."""
        ...

    def attach(self, taker: Taker) -> int:
        """Have a taker follow from now on; gives the seq up to which it has missed everything."""
        ...

    def detach(self, taker: Taker) -> None: ...

    async def ask(self, verb: Verb, argument: Asked, access: str) -> Reply:
        """Ask the model's process; a refusal is an answer, too."""
        ...


class Onlooker(Protocol):
    """All who see the same of a model: one audience of a stream."""

    @property
    def access(self) -> str: ...

    @property
    def filters(self) -> Filters:
        """Give the pairs of its query that narrow what it sees."""
        ...

    @property
    def item_key(self) -> str:
        """Give the id of the one item that it looks at; "" for all of them."""
        ...

    def see(self, payload: bytes) -> bytes | None:
        """Give an item as it is shown, from what is stored; None when it is not there for them."""
        ...

    def encode_snapshot(self, shown: bytes) -> bytes:
        """Write the `event: snapshot` of an item as it is shown."""
        ...
