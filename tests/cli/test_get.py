"""`lithair get` and `lithair history`: one item, as a person or a script asks for it."""

import datetime as dt
import json

import pytest

from lithair.client import Handle
from tests.cli.conftest import Run
from tests.cli.library import Book, Reader


@pytest.fixture
def book(books: Handle[Book]) -> Book:
    return books.create(Book(id="b1", title="Emma", pages=474, shelf_mark="A 7"))


def test_an_item_is_printed_with_its_hidden_fields(book: Book, run: Run) -> None:
    done = run("get", "books", "b1")
    assert (done.status, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert (shown["title"], shown["shelf_mark"], shown["pages"]) == ("Emma", "A 7", 474)
    assert len(done.stdout.splitlines()) > len(shown)  # for people
    one_line = run("get", "Book", "b1", "--json").stdout
    assert one_line.count("\n") == 1
    assert json.loads(one_line) == shown


def test_some_fields_of_an_item_as_it_was(books: Handle[Book], book: Book, run: Run) -> None:
    seq = books.history("b1")[-1].seq
    books.patch("b1", {"title": "Persuasion"})
    was = json.loads(
        run("get", "books", "b1", "--fields", "title", "--as-of", seq, "--json").stdout
    )
    assert was == {"id": "b1", "title": "Emma"}
    early = run("get", "books", "b1", "--as-of", "2020-01-01T00:00:00Z")
    assert (early.status, early.stderr) == (
        1,
        "books has no item 'b1' at 2020-01-01T00:00:00Z\n",
    )


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("get", "books", "nope"), 1, "books has no item 'nope'"),
        (("get", "movies", "b1"), 1, "it has Book (books), Reader (readers), Leaf (leaves)"),
        (("get", "books", "b1", "--fields", "colour"), 2, "there is no field 'colour'; the fields"),
        (("get", "books", "b1", "--as-of", "monday"), 2, "as_of"),
        (("get", "books", "b1", "--run-dir", "elsewhere"), 4, "no server answers"),
        (("history", "books", "nope"), 1, "books holds no event of an item 'nope'"),
    ],
)
def test_a_mistake_is_told_with_what_there_is(
    book: Book, run: Run, arguments: tuple[str, ...], status: int, says: str
) -> None:
    done = run(*arguments)
    assert (done.status, done.stdout) == (status, "")
    assert says in done.stderr


def test_the_history_says_what_each_event_has_changed(
    books: Handle[Book], book: Book, run: Run
) -> None:
    books.patch("b1", {"lent": True, "tags": ["old"]})
    books.delete("b1")
    told = run("history", "books", "b1")
    assert told.status == 0
    assert '    lent: false -> true\n    tags: [] -> ["old"]\n' in told.stdout
    entries = json.loads(run("history", "books", "b1", "--json").stdout)
    held = books.history("b1")
    assert [entry["seq"] for entry in entries] == [entry.seq for entry in held]
    assert [entry["operation"] for entry in entries][-3:] == ["create", "update", "delete"]
    assert dt.datetime.fromisoformat(entries[-1]["timestamp"]) == held[-1].timestamp


def test_what_a_terminal_would_obey_is_not_printed(books: Handle[Book], run: Run) -> None:
    """A title may hold the control characters of a terminal, in the C1 range too."""
    books.create(Book(id="evil", title="a\x1b[2J\x9b31mb"))
    for arguments in (("get", "books", "evil"), ("find", "books"), ("history", "books", "evil")):
        said = run(*arguments).stdout
        assert "\\u001b[2J\\u009b31m" in said
        assert said.replace("\n", "").isprintable()


def test_an_id_may_have_another_name(readers: Handle[Reader], run: Run) -> None:
    readers.create(Reader(card="r1", name="Ann"))
    assert json.loads(run("get", "readers", "r1", "--json").stdout) == {"card": "r1", "name": "Ann"}
    assert run("find", "readers").stdout.split() == ["card", "name", "r1", "Ann"]
