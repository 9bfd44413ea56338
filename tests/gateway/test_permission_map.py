"""The permission map says what the server does: every route, method, role and field is tried."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from lithair.gateway.permission_map import PermissionCell, permission_map, roles_known
from lithair.gateway.routes import SHAPES
from lithair.model import Model
from tests.gateway import listening, market
from tests.gateway.mailbox import problem_of
from tests.gateway.market import OTHER, USER, Good, Order

MODELS: dict[str, type[Model]] = {"goods": Good, "orders": Order}
# What a field is changed to, different from what it is.
VALUES: dict[str, object] = {
    "name": "new", "price": 9, "cost": 9, "margin": 9, "code": None, "secret": "new",
    "note": "new", "discount": 9, "buyer": OTHER,
}  # fmt: skip
READS = ("GET", "HEAD")

declared = market.application(Path("unused")).declaration({}, {})
CELLS = permission_map(declared, roles_known(declared))


@dataclass
class Market:
    http: httpx2.Client
    tokens: dict[str | None, dict[str, str]]
    numbers: int = 0

    def send(
        self, role: str | None, method: str, path: str, body: object = None
    ) -> httpx2.Response:
        headers = dict(self.tokens[role])
        content = None if body is None else msgspec.json.encode(body)
        if content is not None:
            headers["Content-Type"] = "application/json"
        if path.endswith("/stream"):
            return listening.request(self.http, method, path, headers)
        return self.http.request(method, path, headers=headers, content=content)

    def item(self, model: str, owner: str) -> str:
        """Make an item as an administrator; give its path."""
        self.numbers += 1
        more = {"code": f"c{self.numbers}"} if model == "goods" else {"buyer": owner}
        answer = self.send("Admin", "POST", f"/api/{model}", {"id": f"i{self.numbers}", **more})
        assert answer.status_code == 201, answer.text
        return f"/api/{model}/i{self.numbers}"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Generator[Market]:
    folder = tmp_path_factory.mktemp("market")
    with (
        market.application(folder).running() as server,
        httpx2.Client(base_url=server.url) as http,
    ):
        roles = [None, *roles_known(declared)]
        shop = Market(http, {role: market.credentials(http, role) for role in roles})
        for model in MODELS:  # so that nobody's lists are empty
            shop.item(model, USER)
            shop.item(model, OTHER)
        yield shop


def items_in(shape: str, found: Any) -> list[dict[str, object]]:
    """Give the items in an answer to a read."""
    if shape == "/count":
        return []
    if shape.endswith("/history"):
        return [entry["item"] for entry in found]
    return [found] if shape else found["data"]


def cells(**wanted: object) -> list[PermissionCell]:
    return [c for c in CELLS if all(getattr(c, name) == value for name, value in wanted.items())]


def test_the_map_has_every_route_method_and_role() -> None:
    roles = [None, *market.POLICY.roles, "Admin"]
    assert {(c.path, c.method, c.role) for c in CELLS} == {
        (f"/api/{model}{shape.value}", method, role)
        for model in MODELS
        for shape, actions in SHAPES.items()
        for method in actions
        for role in roles
    }
    assert len(CELLS) == len({(c.path, c.method, c.role) for c in CELLS})


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_each_cell_is_answered_as_the_map_says(shop: Market, model: str, method: str) -> None:
    tried = 0
    for cell in cells(model=model, method=method):
        for owner in (USER, OTHER):
            path = cell.path.replace(f"/api/{model}/{{id}}", shop.item(model, owner))
            body: object = list[object]() if path.endswith("_bulk") else {}
            answer = shop.send(
                cell.role, method, path, None if method in (*READS, "DELETE") else body
            )
            is_there = "{id}" not in cell.path or cell.items == "all" or owner == USER
            expected = cell.status or (404 if not is_there else 0)
            if expected:
                assert answer.status_code == expected, (cell, answer.text)
            else:
                assert answer.is_success, (cell, answer.text)
            tried += 1
            if cell.status == 403 and method != "HEAD":
                assert "needs the permission" in str(problem_of(answer)["error"])
    assert tried


@pytest.mark.parametrize("model", MODELS)
def test_each_field_is_shown_as_the_map_says(shop: Market, model: str) -> None:
    wires = {"id", *MODELS[model].__struct_fields__}
    for cell in cells(model=model, method="GET"):
        if cell.status or cell.path.endswith(("/stream", "/random-id")):
            continue
        shown = set(cell.shown)
        path = cell.path.replace(f"/api/{model}/{{id}}", shop.item(model, USER))
        found = shop.send(cell.role, "GET", path).json()
        items = items_in(cell.path.removeprefix(f"/api/{model}"), found)
        assert all(set(item) == shown for item in items), cell
        if cell.path.endswith(("{id}", "history")):
            continue
        for wire in wires:
            for pair in ((wire, "1"), (wire, "=null"), ("sort", wire), ("fields", wire)):
                if cell.path.endswith("count") and pair[0] != wire:
                    continue
                answer = shop.http.get(path, params=[pair], headers=shop.tokens[cell.role])
                is_known = "there is no field" not in answer.text
                assert is_known == (wire in shown), (cell, pair, answer.text)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_each_field_is_written_as_the_map_says(shop: Market, model: str, method: str) -> None:
    for cell in cells(model=model, method=method):
        if cell.status:
            continue
        is_bulk = cell.path.endswith("_bulk")
        for wire in MODELS[model].__struct_fields__:
            if wire == "id":
                continue
            path = cell.path.replace(f"/api/{model}/{{id}}", shop.item(model, USER))
            body = {wire: VALUES[wire]}
            answer = shop.send(cell.role, method, path, [body] if is_bulk else body)
            if wire in cell.written:
                assert answer.is_success, (cell, wire, answer.text)
            else:
                assert answer.status_code == 403, (cell, wire, answer.text)
                named = [error["field"] for error in answer.json()["errors"]]
                assert named == [f"[0].{wire}" if is_bulk else wire]
            if answer.is_success:
                for item in answer.json() if is_bulk else [answer.json()]:
                    assert set(item) <= set(cell.shown), (cell, wire)
