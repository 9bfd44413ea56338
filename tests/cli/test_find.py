"""`lithair find`: filters, orders, pages, and the two forms of its answer."""

import json
from typing import Any

import pytest

from lithair.client import Handle
from tests.cli.conftest import Run
from tests.cli.library import PAGE, Book

BOOKS = 2 * PAGE + 20  # three pages


@pytest.fixture
def shelf(books: Handle[Book]) -> Handle[Book]:
    books.bulk_create(
        [
            Book(id="b1", title="Emma", pages=474, lent=True),
            Book(id="b2", title="Optics", pages=120, genre="science"),
            Book(id="b3", title="=odd>title", pages=None),
            Book(id="b4", title="Émile", pages=620),
        ]
    )
    return books


def found(run: Run, *arguments: object) -> Any:
    done = run("find", "books", *arguments, "--json")
    assert (done.status, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ((), ["b1", "b2", "b3", "b4"]),
        (("genre=science",), ["b2"]),
        (("genre!=science", "lent=false"), ["b3", "b4"]),
        (("pages>474",), ["b4"]),
        (("pages>=474", "pages<620"), ["b1"]),
        (("pages<=120",), ["b2"]),
        (("pages=>200",), ["b1", "b4"]),  # as in a query of HTTP
        (("pages=null",), ["b3"]),
        (("title~EM",), ["b1"]),
        (("title==odd>title",), []),  # after the second =, nothing is an operator
        (("title===odd>title",), ["b3"]),
        (("title=[Emma,Optics]",), ["b1", "b2"]),
    ],
)
def test_filters_are_those_of_a_shell(
    shelf: Handle[Book], run: Run, filters: tuple[str, ...], ids: list[str]
) -> None:
    assert [item["id"] for item in found(run, *filters)] == ids
    counted = run("find", "books", *filters, "--count")
    assert counted.stdout == f"{len(ids)}\n"


def test_an_order_a_page_of_it_and_some_fields(shelf: Handle[Book], run: Run) -> None:
    page = found(run, "--sort", "-pages", "--skip", 1, "--take", 2, "--fields", "pages")
    assert page == [{"id": "b1", "pages": 474}, {"id": "b2", "pages": 120}]
    assert found(run, "--take", 0) == []


def test_the_list_as_it_was(shelf: Handle[Book], run: Run) -> None:
    seq = shelf.stats().seq
    shelf.delete("b1")
    assert [item["id"] for item in found(run, "--as-of", seq)] == ["b1", "b2", "b3", "b4"]
    assert run("find", "books", "--as-of", seq, "--count", "--json").stdout == '{"count":4}\n'


def test_a_table_has_a_row_for_each_item_and_long_cells_are_cut(
    shelf: Handle[Book], run: Run
) -> None:
    shelf.patch("b1", {"title": "E" * 41, "tags": ["a", "b"]})
    head, row, *_ = run("find", "books", "--fields", "title,tags,isbn").stdout.splitlines()
    assert head.split() == ["id", "title", "tags", "isbn"]
    assert row.split() == ["b1", "E" * 39 + "…", '["a","b"]', "-"]
    assert run("find", "books", "title=nothing").stdout.split()[:2] == ["id", "title"]


@pytest.mark.parametrize("order", [(), ("--sort", "pages"), ("pages>=0",)])
def test_more_than_a_page_is_walked_to_its_end(
    books: Handle[Book], run: Run, order: tuple[str, ...]
) -> None:
    books.bulk_create([Book(title="x", pages=number) for number in range(BOOKS)])
    assert [item["pages"] for item in found(run, *order)] == list(range(BOOKS))
    taken = found(run, *order, "--take", PAGE + 1, "--skip", 1)
    assert [item["pages"] for item in taken] == list(range(1, PAGE + 2))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("colour=red",), "there is no field 'colour'; the fields are id, title"),
        (("pages=many",), "pages"),
        (("title",), "'title' is no filter: write a field, an operator"),
        (("--sort", "colour"), "there is no field 'colour'"),
        (("--count", "--take", "3"), "--count takes filters and --as-of only"),
    ],
)
def test_a_query_that_is_not_understood_is_misuse(
    shelf: Handle[Book], run: Run, arguments: tuple[str, ...], says: str
) -> None:
    done = run("find", "books", *arguments)
    assert (done.status, done.stdout) == (2, "")
    assert says in done.stderr
