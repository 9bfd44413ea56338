"""Lists that indexes tell all about: the same answers, and nothing is decoded or read."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lithair.core.command import Action
from lithair.core.event import Slot
from lithair.core.scan import SLICE_TOLD, Found, Scan
from lithair.core.values import Sortable
from tests.core.films import Bench, rows_of
from tests.core.test_query import Item, filled, ordered, scan_of

signs: dict[str, Callable[[Any, Any], bool]] = {  # Any: numbers or texts, as drawn
    "": operator.eq,
    "!": operator.ne,
    ">=": operator.ge,
    "<": operator.lt,
}
items = st.fixed_dictionaries(
    {"year": st.none() | st.integers(0, 3), "genre": st.sampled_from(["a", "b", "c"])}
)


def passes(row: Item, name: str, sign: str, value: object) -> bool:
    if row[name] is None:
        return sign == "!"
    return signs[sign](row[name], value)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(items, min_size=1, max_size=30),
    dead=st.sets(st.integers(0, 29), max_size=8),
    sign=st.sampled_from(list(signs)),
    by=st.sampled_from([("year", 2), ("genre", "b")]),
    sort=st.sampled_from([[], ["year"], ["genre"], ["genre", "year"]]),
    downs=st.tuples(st.booleans(), st.booleans()),
    skip=st.integers(0, 4),
    take=st.integers(0, 4),
    after=st.none() | st.integers(0, 29),
)
def test_a_list_by_indexed_fields_is_what_looking_at_every_item_gives(
    rows: list[Item],
    dead: set[int],
    sign: str,
    by: tuple[str, object],
    sort: list[str],
    downs: tuple[bool, bool],
    skip: int,
    take: int,
    after: int | None,
) -> None:
    bench = Bench()
    for number, row in enumerate(rows):
        bench.do(Action.CREATE, body=msgspec.json.encode({"id": str(number), **row}))
    for number in dead:
        bench.do(Action.DELETE, str(number))
    live: list[Item] = [{"id": str(n), **row} for n, row in enumerate(rows) if n not in dead]
    order = list(zip(sort, downs, strict=False))
    pairs = [(by[0], f"{sign}{by[1]}"), ("skip", str(skip)), ("take", str(take))]
    if order:
        pairs.append(("sort", ",".join("-" * down + name for name, down in order)))
    start, total = 0, sum(passes(row, by[0], sign, by[1]) for row in live)
    where = None if after is None or after in dead or after >= len(rows) else str(after)
    if where is not None:
        pairs.append(("after", where))
    # The item of `after` tells where to go on whether or not it passes itself.
    wanted = [r for r in live if r["id"] == where or passes(r, by[0], sign, by[1])]
    wanted = ordered(wanted, order)
    start = 1 + [row["id"] for row in wanted].index(where) if where is not None else 0
    page = bench.page(*pairs)
    assert page["total"] == total
    assert [i["id"] for i in rows_of(page)] == [i["id"] for i in wanted[start + skip :][:take]]
    assert page["has_more"] == (len(wanted) > start + skip + take)


def finished(scan: Scan) -> Found:
    while (found := scan.advance()) is None:
        pass
    return found


@pytest.mark.parametrize(
    "pairs",
    [
        [("year", "!3"), ("genre", "~dra"), ("sort", "-year")],
        [("year", "!3")],
        [("year", "[1,2,4,5,6]"), ("genre", "!horror"), ("sort", "genre,year")],
    ],
)
def test_one_in_slices_is_exact_at_the_seq_it_ends_on(pairs: list[tuple[str, str]]) -> None:
    bench = filled(2 * SLICE_TOLD + 100)
    scan = scan_of(bench, *pairs)
    assert scan.advance() is None
    bench.do(Action.PATCH, "9", '{"year": 3}')
    bench.do(Action.PATCH, "3", '{"year": 5}')
    bench.do(Action.DELETE, "19")
    bench.do(Action.DELETE, str(2 * SLICE_TOLD + 2))
    bench.do(Action.CREATE, body='{"id": "new", "year": 4}')
    found = finished(scan)
    keys = [bench.state.tables.projection.keys[slot] for slot in found.slots]
    assert keys == bench.ids(*pairs)
    items = rows_of(bench.page(*pairs))
    assert len(keys) == 1000
    assert [item["year"] for item in items if item["year"] == 3] == []
    assert not bench.state.tables.watchers


def test_values_stand_by_slot_whatever_came_and_went() -> None:
    """After changes, a rebuild of the table and an opening."""
    bench = filled(2000)
    for number in range(0, 2000, 2):
        bench.do(Action.DELETE, str(number))
    for number in range(1, 2000, 3):
        bench.do(Action.PATCH, str(number - 1 + number % 2), '{"year": 50}')
    bench.do(Action.DELETE, "1999")
    for one in (bench, bench.reopened(), bench):
        tables = one.state.tables
        live = tables.projection.slots.values()
        for wire, column in tables.columns.items():
            assert len(column) == len(tables.projection.keys)
            told = {slot: column[slot] for slot in live}
            decoded = {slot: tables.index_values(one.state.payload(slot))[wire] for slot in live}
            assert told == decoded
        tables.tidy()


def test_a_page_of_what_many_pass_costs_no_more_than_a_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = filled(3000)
    index = bench.state.tables.sorted["genre"]
    walk, walked = index.walk, 0

    def counted(
        start: int, stop: int, *, descending: bool, behind: tuple[Sortable, Slot] | None = None
    ) -> Iterator[Slot]:
        nonlocal walked
        for slot in walk(start, stop, descending=descending, behind=behind):
            walked += 1
            yield slot

    monkeypatch.setattr(index, "walk", counted)
    page = bench.page(("year", ">=1"), ("sort", "-genre"), ("take", "5"), ("skip", "10"))
    assert page["total"] == sum(number % 7 >= 1 for number in range(3000))
    assert 15 < walked < 25
