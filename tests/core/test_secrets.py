"""What a role may not see makes no difference to anything that it is answered.

Two shops have the same items but for what the caller may not see. Whatever it asks, both answer the
same, byte for byte: so nothing can be learnt by any way of asking. Every single request of a
catalogue is tried, and random sequences of them.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lithair.core.command import Action
from tests.core.products import CLERK, UNREADABLE, Product, Shop, own, told

KEYS = ("a", "b", "c", "d")
FIELDS = tuple(sorted(Product.__struct_fields__))

Request = tuple[str, Any]

secrets = st.fixed_dictionaries(
    {
        "cost": st.integers(0, 3),
        "margin": st.integers(0, 3),
        "size": st.sampled_from([None, {"width": 1, "height": 2}, {"width": 2, "height": 2}]),
        "marks": st.sampled_from([{}, {"k": 1}, {"width": 1}]),
        "batch": st.sampled_from(["b", "c"]),
        "secret": st.sampled_from(["none", "some"]),
    }
)
seen = st.fixed_dictionaries(
    {"name": st.sampled_from(["ann", "bob"]), "owner": st.sampled_from(["ann", "bob", None])}
)
VALUES: tuple[object, ...] = (
    *(0, 1, 2, 3, None, "ann", "bob", "b", "c", "none", "x1", "x2", "1"),
    *({"width": 2}, {"width": None}, {"width": "x"}, {}, [1], True, 2.0),
)
values = st.sampled_from(VALUES)
bodies = st.one_of(
    st.dictionaries(st.sampled_from([*FIELDS, "unknown", "id"]), values, max_size=4),
    st.sampled_from([b"{", b"[]", b'{"cost": 1, "cost": 2}', b'{"\\u0063ost": 3}', b"7"]),
)
pairs = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([*FIELDS, "size.width", "unknown"]),
            st.sampled_from(["1", ">1", "!2", "[1,2]", "null", "~a", "ann", "!bob", "=x1"]),
        ),
        st.tuples(st.just("sort"), st.sampled_from([*FIELDS, "-cost", "-name", "name,margin"])),
        st.tuples(st.just("fields"), st.sampled_from([*FIELDS, "name,cost", "name,owner"])),
        st.tuples(st.just("after"), st.sampled_from([*KEYS, "zz"])),
        st.tuples(st.just("take"), st.sampled_from(["0", "1", "2"])),
    ),
    max_size=3,
)
keys = st.sampled_from([*KEYS, "zz"])
repeats = st.sampled_from([b"", b"1" * 32, b"2" * 32])
CHANGES = (Action.REPLACE, Action.PATCH, Action.DELETE)
requests: st.SearchStrategy[Request] = st.one_of(
    st.tuples(st.just("list"), pairs),
    st.tuples(st.just("count"), pairs),
    st.tuples(st.just("get"), st.tuples(keys, pairs)),
    st.tuples(st.just("history"), keys),
    st.tuples(st.just("write"), st.tuples(st.sampled_from(CHANGES), keys, bodies, repeats)),
    st.tuples(st.just("write"), st.tuples(st.just(Action.CREATE), st.just(""), bodies, repeats)),
    st.tuples(
        st.just("write"),
        st.tuples(st.just(Action.BULK), st.just(""), st.lists(bodies, max_size=2), st.just(b"")),
    ),
)


def catalogue() -> Iterator[Request]:
    """Give every request that asks for one thing."""
    names = (*FIELDS, "size.width", "unknown")
    tests = ("1", ">1", "!2", "[1,2]", "null", "~a", "ann", "!bob", "==x1", "x1", "b", "none")
    for name in names:
        for test in tests:
            yield "list", [(name, test)]
            yield "count", [(name, test)]
        for option in ("fields", "sort"):
            yield "list", [(option, name)]
        for order, key in itertools.product((name, f"-{name}"), (*KEYS, "zz")):
            yield "list", [("sort", order), ("after", key), ("take", "1")]
    for key in (*KEYS, "zz"):
        yield "get", (key, [])
        yield "history", key
        yield "list", [("after", key)]
        for name in names:
            yield "get", (key, [("fields", name)])
        for action, name, value in itertools.product(CHANGES[:2], names, VALUES):
            if key != "c":  # as b
                yield "write", (action, key, {name: value}, b"")
        yield "write", (Action.DELETE, key, b"", b"")
    for name, value in itertools.product(names, VALUES):
        yield "write", (Action.CREATE, "", {name: value}, b"")
        yield "write", (Action.BULK, "", [{}, {name: value}], b"")


def sendable(request: Request) -> Request:
    """Make JSON of a bulk that holds bytes."""
    act, argument = request
    if act == "write" and isinstance(argument[2], list):
        items = [item for item in argument[2] if not isinstance(item, bytes)]
        return act, (argument[0], argument[1], items, argument[3])
    return request


def shop_of(items: list[tuple[dict[str, object], dict[str, object]]], codes: list[str]) -> Shop:
    shop = Shop()
    for key, code, (open_, secret) in zip(KEYS, codes, items, strict=False):
        shop.put(id=key, code=code, **{**secret, **open_})
    return shop


FIRST: dict[str, object] = {
    "cost": 1,
    "margin": 1,
    "size": None,
    "marks": {"k": 1},
    "batch": "b",
    "secret": "s",
}
SECOND: dict[str, object] = {
    "cost": 2,
    "margin": 3,
    "size": {"width": 2},
    "marks": {},
    "batch": "c",
    "secret": "t",
}


def compare(access: str, make: Callable[[], tuple[Shop, Shop]]) -> None:
    """Try the catalogue on two shops; a write gets new ones."""
    shops = make()
    for act, argument in catalogue():
        one, other = make() if act == "write" else shops
        first, second = (told(shop.ask(act, access, argument)) for shop in (one, other))
        assert first == second, (act, argument)


def test_no_request_tells_a_field_that_its_role_may_not_read() -> None:
    open_: list[dict[str, object]] = [{"name": name, "owner": "ann"} for name in "pqrs"]
    swapped = [FIRST, SECOND, FIRST, SECOND]

    def shops() -> tuple[Shop, Shop]:
        return (
            shop_of([(o, FIRST) for o in open_], ["x1", "x2", "x3", "x4"]),
            shop_of(list(zip(open_, swapped, strict=True)), ["y1", "y2", "y3", "y4"]),
        )

    compare(CLERK, shops)


def test_no_request_tells_of_the_items_of_others() -> None:
    """Of each shop's items one was Ann's from the beginning, and one is hers after Bob had it."""

    def shop(others: dict[str, object], name: str) -> Shop:
        anns: dict[str, object] = {"name": "q", "owner": "ann"}
        bobs: dict[str, object] = {"name": name, "owner": "bob"}
        made = shop_of([(anns, FIRST), *([(bobs, others)] * 3)], ["x1", "x2", "x3", "x4"])
        made.give("d", **{**FIRST, "name": "r", "owner": "ann", "batch": others["batch"]})
        return made

    # The batch never changes, so it is Bob's still.
    compare(own("ann", unreadable=("batch",)), lambda: (shop(FIRST, "p"), shop(SECOND, "z")))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(seen, secrets, secrets), min_size=4, max_size=4),
    st.permutations(["x1", "x2", "y1", "y2"]),
    st.lists(requests, min_size=1, max_size=12),
)
def test_fields_that_a_role_may_not_read_make_no_difference_to_it(
    items: list[tuple[dict[str, object], dict[str, object], dict[str, object]]],
    codes: list[str],
    asked: list[Request],
) -> None:
    one = shop_of([(open_, first) for open_, first, _ in items], ["x1", "x2", "x3", "x4"])
    other = shop_of([(open_, second) for open_, _, second in items], codes)
    for act, argument in map(sendable, asked):
        answer = told(one.ask(act, CLERK, argument))
        assert answer == told(other.ask(act, CLERK, argument)), (act, argument)
        # It does name them where it refuses them: that they are there is no secret.
        if answer[0] < 400:
            assert not any(f'"{name}"'.encode() in answer[1] for name in UNREADABLE)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(seen, secrets, secrets), min_size=4, max_size=4),
    st.lists(st.sampled_from(["bob", "cyd"]), min_size=4, max_size=4),
    st.lists(requests, min_size=1, max_size=12),
)
def test_items_of_others_make_no_difference_to_who_has_only_its_own(
    items: list[tuple[dict[str, object], dict[str, object], dict[str, object]]],
    others: list[str],
    asked: list[Request],
) -> None:
    """Ann's items are the same in both shops; what others have differs in all but the ids."""
    codes = ["x1", "x2", "x3", "x4"]
    one = shop_of([(open_, first) for open_, first, _ in items], codes)
    another: list[tuple[dict[str, object], dict[str, object]]] = []
    for (open_, first, second), owner in zip(items, others, strict=True):
        is_anns = open_["owner"] == "ann"
        another.append((open_, first) if is_anns else ({"name": "x", "owner": owner}, second))
    other = shop_of(another, codes)
    for act, argument in map(sendable, asked):
        same = told(one.ask(act, own("ann"), argument))
        assert same == told(other.ask(act, own("ann"), argument)), (act, argument)
