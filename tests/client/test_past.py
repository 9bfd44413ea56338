"""Handles look back: items, lists and counts as they were, and some fields of an item."""

import asyncio
import datetime as dt

import pytest

from lithair import Handle, ValidationFailed
from lithair.aio import connect
from lithair.client import Client
from tests.client.library import Book


def seq_of(books: Handle[Book]) -> int:
    return books.stats().seq


def test_some_fields_of_an_item(books: Handle[Book]) -> None:
    books.create(Book(id="a", title="Emma", from_="shop", secret="x"))
    assert books.get("a", fields=["title", "from_"]) == {
        "id": "a",
        "title": "Emma",
        "from": "shop",
    }
    assert books.get("a", "secret") == {"id": "a", "secret": "x"}
    assert books.get("b", fields="title") is None
    with pytest.raises(ValidationFailed):
        books.get("a", fields="nothing")


def test_what_was_there_then(books: Handle[Book]) -> None:
    books.create(Book(id="a", title="Emma", year=1))
    books.create(Book(id="b", title="Rome", year=2))
    then = seq_of(books)
    books.patch("a", {"title": "Emma II", "year": 3})
    books.delete("b")
    assert books.get("a", as_of=then) == Book(id="a", title="Emma", year=1)
    assert books.get("a", as_of=then + 1) == books.get("a")
    assert books.get("b", as_of=then) == Book(id="b", title="Rome", year=2)
    assert books.get("b", as_of=then + 2) is None
    assert books.get("b", as_of=then - 2) is None
    assert books.get("b", fields="title", as_of=then) == {"id": "b", "title": "Rome"}
    page = books.list(sort="-year", as_of=then)
    assert [book.title for book in page.data] == ["Rome", "Emma"]
    assert books.list({"year": ">1"}, fields="year", as_of=then).data == [{"id": "b", "year": 2}]
    assert (books.count(as_of=then), books.count({"year": 2}, as_of=then)) == (2, 1)
    assert books.count(as_of=then + 2) == 1
    with pytest.raises(ValidationFailed, match="beyond the log's end"):
        books.count(as_of=then + 3)
    with pytest.raises(ValidationFailed, match="beyond the log's end"):
        books.get("a", as_of=then + 3)


def test_what_was_there_at_a_time(books: Handle[Book]) -> None:
    books.create(Book(id="a", title="Emma"))
    born = books.history("a")[-1].timestamp
    before = born - dt.timedelta(milliseconds=1)
    assert books.get("a", as_of=born) == Book(id="a", title="Emma")
    assert books.get("a", as_of=before) is None
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    assert books.list(as_of=tomorrow).data == [Book(id="a", title="Emma")]
    assert books.count(as_of=born.astimezone(dt.timezone(dt.timedelta(hours=-7)))) == 1
    with pytest.raises(ValidationFailed, match="tzinfo"):
        books.get("a", as_of=dt.datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


def test_the_asyncio_twin_looks_back_too(client: Client, books: Handle[Book]) -> None:
    books.create(Book(id="a", title="Emma"))
    then = seq_of(books)
    books.delete("a")

    async def story() -> None:
        async with connect(client.run_dir) as lithair:
            handle = lithair.model(Book)
            assert await handle.get("a", as_of=then) == Book(id="a", title="Emma")
            assert await handle.get("a", "title", as_of=then) == {"id": "a", "title": "Emma"}
            page = await handle.list(fields="title", as_of=then)
            assert page.data == [{"id": "a", "title": "Emma"}]
            assert (await handle.list(as_of=then)).total == 1
            assert await handle.count(as_of=then) == 1

    asyncio.run(story())
