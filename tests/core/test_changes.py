"""Changes: whoever takes in each one holds just the items that he reaches."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lithair.core import changes
from lithair.core.changes import LEAVE, Reaches, change, names
from lithair.core.event import EventKind
from lithair.core.query import QueryReader
from lithair.core.schema import schema_of
from tests.core.films import Film

KEYS = ("a", "b")
STEPS = st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 3)), max_size=40)
CREATE, UPDATE, DELETE = (int(kind) for kind in EventKind)


def is_small(payload: bytes) -> bool:
    return int(payload) <= 1


def step(items: dict[str, int], key: str, n: int) -> tuple[int, bytes, bytes]:
    """Delete with 3 what is there, put anything else; gives kind, payload, before."""
    before = b"%d" % items[key] if key in items else b""
    if n == 3 and before:
        del items[key]
        return DELETE, before, before
    items[key] = n
    return (UPDATE if before else CREATE), b"%d" % n, before


@given(STEPS, st.integers(0, 40), st.sets(st.integers(0, 40)))
def test_who_takes_in_each_change_holds_just_what_he_reaches(
    steps: list[tuple[str, int]], joined: int, unknown: set[int]
) -> None:
    """From any point on, and wherever the state before is not known any more."""
    items: dict[str, int] = {}
    held: set[str] = set()
    for at, (key, n) in enumerate(steps):
        if at == joined:
            held = {each for each, value in items.items() if value <= 1}
        kind, payload, before = step(items, key, n)
        if kind == UPDATE and at in unknown:
            before = b""
        told = change(kind, payload, before, is_small)
        if at < joined:
            continue
        if told in (LEAVE, DELETE):
            held.discard(key)
        elif told is not None:
            assert is_small(payload)
            held.add(key)
        assert held == {each for each, value in items.items() if value <= 1}


def test_each_event_is_told_as_what_it_is_to_who_follows() -> None:
    expected = {
        (CREATE, b"1", b""): CREATE, (CREATE, b"2", b""): None,
        (UPDATE, b"1", b"0"): UPDATE, (UPDATE, b"1", b"2"): UPDATE, (UPDATE, b"1", b""): UPDATE,
        (UPDATE, b"2", b"1"): LEAVE, (UPDATE, b"2", b"3"): None, (UPDATE, b"2", b""): LEAVE,
        (DELETE, b"1", b"1"): DELETE, (DELETE, b"2", b"2"): None,
    }  # fmt: skip
    for (kind, payload, before), told in expected.items():
        assert change(kind, payload, before, is_small) == told
        assert change(kind, payload, before, None) == kind
    assert names == {1: "create", 2: "update", 3: "delete", 5: "leave"}


def passes(*pairs: tuple[str, str]) -> Reaches:
    return changes.tests_of(QueryReader(schema_of(Film), frozenset(), 10).read_changes(pairs))


def test_filters_are_tested_on_an_items_json() -> None:
    film = msgspec.json.encode(Film(id="1", title="Alien", year=1979))
    assert passes()(film)
    assert passes(("year", "1979"))(film)
    assert passes(("year", ">=1970"), ("year", "<1980"), ("title", "~ali"))(film)
    assert not passes(("year", ">=1970"), ("year", "<1979"))(film)
