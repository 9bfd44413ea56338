"""What handles read: pages, counts, histories, figures."""

import datetime as dt
import decimal
import uuid

import pytest

from lithair import Handle, ValidationFailed
from lithair.client.filters import Filters
from tests.client.library import PAGE, Book, Kind, Level, Place, Reader

ROME = Book(
    id="rome",
    title="Rome",
    year=1990,
    price=10.5,
    read=True,
    from_="shop",
    kind=Kind.LARGER,
    level=Level.HIGH,
    shelf="=top",
    bought=dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC),
    cost=decimal.Decimal("9.90"),
    code=uuid.UUID(int=7),
    blob=b"\x9e\xe9e",  # "null", in base64
    place=Place("Rome", 2),
)
NULL = Book(id="null", title="null", year=2001, kind=Kind.NULL)
LAST = Book(id="last", title=">paper", year=2010, from_="gift", price=1.0)


@pytest.fixture
def three(books: Handle[Book]) -> Handle[Book]:
    books.bulk_create([ROME, NULL, LAST])
    return books


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "rome null last"),
        ({"title": "Rome"}, "rome"),
        ({"title": "!Rome"}, "null last"),
        ({"title": "~OM"}, "rome"),
        ({"title": "[Rome,null]"}, "rome"),
        ({"title": "=null"}, "null"),
        ({"title": "=>paper"}, "last"),
        ({"year": ">1990"}, "null last"),
        ({"year": [">=1990", "<2010"]}, "rome null"),
        ({"year": (">1990", "!2010")}, "null"),
        ({"year": 1990, "read": True}, "rome"),
        ({"read": False}, "null last"),
        ({"price": None}, "null"),
        ({"price": "!null"}, "rome last"),
        ({"price": 10.5}, "rome"),
        ({"price": 1}, "last"),
        ({"from_": "gift"}, "last"),
        ({"from": "shop"}, "rome"),
        ({"kind": Kind.LARGER}, "rome"),
        ({"kind": Kind.NULL}, "null"),
        ({"level": Level.HIGH}, "rome"),
        ({"shelf": "==top"}, "rome"),
        ({"bought": dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)}, "rome"),
        ({"bought": ">2026-01-31"}, "rome"),
        ({"cost": decimal.Decimal("9.90")}, "rome"),
        ({"code": uuid.UUID(int=7)}, "rome"),
        ({"blob": b"\x9e\xe9e"}, "rome"),
        ({"place.city": "Rome"}, "rome"),
        ({"place": None}, "null last"),
        ({"title": "nothing"}, ""),
    ],
)
def test_filters_find_what_they_mean(three: Handle[Book], filters: Filters, expected: str) -> None:
    """Texts are in the grammar of queries, all other values literal; list and count agree."""
    page = three.list(filters)
    assert [book.id for book in page.data] == expected.split()
    assert three.count(filters) == page.total == len(page.data)


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        ({"nothing": 1}, "nothing"),
        ({"year": "many"}, "year"),
        ({"year": {1, 2}}, "a scalar value"),
        ({"price": float("nan")}, "nan"),
        ({"price": object()}, "a filter can't be"),
        ({"take": "5"}, "an argument of its own"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(
    three: Handle[Book], filters: Filters, sentence: str
) -> None:
    """The sentence names the field or the value; list and count agree."""
    with pytest.raises(ValidationFailed, match=sentence):
        three.list(filters)
    with pytest.raises(ValidationFailed, match=sentence):
        three.count(filters)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (None, "rome null last"),
        ("year", "rome null last"),
        ("-year", "last null rome"),
        ("price", "last rome null"),
        ("-price", "rome last null"),
        ("from_,year", "null last rome"),
        ("-from_", "rome last null"),
        (["read", "-from"], "last null rome"),
        ("-place.city", "rome null last"),
    ],
)
def test_sorts_take_names_of_python_and_of_the_wire(
    three: Handle[Book], sort: str | list[str] | None, expected: str
) -> None:
    """As one text or as a list of names; null is last in both directions."""
    assert [book.id for book in three.list(sort=sort).data] == expected.split()


def test_a_page_says_what_it_is_part_of(three: Handle[Book]) -> None:
    """The total is of all that match."""
    page = three.list({"year": ">0"}, skip=1, take=1)
    assert ([b.id for b in page.data], page.total, page.skip, page.take) == (["null"], 3, 1, 1)
    assert page.has_more
    assert not three.list(skip=2).has_more
    assert three.list(take=0).data == []
    assert three.list(take=5_000).take == PAGE
    with pytest.raises(ValidationFailed, match="skip"):
        three.list(skip=-1)


def test_some_fields_come_as_dicts_with_the_id(three: Handle[Book]) -> None:
    """Named as in Python or on the wire, in a list or in one text; the keys are the wire's."""
    first = three.list(fields=["title", "from_"]).data[0]
    assert first == {"id": "rome", "title": "Rome", "from": "shop"}
    assert three.list(fields="title,from", take=1).data == [first]
    assert three.list({"id": "=null"}, fields=[]).data == [{"id": "null"}]
    with pytest.raises(ValidationFailed, match="nothing"):
        three.list(fields=["nothing"])


def test_get_gives_an_item_as_it_was_given_or_none(three: Handle[Book]) -> None:
    """Every type of field comes back as it went."""
    assert three.get("rome") == ROME
    assert three.get("nothing") is None


def test_history_tells_all_events_of_an_item_also_of_a_deleted_one(three: Handle[Book]) -> None:
    """Oldest first, with seqs that rise; of what never was, it is empty."""
    made = three.create(Book(title="Emma", year=2010))
    three.patch(made.id, {"year": 1})
    three.delete(made.id)
    events = three.history(made.id)
    assert [event.operation for event in events] == ["create", "update", "delete"]
    assert [event.item.year for event in events] == [2010, 1, 1]
    assert events[0].seq < events[1].seq < events[2].seq == three.stats().seq
    assert events[0].timestamp.utcoffset() == dt.timedelta(0)
    assert three.history("nothing") == []


def test_stats_are_the_models(three: Handle[Book], readers: Handle[Reader]) -> None:
    """Items, bytes and the seq."""
    stats = three.stats()
    assert stats.item_count == stats.hot_count == 3
    assert stats.approx_ram_bytes > 0
    assert stats.raftlog_size_bytes > 0
    assert readers.stats().item_count == 0
