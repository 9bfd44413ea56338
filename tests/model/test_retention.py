"""@retention and the variables that override it at deployment."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair import Mistakes, Model, retention
from lithair.retention import Retention, declared_retention, resolve_retention

DAY = 86_400


class Email(Model):
    body: str = ""


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ({"memory": 1000}, Retention(count=1000)),
        ({"memory": "30d"}, Retention(age_s=30 * DAY)),
        ({"memory": "90s"}, Retention(age_s=90)),
        ({"memory": "5m"}, Retention(age_s=300)),
        ({"memory": "2h"}, Retention(age_s=7200)),
        ({"memory": "2w"}, Retention(age_s=14 * DAY)),
        ({"memory": "1y"}, Retention(age_s=365 * DAY)),
        ({"max_mb": 512}, Retention(max_bytes=512 << 20)),
        ({"memory": (1000, "30d"), "max_mb": 1}, Retention(1000, 30 * DAY, 1 << 20)),
    ],
)
def test_each_dimension_is_kept(arguments: dict[str, Any], kept: Retention) -> None:
    @retention(**arguments)
    class Thing(Model):
        body: str

    assert declared_retention(Thing) == kept


def test_dimensions_compose_by_stacking() -> None:
    @retention(memory=10)
    @retention(memory="1d")
    @retention(max_mb=1)
    class Thing(Model):
        body: str

    assert declared_retention(Thing) == Retention(10, DAY, 1 << 20)


def test_a_subclass_keeps_what_its_parent_says_until_it_says_something() -> None:
    @retention(memory=10)
    class Parent(Model):
        body: str

    class Child(Parent):
        pass

    @retention(memory=20)
    class Other(Parent):
        pass

    assert declared_retention(Child) == Retention(count=10)
    assert declared_retention(Other) == Retention(count=20)
    assert declared_retention(Parent) == Retention(count=10)


def test_the_same_dimension_twice_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="sets a count twice"):

        @retention(memory=10)
        @retention(memory=10)
        class Thing(Model):  # pyright: ignore[reportUnusedClass]
            body: str

    with pytest.raises(TypeError, match="sets an age twice"):
        retention(memory=("1d", "2d"))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"memory": 0},
        {"memory": -1},
        {"memory": True},
        {"memory": "30"},
        {"memory": "d"},
        {"memory": "0d"},
        {"memory": "1.5d"},
        {"memory": "30 days"},
        {"memory": ()},
        {"memory": 1.5},
        {"memory": (10, None)},
        {"max_mb": 0},
        {"max_mb": "512"},
    ],
)
def test_what_can_not_be_read_says_what_to_write(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"@retention.*(write|sets nothing)"):
        retention(**arguments)


def test_variables_override_each_dimension_and_switch_it_off() -> None:
    @retention(memory=(10, "1d"))
    class Email(Model):  # the variables carry the name of the class
        body: str

    environ = {
        "LT_EMAIL_MEMORY_RETENTION": "5000",
        "LT_EMAIL_MEMORY_DURATION": "off",
        "LT_EMAIL_MEMORY_MAX_MB": "2048",
        "LT_OTHER_MEMORY_RETENTION": "1",
    }
    assert resolve_retention(Email, environ) == Retention(5000, None, 2048 << 20)
    assert resolve_retention(Email, {}) == Retention(10, DAY)


def test_variables_work_without_an_annotation() -> None:
    assert resolve_retention(Email, {"LT_EMAIL_MEMORY_DURATION": "90d"}) == Retention(
        age_s=90 * DAY
    )


def test_each_unreadable_variable_is_named_with_its_value_and_form() -> None:
    environ = {
        "LT_EMAIL_MEMORY_RETENTION": "many",
        "LT_EMAIL_MEMORY_DURATION": "90",
        "LT_EMAIL_MEMORY_MAX_MB": "",
    }
    with pytest.raises(Mistakes) as caught:
        resolve_retention(Email, environ)
    assert len(caught.value.sentences) == 3
    for (name, value), sentence in zip(environ.items(), caught.value.sentences, strict=True):
        assert sentence.startswith(f"{name}={value!r} can't be read: write a number")


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        found = resolve_retention(Email, {"LT_EMAIL_MEMORY_DURATION": text})
    except Mistakes:
        return
    assert found.age_s is None or found.age_s > 0
