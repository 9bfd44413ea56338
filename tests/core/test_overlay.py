"""The state as a batch sees it, against plain dicts: what is added, found, and taken back."""

from typing import NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lithair.core.event import Event, EventKind, Position, Slot
from lithair.core.graves import Graves
from lithair.core.overlay import Overlay
from lithair.core.schema import schema_of
from lithair.core.tables import Tables
from tests.core.films import NOW_MS, Film

LAST_SEQ = 7
BURIED = Position(1, 64)

steps = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),  # "a" is there before, "b" was once
        st.sampled_from(["put", "put", "delete"]),
        st.sampled_from(["x", "y"]),
    ),
    max_size=8,
)


class Seen(NamedTuple):
    """What a plain model keeps: items by key, who has a title, the latest event of each key."""

    items: dict[str, bytes]
    holders: dict[str, str | None]
    latest: dict[str, int]

    def copied(self) -> "Seen":
        return Seen(dict(self.items), dict(self.holders), dict(self.latest))


def overlay_of_one() -> tuple[Overlay, Seen]:
    """Make an overlay on a state with one item, and a grave of another."""
    tables, graves = Tables(schema_of(Film)), Graves()
    payload = body_of("a", "x")
    tables.apply(EventKind.CREATE, "a", payload, LAST_SEQ, NOW_MS)
    graves.dig("b", BURIED)

    def stored(slot: Slot) -> bytes:
        return tables.projection.cell(slot)

    return Overlay(tables, graves, stored, LAST_SEQ), Seen({"a": payload}, {"x": "a"}, {})


def body_of(key: str, title: str) -> bytes:
    return msgspec.json.encode({"id": key, "title": title})


def add(overlay: Overlay, seen: Seen, key: str, act: str, title: str) -> None:
    """Do one step in both, and look at what the event says of the item's past."""
    before = overlay.find(key)
    held = seen.items.get(key)
    assert (before.payload if before is not None else None) == held
    if act == "delete":
        if before is None or held is None:
            return
        event = Event(0, NOW_MS, EventKind.DELETE, key, held)
        del seen.items[key]
    else:
        kind = EventKind.CREATE if before is None else EventKind.UPDATE
        event = Event(0, NOW_MS, kind, key, body_of(key, title))
        seen.items[key] = event.payload
    index = overlay.add(event, before)
    assert event.seq == LAST_SEQ + 1 + index
    assert event.before == (held or b"")
    assert event.prev_index == seen.latest.get(key, -1)
    assert (event.prev == BURIED) == (key == "b" and event.prev_index < 0)
    seen.latest[key] = index
    if held is not None:
        seen.holders[msgspec.json.decode(held)["title"]] = None
    if act != "delete":
        seen.holders[title] = key


@given(steps, steps, steps)
def test_what_is_taken_back_was_never_there(
    kept: list[tuple[str, str, str]],
    refused: list[tuple[str, str, str]],
    later: list[tuple[str, str, str]],
) -> None:
    overlay, seen = overlay_of_one()
    for key, act, title in kept:
        add(overlay, seen, key, act, title)
    count, before = len(overlay.events), seen.copied()
    for key, act, title in refused:
        add(overlay, seen, key, act, title)
    overlay.take_back(count)
    assert len(overlay.events) == count
    for key, act, title in later:
        add(overlay, before, key, act, title)
    for key in "abc":
        assert overlay.holds(key) == (key in before.items)
    for title in "xy":
        assert overlay.holder("title", title) == before.holders.get(title)
