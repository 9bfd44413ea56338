"""Selections: what one audience sees of a model, and each event as it is told to them.

Owns the step from what is stored to what leaves. Law: what a reader may not see is in nothing that
is written here; of an item that is not his any more he is told the id, of one that never was his
nothing.
"""

from typing import Final

from lithair.core.changes import LEAVE, change, names, tests_of
from lithair.core.event import ERASED
from lithair.core.view import View
from lithair.gateway.streams.encoding import item_data, item_event, snapshot_event
from lithair.wire.messages import FeedEvent, Filters

_NO_FIELDS: Final = frozenset[str]()


class Selection:
    """Items of a model: those that a view reaches and filters let through, or one of them.

    Raises `Refusal` 400 for filters that are not understood.
    """

    def __init__(
        self, model: str, view: View, access: str, filters: Filters, item_key: str
    ) -> None:
        self.model = model
        self.access = access
        self.filters = filters
        self.item_key = item_key
        grants = view.grants
        self.user = grants.user if grants is not None and view.own is not None else ""
        self._view = view
        asked = view.queries.read_changes(filters)
        self._passes = tests_of(asked) if asked else None
        self._is_whole = self._passes is None and view.own is None
        self._id_only = view.shape(_NO_FIELDS).apply

    def reaches(self, payload: bytes) -> bool:
        """Tell whether an item is among these."""
        return self._view.reaches(payload) and (self._passes is None or self._passes(payload))

    def encode(self, event: FeedEvent) -> bytes:
        """Write an event as it is told; empty when it is not."""
        if event.kind == ERASED or (self.item_key and event.key != self.item_key):
            return b""
        payload = event.payload
        if self._is_whole:
            kind = event.kind
            shown = self._view.show(payload)
        else:
            told = change(event.kind, payload, event.before, self.reaches)
            if told is None:
                return b""
            kind = told
            shown = self._view.show(payload)
            if kind == LEAVE and not self._view.reaches(payload):
                if not event.before:
                    return b""  # nobody knows whether it ever was his
                shown = self._id_only(payload)
        return item_event(event.seq, names[kind], item_data(self.model, shown))

    # What a cut asks.

    def see(self, payload: bytes) -> bytes | None:
        """Give an item as it is shown; None when it is not among these."""
        return self._view.show(payload) if self.reaches(payload) else None

    def encode_snapshot(self, shown: bytes) -> bytes:
        """Write that an item is there."""
        return snapshot_event(item_data(self.model, shown))
