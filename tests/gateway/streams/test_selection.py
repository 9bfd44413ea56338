"""What an audience is told of an event, by what it may see and what it has asked for."""

import pytest

from lithair import Hidden, Model, Owner
from lithair.core.event import ERASED, EventKind
from lithair.core.grants import Grants
from lithair.core.problem import Refusal
from lithair.core.schema import schema_of
from lithair.core.view import Views
from lithair.gateway.streams.selection import Selection
from lithair.wire.messages import FeedEvent
from lithair.wire.protocol import PUBLIC
from tests.gateway.listening import Heard, parse

CREATE, UPDATE, DELETE = EventKind.CREATE, EventKind.UPDATE, EventKind.DELETE
OWN = Grants(user="me", own=True, unreadable=("cost",)).access
MINE, THEIRS = '"who":"me"', '"who":"them"'


class Thing(Model):
    who: Owner[str | None] = None
    price: int = 0
    cost: int = 0
    secret: Hidden[str] = ""


VIEWS = Views(schema_of(Thing), 1000)


def selection(access: str, *filters: tuple[str, str], item_key: str = "") -> Selection:
    return Selection("things", VIEWS[access], access, filters, item_key)


def payload(more: str) -> bytes:
    return b'{"id":"a",%b,"price":5,"cost":7,"secret":"s"}' % more.encode()


def told(by: Selection, kind: int, now: str, before: str = "") -> Heard | None:
    event = FeedEvent(9, 0, kind, "a", payload(now), payload(before) if before else b"")
    return next(parse(iter(by.encode(event).decode().split("\n"))), None)


@pytest.mark.parametrize(
    ("kind", "now", "before", "name"),
    [
        (CREATE, MINE, "", "create"),
        (CREATE, THEIRS, "", None),
        (UPDATE, MINE, MINE, "update"),
        (UPDATE, MINE, THEIRS, "update"),
        (UPDATE, THEIRS, MINE, "leave"),
        (UPDATE, THEIRS, THEIRS, None),
        (UPDATE, MINE, "", "update"),
        (UPDATE, THEIRS, "", None),  # nobody knows whose it was, so its id is not told
        (DELETE, MINE, MINE, "delete"),
        (DELETE, THEIRS, THEIRS, None),
    ],
)
def test_of_own_items_alone_others_are_never_told(
    kind: int, now: str, before: str, name: str | None
) -> None:
    heard = told(selection(OWN), kind, now, before)
    assert (None if heard is None else heard.event) == name
    if heard is not None:
        shown = {"id"} if name == "leave" else {"id", "who", "price"}
        assert set(heard.item) == shown
        assert heard.id == "9"


def test_an_own_item_that_a_filter_no_longer_lets_through_is_shown_as_it_is() -> None:
    event = FeedEvent(9, 0, UPDATE, "a", payload(MINE), payload(MINE).replace(b"5", b"50"))
    heard = next(parse(iter(selection(OWN, ("price", ">9")).encode(event).decode().split("\n"))))
    assert (heard.event, heard.item) == ("leave", {"id": "a", "who": "me", "price": 5})


def test_what_was_purged_is_told_to_nobody() -> None:
    for access in (PUBLIC, OWN):
        assert told(selection(access), ERASED, MINE, MINE) is None


def test_another_item_is_not_told_to_who_looks_at_one() -> None:
    assert told(selection(PUBLIC, item_key="a"), UPDATE, MINE, MINE) is not None
    assert told(selection(PUBLIC, item_key="b"), UPDATE, MINE, MINE) is None


def test_line_ends_between_the_parts_of_stored_json_do_not_end_the_data() -> None:
    spaced = b'{"id":"a",\r\n"who":"x\\ny",\n"price":5}'
    text = selection(PUBLIC).encode(FeedEvent(9, 0, CREATE, "a", spaced, b"")).decode()
    (heard,) = parse(iter(text.split("\n")))
    assert heard.item["who"] == "x\ny"
    assert "\r" not in text


@pytest.mark.parametrize("name", ["cost", "secret", "nothing", "take", "sort"])
def test_what_may_not_be_read_filters_nothing(name: str) -> None:
    with pytest.raises(Refusal) as refused:
        selection(OWN, (name, "7"))
    assert refused.value.status == 400
