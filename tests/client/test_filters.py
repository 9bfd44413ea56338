"""Filters as text: what a value becomes, and that it matches itself and nothing else."""

import datetime as dt
import decimal
import enum
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lithair import ValidationFailed
from lithair.client.filters import as_of_pairs, fields_of, literal, options_of, pairs_of
from lithair.core.as_of import UNBOUND
from lithair.core.query import QueryReader
from lithair.core.schema import schema_of
from lithair.core.values import sortable_type
from lithair.model import Model


class Sample(Model):
    text: str | None = None
    whole: int | None = None
    real: float | None = None
    flag: bool | None = None
    moment: dt.datetime | None = None
    day: dt.date | None = None
    hour: dt.time | None = None
    money: decimal.Decimal | None = None
    code: uuid.UUID | None = None
    blob: bytes | None = None


READER = QueryReader(schema_of(Sample), frozenset(), 1000)
FIELDS = {field.name: field for field in schema_of(Sample).fields}
SIGNS = ("", "=", "!", ">", "<", ">=", "<=", "~", "==", "[", "null")


def joined(sign: str, text: str, end: str) -> str:
    return sign + text + end


TEXTS: st.SearchStrategy[str] = st.builds(
    joined,
    st.sampled_from(SIGNS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(["", "]"]),
)
MOMENTS = st.datetimes(timezones=st.just(dt.UTC))
VALUES: dict[str, st.SearchStrategy[object]] = {
    "whole": st.integers(-(1 << 63), (1 << 63) - 1),
    "real": st.floats(allow_nan=False, allow_infinity=False),
    "flag": st.booleans(),
    "moment": MOMENTS,
    "day": st.dates(),
    "hour": st.times(),
    "money": st.decimals(allow_nan=False, allow_infinity=False, places=4),
    "code": st.uuids(),
    "blob": st.binary(max_size=6),
}


def matches(name: str, text: str, value: object) -> bool:
    """Say whether the server's own filter takes an item with this value."""
    (test,) = READER.read([(name, text)]).filters
    if value is None:
        return test.matches(None)
    return test.matches(sortable_type(FIELDS[name].base)(value))


@st.composite
def pairs_of_values(draw: st.DrawFn) -> tuple[str, object, object]:
    name = draw(st.sampled_from(sorted(VALUES)))
    return name, draw(VALUES[name]), draw(VALUES[name] | st.none())


@settings(deadline=None)
@given(pairs_of_values())
def test_a_literal_matches_the_value_it_was_made_of_and_no_other(
    drawn: tuple[str, Any, Any],
) -> None:
    """Of every type of scalar, null among the others."""
    name, value, other = drawn
    assert matches(name, literal(value), value)
    assert matches(name, literal(value), other) == (other is not None and value == other)
    assert matches(name, literal(None), None)
    assert not matches(name, literal(None), value)


@settings(deadline=None)
@given(TEXTS, TEXTS | st.none())
def test_the_text_of_an_enum_is_meant_as_it_stands(text: str, other: str | None) -> None:
    """Whatever it begins with, and be it the word null."""
    member = enum.Enum("Chosen", {"ONE": text}).ONE  # type: ignore[attr-defined]
    assert matches("text", literal(member), text)
    assert matches("text", literal(member), other) == (text == other)


@settings(deadline=None)
@given(TEXTS)
def test_a_plain_text_is_in_the_grammar_of_queries(text: str) -> None:
    """It is passed on as it is; behind a = it is a literal."""
    assert pairs_of({"text": text}, str) == (("text", text),)
    assert matches("text", "=" + text, text)


def test_an_enum_of_texts_is_literal_though_its_members_are_texts() -> None:
    """Being a str does not make a member of an Enum grammar."""

    class Sign(enum.StrEnum):
        MORE = ">1"

    assert pairs_of({"text": Sign.MORE}, str) == (("text", "=>1"),)


@pytest.mark.parametrize(
    "value", [[1], {"a": 1}, {1}, object(), float("nan"), float("-inf"), enum.Enum("E", "A")]
)
def test_what_no_scalar_is_makes_no_filter(value: object) -> None:
    """The error is that of a filter the server refuses."""
    with pytest.raises(ValidationFailed, match="a filter can't be"):
        literal(value)


def test_several_on_one_field_are_several_pairs() -> None:
    """All of them have to hold."""
    filters = {"whole": [">1", 5, None], "text": ("a", "!b")}
    assert pairs_of(filters, str) == (
        ("whole", ">1"),
        ("whole", "=5"),
        ("whole", "null"),
        ("text", "a"),
        ("text", "!b"),
    )
    assert pairs_of(None, str) == pairs_of({}, str) == ()


@pytest.mark.parametrize("name", ["sort", "skip", "take", "after", "fields"])
def test_options_are_no_filters(name: str) -> None:
    """They would change the page instead of what is in it."""
    with pytest.raises(ValidationFailed) as refused:
        pairs_of({name: "1"}, str)
    assert refused.value.errors[0].field == name


def test_options_are_sent_when_they_say_something() -> None:
    """Names of the wire are found for those of Python; a text is a list of names."""

    def wire(name: str) -> str:
        return name.removesuffix("_")

    assert options_of(None, 0, None, wire) == ()
    assert options_of("-a_,b", 2, 0, wire) == (("sort", "-a,b"), ("skip", "2"), ("take", "0"))
    assert options_of(["a_", "-b_"], 0, 5, wire) == (("sort", "a,-b"), ("take", "5"))
    assert fields_of(None, wire) == ()
    assert fields_of(["from_", "x"], wire) == (("fields", "from,x"),)
    assert fields_of("from_,x", wire) == (("fields", "from,x"),)


POINTS = st.datetimes(
    dt.datetime(2, 1, 1),  # noqa: DTZ001 - hypothesis adds the time zones
    dt.datetime(9999, 1, 1),  # noqa: DTZ001
    timezones=st.timezones(),
)


@given(st.one_of(st.integers(0, 1 << 60), POINTS))
def test_a_point_of_the_past_is_read_as_it_was_meant(as_of: int | dt.datetime) -> None:
    ((name, text),) = as_of_pairs(as_of)
    point = READER.read_item([(name, text)]).as_of
    assert point is not None
    if isinstance(as_of, int):
        assert (point.seq, point.time_ms) == (as_of, UNBOUND)
    else:
        since_epoch = as_of - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        assert point.time_ms == since_epoch // dt.timedelta(milliseconds=1)


def test_a_time_without_an_offset_is_no_point_of_the_past() -> None:
    assert as_of_pairs(None) == ()
    with pytest.raises(ValidationFailed, match="tzinfo"):
        as_of_pairs(dt.datetime(2026, 1, 31))  # noqa: DTZ001 - what is refused
    first = dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    with pytest.raises(ValidationFailed, match="out of the range"):
        as_of_pairs(first)


def test_the_encoder_of_literals_is_that_of_items() -> None:
    """A value in a filter is written as in an item's JSON."""
    moment = dt.datetime(2026, 1, 31, tzinfo=dt.UTC)
    assert literal(moment) == "=" + msgspec.json.decode(msgspec.json.encode(moment))
