"""A permission that nobody asks for is said at start: misspelt, it would permit nothing."""

from typing import Annotated

from lithair import (
    Lithair,
    MemorySessionStore,
    Model,
    Owner,
    Permission,
    RolePolicy,
    SessionManager,
)


class Good(Model):
    name: str
    cost: Annotated[int, Permission(read="CostRead", write="CostEdit")] = 0


class Order(Model):
    buyer: Owner[str]


def notices_of(*permissions: str) -> list[str]:
    policy = RolePolicy({"clerk": permissions, "customer": ["GoodRead", "OrderReadOwn"]})
    app = (
        Lithair()
        .with_sessions(SessionManager(MemorySessionStore()))
        .with_model_full(Good, "./goods", "/goods", permission_checker=policy)
        .with_model_full(Order, "./orders", "/orders", permission_checker=policy)
    )
    return [notice for notice in app.declaration({}, {}).notices if "RolePolicy" in notice]


def test_nothing_is_said_of_what_a_model_or_a_field_asks_for() -> None:
    assert notices_of("GoodWrite", "Delete", "ReadOwn", "OrderDeleteOwn", "CostRead") == []
    assert notices_of("CostEdit") == []


def test_a_misspelt_permission_is_said_once_with_what_was_probably_meant() -> None:
    (notice,) = notices_of("GoodRaed", "costedit")
    assert "'GoodRaed' (did you mean 'GoodRead'?)" in notice
    assert "'costedit' (did you mean 'CostEdit'?)" in notice


def test_a_permission_of_the_applications_own_is_told_and_starts_all_the_same() -> None:
    (notice,) = notices_of("ReportsSee")
    assert "'ReportsSee'." in notice
    assert "your own code" in notice


def test_a_permission_for_own_items_of_a_model_without_owners_is_told() -> None:
    (notice,) = notices_of("GoodReadOwn")
    assert "'GoodReadOwn' (Good has no field marked Owner)" in notice
