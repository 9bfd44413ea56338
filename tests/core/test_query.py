"""Lists against an oracle that looks at every item; indexes, scans and paging give the same."""

import operator
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lithair.core.command import PUBLIC, TRUSTED, Action
from lithair.core.problem import Refusal
from lithair.core.scan import SLICE_SLOTS, Scan
from tests.core.films import Bench, rows_of

Item = dict[str, object]

years = st.none() | st.integers(0, 5)
genres = st.sampled_from(["action", "drama", "DRAMA-Comedy", "null", ">x"])
items = st.fixed_dictionaries(
    {"year": years, "genre": genres, "rating": st.sampled_from([0.0, 2.5, 7.0])}
)
signs: dict[str, Callable[[Any, Any], bool]] = {  # Any: numbers or texts, as drawn
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


@st.composite
def filters_with_oracle(draw: st.DrawFn) -> tuple[str, str, Callable[[Item], bool]]:
    """Give a filter as a query says it, and as the oracle does."""
    name = draw(st.sampled_from(["year", "genre", "rating"]))
    value = draw({"year": st.integers(0, 5), "genre": genres, "rating": st.just(2.5)}[name])
    kind = draw(st.sampled_from(["=", "!", "null", "!null", "~", "[", *signs]))
    if kind in signs:
        compare = signs[kind]
        return name, f"{kind}{value}", lambda i: i[name] is not None and compare(i[name], value)
    if kind == "null":
        return name, "null", lambda i: i[name] is None
    if kind == "!null":
        return name, "!null", lambda i: i[name] is not None
    if kind == "!":
        wanted = None if value == "null" else value
        return name, f"!{value}", lambda i: i[name] != wanted
    if kind == "[" and value != "null":
        return name, f"[{value},null]", lambda i: i[name] in (value, None)
    if kind == "~":
        return "genre", "~DRA", lambda i: "dra" in str(i["genre"]).lower()
    return name, f"={value}", lambda i: i[name] == value


def ordered(rows: list[Item], sort: list[tuple[str, bool]]) -> list[Item]:
    for name, descending in reversed(sort):
        filled = [r for r in rows if r[name] is not None]
        filled.sort(key=operator.itemgetter(name), reverse=descending)
        rows = filled + [r for r in rows if r[name] is None]
    return rows


sorts = st.lists(
    st.tuples(st.sampled_from(["year", "genre", "rating"]), st.booleans()),
    max_size=2,
    unique_by=lambda s: s[0],
)


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(items, max_size=25),
    dead=st.sets(st.integers(0, 24)),
    filters=st.lists(filters_with_oracle(), max_size=2),
    sort=sorts,
    skip=st.integers(0, 6),
    take=st.integers(0, 9),
    by_after=st.booleans(),
)
def test_a_list_is_what_looking_at_every_item_gives(
    rows: list[Item],
    dead: set[int],
    filters: list[tuple[str, str, Callable[[Item], bool]]],
    sort: list[tuple[str, bool]],
    skip: int,
    take: int,
    by_after: bool,
) -> None:
    bench = Bench()
    for number, row in enumerate(rows):
        body = msgspec.json.encode({"id": str(number), **row})
        assert bench.do(Action.CREATE, body=body, access=TRUSTED).status == 201
    for number in dead:
        bench.do(Action.DELETE, str(number))
    live = [{"id": str(n), **row} for n, row in enumerate(rows) if n not in dead]
    expected = ordered([r for r in live if all(f(r) for _, _, f in filters)], sort)
    pairs = [(name, text) for name, text, _ in filters]
    if sort:
        pairs.append(("sort", ",".join("-" * down + name for name, down in sort)))
    start = skip
    if by_after and len(expected) > skip:
        pairs.append(("after", str(expected[skip]["id"])))
        start = skip + 1
    else:
        pairs.append(("skip", str(skip)))
    page = bench.page(*pairs, ("take", str(take)))
    assert page["total"] == len(expected)
    assert [i["id"] for i in rows_of(page)] == [i["id"] for i in expected[start : start + take]]
    assert page["has_more"] == (len(expected) > start + take)


def scan_of(bench: Bench, *pairs: tuple[str, str]) -> Scan:
    query = bench.state.views[TRUSTED].queries.read(pairs)
    return Scan(bench.state.tables, bench.state.payload, query)


def filled(count: int) -> Bench:
    bench = Bench()
    bodies = [{"id": str(n), "year": n % 7, "rating": n % 10} for n in range(count)]
    bench.do(Action.BULK, body=msgspec.json.encode(bodies))
    return bench


def test_what_an_index_told_of_may_be_gone_when_it_is_looked_at() -> None:
    bench = filled(14 * SLICE_SLOTS)
    pairs = ("year", "3"), ("rating", ">4")
    scan = scan_of(bench, *pairs)
    assert scan.advance() is None
    last = bench.ids(*pairs)[-1]
    bench.do(Action.DELETE, last)
    while (found := scan.advance()) is None:
        pass
    keys = [bench.state.tables.projection.keys[slot] for slot in found.slots]
    assert last not in keys
    assert keys == bench.ids(*pairs)


