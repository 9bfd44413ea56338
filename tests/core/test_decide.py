"""What becomes of commands: alone, in one batch, repeated, refused."""

import msgspec
import pytest

from lithair.core.command import PUBLIC, TRUSTED, Action
from lithair.core.decide import GROUP_ITEMS_MAX
from lithair.core.idempotency import KEYED_MS_MAX
from lithair.errors import Rejected, StorageFull
from lithair.handler import ModelHandler
from tests.core.films import NOW_MS, Bench, Film, Studio, decoded, faulty_fields


def test_an_item_without_an_id_gets_one_and_is_answered_whole() -> None:
    bench = Bench()
    answer = bench.do(Action.CREATE, body='{"title": "Heat"}')
    assert (answer.status, answer.item_seq) == (201, 1)
    assert decoded(answer.body)["id"] == answer.key != ""
    assert bench.get(answer.key).item_seq == 1


@pytest.mark.parametrize(
    ("body", "status", "fields"),
    [
        ("{", 400, []),
        ("", 400, []),
        ("\ufeff{}", 400, []),
        ('{"rating": NaN}', 400, []),
        ('{"title": "\\ud800"}', 400, []),
        ('{"x": ' + "[" * 65 + "]" * 65 + "}", 400, []),
        ("[]", 422, []),
        ("7", 422, []),
        (
            '{"title": 1, "year": "x", "rating": 11, "zz": 1}',
            422,
            ["title", "year", "rating", "zz"],
        ),
        ('{"id": ""}', 422, ["id"]),
        ('{"id": "a/b"}', 422, ["id"]),
        ('{"id": "count"}', 422, ["id"]),
        ('{"id": 5, "stock": null}', 422, ["id", "stock"]),
        ('{"sequel_of": "nobody"}', 422, ["sequel_of"]),
    ],
)
def test_a_body_is_refused_with_all_its_faulty_fields(
    body: str, status: int, fields: list[str]
) -> None:
    answer = Bench().do(Action.CREATE, body=body)
    assert (answer.status, faulty_fields(answer)) == (status, fields)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"name": "' + "[{" * 200 + '"}', 201),
        ('{"name": ' + "[" * 63 + "]" * 63 + "}", 422),
        ('{"name": ' + "[" * 64 + "]" * 64 + "}", 400),
        ('{"name": "x", "zz": ' + "[" * 100_000 + "]" * 100_000 + "}", 400),
        ('{"name": ' + "[" * 100_000, 400),
        ("[" * 100_000 + "]" * 100_000, 400),
    ],
)
def test_items_of_plain_fields_alone_are_refused_for_their_depth_like_all_others(
    body: str, status: int
) -> None:
    bench = Bench(ModelHandler(Studio, "unused"))
    assert bench.do(Action.CREATE, body=body).status == status


def test_an_id_or_unique_value_that_is_taken_conflicts_until_it_is_free() -> None:
    bench = Bench()
    bench.do(Action.CREATE, body='{"id": "a", "title": "Heat"}')
    assert bench.do(Action.CREATE, body='{"id": "a"}').status == 409
    assert bench.do(Action.CREATE, body='{"id": "b", "title": "Heat"}').status == 409
    assert bench.do(Action.PATCH, "a", '{"title": null}').status == 200
    assert bench.do(Action.CREATE, body='{"id": "b", "title": "Heat"}').status == 201
    assert bench.do(Action.CREATE, body='{"id": "c"}').status == 201, "null is not a value"


def test_later_commands_of_a_batch_see_the_earlier_ones() -> None:
    bench = Bench()
    answers = bench.run(
        bench.command(Action.CREATE, body='{"id": "a", "title": "Heat"}'),
        bench.command(Action.CREATE, body='{"id": "a"}'),
        bench.command(Action.PATCH, "a", '{"title": "Ronin"}'),
        bench.command(Action.CREATE, body='{"id": "b", "title": "Heat"}'),
        bench.command(Action.DELETE, "a"),
        bench.command(Action.PATCH, "a", "{}"),
        bench.command(Action.CREATE, body='{"id": "a", "title": "Ronin"}'),
    )
    assert [a.status for a in answers] == [201, 409, 200, 201, 204, 404, 201]
    assert bench.ids() == ["b", "a"]


def test_nothing_is_visible_before_commit_and_nothing_after_abandon() -> None:
    bench = Bench()
    command = bench.command(Action.CREATE, body='{"id": "a", "title": "Heat"}')
    plan = bench.state.decide([command], NOW_MS, bench.new_id)
    assert bench.ids() == []
    assert bench.state.seq == 0
    answers = bench.state.abandon(plan, StorageFull("The disk is full"))
    assert [a.status for a in answers] == [507]
    assert bench.run(command)[0].status == 201


