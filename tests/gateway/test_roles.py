"""Roles in the gateway and through HTTP: what the permission checker says, and when it is asked."""

from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from lithair import Lithair
from lithair.actors.background import Server
from lithair.core.roles import rules_of
from lithair.core.schema import schema_of
from lithair.gateway.answers import Problem
from lithair.gateway.identity import ADMINISTRATOR, Identity, Kind
from lithair.gateway.roles import ANSWERS_S, DEEDS, ROLES_MAX, ModelRoles
from lithair.gateway.routes import SHAPES
from lithair.storage.run_dir import TOKEN_NAME
from lithair.wire.protocol import Verb
from tests.gateway import market
from tests.gateway.market import Good, Order


class Ledger:
    """A checker whose answers change, and which counts how often it is asked."""

    def __init__(self, *permissions: str) -> None:
        self.permissions: object = set(permissions)
        self.asked = 0

    def has_permission(self, role: str, permission: str) -> bool:
        self.asked += 1
        return permission in cast("set[str]", self.permissions)


class Broken:
    def __init__(self, answer: object) -> None:
        self.answer = answer

    def has_permission(self, _role: str, _permission: str) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


ANN = Identity(Kind.SESSION, "ann", "clerk")


def roles(checker: Any, now: list[float] | None = None) -> ModelRoles:
    clock = now or [0.0]
    return ModelRoles(rules_of(schema_of(Good)), checker, lambda: clock[0])


def test_every_verb_that_a_route_asks_is_a_deed() -> None:
    assert {action.verb for actions in SHAPES.values() for action in actions.values()} == set(DEEDS)


def test_the_checkers_answers_are_used_for_a_second() -> None:
    now, ledger = [100.0], Ledger("GoodRead")
    asked = roles(ledger, now)
    asked.access(ANN, Verb.GET)
    first = ledger.asked
    ledger.permissions = set[str]()
    now[0] += ANSWERS_S * 0.99
    asked.access(ANN, Verb.LIST)
    assert ledger.asked == first
    now[0] += ANSWERS_S * 0.02
    with pytest.raises(Problem) as caught:
        asked.access(ANN, Verb.GET)
    assert caught.value.status == 403
    assert "'clerk' may not do this: it needs the permission GoodRead" in str(caught.value)


@pytest.mark.parametrize("answer", ["yes", 1, None, object(), OSError("no directory"), KeyError()])
def test_a_checker_that_fails_permits_nothing(answer: object) -> None:
    for verb in DEEDS:
        with pytest.raises(Problem) as caught:
            roles(Broken(answer)).access(ANN, verb)
        assert caught.value.status == 500
        assert "directory" not in str(caught.value)


def test_an_administrator_passes_without_being_asked_about() -> None:
    ledger = Ledger()
    for identity in (ADMINISTRATOR, Identity(Kind.SESSION, "ann", "Admin")):
        for verb in DEEDS:
            assert "un" not in roles(ledger).access(identity, verb).replace("public", "")
    assert ledger.asked == 0


def test_the_roles_that_are_remembered_are_bounded() -> None:
    asked = roles(Ledger("GoodRead"))
    for number in range(ROLES_MAX + 10):
        asked.access(Identity(Kind.SESSION, "ann", f"role {number}"), Verb.GET)
    assert len(vars(asked)["_roles"]) <= ROLES_MAX


# Through HTTP.


@pytest.fixture(scope="module")
def server(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with market.application(tmp_path_factory.mktemp("market")).running() as server:
        yield server


@pytest.fixture(scope="module")
def http(server: Server) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=30) as http:
        yield http


def test_without_a_session_there_is_nothing_whatever_is_asked(http: httpx2.Client) -> None:
    for headers in ({}, {"Authorization": "Bearer nothing"}):
        for method, path in (("GET", ""), ("BREW", ""), ("GET", "/x"), ("GET", "?x=1")):
            answer = http.request(method, "/api/goods" + path, headers=headers)
            assert (answer.status_code, "Lithair-Seq" in answer.headers) == (401, False)
    assert http.request("OPTIONS", "/api/goods").status_code == 204


def test_the_admin_token_passes_everything(server: Server, http: httpx2.Client) -> None:
    token = Path(server.run_dir, TOKEN_NAME).read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    answer = http.post("/api/goods", json={"price": 3, "cost": 4}, headers=headers)
    assert (answer.status_code, answer.json()["cost"]) == (201, 4)
    made = http.post("/api/orders", json={"buyer": "zoe"}, headers=headers)
    assert http.delete(made.headers["Location"], headers=headers).status_code == 204


