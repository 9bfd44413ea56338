"""What a role may write of an item, and what becomes of what it may not."""

import msgspec
import pytest

from lithair.core.command import Action, Answer
from lithair.core.grants import Grants
from lithair.core.kept import is_hot
from lithair.retention import Retention
from tests.core.films import NOW_MS, decoded, faulty_fields
from tests.core.products import CLERK, Shop, own, told

ITEM: dict[str, object] = {
    "id": "a",
    "name": "old",
    "price": 2.5,
    "cost": 7,
    "margin": 3,
    "size": {"width": 4, "height": 5},
    "code": "x1",
    "batch": "b9",
    "owner": "ann",
    "secret": "s",
}


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.put(**ITEM)
    shop.put(id="b", owner="bob", name="bobs")
    return shop


def send(shop: Shop, action: Action, body: object, access: str = CLERK, key: str = "a") -> Answer:
    target = "" if action in (Action.CREATE, Action.BULK) else key
    return shop.do(action, target, msgspec.json.encode(body), access)


@pytest.mark.parametrize("action", [Action.CREATE, Action.REPLACE, Action.PATCH])
@pytest.mark.parametrize(
    ("body", "faulty"),
    [
        ({"price": 3}, ["price"]),
        ({"cost": 7}, ["cost"]),  # its present value, which the caller can't know
        ({"cost": 8, "price": 1, "name": "new"}, ["cost", "price"]),
        ({"cost": "nonsense"}, ["cost"]),
        ({"price": None}, ["price"]),
        ({"code": "x1"}, ["code"]),
        ({"code": "y"}, ["code"]),
    ],
)
def test_writing_a_field_without_its_permission_is_refused_by_its_name(
    shop: Shop, action: Action, body: dict[str, object], faulty: list[str]
) -> None:
    before = shop.fields("a")
    answer = send(shop, action, body)
    assert (answer.status, sorted(faulty_fields(answer))) == (403, faulty)
    assert shop.fields("a") == before


def test_a_refusal_says_which_permission_is_needed(shop: Shop) -> None:
    answer = send(shop, Action.PATCH, {"price": 3, "code": "y"})
    said = {e["field"]: e["message"] for e in msgspec.json.decode(answer.body)["errors"]}
    assert said == {
        "price": "needs the permission PriceEdit",
        "code": "needs the permission CostRead",
    }


@pytest.mark.parametrize("action", [Action.REPLACE, Action.PATCH])
@pytest.mark.parametrize("price", [b"2.5", b"2.50", b"25e-1"])
def test_the_present_value_of_a_field_is_no_write_of_it(
    shop: Shop, action: Action, price: bytes
) -> None:
    body = b'{"name": "new", "price": %b}' % price
    answer = shop.do(action, "a", body, CLERK)
    assert answer.status == 200
    assert (shop.fields("a")["price"], shop.fields("a")["name"]) == (2.5, "new")


def test_a_get_an_edit_and_a_put_lose_nothing_that_the_caller_can_not_see(shop: Shop) -> None:
    seen = decoded(shop.get("a", CLERK).body)
    assert seen.keys() == {"id", "name", "price", "owner"}
    answer = send(shop, Action.REPLACE, {**seen, "name": "new"})
    assert answer.status == 200
    assert shop.fields("a") == {**ITEM, "name": "new", "marks": {}}


def test_a_put_keeps_what_may_not_be_written_and_is_left_out(shop: Shop) -> None:
    assert send(shop, Action.REPLACE, {"name": "new"}).status == 200
    assert shop.fields("a") == {**ITEM, "name": "new", "owner": None, "marks": {}}


def test_a_field_that_is_written_blindly_is_written(shop: Shop) -> None:
    answer = send(shop, Action.PATCH, {"margin": 9, "size": {"width": 6}})
    assert (answer.status, b"margin" in answer.body) == (200, False)
    stored = shop.fields("a")
    assert (stored["margin"], stored["size"]) == (9, {"width": 6, "height": 1})


def test_a_fixed_field_that_can_not_be_seen_is_refused_whatever_is_sent(shop: Shop) -> None:
    for batch in ("b9", "other"):
        answer = send(shop, Action.PATCH, {"batch": batch})
        assert (answer.status, faulty_fields(answer)) == (422, ["batch"])
    assert send(shop, Action.CREATE, {"batch": "mine"}).status == 201


def test_a_bulk_is_refused_whole_and_says_which_item(shop: Shop) -> None:
    answer = send(shop, Action.BULK, [{"name": "x"}, {"price": 3}])
    assert (answer.status, faulty_fields(answer)) == (403, ["[1].price"])
    assert len(shop.ids()) == 2


# Own items.


