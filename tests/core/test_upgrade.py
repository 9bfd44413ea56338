"""Items of older declarations: by which way they get the present form, and what stops that."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from lithair.core.event import Event
from lithair.core.schema import Schema, schema_of
from lithair.core.upgrade import BadItem, Upgrade, upgrade_from, upgraded
from lithair.errors import SchemaChanged
from lithair.fields import Created, NonEmpty, PrimaryKey, filled_in
from lithair.migration import Migration
from lithair.model import Model

Item = dict[str, Any]
TIME_MS = 1_700_000_000_000


class First(Model):
    name: str


class Second(Model, version=2):
    first: str
    last: str


class Third(Model, version=3):
    names: list[NonEmpty]
    age: int | None = None
    note: str = "none"
    made: Created[dt.datetime] = filled_in()


class Coded(Model, version=2):
    code: PrimaryKey[str]
    name: str


def split(old: Item) -> Item:
    first, _, last = old.pop("name").partition(" ")
    return {**old, "first": first, "last": last}


def gather(old: Item) -> Item:
    return {"id": old["id"], "names": [old["first"], old["last"]]}


def at_once(old: Item) -> Item:
    return {"id": old["id"], "names": ["by", "fingerprint"]}


def code(old: Item) -> Item:
    return {"code": old["id"], "name": old["name"]}


FIRST, SECOND, THIRD = schema_of(First), schema_of(Second), schema_of(Third)
BY_VERSION = (Migration(split, 1), Migration(gather, 2))
BY_FINGERPRINT = Migration(at_once, from_fingerprint=FIRST.fingerprint)
ADA = b'{"id":"a","name":"Ada Lovelace"}'


def way(present: Schema, migrations: tuple[Migration, ...], old: Schema = FIRST) -> Upgrade | None:
    return upgrade_from(present, migrations, old.fingerprint, old.description)


def brought(upgrade: Upgrade | None, payload: bytes = ADA, key: str = "a") -> Item:
    assert upgrade is not None
    item: Item = msgspec.json.decode(upgrade(payload, TIME_MS, key))
    return item


def test_a_version_is_described_only_when_it_is_not_1() -> None:
    assert FIRST.version == 1
    assert b"version" not in FIRST.description
    assert b'"version":2' in SECOND.description


def test_an_item_of_the_present_declaration_is_not_touched() -> None:
    assert way(FIRST, BY_VERSION) is None


def test_migrations_by_version_follow_each_other_up_to_the_present_one() -> None:
    assert brought(way(THIRD, BY_VERSION)) == {
        "id": "a",
        "names": ["Ada", "Lovelace"],
        "age": None,
        "note": "none",
        "made": "2023-11-14T22:13:20Z",
    }
    second = b'{"id":"b","first":"Bo","last":"Li"}'
    assert brought(way(THIRD, BY_VERSION, SECOND), second, "b")["names"] == ["Bo", "Li"]


def test_a_migration_by_fingerprint_comes_before_those_by_version() -> None:
    found = brought(way(THIRD, (*BY_VERSION, BY_FINGERPRINT)))
    assert found["names"] == ["by", "fingerprint"]


def test_a_migration_comes_before_what_would_work_without() -> None:
    class Wider(Model):
        name: str
        note: str = ""

    def shout(old: Item) -> Item:
        return {**old, "note": "migrated"}

    wider = schema_of(Wider)
    assert brought(way(wider, ()))["note"] == ""
    by_fingerprint = Migration(shout, from_fingerprint=FIRST.fingerprint)
    assert brought(way(wider, (by_fingerprint,)))["note"] == "migrated"


def test_a_version_alone_needs_no_migration_when_the_fields_are_the_same() -> None:
    class Same(Model, version=7):
        name: str

    assert brought(way(schema_of(Same), ())) == {"id": "a", "name": "Ada Lovelace"}


def test_the_id_may_move_to_another_field_and_stays_what_it_is() -> None:
    coded = schema_of(Coded)
    assert brought(way(coded, (Migration(code, 1),))) == {"code": "a", "name": "Ada Lovelace"}


def test_without_a_way_it_is_said_what_differs_and_what_to_write() -> None:
    with pytest.raises(SchemaChanged) as caught:
        way(THIRD, (Migration(gather, 2),))
    sentence = str(caught.value)
    assert 'field "name" is gone (it was str)' in sentence
    assert f"(version 1, fingerprint {FIRST.fingerprint.hex()})" in sentence
    assert f'@migrate(Third, from_fingerprint="{FIRST.fingerprint.hex()}")' in sentence
    assert "or from_version=1" in sentence


def failing(old: Item) -> Item:
    raise KeyError("surname")


def stopping(old: Item) -> Item:
    raise SystemExit(1)


BAD: list[tuple[Callable[[Item], Any], str]] = [
    (failing, r"failing \(from_version=1\) raised KeyError: 'surname'"),
    (stopping, "raised SystemExit"),
    (lambda old: None, "returned NoneType; return the item as a dict"),
    (lambda old: {**split(old), "extra": 1}, "unknown field `extra`"),
    (lambda old: {**split(old), "first": 5}, r"Expected `str`, got `int` - at `\$.first`"),
    (lambda old: {**split(old), "last": None}, "Expected `str`, got `null`"),
    (lambda old: {"id": old["id"], "first": "x"}, 'without "last"'),
    (lambda old: {**split(old), "id": "other"}, "\"id\" = 'other'; the id never changes"),
    (lambda old: {"first": "x", "last": "y"}, "with no id"),
    (lambda old: {**split(old), "last": object()}, "can't be written as JSON"),
]


@pytest.mark.parametrize(("func", "said"), BAD)
def test_what_a_migration_may_not_do_is_said(func: Callable[[Item], Any], said: str) -> None:
    upgrade = way(SECOND, (Migration(func, 1),))
    assert upgrade is not None
    with pytest.raises(BadItem, match=said):
        upgrade(ADA, TIME_MS, "a")
    with pytest.raises(
        SchemaChanged, match=f"^Event 12, the item 'a', can't be migrated: .*{said}"
    ):
        upgraded(upgrade, Event(12, TIME_MS, 1, "a", ADA))


def test_what_a_migration_makes_may_break_constraints_as_stored_items_may() -> None:
    class Narrow(Model, version=2):
        name: NonEmpty

    def empty(old: Item) -> Item:
        return {**old, "name": ""}

    assert brought(way(schema_of(Narrow), (Migration(empty, 1),)))["name"] == ""


def test_a_migration_may_return_what_becomes_json_by_itself() -> None:
    def timed(old: Item) -> Item:
        return {"id": old["id"], "names": ("x",), "made": dt.datetime(2020, 1, 2, tzinfo=dt.UTC)}

    migration = Migration(timed, from_fingerprint=FIRST.fingerprint)
    assert brought(way(THIRD, (migration,)))["made"] == "2020-01-02T00:00:00Z"
