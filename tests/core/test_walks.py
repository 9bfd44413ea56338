"""Pages of a sorted index begin where they have to, without walking there."""

from itertools import islice
from operator import itemgetter

import pytest

from lithair.core.event import Slot
from lithair.core.index import SortedIndex
from lithair.core.values import Sortable

VALUES = [3, 1, None, 2, 3, 3, None, 1, 5, 4, 3, 0]  # by slot


def filled() -> SortedIndex:
    index = SortedIndex()
    index.add_run(list(VALUES), list(map(Slot, range(len(VALUES)))))
    return index


@pytest.mark.parametrize("descending", [False, True])
def test_passing_over_some_slots_is_walking_over_them(descending: bool) -> None:
    index = filled()
    count = len(index.entries)
    for start in range(count + 1):
        for stop in range(start, count + 1):
            whole = list(index.walk(start, stop, descending=descending))
            for skip in range(count + 3):
                low, high, left = index.pass_over(start, stop, skip, descending=descending)
                walk = index.walk(low, high, descending=descending)
                assert list(islice(walk, left, None)) == whole[skip:]
                assert high > low or left == max(0, skip - len(whole))


def test_passing_over_looks_at_no_more_than_one_group_of_equals() -> None:
    index = SortedIndex()
    index.add_run([number // 2 for number in range(10_000)], list(map(Slot, range(10_000))))
    for descending in (False, True):
        low, high, left = index.pass_over(0, 10_000, 5_001, descending=descending)
        assert left <= 1
        assert high - low == 10_000 - 5_001 + left


def test_walking_down_gives_each_value_in_creation_order() -> None:
    index = filled()
    count = len(index.entries)
    for start in range(count + 1):
        for stop in range(start, count + 1):
            part = index.entries[start:stop]
            wanted = [slot for _, slot in sorted(part, key=itemgetter(0), reverse=True)]
            assert list(index.walk(start, stop, descending=True)) == wanted


def test_walking_down_asks_for_no_bounds_of_values_that_stand_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = SortedIndex()
    index.add_run([0, *range(100)], list(map(Slot, range(101))))
    asked: list[object] = []
    bisect = index.entries.bisect_left

    def counted(entry: tuple[Sortable, Slot]) -> int:
        asked.append(entry)
        return bisect(entry)

    monkeypatch.setattr(index.entries, "bisect_left", counted)
    assert list(index.walk(0, 101, descending=True)) == [*range(100, 1, -1), 0, 1]
    assert len(asked) == 1
