"""Queries over fields of any type: an answer or a 400, never an error of ours."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lithair.core.command import TRUSTED, Action, Command
from lithair.core.event import Position
from lithair.core.model_state import ModelState
from lithair.core.page import Page
from lithair.core.problem import Refusal
from lithair.core.scan import Scan
from lithair.handler import ModelHandler
from lithair.model import Model
from tests.core.films import LIST_BYTES_MAX, NOW_MS, Place, Placed, decoded, rows_of


class Odd(Model):
    a: Any = None
    d: dict[str, Any] = {}
    u: int | list[int] | dict[str, int] | None = None
    m: dict[str, int | list[str]] = {}
    p: Place | None = None


ITEMS = [
    b'{"id": "1", "a": 1, "d": {"k": 1}, "u": 3, "m": {"k": 1}}',
    b'{"id": "2", "a": "x", "d": {"k": "x"}, "u": [1, 2], "m": {"k": ["y"]}}',
    b'{"id": "3", "a": [1], "d": {"k": {"z": 1}}, "u": {"k": 1}, "p": {"city": "Rom"}}',
    b'{"id": "4", "a": {"b": null}, "d": {"k": true}}',
    b'{"id": "5"}',
]
names = st.sampled_from(["a", "a.k", "d", "d.k", "d.k.z", "u", "u.k", "m", "m.k", "p", "p.city"])
tests_of = st.sampled_from(["", "=", "!", ">", "<", ">=", "<=", "~"])
values = st.sampled_from(["1", "x", "null", "[1,2]", "[x,null]", "true", "1e999", "{}", '"', ""])


@pytest.fixture(scope="module")
def state() -> ModelState:
    state = ModelState(ModelHandler(Odd, "unused"), 1000)
    commands = [Command(Action.CREATE, bytes([n]) * 16, body=b) for n, b in enumerate(ITEMS)]
    plan = state.decide(commands, NOW_MS, lambda: "unused")
    assert {answer.status for answer in state.answers(plan)} == {201}
    state.commit(plan, [Placed(Position(1, e.seq), 1) for e in plan.events])
    return state


def ids(state: ModelState, *pairs: tuple[str, str]) -> list[object]:
    query = state.views[TRUSTED].queries.read(pairs)
    scan = Scan(state.tables, state.payload, query)
    while (found := scan.advance()) is None:
        pass
    page = Page(state, found, query, TRUSTED, LIST_BYTES_MAX)
    while (read := page.advance()) is None:
        pass
    return [item["id"] for item in rows_of(decoded(read.body))]


@settings(max_examples=400, deadline=None)
@given(name=names, sign=tests_of, value=values, sort=names | st.none(), down=st.booleans())
def test_any_query_is_answered_or_refused(
    state: ModelState, name: str, sign: str, value: str, sort: str | None, down: bool
) -> None:
    pairs = [(name, sign + value)]
    if sort is not None:
        pairs.append(("sort", "-" * down + sort))
    status = 400
    try:
        ids(state, *pairs)
    except Refusal as refusal:
        status = refusal.status
    assert status == 400


def test_values_of_any_type_are_compared_by_what_they_are(state: ModelState) -> None:
    assert ids(state, ("a", "1")) == ["1"]
    assert ids(state, ("a", "x")) == ["2"]
    assert ids(state, ("d.k", "true")) == ["4"]
    assert ids(state, ("d.k.z", "1")) == ["3"]
    assert len(ids(state, ("sort", "a"))) == len(ITEMS)


def test_a_sort_names_each_field_once_and_few_of_them(state: ModelState) -> None:
    for sort in ("a,-a", ",".join(f"d.k{n}" for n in range(9))):
        with pytest.raises(Refusal, match="not understood"):
            ids(state, ("sort", sort))
