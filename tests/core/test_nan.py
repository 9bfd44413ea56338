"""NaN of `Decimal`: refused by every write, and no harm where an old log holds one."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from lithair.core.command import Action
from lithair.core.event import Event, EventKind
from lithair.core.schema import schema_of
from lithair.core.validation import decimal_fields
from lithair.errors import DeclarationError
from lithair.fields import Immutable, Indexed, Unique
from lithair.handler import ModelHandler
from lithair.model import Model
from tests.core.films import NOW_MS, Bench, decoded, faulty_fields


class Cost(msgspec.Struct):
    net: Decimal = Decimal(1)
    parts: "list[Cost]" = []


class Coin(Model):
    dec: Indexed[Decimal | None] = None
    one: Unique[Decimal | None] = None
    plain: Decimal = Decimal(0)
    fixed: Immutable[Decimal] = Decimal(0)
    mixed: Decimal | int | bool | None = None
    many: list[Decimal] = []
    few: set[Decimal] = set()
    by_name: dict[str, Decimal] = {}
    cost: Cost | None = None
    name: str = ""


class Hooked(ModelHandler[Coin]):
    def before_create(self, item: Coin) -> Coin:
        if item.name == "bad":
            item.plain = Decimal("NaN")
        return item

    def before_update(self, old: Coin, new: Coin) -> Coin:
        return self.before_create(new)


def bench_of(handler: type[ModelHandler[Any]] = ModelHandler) -> Bench:
    return Bench(handler(Coin, "unused"))


def old_log(*bodies: dict[str, object]) -> Bench:
    """Give a state that was opened with what an earlier release wrote."""
    bench = bench_of()
    for number, body in enumerate(bodies, 1):
        key = str(number)
        payload = msgspec.json.encode({"id": key, **body})
        bench.events.append(Event(number, NOW_MS, EventKind.CREATE, key, payload, b"", 0))
    return bench.reopened()


REFUSED = [
    ("dec", "NaN"),
    ("dec", "sNaN"),
    ("one", "-nan12"),
    ("plain", "NaN"),
    ("mixed", "sNaN"),
    ("many", ["1", "NaN"]),
    ("few", ["NaN"]),
    ("few", ["sNaN"]),
    ("by_name", {"a": "NaN"}),
    ("cost", {"net": "NaN"}),
    ("cost", {"parts": [{"net": "sNaN"}]}),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_every_write_refuses_a_nan_and_names_its_field(field: str, value: object) -> None:
    bench = bench_of()
    assert bench.do(Action.CREATE, body=b'{"id": "a"}').status == 201
    body = msgspec.json.encode({field: value})
    keyed = msgspec.json.encode({"id": "a", field: value})
    for answer in (
        bench.do(Action.CREATE, body=body),
        bench.do(Action.REPLACE, "a", body),
        bench.do(Action.PATCH, "a", body),
        bench.do(Action.UPSERT_AT, "a", keyed),
    ):
        assert (answer.status, faulty_fields(answer)) == (422, [field])
        assert b"write a number such as" in answer.body
    for action in (Action.BULK, Action.UPSERT):
        answer = bench.do(action, body=b"[%b]" % keyed)
        assert (answer.status, faulty_fields(answer)) == (422, [f"[0].{field}"])
    assert len(bench.events) == 1


def test_a_nan_is_named_with_the_other_faults() -> None:
    answer = bench_of().do(Action.CREATE, body=b'{"name": 1, "dec": "NaN", "few": ["sNaN"]}')
    assert faulty_fields(answer) == ["name", "dec", "few"]


def test_a_hook_can_store_no_nan() -> None:
    bench = bench_of(Hooked)
    answer = bench.do(Action.CREATE, body=b'{"name": "bad"}')
    assert (answer.status, faulty_fields(answer)) == (422, ["plain"])
    assert bench.do(Action.CREATE, body=b'{"id": "a"}').status == 201
    answer = bench.do(Action.PATCH, "a", b'{"name": "bad"}')
    assert (answer.status, faulty_fields(answer)) == (422, ["plain"])


def test_infinity_is_stored_and_sorted() -> None:
    bench = bench_of()
    for key, value in (("a", "Infinity"), ("b", "1E+99999999"), ("c", "-Infinity")):
        body = msgspec.json.encode({"id": key, "dec": value, "one": value, "mixed": value})
        assert bench.do(Action.CREATE, body=body).status == 201
    assert bench.do(Action.CREATE, body=b'{"id": "d", "dec": 5, "mixed": 5}').status == 201
    for again in (bench, bench.reopened()):
        assert again.ids(("sort", "dec")) == again.ids(("sort", "mixed")) == ["c", "d", "b", "a"]
        assert again.ids(("one", "Infinity")) == ["a"]


@pytest.mark.parametrize("field", ["dec", "one", "plain", "mixed", "cost.net"])
def test_an_old_log_with_nans_opens_and_is_listed(field: str) -> None:
    def of(value: object) -> dict[str, object]:
        return {"cost": {"net": value}} if field == "cost.net" else {field: value}

    bench = old_log(of("5"), of("NaN"), of("-1"), of("sNaN"), of("-Infinity"))
    assert bench.ids(("sort", field)) == ["2", "4", "5", "3", "1"]
    assert bench.ids(("sort", "-" + field)) == ["1", "3", "5", "2", "4"]
    assert bench.ids((field, "NaN")) == ["2", "4"]
    assert bench.ids((field, "NaN"), (field, "[NaN,sNaN,5]")) == ["2", "4"]
    assert bench.ids((field, "!NaN")) == ["1", "3", "5"]
    assert bench.ids((field, ">=0")) == ["1"]
    assert bench.ids((field, "<0")) == ["2", "3", "4", "5"]
    assert bench.ids((field, ">NaN"), (field, "<=5")) == ["1", "3", "5"]
    stored = decoded(bench.get("4").body)
    assert of("sNaN").items() <= {**stored, "cost": stored.get("cost")}.items()


def test_null_stands_behind_a_nan() -> None:
    bench = old_log({}, {"dec": "NaN", "mixed": "NaN"}, {"dec": None})
    assert bench.ids(("sort", "dec")) == bench.ids(("sort", "mixed")) == ["2", "1", "3"]
    assert bench.ids(("sort", "-dec")) == ["2", "1", "3"]


def test_nan_of_an_old_log_can_be_mended_in_place_or_deleted() -> None:
    values: dict[str, object] = {"dec": "sNaN", "one": "NaN", "fixed": "sNaN"}
    bench = old_log(values, values, {"one": "2"})
    answer = bench.do(Action.PATCH, "1", b'{"name": "x"}')
    assert (answer.status, faulty_fields(answer)) == (422, ["dec", "one", "fixed"])
    assert bench.do(Action.PATCH, "1", b'{"dec": 1, "one": 1, "fixed": 1}').status == 200
    assert bench.do(Action.PATCH, "1", b'{"fixed": 2}').status == 422
    assert bench.do(Action.CREATE, body=b'{"one": 1}').status == 409
    assert bench.ids(("one", "NaN"), ("dec", "NaN")) == ["2"]
    assert bench.do(Action.DELETE, "2").status == 204
    assert bench.ids(("dec", "NaN")) == []
    assert bench.reopened().ids(("sort", "dec")) == ["1", "3"]


def test_a_default_of_nan_is_refused_when_it_is_declared() -> None:
    class Bad(Model):
        dec: Decimal = Decimal("NaN")

    with pytest.raises(DeclarationError, match="dec: its default"):
        schema_of(Bad)


def test_a_made_default_of_nan_is_named() -> None:
    class Made(Model):
        dec: Decimal = msgspec.field(default_factory=lambda: Decimal("NaN"))

    answer = Bench(ModelHandler(Made, "unused")).do(Action.CREATE, body=b"{}")
    assert (answer.status, faulty_fields(answer)) == (422, ["dec"])


class Mixture(msgspec.Struct):
    raw: msgspec.Raw = msgspec.Raw(b"null")
    dec: Decimal | msgspec.UnsetType = msgspec.UNSET


class Mixed(Model):
    raw: msgspec.Raw = msgspec.Raw(b"null")
    dec: Decimal | msgspec.UnsetType = msgspec.UNSET
    inner: Mixture | None = None


def test_fields_without_a_value_or_a_type_are_no_hindrance() -> None:
    bench = Bench(ModelHandler(Mixed, "unused"))
    for body in (b"{}", b'{"raw": [1], "inner": {"raw": "NaN"}}', b'{"inner": {"dec": "1"}}'):
        assert bench.do(Action.CREATE, body=body).status == 201
    answer = bench.do(Action.CREATE, body=b'{"inner": {"raw": 1, "dec": "NaN"}}')
    assert faulty_fields(answer) == ["inner"]


class Tree(Model):
    decimal: str = "decimal"
    inner: "list[Tree]" = []


class Twig(Model):
    length: Decimal = Decimal(1)
    inner: "list[Twig]" = []


def test_a_nan_in_an_item_inside_an_item_is_refused() -> None:
    bench = Bench(ModelHandler(Twig, "unused"))
    answer = bench.do(Action.CREATE, body=b'{"inner": [{"inner": [{"length": "NaN"}]}]}')
    assert (answer.status, faulty_fields(answer)) == (422, ["inner"])


def test_only_models_with_decimals_look_for_nan() -> None:
    assert decimal_fields(schema_of(Tree)) == []
    found = [field.name for field in decimal_fields(schema_of(Coin))]
    assert found == [f.name for f in schema_of(Coin).fields if f.name not in ("id", "name")]
