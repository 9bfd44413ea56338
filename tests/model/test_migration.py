"""`@migrate` and a class's version: what is taken, what is refused, and with which sentence."""

from typing import Any

import pytest

from lithair import Lithair, Mistakes, Model, migrate
from lithair.core.schema import schema_of
from lithair.declaration import pack, unpack
from lithair.errors import DeclarationError
from lithair.migration import MigrationFunction, gaps, migrations_of

Item = dict[str, Any]
FINGERPRINT = "0123456789abcdef0123456789ABCDEF"


class Letter(Model, version=3):
    subject: str


@migrate(Letter, from_version=1)
def renamed(old: Item) -> Item:
    return {"id": old["id"], "title": old["name"]}


@migrate(Letter, from_version=2)
def renamed_again(old: Item) -> Item:
    return {"id": old["id"], "subject": old["title"]}


@migrate(Letter, from_fingerprint=FINGERPRINT)
def odd(old: Item) -> Item:
    return {"id": old["id"], "subject": "odd"}


def same(old: Item) -> Item:
    return old


def model(version: int = 1) -> type[Model]:
    class Made(Model, version=version):
        subject: str = ""

    return Made


def told(call: Any) -> str:
    with pytest.raises(DeclarationError) as caught:
        call()
    return str(caught.value)


def test_the_function_stays_what_it_is_and_the_class_knows_its_migrations() -> None:
    assert renamed({"id": "1", "name": "x"}) == {"id": "1", "title": "x"}
    found = {m.origin: m.func for m in migrations_of(Letter)}
    assert found == {
        "from_version=1": renamed,
        "from_version=2": renamed_again,
        f'from_fingerprint="{FINGERPRINT.lower()}"': odd,
    }


def test_a_class_below_has_a_version_and_migrations_of_its_own() -> None:
    class Sub(Letter):
        more: str = ""

    assert schema_of(Sub).version == 1
    assert migrations_of(Sub) == ()


def test_migrations_reach_the_process_of_the_model_by_reference() -> None:
    app = Lithair().with_model(Letter, "./letters", "/api/letters")
    (declared,) = unpack(pack(app.declaration({}, {}))).models
    assert {m.origin: m.func for m in declared.migrations} == {
        m.origin: m.func for m in migrations_of(Letter)
    }


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "write either from_version=1 or from_fingerprint="),
    ({"from_version": 1, "from_fingerprint": FINGERPRINT}, "write either"),
    ({"from_version": 0}, "from_version=0 has to be a whole number above 0"),
    ({"from_version": True}, "from_version=True has to be"),
    ({"from_version": "1"}, "from_version='1' has to be"),
    ({"from_fingerprint": "abc"}, "from_fingerprint='abc' has to be 32 hexadecimal digits"),
    ({"from_version": 1}, "Made is of version 1, and from_version=1 is not below it; write"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_what_can_not_be_meant_is_refused_where_it_is_written(
    arguments: dict[str, Any], said: str
) -> None:
    assert said in told(lambda: migrate(model(), **arguments))


def test_two_migrations_from_one_place_are_refused() -> None:
    made = model(2)
    migrate(made, from_version=1)(same)
    assert "both migrate from_version=1; keep one" in told(
        lambda: migrate(made, from_version=1)(renamed)
    )
    migrate(made, from_version=1)(same)  # its module was loaded twice: that is no mistake
    assert len(migrations_of(made)) == 1


def test_something_else_than_a_model_is_refused() -> None:
    anything: Any = "Letter"
    assert "write the class of the model first" in told(lambda: migrate(anything, from_version=1))


def test_a_version_is_a_whole_number_above_0() -> None:
    for version in (0, -1, True, "2", 1.5):
        wrong: Any = version
        assert f"version={version!r} has to be a whole number above 0" in told(
            lambda wrong=wrong: model(wrong)
        )


def start(made: type[Model]) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        Lithair().with_model(made, "./made", "/api/made").declaration({}, {})
    return [each for each in caught.value.sentences if "ModelHandler" not in each]  # it is local


def test_a_gap_in_the_chain_stops_the_start() -> None:
    made = model(5)
    migrate(made, from_version=1)(same)
    migrate(made, from_version=3)(same)
    mistakes = start(made)
    assert len(mistakes) == 2
    assert mistakes[0].endswith(
        "no migration leads from version 2 of Made to 3; write @migrate(Made, from_version=2)."
    )
    assert "from version 4 of Made to 5" in mistakes[1]


def test_a_chain_may_begin_late_but_has_to_reach_the_present_version() -> None:
    made = model(4)
    migrate(made, from_version=3)(same)
    assert gaps(made, migrations_of(made)) == []
    migrate(made, from_version=1)(same)
    assert gaps(made, migrations_of(made)) == [2]


def test_a_function_that_can_not_be_sent_stops_the_start() -> None:
    made = model(2)
    nameless: MigrationFunction = lambda old: old  # noqa: E731 - it has no name, that is the point
    migrate(made, from_version=1)(nameless)
    assert "a lambda has no name to be found by; write a def" in start(made)[0]


def test_the_present_fingerprint_leads_nowhere() -> None:
    made = model()
    migrate(made, from_fingerprint=schema_of(made).fingerprint.hex())(same)
    assert "starts from the present declaration" in start(made)[0]
