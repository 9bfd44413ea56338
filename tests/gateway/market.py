"""A market: two models under roles, and callers with each of them."""

from pathlib import Path
from typing import Annotated

import httpx2

from lithair import (
    Audited,
    Hidden,
    Indexed,
    Lithair,
    MemorySessionStore,
    Model,
    Owner,
    Permission,
    Request,
    RolePolicy,
    SessionManager,
    Unique,
)

USER, OTHER = "somebody", "else"


class Good(Model):
    name: str = "thing"
    price: Annotated[int, Permission(write="PriceEdit")] = 1
    cost: Annotated[Audited[int], Permission(read="CostRead", write="CostEdit")] = 0
    margin: Annotated[int, Permission(read="CostRead")] = 0
    code: Annotated[Unique[str | None], Permission(read="CostRead")] = None
    secret: Hidden[str] = "none"


class Order(Model):
    note: str = ""
    buyer: Owner[Indexed[str | None]] = None
    discount: Annotated[Audited[int], Permission(write="Discount")] = 0


POLICY = RolePolicy(
    {
        "customer": ["GoodRead", "OrderReadOwn", "OrderWriteOwn", "OrderDeleteOwn"],
        "clerk": ["Read", "Write", "OrderDelete"],
        "buyer": ["Read", "Write", "Delete", "CostRead", "CostEdit", "PriceEdit", "Discount"],
        "auditor": ["Read", "CostRead"],
        "feeder": ["GoodWrite", "OrderWriteOwn"],
        "guest": [],
    }
)


async def log_in(request: Request) -> dict[str, str | None]:
    user, role = request.query["user"], request.query.get("role", "")
    session = await request.sessions.create(user_id=user, role=role)
    return {"token": session.token}


def application(folder: Path) -> Lithair:
    return (
        Lithair()
        .with_model_full(Good, folder / "goods", "/api/goods", permission_checker=POLICY)
        .with_model_full(Order, folder / "orders", "/api/orders", permission_checker=POLICY)
        .with_sessions(SessionManager(MemorySessionStore()))
        .with_models_require_session(True)
        .with_route("POST", "/in", log_in)
        .with_run_dir(folder / "run")
        .with_port(0)
    )


def credentials(http: httpx2.Client, role: str | None, user: str = USER) -> dict[str, str]:
    """Log in; give what shows it."""
    if role is None:
        return {}
    answer = http.post("/in", params={"user": user, "role": role})
    assert answer.status_code == 200, answer.text
    http.cookies.clear()
    return {"Authorization": f"Bearer {answer.json()['token']}"}
