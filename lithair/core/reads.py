"""Reads: answers from the committed state.

Law: a read changes nothing and never waits for a write in flight; what it answers was true at the
seq it carries.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from lithair.core.event import Slot
from lithair.core.kept import is_hot
from lithair.core.model_state import ModelState
from lithair.core.problem import Refusal
from lithair.core.scan import Found
from lithair.core.view import View

_encode = msgspec.json.Encoder().encode


class Read(NamedTuple):
    """The answer to a read; `item_seq` (the ETag) and `key` are 0 and "" without an item."""

    status: int
    body: bytes
    item_seq: int = 0
    key: str = ""
    seq: int = 0  # of the model, when it is not the present one


def get(state: ModelState, key: str, access: str, fields: frozenset[str] | None = None) -> Read:
    """Give one item, or some fields of it; raises `Refusal` 404, DamagedLog."""
    read = get_with(state.payload, state, key, access, fields)
    assert read is not None, "a payload that waits is always there"
    return read


def get_with(
    payload_of: Callable[[Slot], bytes | None],
    state: ModelState,
    key: str,
    access: str,
    fields: frozenset[str] | None = None,
) -> Read | None:
    """The same with an item that `payload_of` gives; None when that gives none.

    With `state.payload_at_hand` nothing waits for the disk: ask again with `get`, a moment later.
    """
    projection = state.tables.projection
    slot = projection.slots.get(key)
    view = state.views[access]
    if slot is None or (view.own is not None and not _reaches(state, slot, view)):
        raise Refusal(404, f"There is no item {key!r}")
    if fields is not None:
        body = _kept_fields_of(state, slot, fields - view.unreadable)
        if body is not None:
            return Read(200, body, projection.seqs[slot], key)
    payload = payload_of(slot)
    if payload is None:
        return None
    show = view.show if fields is None else view.shape(fields).apply
    return Read(200, show(payload), projection.seqs[slot], key)


def _kept_fields_of(state: ModelState, slot: Slot, wanted: frozenset[str]) -> bytes | None:
    """Give some fields of an evicted item where what is in RAM has them all."""
    projection, kept = state.tables.projection, state.tables.kept
    cell, key = projection.cell(slot), projection.keys[slot]
    if key is not None and not is_hot(cell) and kept.covers(wanted):
        return kept.shape(wanted).apply(cell, key)
    return None


def _reaches(state: ModelState, slot: Slot, view: View) -> bool:
    """Tell whether an item is there for who asks, without the disk where the owner is in RAM."""
    projection = state.tables.projection
    cell, key = projection.cell(slot), projection.keys[slot]
    if key is not None and view.own is not None and not is_hot(cell) and state.warm_owner:
        return view.own.matches(state.warm_owner.read(cell, key)[0])
    return view.reaches(state.payload(slot))


def count(found: Found) -> Read:
    return Read(200, b'{"count":%d}' % found.total)


def random_id(state: ModelState, draw: float) -> Read:
    """Give the id of a live item, chosen by `draw` (0 up to 1); raises `Refusal` 404 when empty.

    A drawn dead slot leads to the next live one: fair enough while at most a quarter is dead.
    """
    projection = state.tables.projection
    if not len(projection):
        raise Refusal(404, "There are no items")
    slots = len(projection.keys)
    start = int(draw * slots)
    for step in range(slots):
        key = projection.keys[(start + step) % slots]
        if key is not None:
            return Read(200, _encode({"id": key}))
    raise AssertionError("a live item has no slot")


def random_of(state: ModelState, found: Found, draw: float) -> Read:
    """Give the id of one of the items that were found, chosen by `draw`; `Refusal` 404 if none."""
    if not found.slots:
        raise Refusal(404, "There are no items")
    key = state.tables.projection.keys[found.slots[int(draw * len(found.slots))]]
    assert key is not None, "what a scan finds is live"
    return Read(200, _encode({"id": key}))


def exists(state: ModelState, keys: list[str]) -> Read:
    slots = state.tables.projection.slots
    return Read(200, _encode([key in slots for key in keys]))
