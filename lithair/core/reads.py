"""Reads: answers from the committed state.

Law: a read changes nothing and never waits for a write in flight; what it answers was true at the
seq it carries.
"""

from typing import NamedTuple

import msgspec

from lithair.core.model_state import ModelState
from lithair.core.problem import Refusal
from lithair.core.scan import Found

_encode = msgspec.json.Encoder().encode


class Read(NamedTuple):
    """The answer to a read; `item_seq` (the ETag) and `key` are 0 and "" without an item."""

    status: int
    body: bytes
    item_seq: int = 0
    key: str = ""
    seq: int = 0  # of the model, when it is not the present one


def get(state: ModelState, key: str, access: str, fields: frozenset[str] | None = None) -> Read:
    """Give one item, or some fields of it; raises `Refusal` 404."""
    projection = state.tables.projection
    slot = projection.slots.get(key)
    if slot is None:
        raise Refusal(404, f"There is no item {key!r}")
    view = state.views[access]
    show = view.show if fields is None else view.shape(fields).apply
    return Read(200, show(state.payload(slot)), projection.seqs[slot], key)


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


def exists(state: ModelState, keys: list[str]) -> Read:
    slots = state.tables.projection.slots
    return Read(200, _encode([key in slots for key in keys]))
