"""Ready-made constrained types: what they take, and what they don't."""

from typing import Any

import msgspec
import pytest

from lithair import EmailAddress, NonEmpty, Slug, Url


def is_taken(kind: Any, text: str) -> bool:
    try:
        msgspec.convert(text, kind)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (NonEmpty, [" ", "x"], [""]),
        (
            EmailAddress,
            ["a@b.c", "first.last+tag@mail.example.org", "ü@bücher.example".replace("ü", "u")],
            ["", "a", "a@b", "@b.c", "a@.c", "a b@c.d", "a@b.c\n", "a@b..c", "a@-b.c", "a@@b.c"],
        ),
        (
            Url,
            ["http://a", "https://a.b:80/c?d=e#f", "HTTPS://a/"],
            [
                "",
                "ftp://a",
                "//a",
                "http://",
                "https:///x",
                "http://a b",
                "http://a\n",
                "xhttp://a",
            ],
        ),
        (Slug, ["a", "a-b-2", "2025"], ["", "A", "a_b", "-a", "a-", "a--b", "a\n", "ä", "a b"]),
    ],
)
def test_each_type_takes_what_its_name_says(kind: Any, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not is_taken(kind, text)] == []
    assert [text for text in bad if is_taken(kind, text)] == []


def test_a_long_hostile_text_is_refused_quickly() -> None:
    """No pattern backtracks: 20,000 characters are looked at once."""
    for kind in (EmailAddress, Url, Slug):
        for text in (
            "a-" * 10_000,
            "a@" + "a" * 20_000,
            "a@" + "a." * 10_000,
            "http://" + "a" * 9_000,
        ):
            assert not is_taken(kind, text + "\n")
