"""Choices: what an index tells about one filter, and how many items it leaves to look at.

Law: a choice holds exactly the live items that pass its filter.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple, cast

from lithair.core.event import Slot
from lithair.core.index import SortedIndex
from lithair.core.nan import NAN
from lithair.core.query import Filter
from lithair.core.section import Section
from lithair.core.tables import Tables


class Choice(NamedTuple):
    """What passes one filter."""

    test: Filter
    size: int
    slots: Iterable[Slot]


def is_span(test: Filter) -> bool:
    """Tell whether what passes lies side by side in a sorted index."""
    return test.operator in ("=", ">", "<", ">=", "<=") and None not in test.operands


def span_of(index: SortedIndex, test: Filter) -> tuple[int, int]:
    """Give the range of an index's entries that passes a test of one value."""
    operand = test.operands[0]
    low = operand if test.operator in ("=", ">", ">=") else None
    high = operand if test.operator in ("=", "<", "<=") else None
    return index.bounds(low, high, open_low=test.operator == ">", open_high=test.operator == "<")


def choose(tables: Tables, test: Filter) -> Choice | None:
    """Ask an index for the slots that pass; None when no index can tell."""
    if not test.path.is_field or test.operator == "~":
        return None
    index = tables.sorted.get(test.path.text)
    if index is None:
        return _choose_one_by_one(tables, test)
    if test.operator == "!":
        return _choose_others(index, test)
    if is_span(test):
        low, high = span_of(index, test)
        return Choice(test, high - low, index.slots_between(low, high))
    spans = [
        index.bounds(value, value, open_low=False, open_high=False)
        for value in set(test.operands)
        if value is not None
    ]
    nulls = index.null_slots(0) if None in test.operands else iter(())
    count = sum(high - low for low, high in spans) + (
        len(index.nulls) if None in test.operands else 0
    )
    return Choice(test, count, chain(nulls, *(index.slots_between(*span) for span in spans)))


def _choose_others(index: SortedIndex, test: Filter) -> Choice:
    """Choose all that have another value, null or not."""
    count, value = len(index.entries), test.operands[0]
    if value is None:
        return Choice(test, count, index.slots_between(0, count))
    low, high = index.bounds(value, value, open_low=False, open_high=False)
    slots = chain(
        index.null_slots(0), index.slots_between(0, low), index.slots_between(high, count)
    )
    return Choice(test, count - (high - low) + len(index.nulls), slots)


def _choose_one_by_one(tables: Tables, test: Filter) -> Choice | None:
    """Choose by values of which each has one item at most: of a `Unique` field, or ids."""
    if test.operator not in ("=", "[") or None in test.operands:
        return None
    if NAN in test.operands:  # the one value that several items of an old log may have
        return None
    index = tables.uniques.get(test.path.text)
    values = {value for value in test.operands if value is not None}
    if index is not None:
        found = {index.find(value) for value in values}
    elif test.path.field.primary_key:
        found = {tables.projection.slots.get(cast(str, value)) for value in values}
    else:
        return None
    slots = [slot for slot in found if slot is not None]
    return Choice(test, len(slots), slots)


def section_of(tables: Tables, tests: Sequence[Filter]) -> Section:
    """Give the smallest section that holds all that pass these tests; to be released."""
    single = [
        (test, value)
        for test in tests
        if test.operator == "="
        and test.path.text in tables.columns
        and (value := test.operands[0]) is not None
        and value is not NAN  # a unique index can't tell how many have it
    ]
    if not single:
        return tables.sections.take_whole()
    if len(single) > 1:
        sizes = [choice.size for test, _ in single if (choice := choose(tables, test)) is not None]
        assert len(sizes) == len(single), "what has a column has an index"
        single = [single[sizes.index(min(sizes))]]
    test, value = single[0]
    return tables.sections.take(test.path.text, value)
