"""What follows of permissions for a role, and how that travels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair.core.command import PUBLIC
from lithair.core.grants import Grants, grants_of
from lithair.core.problem import Refusal
from lithair.core.roles import (
    EVERYTHING,
    Deed,
    FieldRule,
    ModelRules,
    Scope,
    access_of,
    rights_of,
    rules_of,
)
from lithair.core.schema import schema_of
from lithair.core.view import Views
from tests.core.films import Film
from tests.core.products import Product

RULES = rules_of(schema_of(Product))
NOT_OWNED = ModelRules("Film", has_owner=False, fields=())

PERMISSIONS = (
    *(f"{model}{deed}{own}" for model in ("Product", "", "Film") for deed in
      ("Read", "Write", "Delete") for own in ("", "Own")),
    *("PriceEdit", "CostRead", "CostEdit"),
)  # fmt: skip
owned = st.frozensets(st.sampled_from(PERMISSIONS))


def scopes(rules: ModelRules, *permissions: str) -> tuple[str, ...]:
    rights = rights_of(rules, frozenset(permissions).__contains__)
    return tuple(rights.scopes[deed].value for deed in Deed)


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ((), ("none", "none", "none")),
        (("ProductRead",), ("all", "none", "none")),
        (("Read",), ("all", "none", "none")),
        (("ProductWrite",), ("none", "all", "none")),
        (("Delete", "ProductReadOwn"), ("own", "none", "all")),
        (("ReadOwn", "WriteOwn", "DeleteOwn"), ("own", "own", "own")),
        (("ProductRead", "ProductReadOwn"), ("all", "none", "none")),
        (("FilmRead", "productread", "ProductReads", "OwnRead"), ("none", "none", "none")),
    ],
)
def test_a_permission_allows_its_deed_and_nothing_else(
    permissions: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert scopes(RULES, *permissions) == expected


def test_where_nobody_owns_anything_a_permission_for_own_items_is_none() -> None:
    assert scopes(NOT_OWNED, "FilmReadOwn", "WriteOwn", "Delete") == ("none", "none", "all")


def test_the_rules_of_a_model_are_those_it_was_declared_with() -> None:
    assert (RULES.class_name, RULES.has_owner) == ("Product", True)
    assert FieldRule("price", None, "PriceEdit") in RULES.fields
    assert FieldRule("cost", "CostRead", "CostEdit") in RULES.fields
    assert [rule.wire for rule in RULES.fields] == [
        "price", "cost", "margin", "size", "code", "marks", "batch",
    ]  # fmt: skip
    assert rules_of(schema_of(Film)) == ModelRules("Film", has_owner=False, fields=())


@given(owned, st.sampled_from(Deed), st.sampled_from(["ann", ""]))
def test_an_access_says_what_the_permissions_say(
    permissions: frozenset[str], deed: Deed, user: str
) -> None:
    rights = rights_of(RULES, permissions.__contains__)
    access = access_of(RULES, rights, deed, user)
    may_all = bool(permissions & {f"Product{deed.value}", deed.value})
    may_own = bool(permissions & {f"Product{deed.value}Own", f"{deed.value}Own"})
    assert (access is not None) == (may_all or (may_own and user != ""))
    if access is None:
        return
    grants = Grants() if access == PUBLIC else grants_of(access)
    assert grants.own == (not may_all)
    assert (grants.user == "ann") or not grants.own
    reads_all = bool(permissions & {"ProductRead", "Read"})
    assert (grants.shows == "all") == reads_all
    assert ("cost" in grants.unreadable) == ("CostRead" not in permissions)
    if deed is not Deed.READ:
        assert ("price" in grants.unwritable) == ("PriceEdit" not in permissions)
        assert ("cost" in grants.unwritable) == ("CostEdit" not in permissions)


@given(owned, owned, st.sampled_from(Deed))
def test_more_permissions_never_allow_less(
    some: frozenset[str], more: frozenset[str], deed: Deed
) -> None:
    order = [Scope.NONE, Scope.OWN, Scope.ALL]
    few, many = (rights_of(RULES, p.__contains__) for p in (some, some | more))
    assert order.index(few.scopes[deed]) <= order.index(many.scopes[deed])
    assert set(many.unreadable) <= set(few.unreadable)
    assert set(many.unwritable) <= set(few.unwritable)


def test_who_may_do_everything_is_asked_nothing() -> None:
    plain = rules_of(schema_of(Film))
    for deed in Deed:
        assert access_of(plain, EVERYTHING, deed, "ann") == PUBLIC
    assert access_of(RULES, EVERYTHING, Deed.READ, "ann") == PUBLIC
    # An item that is created gets its owner, if there is one.
    assert access_of(RULES, EVERYTHING, Deed.WRITE, "") == PUBLIC
    assert grants_of(access_of(RULES, EVERYTHING, Deed.WRITE, "ann") or "") == Grants(user="ann")


@given(
    st.builds(
        Grants,
        user=st.text(min_size=1),
        own=st.booleans(),
        shows=st.sampled_from(["all", "own", "none"]),
        unreadable=st.lists(st.text(), max_size=3).map(tuple),
        unwritable=st.lists(st.text(), max_size=3).map(tuple),
    )
)
def test_grants_are_read_as_they_were_written(grants: Grants) -> None:
    assert grants_of(grants.access) == grants


@pytest.mark.parametrize(
    "access",
    ["{", "{]", '{"users": "a"}', '{"shows": "some"}', '{"own": true}', '{"shows": "own"}', "[]",
     '{"own": 1}', '{"unreadable": "cost"}'],
)  # fmt: skip
def test_grants_that_are_not_understood_are_refused(access: str) -> None:
    with pytest.raises(Refusal) as caught:
        grants_of(access)
    assert caught.value.status == 400


def test_own_items_of_a_model_without_owners_are_refused() -> None:
    views = Views(schema_of(Film), 10)
    with pytest.raises(Refusal, match="has no Owner field"):
        views[Grants(user="ann", own=True).access]


def test_views_of_many_users_are_bounded_and_share_what_is_costly() -> None:
    views = Views(schema_of(Product), 10)
    shapes = {
        views[Grants(user=f"u{number}", own=True, shows="own", unreadable=("cost",)).access].shape(
            frozenset({"name"})
        )
        for number in range(6000)
    }
    assert len(shapes) == 1
    assert len(views) <= 4096
