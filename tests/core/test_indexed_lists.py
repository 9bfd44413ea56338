"""Lists that indexes tell all about: the same answers, and nothing is decoded or read."""

import operator
import random
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import msgspec
import pytest

from lithair.core import order
from lithair.core.command import Action
from lithair.core.event import Slot
from lithair.core.scan import SLICE_SLOTS, SLICE_TOLD, Found, Scan
from lithair.core.values import Sortable
from tests.core.films import Bench, rows_of
from tests.core.test_query import Item, filled, ordered, scan_of

signs: dict[str, Callable[[Any, Any], bool]] = {  # Any: numbers or texts, as drawn
    "": operator.eq,
    "!": operator.ne,
    ">=": operator.ge,
    "<": operator.lt,
}


def passes(row: Item, name: str, sign: str, value: object) -> bool:
    if row[name] is None:
        return sign == "!"
    return signs[sign](row[name], value)


SORTS: list[list[tuple[str, bool]]] = [
    [],
    *([(name, down)] for name in ("year", "genre") for down in (False, True)),
    [("genre", True), ("year", False)],
]
TESTS = [("year", sign, "2") for sign in signs] + [("genre", sign, "b") for sign in signs]


def made(seed: int) -> tuple[Bench, list[Item]]:
    """Give items in no order, some of them deleted, and what is left of them."""
    chance = random.Random(seed)
    rows: list[Item] = [
        {
            "id": str(number),
            "year": chance.choice([None, 0, 1, 2, 2, 3]),
            "genre": chance.choice("aabbbbc"),
        }
        for number in range(30)
    ]
    bench = Bench()
    bench.do(Action.BULK, body=msgspec.json.encode(rows))
    for row in chance.sample(rows, 6):
        bench.do(Action.DELETE, str(row["id"]))
        rows.remove(row)
    return bench, rows


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("by", SORTS, ids=str)
def test_a_list_by_indexed_fields_is_what_looking_at_every_item_gives(
    seed: int, by: list[tuple[str, bool]]
) -> None:
    bench, live = made(seed)
    afters = [None, *(str(row["id"]) for row in live[::5])]
    for (name, sign, value), skip, take, after in product(TESTS, (0, 3), (0, 1, 4), afters):
        operand = int(value) if name == "year" else value
        pairs = [(name, sign + value), ("skip", str(skip)), ("take", str(take))]
        if by:
            pairs.append(("sort", ",".join("-" * down + field for field, down in by)))
        if after is not None:
            pairs.append(("after", after))
        # The item of `after` tells where to go on whether or not it passes itself.
        passing = [row["id"] for row in live if passes(row, name, sign, operand)]
        wanted = [row for row in live if row["id"] in (*passing, after)]
        keys = [row["id"] for row in ordered(wanted, by)]
        rest = keys[skip if after is None else skip + keys.index(after) + 1 :]
        page = bench.page(*pairs)
        assert [row["id"] for row in rows_of(page)] == rest[:take], pairs
        assert (page["total"], page["has_more"]) == (len(passing), len(rest) > take), pairs


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


@pytest.mark.parametrize("changes", [0, 2, 40])
@pytest.mark.parametrize("sort", ["-rating", "rating,-year", "-stock,genre"])
def test_many_are_put_in_order_some_at_a_time(
    monkeypatch: pytest.MonkeyPatch, sort: str, changes: int
) -> None:
    """What changes in the midst of it counts as it is at the end; more than is spared, too."""
    monkeypatch.setattr(order, "NARROW_SLOTS", 64)
    monkeypatch.setattr(order, "SPARE", 8)
    pairs = [("rating", "<9"), ("sort", sort), ("skip", "3"), ("take", "20")]
    bench = filled(1000)
    scan, steps = scan_of(bench, *pairs), 0
    while steps < 1000 // SLICE_SLOTS + 12:
        assert scan.advance() is None
        steps += 1
    first = bench.ids(*pairs)
    for number in range(changes):
        bench.do(Action.PATCH, first[number % 20], '{"rating": 9.5, "stock": 9}')
        bench.do(Action.PATCH, str(number * 11), '{"rating": 8.5, "stock": 8}')
        bench.do(Action.DELETE, str(number * 13 + 1))
    found = finished(scan)
    keys = [bench.state.tables.projection.keys[slot] for slot in found.slots]
    assert keys == bench.ids(*pairs)
    rows = [row for row in rows_of(bench.page()) if float(str(row["rating"])) < 9]
    by = [(name.removeprefix("-"), name.startswith("-")) for name in sort.split(",")]
    assert keys == [row["id"] for row in ordered(rows, by)][3:23]
    assert found.total == len(rows)
    assert found.has_more
