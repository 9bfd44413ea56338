"""What the log keeps of a declaration, and when its records can be read with another."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import field

from lithair.core.schema import differences, schema_of
from tests.model.declaring import declare

Hints = dict[str, str]
Defaults = dict[str, Any]


DESCRIBED: list[Any] = [
    ("str", "str"),
    ("int | None", {"union": ["int", "null"]}),
    ("list[str]", {"list": "str"}),
    ("Annotated[str, Meta(description='what it is', examples=['x'], title='T')]", "str"),
    (
        "list[Annotated[int, Meta(extra_json_schema={'format': 'int64'})] | None]",
        {"list": {"union": ["int", "null"]}},
    ),
    ("frozenset[int]", {"set": "int"}),
    ("dict[str, list[int]]", {"dict": ["str", {"list": "int"}]}),
    ("tuple[int, str]", {"tuple": ["int", "str"]}),
    ("Colour", {"enum": ["green", "red"]}),
    ("Literal['b', 'a', None]", {"union": ["null", {"enum": ["a", "b"]}]}),
    ("Literal['b', 'a'] | None", {"union": ["null", {"enum": ["a", "b"]}]}),
    ("datetime", "datetime"),
    ("Any", "any"),
    ("Ref['Thing']", "str"),
    (
        "Pair",
        {"struct": {"left": {"type": "int"}, "right": {"default": ["is", 0], "type": "int"}}},
    ),
    ("Named", {"struct": {"name": {"type": "str"}}}),
    (
        "Point",
        {"struct": {"x": {"type": "float"}, "y": {"type": "float"}}, "order": ["x", "y"]},
    ),
    (
        "Tree",
        {
            "struct": {
                "name": {"type": "str"},
                "branches": {"default": ["is", []], "type": {"list": {"up": 1}}},
            }
        },
    ),
]
DEFAULTS: list[Any] = [
    (7, ["is", 7]),
    (None, ["is", None]),
    (field(default_factory=list[int]), ["is", []]),
    (field(default_factory=list), ["is", []]),
    (field(default_factory=lambda: 3), ["made"]),
]


def described(hint: str, **defaults: object) -> Any:
    description = schema_of(declare({"x": hint}, **defaults)).description
    return msgspec.json.decode(description)["fields"]["x"]


def changes(old: Hints, new: Hints, was: Defaults, now: Defaults) -> list[str]:
    older = schema_of(declare(old, **was)).description
    newer = schema_of(declare(new, **now)).description
    return differences(older, newer)


@pytest.mark.parametrize(("hint", "kind"), DESCRIBED)
def test_types_are_described_without_the_names_of_classes(hint: str, kind: object) -> None:
    assert described(hint)["type"] == kind


def test_markers_constraints_and_order_stand_outside_of_the_fingerprint() -> None:
    plain = schema_of(declare({"a": "str", "b": "int", "c": "datetime"}))
    other = schema_of(
        declare(
            {
                "b": "Indexed[int]",
                "a": "Annotated[Pinned[Unique[NonEmpty]], Meta(max_length=9)]",
                "c": "Annotated[datetime, Meta(tz=True)]",
            }
        )
    )
    assert other.fingerprint == plain.fingerprint
    assert other.description == plain.description
    assert len(plain.fingerprint) == 16


@pytest.mark.parametrize(("default", "kind"), DEFAULTS)
def test_defaults_are_described_by_their_json(default: object, kind: object) -> None:
    assert described("Any", x=default)["default"] == kind


def test_a_default_that_its_type_refuses_is_refused() -> None:
    """Such an item could be stored and then not be read."""
    with pytest.raises(TypeError, match=r'Thing\.x: its default "" is not allowed by its type'):
        schema_of(declare({"x": "NonEmpty"}, x=""))
    with pytest.raises(TypeError, match="its default 1 is not allowed"):
        schema_of(declare({"x": "str"}, x=1))


@pytest.mark.parametrize("hint", ["complex", "list[range]", "type"])
def test_a_type_that_can_not_be_checked_is_refused(hint: str) -> None:
    with pytest.raises(TypeError, match=r"Thing\.x: \w+ is not a type that can be checked"):
        schema_of(declare({"x": hint}))


def test_a_type_that_is_nowhere_is_named() -> None:
    with pytest.raises(TypeError, match=r"Thing: a field's type can't be found: .*Nowhere"):
        schema_of(declare({"x": "list['Nowhere']"}))


@pytest.mark.parametrize(
    ("old", "new", "now"),
    [
        ({}, {"a": "int"}, {"a": 1}),
        ({}, {"a": "list[int]"}, {"a": field(default_factory=list[int])}),
        ({}, {"made": "Created[datetime]"}, {}),
        ({"a": "int"}, {"a": "int | None"}, {}),
        ({"a": "int"}, {"a": "int | None"}, {"a": None}),
        ({"a": "int | str"}, {"a": "int | None | str"}, {}),
        ({"a": "list[int]"}, {"a": "list[int | None]"}, {}),
        ({"a": "dict[str, int]"}, {"a": "dict[str, int | None] | None"}, {}),
        ({"made": "datetime"}, {"made": "Created[datetime]"}, {}),
        ({"made": "Created[datetime]"}, {"made": "datetime"}, {}),
    ],
)
def test_what_still_reads_old_records_is_no_difference(
    old: Hints, new: Hints, now: Defaults
) -> None:
    """A field added with a default, a type widened by null, a default or a marker given."""
    assert changes(old, new, {}, now) == []


@pytest.mark.parametrize(
    ("old", "new", "was", "now", "sentence"),
    [
        ({"a": "int"}, {}, {}, {}, 'field "a" is gone (it was int)'),
        ({}, {"a": "int"}, {}, {}, 'field "a" (int) is new and has no default'),
        ({"a": "int"}, {"a": "str"}, {}, {}, 'field "a" was int and is now str'),
        ({"a": "int | None"}, {"a": "int"}, {}, {}, 'field "a" was int|null and is now int'),
        (
            {"a": "list[int]"},
            {"a": "list[str]"},
            {},
            {},
            'field "a" was list[int] and is now list[str]',
        ),
        (
            {"a": "Literal['x']"},
            {"a": "Literal['x', 'y']"},
            {},
            {},
            'field "a" was one of "x" and is now one of "x", "y"',
        ),
        (
            {"a": "int"},
            {"a": "int"},
            {"a": 1},
            {"a": 2},
            'the default of field "a" was 1, and is now 2',
        ),
        (
            {"a": "int"},
            {"a": "int"},
            {"a": 1},
            {},
            'the default of field "a" was 1, and there is none now',
        ),
        (
            {"a": "list[Pair]"},
            {"a": "list[Point]"},
            {},
            {},
            'field "a" was list[{left: int, right: int}] and is now list[{x: float, y: float}]',
        ),
        ({"a": "Before"}, {"a": "After"}, {}, {}, 'field "a.zip" was str and is now int'),
        (
            {"a": "list[Before]"},
            {"a": "list[After]"},
            {},
            {},
            'field "a.zip" was str and is now int',
        ),
    ],
)
def test_everything_else_is_a_difference_in_one_sentence(
    old: Hints, new: Hints, was: Defaults, now: Defaults, sentence: str
) -> None:
    assert changes(old, new, was, now) == [sentence]


VALUES: dict[str, object] = {
    "str": "",
    "int": 1,
    "bool": True,
    "float": 0.5,
    "list[str]": ["a"],
    "Colour": "red",
    "Pair": {"left": 1},
}
schemas = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(sorted(VALUES)), max_size=5)


@given(schemas, schemas)
def test_as_many_sentences_as_fields_that_differ(old: Hints, new: Hints) -> None:
    found = changes(old, new, {}, {})
    wrong = [name for name in {*old, *new} if old.get(name) != new.get(name)]
    assert len(found) == len(wrong)
    assert all(any(f'"{name}' in sentence for sentence in found) for name in wrong)


@given(schemas, schemas)
def test_no_difference_means_that_old_records_decode(old: Hints, new: Hints) -> None:
    """The law of `differences`, tried with items made of the old class."""
    added = set(new) - set(old)
    wide = {name: f"{hint} | None" for name, hint in {**new, **old}.items()}
    older, newer = declare(old), declare(wide, **dict.fromkeys(added))
    assert differences(schema_of(older).description, schema_of(newer).description) == []
    item = {"id": "1", **{name: VALUES[hint] for name, hint in old.items()}}
    read = msgspec.json.decode(msgspec.json.encode(item), type=newer)
    assert all(getattr(read, name) is None for name in added)
