"""The form of an id: every rule, and nothing beside the rules."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair.core.ids import ID_CHARACTERS_MAX, RESERVED_IDS, id_problem


@pytest.mark.parametrize(
    "text", ["a", "1", "a b", "ä", "a.b", "...", "Count", "💌", "%2F", "x" * 255]
)
def test_ordinary_ids_are_allowed(text: str) -> None:
    assert id_problem(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "at least 1 character"),
        ("x" * 256, "at most 255 characters; this one has 256"),
        ("ä" * 256, "at most 255"),
        ("a/b", '"/"'),
        ("a\n", "U+000A"),
        ("\x7f", "U+007F"),
        ("a\x85", "U+0085"),
        ("\ud800", "U+D800"),
        ("count", "reserved"),
        ("random-id", "reserved"),
        ("stream", "reserved"),
        ("_bulk", "reserved"),
    ],
)
def test_what_is_not_allowed_is_named(text: str, why: str) -> None:
    assert why in (id_problem(text) or "")


@given(st.text(max_size=300))
def test_the_rules_are_all_there_is(text: str) -> None:
    allowed = (
        1 <= len(text) <= ID_CHARACTERS_MAX
        and "/" not in text
        and text not in {".", "..", *RESERVED_IDS}
        and not any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)
    )
    assert (id_problem(text) is None) == allowed


@pytest.mark.parametrize("text", [".", ".."])
def test_dot_segments_are_refused_since_clients_take_them_out_of_paths(text: str) -> None:
    problem = id_problem(text)
    assert problem is not None
    assert f'"{text}"' in problem