def test_a_bulk_is_all_or_nothing() -> None:
    bench = Bench()
    taken = bench.do(Action.BULK, body='[{"id": "a", "title": "X"}, {"id": "b", "title": "X"}]')
    faulty = bench.do(Action.BULK, body='[{"id": "a"}, {"rating": 11}, {"zz": 1}]')
    assert (taken.status, faulty.status) == (409, 422)
    assert faulty_fields(taken) == ["[1].title"]
    assert faulty_fields(faulty) == ["[1].rating", "[2].zz"]
    assert bench.ids() == []
    assert bench.events == []
    done = bench.do(Action.BULK, body='[{"id": "a", "title": "X"}, {"id": "b"}]')
    assert done.status == 201
    assert [item["id"] for item in msgspec.json.decode(done.body)] == ["a", "b"]
    assert bench.do(Action.BULK, body="[]").body == b"[]"
    assert len(bench.events) == 2


def test_a_bulk_of_too_many_items_is_refused() -> None:
    bench = Bench()
    body = b"[" + b",".join([b"{}"] * (GROUP_ITEMS_MAX + 1)) + b"]"
    assert bench.do(Action.BULK, body=body).status == 413
    assert bench.events == []


def test_a_refused_bulk_leaves_its_unique_values_free_for_the_same_batch() -> None:
    bench = Bench()
    bench.do(Action.CREATE, body='{"id": "a", "title": "Heat"}')
    answers = bench.run(
        bench.command(Action.BULK, body='[{"id": "b", "title": "Y"}, {"id": "a"}]'),
        bench.command(Action.CREATE, body='{"id": "c", "title": "Y"}'),
        bench.command(Action.CREATE, body='{"id": "d", "title": "Heat"}'),
    )
    assert [a.status for a in answers] == [409, 201, 409]


def test_preconditions_hold_against_the_present_seq_and_404_comes_first() -> None:
    bench = Bench()
    bench.do(Action.CREATE, body='{"id": "a"}')
    assert bench.do(Action.PATCH, "a", "{}", if_match=(7,)).status == 412
    assert bench.do(Action.PATCH, "a", "{}", if_match=()).status == 412
    assert bench.do(Action.PATCH, "a", "{}", if_match=(7, 1)).status == 200
    assert bench.do(Action.REPLACE, "a", "{}", if_match=(1,)).status == 412
    assert bench.do(Action.DELETE, "a", if_match=True).status == 204
    assert bench.do(Action.DELETE, "a", if_match=(7,)).status == 404


@pytest.mark.parametrize(
    ("body", "status", "fields"),
    [
        ('{"rating": 1e999, "stock": 1}', 422, ["rating"]),
        ('{"place": {"city": 1e999}}', 422, ["place"]),
        ('{"rating": "x", "zz": 1}', 422, ["rating", "zz"]),
        ('{"zz": null}', 422, ["zz"]),
        ("[1]", 422, []),
        ('{"rating": 1', 400, []),
        ('{"title": "\\ud800"}', 400, []),
        ('{"tags": ' + "[" * 63 + "]" * 63 + "}", 422, ["tags"]),
        ('{"tags": ' + "[" * 64 + "]" * 64 + "}", 400, []),
        ("[" * 2000 + "]" * 2000, 400, []),
    ],
)
def test_a_patch_is_refused_with_its_faulty_fields(
    body: str, status: int, fields: list[str]
) -> None:
    bench = Bench()
    bench.do(Action.CREATE, body='{"id": "heat"}')
    answer = bench.do(Action.PATCH, "heat", body)
    assert (answer.status, sorted(faulty_fields(answer))) == (status, fields)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('[{"tags": ' + "[" * 62 + "]" * 62 + "}]", 422),
        ('[{"tags": ' + "[" * 63 + "]" * 63 + "}]", 400),
        ("[" * 2000, 400),
        ('{"a": ' + "[" * 2000 + "]" * 2000 + "}", 400),
        ("[" + '{"tags": ["[[[["]},' * 99 + '{"tags": ["a"]}]', 201),
    ],
)
def test_a_bulk_is_nested_no_deeper_than_any_other_body(body: str, status: int) -> None:
    assert Bench().do(Action.BULK, body=body).status == status


