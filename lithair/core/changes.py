"""Changes: what an event is to somebody who follows a part of a model's items.

    reached after it:   before it:  yes      no        not known
    yes                             UPDATE   its kind  UPDATE
    no                              LEAVE    nothing   LEAVE

A delete is one where the item's last state was reached, else nothing.

Law: whoever holds the items that he reached, and takes in each change, holds just these items
afterwards. So where it is not known any more what an item was (its record was dropped with an
archive's beginning), a change that he may not need is told rather than one left out.
"""

from collections.abc import Callable, Sequence
from typing import Final

from lithair.core.event import EventKind
from lithair.core.query import Filter
from lithair.core.shape import Path, Reader

LEAVE: Final = 5  # beside the kinds of `EventKind`: the item is there, and not reached any more

names: Final[dict[int, str]] = {
    EventKind.CREATE: "create",
    EventKind.UPDATE: "update",
    EventKind.DELETE: "delete",
    LEAVE: "leave",
}

Reaches = Callable[[bytes], bool]


def change(kind: int, payload: bytes, before: bytes, reaches: Reaches | None) -> int | None:
    """Give what an event is to who follows the items that pass `reaches`; None: nothing.

    `before` is the item before the event, b"" when it was not, or, of an update, is not known.
    """
    if reaches is None:
        return kind
    if kind == EventKind.DELETE:
        return kind if reaches(payload) else None
    if reaches(payload):
        return kind if kind == EventKind.CREATE else int(EventKind.UPDATE)
    if before:
        return LEAVE if reaches(before) else None
    return None if kind == EventKind.CREATE else LEAVE


def tests_of(filters: Sequence[Filter]) -> Reaches:
    """Give what tells whether an item's JSON passes all of these filters."""
    paths: dict[str, Path] = {each.path.text: each.path for each in filters}
    if not paths:
        return _everything
    texts = list(paths)
    read = Reader(paths.values()).read
    tests = [(each.matches, texts.index(each.path.text)) for each in filters]

    def passes(payload: bytes) -> bool:
        values = read(payload)
        return all(matches(values[place]) for matches, place in tests)

    return passes


def _everything(_payload: bytes) -> bool:
    return True