def test_answers_are_kept_by_no_shared_cache(http: httpx2.Client) -> None:
    for role in ("auditor", "guest"):
        answer = http.get("/api/goods", headers=market.credentials(http, role))
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "Authorization" in answer.headers["Vary"]


def test_the_past_shows_a_role_no_more_than_the_present(
    server: Server, http: httpx2.Client
) -> None:
    goods = server.handle(Good)
    good = goods.create(Good(cost=41, code="past"))
    seq = goods.stats().seq
    goods.patch(good.id, {"cost": 42})
    clerk = market.credentials(http, "clerk")
    auditor = market.credentials(http, "auditor")
    path, then = f"/api/goods/{good.id}", {"as_of": str(seq)}
    assert http.get(path, params=then, headers=auditor).json()["cost"] == 41
    for answer in (
        http.get(path, params=then, headers=clerk),
        http.get("/api/goods", params=then, headers=clerk),
        http.get(f"{path}/history", headers=clerk),
    ):
        assert answer.status_code == 200, answer.text
        assert not {"cost", "margin", "code", "41", "42"} & set(
            answer.text.replace('"', " ").replace(":", " ").replace(",", " ").split()
        )
    listed = {**then, "cost": "41"}
    for route in ("/api/goods", "/api/goods/count"):
        assert http.get(route, params=listed, headers=clerk).status_code == 400
        assert http.get(route, params=listed, headers=auditor).status_code == 200


def test_an_item_is_ones_own_for_as_long_as_it_is(server: Server, http: httpx2.Client) -> None:
    orders = server.handle(Order)
    order = orders.create(Order(buyer="bob", note="bob's", discount=1))
    bobs = orders.stats().seq
    orders.patch(order.id, {"buyer": "ann", "note": "ann's", "discount": 2})
    anns = orders.stats().seq
    ann, bob = (market.credentials(http, "customer", user) for user in ("ann", "bob"))
    path = f"/api/orders/{order.id}"
    assert http.get(path, headers=ann).json()["note"] == "ann's"
    assert http.get(path, headers=bob).status_code == 404
    for user, seq, note in ((ann, anns, "ann's"), (bob, bobs, "bob's")):
        then = {"as_of": str(seq)}
        assert http.get(path, params=then, headers=user).json()["note"] == note
        rows = http.get("/api/orders", params=then, headers=user).json()["data"]
        assert [row["note"] for row in rows if row["id"] == order.id] == [note]
        (entry,) = http.get(f"{path}/history", headers=user).json()
        assert entry["item"]["note"] == note
        assert '"old":1' not in str(entry).replace(" ", "")
    for user, seq in ((ann, bobs), (bob, anns)):
        then = {"as_of": str(seq)}
        assert http.get(path, params=then, headers=user).status_code == 404
        rows = http.get("/api/orders", params=then, headers=user).json()["data"]
        assert order.id not in [row["id"] for row in rows]


def test_own_items_are_walked_and_drawn_without_the_others(
    server: Server, http: httpx2.Client
) -> None:
    orders = server.handle(Order)
    mine = {orders.create(Order(buyer="eve")).id for _ in range(3)}
    theirs = orders.create(Order(buyer="fay")).id
    eve = market.credentials(http, "customer", "eve")
    drawn = {http.get("/api/orders/random-id", headers=eve).json()["id"] for _ in range(50)}
    assert drawn <= mine
    assert len(drawn) > 1
    after = http.get("/api/orders", params={"after": theirs}, headers=eve)
    assert after.status_code == 400
    absent = http.get("/api/orders", params={"after": "nobody"}, headers=eve)
    assert after.text.replace(theirs, "nobody") == absent.text
    gus = market.credentials(http, "customer", "gus")
    assert http.get("/api/orders/random-id", headers=gus).status_code == 404


def test_a_key_is_its_callers_own(http: httpx2.Client) -> None:
    key = {"Idempotency-Key": "one"}
    ann, bob = (market.credentials(http, "customer", user) for user in ("ann", "bob"))
    first = http.post("/api/orders", json={"note": "x"}, headers=ann | key)
    again = http.post("/api/orders", json={"note": "x"}, headers=ann | key)
    other = http.post("/api/orders", json={"note": "x"}, headers=bob | key)
    assert (first.json(), first.status_code) == (again.json(), again.status_code)
    assert (other.json()["buyer"], other.json()["id"] != first.json()["id"]) == ("bob", True)


def test_without_sessions_it_is_said_that_only_the_admin_token_gets_through() -> None:
    app = Lithair().with_model_full(Good, "d", "/api/goods", permission_checker=market.POLICY)
    notices = app.declaration({}, {}).notices
    assert any("there are no sessions" in notice for notice in notices)