def test_a_merge_patch_nulls_defaults_and_nests() -> None:
    bench = Bench()
    bench.do(Action.CREATE, body='{"id": "a", "year": 1, "stock": 4, "place": {"city": "Rom"}}')
    patch = '{"year": null, "stock": null, "place": {"zip": "00118"}, "tags": ["x"]}'
    item = decoded(bench.do(Action.PATCH, "a", patch).body)
    assert (item["year"], item["stock"], item["tags"]) == (None, 0, ["x"])
    assert item["place"] == {"city": "Rom", "zip": "00118"}
    assert faulty_fields(bench.do(Action.PATCH, "a", '{"place": {"city": null}}')) == ["place"]
    assert bench.do(Action.PATCH, "a", "[]").status == 422
    assert faulty_fields(bench.do(Action.PATCH, "a", '{"zz": null}')) == ["zz"]


def test_ids_and_immutable_fields_do_not_change() -> None:
    bench = Bench()
    bench.do(Action.CREATE, body='{"id": "a", "maker": "Mann"}')
    assert faulty_fields(bench.do(Action.REPLACE, "a", '{"id": "b", "maker": "Mann"}')) == ["id"]
    assert faulty_fields(bench.do(Action.PATCH, "a", '{"id": "b"}')) == ["id"]
    assert faulty_fields(bench.do(Action.PATCH, "a", '{"maker": "x"}')) == ["maker"]
    assert bench.do(Action.REPLACE, "a", '{"maker": "Mann"}').status == 200


def test_a_hidden_field_never_leaves_and_survives_a_replacement_by_those_who_cannot_see_it() -> (
    None
):
    bench = Bench()
    created = bench.do(Action.CREATE, body='{"id": "a", "secret": "s3"}')
    assert b"secret" not in created.body
    assert b"secret" not in bench.do(Action.REPLACE, "a", '{"year": 5}').body
    assert decoded(bench.get("a").body)["secret"] == "s3"
    assert b"secret" not in bench.get("a", PUBLIC).body
    bench.do(Action.REPLACE, "a", "{}", access=TRUSTED)
    assert decoded(bench.get("a").body)["secret"] == "none"


def test_a_command_that_comes_again_is_answered_again_and_writes_nothing() -> None:
    bench = Bench()
    create = bench.command(Action.CREATE, body="{}")
    bulk = bench.command(Action.BULK, body='[{"id": "a"}, {"id": "b"}]')
    first = bench.run(create, create, bulk)
    assert first[0].body == first[1].body
    assert len(bench.events) == 3
    again = bench.run(create, bulk)
    assert [(a.status, a.body) for a in again] == [(a.status, a.body) for a in first[1:]]
    assert len(bench.events) == 3
    reopened = bench.reopened()
    assert [a.body for a in reopened.run(create, bulk)] == [a.body for a in again]
    assert len(reopened.events) == 3


def test_a_key_is_good_for_one_body_for_a_day() -> None:
    bench = Bench()
    key, body, other = b"k" * 16, b"b" * 16, b"c" * 16
    first = bench.do(Action.CREATE, body="{}", idempotency=key + body)
    assert bench.do(Action.CREATE, body="{}", idempotency=key + body).body == first.body
    assert bench.do(Action.CREATE, body="{}", idempotency=key + other).status == 422
    assert bench.do(Action.CREATE, body='{"rating": 11}', idempotency=other + body).status == 422
    assert bench.do(Action.CREATE, body="{}", idempotency=other + body).status == 201
    assert bench.reopened().do(Action.CREATE, idempotency=key + body).body == first.body
    late = bench.state.decide(
        [bench.command(Action.CREATE, body="{}", idempotency=key + body)],
        NOW_MS + KEYED_MS_MAX + 1,
        bench.new_id,
    )
    assert len(late.events) == 1, "a day later the key is new"


def test_replicated_writes_are_idempotent() -> None:
    bench = Bench()
    items = '[{"id": "a", "title": "X"}, {"id": "b"}]'
    assert bench.do(Action.UPSERT, body=items, access=TRUSTED).body == b'{"count":2}'
    assert bench.do(Action.UPSERT, body=items, access=TRUSTED).status == 200
    assert bench.do(Action.UPSERT_AT, "c", '{"year": 3}', access=TRUSTED).status == 200
    assert bench.do(Action.UPSERT_AT, "c", '{"id": "d"}', access=TRUSTED).status == 422
    assert bench.do(Action.ERASE, "c", access=TRUSTED).body == b"true"
    assert bench.do(Action.ERASE, "c", access=TRUSTED).body == b"false"
    assert bench.ids() == ["a", "b"]
    assert len(bench.events) == 6


class Strict(ModelHandler[Film]):
    """Titles in capitals, nothing deleted while in stock; a year 13 makes it fail."""

    def before_create(self, item: Film) -> Film:
        if item.year == 13:
            raise RuntimeError("bad luck")
        if item.title is not None:
            item.title = item.title.upper()
        return item

    def before_update(self, old: Film, new: Film) -> Film:
        if new.stock < 0:
            raise Rejected("there is no such stock", status=422)
        if new.stock == 99:
            new.rating = 11
        return new

    def before_delete(self, item: Film) -> None:
        if item.stock:
            raise Rejected("still in stock")