def test_the_owner_of_a_new_item_is_filled_in(shop: Shop) -> None:
    for body in ({}, {"owner": "ann"}, {"owner": None}):
        answer = send(shop, Action.CREATE, body, own("ann"))
        assert (answer.status, decoded(answer.body)["owner"]) == (201, "ann")
    answer = send(shop, Action.BULK, [{}, {"owner": "ann"}], own("ann"))
    assert [item["owner"] for item in msgspec.json.decode(answer.body)] == ["ann", "ann"]


def test_an_item_for_somebody_else_is_refused(shop: Shop) -> None:
    for value in ("bob", "", 7, ["ann"]):
        answer = send(shop, Action.CREATE, {"owner": value}, own("ann"))
        assert (answer.status, faulty_fields(answer)) == (403, ["owner"])
    answer = send(shop, Action.BULK, [{}, {"owner": "bob"}], own("ann"))
    assert (answer.status, faulty_fields(answer)) == (403, ["[1].owner"])


def test_who_may_write_all_items_may_create_them_for_anybody(shop: Shop) -> None:
    access = Grants(user="ann").access
    for body, owner in (({}, "ann"), ({"owner": "bob"}, "bob"), ({"owner": None}, None)):
        assert decoded(send(shop, Action.CREATE, body, access).body)["owner"] == owner


@pytest.mark.parametrize("action", [Action.REPLACE, Action.PATCH])
def test_an_own_item_is_not_given_away(shop: Shop, action: Action) -> None:
    for value in ("bob", None, 7):
        answer = send(shop, action, {"owner": value}, own("ann"))
        assert (answer.status, faulty_fields(answer)) == (403, ["owner"])
    fixed = {"batch": "b9"}
    for body in ({"name": "new", **fixed}, {"name": "newer", "owner": "ann", **fixed}):
        assert send(shop, action, body, own("ann")).status == 200
        assert shop.fields("a")["owner"] == "ann"


@pytest.mark.parametrize("action", [Action.REPLACE, Action.PATCH, Action.DELETE])
def test_an_item_of_somebody_else_is_not_there(shop: Shop, action: Action) -> None:
    absent = send(shop, action, {"price": 1}, own("ann"), "zz")
    theirs = send(shop, action, {"price": 1}, own("ann"), "b")
    assert (absent.status, theirs.status) == (404, 404)
    assert absent.body.replace(b"zz", b"b") == theirs.body
    assert shop.fields("b")["price"] == 1
    assert send(shop, Action.DELETE, {}, own("ann")).status == 204


def test_lists_of_own_items_have_them_and_no_others(shop: Shop) -> None:
    page = shop.page(access=own("ann"))
    assert (page["total"], [item["id"] for item in page["data"]]) == (1, ["a"])  # type: ignore[attr-defined]
    assert shop.page(("owner", "bob"), access=own("ann"))["total"] == 0
    assert told(shop.ask("count", own("bob"), []))[1] == b'{"count":1}'
    assert told(shop.ask("count", own("cyd"), []))[1] == b'{"count":0}'


def test_what_is_written_and_may_not_be_read_is_answered_by_its_id_alone(shop: Shop) -> None:
    blind = Grants(user="ann", shows="none").access
    assert decoded(send(shop, Action.PATCH, {}, blind).body) == {"id": "a"}
    seeing_own = Grants(user="ann", shows="own").access
    assert decoded(send(shop, Action.PATCH, {}, seeing_own, "b").body) == {"id": "b"}
    assert decoded(send(shop, Action.PATCH, {}, seeing_own).body)["name"] == "old"


def test_a_repeat_is_shown_with_the_rights_of_now(shop: Shop) -> None:
    key, body = b"1" * 32, b'{"id": "n", "cost": 3, "owner": "bob"}'
    first = shop.do(Action.CREATE, "", body, "public", idempotency=key)
    assert decoded(first.body)["cost"] == 3
    again = shop.do(Action.CREATE, "", body, CLERK, idempotency=key)
    assert (again.status, "cost" in decoded(again.body)) == (201, False)
    theirs = shop.do(Action.CREATE, "", body, own("ann"), idempotency=key)
    assert decoded(theirs.body) == {"id": "n"}


def test_whose_an_evicted_item_is_is_known_without_the_disk() -> None:
    shop = Shop()  # which has no disk
    shop.state.tables.set_retention(Retention(count=0))
    for key, owner in (("a", "ann"), ("b", "bob")):
        shop.put(id=key, owner=owner)
    while shop.state.evict(NOW_MS, 10):
        pass
    assert not is_hot(shop.state.tables.projection.cells[0] or b"{")
    ask = ("a", [("fields", "owner")])
    assert decoded(shop.ask("get", own("ann"), ask).body) == {"id": "a", "owner": "ann"}
    assert shop.ask("get", own("bob"), ask).status == 404
    assert shop.ask("list", own("bob"), [("fields", "owner")]).status == 200
    assert told(shop.ask("count", own("bob"), []))[1] == b'{"count":1}'
