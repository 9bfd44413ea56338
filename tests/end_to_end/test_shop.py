"""The shop example: three roles log in, and each may do what the permission map says."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.commands import lithair
from tests.support.started import Started
from tests.tidy.source import ROOT

pytestmark = pytest.mark.usefixtures("no_leaks")

WORD = "correct horse"
USERS = {"ann": "customer", "bob": "customer", "eve": "employee", "root": "Admin"}

PATIENCE_S = 300  # passwords step back for whatever else a machine does


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    ignore = shutil.ignore_patterns("data", "__pycache__")
    return shutil.copytree(ROOT / "examples/shop", tmp_path / "shop", ignore=ignore)


@pytest.fixture
def server(shop: Path) -> Iterator[Started]:
    with Started(shop, environ={"LT_TIMEOUT": str(PATIENCE_S)}) as started:
        yield started


def logged_in(server: Started, shop: Path) -> dict[str, httpx2.Client]:
    """Make the users and log each in."""
    clients: dict[str, httpx2.Client] = {}
    for name, role in USERS.items():
        made = lithair(
            shop, "users", "add", name, "--role", role, "--password-stdin", typed=f"{WORD}\n"
        )
        assert made.returncode == 0, made.stderr
        client = httpx2.Client(base_url=server.url, timeout=PATIENCE_S)
        login = {"username": name, "password": WORD}
        assert client.post("/auth/login", json=login).status_code == 200
        clients[name] = client
    return clients


def test_each_role_does_what_it_may_and_no_more(server: Started, shop: Path) -> None:
    users = logged_in(server, shop)
    ann, bob, eve, root = (users[name] for name in ("ann", "bob", "eve", "root"))
    tea = eve.post("/api/products", json={"name": "Tea", "price": 450, "stock": 9})
    assert tea.status_code == 201, tea.text
    path = tea.headers["Location"]
    assert eve.patch(path, json={"cost": 200}).status_code == 403
    assert root.patch(path, json={"cost": 200}).json()["cost"] == 200
    seen = ann.get(path).json()
    assert (seen["name"], "cost" in seen) == ("Tea", False)
    assert ann.get("/api/products", params={"cost": ">100"}).status_code == 400
    assert ann.post("/api/products", json={"name": "Mine", "price": 1}).status_code == 403

    order = ann.post("/api/orders", json={"product": tea.json()["id"], "pieces": 2})
    assert (order.status_code, order.json()["customer"]) == (201, "ann")
    placed = order.headers["Location"]
    assert bob.get(placed).status_code == 404
    assert bob.get("/api/orders").json()["total"] == 0
    assert ann.patch(placed, json={"state": "paid"}).status_code == 403
    moved = eve.patch(placed, json={"state": "sent", "remark": "asks for a discount"})
    assert moved.status_code == 200
    whole = {**ann.get(placed).json(), "pieces": 3}
    assert "remark" not in whole
    assert ann.put(placed, json=whole).status_code == 200
    assert eve.get(placed).json()["remark"] == "asks for a discount"
    assert ann.delete(placed).status_code == 403
    assert root.delete(placed).status_code == 204
    for client in users.values():
        client.close()


def test_the_command_prints_the_map_and_starts_nothing(shop: Path) -> None:
    printed = lithair(shop, "permissions", "app.py")
    assert printed.returncode == 0, printed.stderr
    rows = [line.split() for line in printed.stdout.splitlines()]
    assert ["field", "(no", "session)", "customer", "employee", "Admin"] in rows
    assert ["/api/orders", "GET", "POST", "HEAD", "401", "own", "all", "all"] in rows
    assert ["cost", "-", "-", "read", "read,", "write"] in rows
    assert not (shop / "data").exists()

    as_json = lithair(shop, "permissions", "app.py", "--json", "--role", "customer")
    cells = json.loads(as_json.stdout)
    assert {cell["role"] for cell in cells} == {None, "customer"}
    (deleting,) = [
        cell
        for cell in cells
        if (cell["path"], cell["method"], cell["role"])
        == ("/api/orders/{id}", "DELETE", "customer")
    ]
    assert (deleting["status"], deleting["items"]) == (403, "none")