def test_hooks_change_or_refuse_writes_and_their_own_results_are_checked() -> None:
    bench = Bench(Strict(Film, "unused"))
    created = bench.do(Action.CREATE, body='{"id": "a", "title": "heat", "stock": 2}')
    assert decoded(created.body)["title"] == "HEAT"
    refused = bench.do(Action.DELETE, "a")
    assert (refused.status, decoded(refused.body)["error"]) == (409, "still in stock")
    assert bench.do(Action.PATCH, "a", '{"stock": -1}').status == 422
    assert faulty_fields(bench.do(Action.PATCH, "a", '{"stock": 99}')) == ["rating"]
    failed = bench.do(Action.CREATE, body='{"year": 13}')
    assert failed.status == 500
    assert b"bad luck" not in failed.body
    assert bench.do(Action.CREATE, body='{"title": "HEAT"}').status == 409
    assert bench.do(Action.BULK, body='[{"title": "Heat"}]').status == 409


def test_a_reference_to_another_model_parks_the_command_until_it_was_looked_up() -> None:
    bench = Bench()
    command = bench.command(Action.CREATE, body='{"id": "a", "studio": "s1"}')
    plan = bench.state.decide([command], NOW_MS, bench.new_id)
    assert not plan.outcomes
    assert plan.parked == [(command, frozenset({("Studio", "s1")}))]
    command.known = {("Studio", "s1"): False}
    assert faulty_fields(bench.run(command)[0]) == ["studio"]
    command.known = {("Studio", "s1"): True}
    assert bench.run(command)[0].status == 201
    assert bench.do(Action.PATCH, "a", '{"year": 3}').status == 200, "an old reference stands"


def test_a_bulk_parks_once_for_all_its_references() -> None:
    bench = Bench()
    command = bench.command(Action.BULK, body='[{"studio": "s1"}, {"studio": "s2"}, {}]')
    plan = bench.state.decide([command], NOW_MS, bench.new_id)
    assert plan.parked == [(command, frozenset({("Studio", "s1"), ("Studio", "s2")}))]
    assert not plan.events


def test_references_to_the_own_model_see_the_batch() -> None:
    bench = Bench()
    answers = bench.run(
        bench.command(Action.CREATE, body='{"id": "b", "sequel_of": "a"}'),
        bench.command(Action.CREATE, body='{"id": "a"}'),
        bench.command(Action.CREATE, body='{"id": "b", "sequel_of": "a"}'),
        bench.command(Action.CREATE, body='{"id": "c", "sequel_of": "c"}'),
    )
    assert [a.status for a in answers] == [422, 201, 201, 201]


def test_times_are_filled_in_by_the_server_alone() -> None:
    bench = Bench()
    forged = '{"id": "a", "made": "1970-01-01T00:00:00Z", "changed": "1970-01-01T00:00:00Z"}'
    created = decoded(bench.do(Action.CREATE, body=forged).body)
    assert created["made"] == created["changed"] == "2023-11-14T22:13:20Z"
    replaced = decoded(bench.do(Action.REPLACE, "a", forged).body)
    assert replaced["made"] == created["made"]


class Careless(ModelHandler[Film]):
    """Makes each mistake that a hook can make, by the item's year."""

    def before_create(self, item: Film) -> Film:
        match item.year:
            case 1:
                item.title = "\ud800"
            case 2:
                item.title = object()  # type: ignore[assignment]  # the mistake
            case 3:
                return None  # type: ignore[return-value]  # the mistake
            case 4:
                return Studio(name="x")  # type: ignore[return-value]  # the mistake
            case 5:
                raise SystemExit(3)
            case 6:
                item.rating = float("nan")
            case 7:
                item.id = "another"
            case _:
                raise Rejected("not today")
        return item


@pytest.mark.parametrize(
    ("year", "status"),
    [(1, 422), (2, 422), (3, 500), (4, 500), (5, 500), (6, 422), (7, 500), (8, 409)],
)
def test_a_careless_hook_costs_its_command_and_no_more(year: int, status: int) -> None:
    bench = Bench(Careless(Film, "unused"))
    answer = bench.do(Action.CREATE, body=f'{{"id": "a", "year": {year}}}')
    assert answer.status == status
    grouped = bench.do(Action.BULK, body=f'[{{"id": "a", "year": {year}}}]')
    assert (grouped.status, bench.events) == (status, [])