@pytest.mark.parametrize("pairs", [[("rating", ">4")], [("rating", ">4"), ("sort", "-year")]])
def test_a_scan_is_exact_at_the_seq_it_ends_on(pairs: list[tuple[str, str]]) -> None:
    """Items change, come and go between two slices: the answer is that of the end."""
    bench = filled(4 * SLICE_SLOTS)
    scan = scan_of(bench, *pairs)
    assert scan.advance() is None
    bench.do(Action.PATCH, "9", '{"rating": 0}')
    bench.do(Action.PATCH, "1", '{"rating": 9, "year": 6}')
    bench.do(Action.DELETE, "19")
    bench.do(Action.CREATE, body='{"id": "new", "rating": 9}')
    bench.do(Action.DELETE, "1023")
    while (found := scan.advance()) is None:
        pass
    keys = [bench.state.tables.projection.keys[slot] for slot in found.slots]
    assert keys == bench.ids(*pairs)
    assert found.total == len(keys)
    assert not bench.state.tables.watchers


def test_the_table_is_not_rebuilt_under_a_scan() -> None:
    bench = filled(2048)
    scan = scan_of(bench, ("rating", ">4"))
    assert scan.advance() is None
    for number in range(1024):
        bench.do(Action.DELETE, str(number))
    assert not bench.state.tables.tidy()
    scan.close()
    assert bench.state.tables.tidy()
    assert bench.ids(("take", "3")) == ["1024", "1025", "1026"]
    assert bench.ids(("sort", "-year"), ("year", "6"), ("take", "1")) == ["1028"]
    assert bench.do(Action.PATCH, "1024", '{"year": 1000}').status == 200
    assert bench.ids(("sort", "-year"), ("take", "1")) == ["1024"]


@pytest.mark.parametrize(
    ("name", "text", "parameter"),
    [
        ("nope", "1", "nope"),
        ("secret", "none", "secret"),
        ("year", "x", "year"),
        ("year", ">", "year"),
        ("rating", "nan", "rating"),
        ("year", "~1", "year"),
        ("place", "x", "place"),
        ("place.street", "x", "place.street"),
        ("made", "yesterday", "made"),
        ("sort", "nope", "sort"),
        ("sort", "secret", "sort"),
        ("sort", "tags", "sort"),
        ("fields", "year,secret", "fields"),
        ("fields", "year,,title", "fields"),
        ("fields", ",", "fields"),
        ("skip", "-1", "skip"),
        ("take", "ten", "take"),
        ("take", "1_0", "take"),
        ("after", "nobody", "after"),
        ("as_of", "yesterday", "as_of"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_name(name: str, text: str, parameter: str) -> None:
    bench = filled(3)
    queries = bench.state.views[PUBLIC].queries
    with pytest.raises(Refusal) as refused:
        Scan(bench.state.tables, bench.state.payload, queries.read([(name, text)])).advance()
    assert refused.value.status == 400
    assert [error.field for error in refused.value.errors] == [parameter]


def test_text_that_looks_like_an_operator_is_written_behind_an_equals_sign() -> None:
    bench = Bench()
    for genre in (">x", "null", "a,b"):
        bench.do(Action.CREATE, body=msgspec.json.encode({"id": genre, "genre": genre}))
    assert bench.ids(("genre", "=>x")) == [">x"]
    assert bench.ids(("genre", "=null")) == ["null"]
    assert bench.ids(("genre", "null")) == []
    assert bench.ids(("genre", "[a\\,b,x]")) == ["a,b"]


def test_dotted_names_lists_and_times_can_be_asked_about() -> None:
    bench = Bench()
    bench.do(Action.CREATE, body='{"id": "a", "place": {"city": "Rom"}, "tags": ["Noir", "b"]}')
    bench.do(Action.CREATE, body='{"id": "b", "place": {"city": "Bonn", "zip": "5"}}')
    bench.do(Action.CREATE, body='{"id": "c"}')
    assert bench.ids(("place.city", "Rom")) == ["a"]
    assert bench.ids(("place.zip", "null")) == ["a", "c"]
    assert bench.ids(("sort", "place.city")) == ["b", "a", "c"]
    assert bench.ids(("place", "null")) == ["c"]
    assert bench.ids(("tags", "~noi")) == ["a"]
    assert bench.ids(("tags", "[null]")) == []
    assert bench.ids(("place", "[null]")) == ["c"]
    assert bench.ids(("made", ">2023-11-14"), ("made", "<2023-11-15T00:00:00+00:00")) == [
        "a",
        "b",
        "c",
    ]


def test_fields_give_just_those_and_the_id() -> None:
    bench = filled(1)
    assert bench.page(("fields", "year"))["data"] == [{"id": "0", "year": 0}]
    assert bench.page(("fields", ""))["data"] == [{"id": "0"}]
