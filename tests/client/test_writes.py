"""What handles write, and how they are refused."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import pytest

from lithair import Conflict, Handle, LithairError, NotFound, PreconditionFailed, ValidationFailed
from lithair.client import Client
from tests.client.library import Book, Reader


def test_an_item_without_an_id_gets_one_and_the_callers_own_is_left_alone(
    books: Handle[Book],
) -> None:
    """What is returned is the item as stored."""
    given = Book(title="Emma")
    made = books.create(given)
    assert given.id == ""
    assert len(made.id) == 36
    assert books.get(made.id) == made


def test_an_id_that_is_there_is_a_conflict(books: Handle[Book]) -> None:
    """The item that is there stays as it is."""
    books.create(Book(id="a", title="Emma"))
    with pytest.raises(Conflict, match="'a'"):
        books.create(Book(id="a", title="Persuasion"))
    assert books.list().data == [Book(id="a", title="Emma")]


def test_a_unique_value_that_is_taken_names_its_field(books: Handle[Book]) -> None:
    """The error has its class, its status and its fields."""
    books.create(Book(title="Emma", isbn="1"))
    with pytest.raises(Conflict) as refused:
        books.create(Book(title="Persuasion", isbn="1"))
    assert refused.value.status == 409
    assert [error.field for error in refused.value.errors] == ["isbn"]


def test_an_item_that_is_not_valid_names_all_its_faults(client: Client) -> None:
    """Validation is the server's, for dicts too, and tells of wire names."""
    with pytest.raises(ValidationFailed) as refused:
        client.model("Book").create({"title": "", "year": "x", "from": 5, "nothing": 1})
    assert {e.field for e in refused.value.errors} == {"title", "year", "from", "nothing"}


@pytest.mark.parametrize("nan", ["NaN", "sNaN"])
def test_a_decimal_that_is_nan_is_refused(books: Handle[Book], nan: str) -> None:
    """The field is named, and the model goes on."""
    bad, made = Decimal(nan), books.create(Book(title="Emma"))
    writes: list[Callable[[], object]] = [
        lambda: books.create(Book(title="Emma", cost=bad)),
        lambda: books.replace(made.id, Book(title="Emma", cost=bad)),
        lambda: books.patch(made.id, {"cost": bad}),
        lambda: books.bulk_create([Book(title="Emma", cost=bad)]),
        lambda: books.apply_replicated_item(Book(id=made.id, title="Emma", cost=bad)),
    ]
    for write in writes:
        with pytest.raises(ValidationFailed) as refused:
            write()
        assert [e.field for e in refused.value.errors] in (["cost"], ["[0].cost"])
    assert [book.id for book in books.list(sort="cost").data] == [made.id]


def test_something_that_is_no_item_is_refused_before_it_is_sent(books: Handle[Book]) -> None:
    """The sentence names the class that the handle takes."""
    with pytest.raises(TypeError, match="is not a Book"):
        books.create(cast("Book", {"title": "Emma"}))
    with pytest.raises(TypeError, match="is not a Book"):
        books.apply_replicated_items([cast("Book", Reader(handle="ada"))])
    with pytest.raises(TypeError, match="5 is no id"):
        books.get(cast("str", 5))


def test_replace_is_whole_and_takes_the_id_it_is_given(books: Handle[Book]) -> None:
    """What the new item leaves out is at its default; the id may be left out."""
    made = books.create(Book(title="Emma", year=1815, secret="s"))
    replaced = books.replace(made.id, Book(title="Emma, again"))
    assert replaced == books.get(made.id) == Book(id=made.id, title="Emma, again")
    with pytest.raises(ValidationFailed):
        books.replace(made.id, Book(id="other", title="Emma"))
    with pytest.raises(NotFound):
        books.replace("nothing", Book(title="Emma"))


def test_patch_takes_names_of_python_and_of_the_wire(books: Handle[Book]) -> None:
    """A null is null where the field admits it; what is not named stays."""
    made = books.create(Book(title="Emma", price=5.0, from_="x"))
    assert books.patch(made.id, {"from_": "shop"}).from_ == "shop"
    assert books.patch(made.id, {"from": "gift", "price": None}) == Book(
        id=made.id, title="Emma", from_="gift"
    )
    with pytest.raises(NotFound):
        books.patch("nothing", {"title": "x"})
    with pytest.raises(ValidationFailed):
        books.patch(made.id, {"nothing": 1})


def test_delete_is_of_what_is_there(books: Handle[Book]) -> None:
    """A second one is NotFound."""
    made = books.create(Book(title="Emma"))
    books.delete(made.id)
    assert books.get(made.id) is None
    with pytest.raises(NotFound, match=made.id):
        books.delete(made.id)


def test_if_seq_refuses_what_has_changed_since(books: Handle[Book]) -> None:
    """Replace, patch and delete take the seq of the last event, which history tells."""
    made = books.create(Book(title="Emma"))
    seq = books.history(made.id)[-1].seq
    books.patch(made.id, {"year": 1815}, if_seq=seq)
    with pytest.raises(PreconditionFailed):
        books.patch(made.id, {"year": 1}, if_seq=seq)
    with pytest.raises(PreconditionFailed):
        books.replace(made.id, made, if_seq=seq)
    with pytest.raises(PreconditionFailed) as refused:
        books.delete(made.id, if_seq=seq)
    assert refused.value.status == 412
    now = books.history(made.id)[-1].seq
    assert books.replace(made.id, made, if_seq=now) == made
    books.delete(made.id, if_seq=books.history(made.id)[-1].seq)


def test_a_bulk_is_all_or_nothing_and_keeps_its_order(books: Handle[Book]) -> None:
    """Any iterable will do; a fault names its place."""
    made = books.bulk_create(Book(title=f"{n}") for n in range(5))
    assert [book.title for book in made] == ["0", "1", "2", "3", "4"]
    assert books.list().data == made
    assert books.bulk_create([]) == []
    with pytest.raises(Conflict):
        books.bulk_create([Book(title="new"), Book(id=made[0].id, title="taken")])
    with pytest.raises(ValidationFailed) as refused:
        books.bulk_create([Book(title="fine"), Book(title="")])
    assert refused.value.errors[0].field == "[1].title"
    assert books.count() == 5


def test_replicated_writes_can_be_repeated(books: Handle[Book]) -> None:
    """Putting, updating or deleting the same again leads to the same items."""
    emma, persuasion = Book(id="e", title="Emma"), Book(id="p", title="Persuasion")
    for _ in range(2):
        books.apply_replicated_item(emma)
        assert books.apply_replicated_items([emma, persuasion]) == 2
        assert books.list().data == [emma, persuasion]
    later = Book(title="Emma", year=1815)
    for _ in range(2):
        books.apply_replicated_update("e", later)
        assert books.get("e") == Book(id="e", title="Emma", year=1815)
    assert books.apply_replicated_items([]) == 0


def test_a_replicated_update_creates_what_is_absent(books: Handle[Book]) -> None:
    """Under the id that is named; another one in the item is refused."""
    books.apply_replicated_update("new", Book(title="Emma"))
    assert books.get("new") == Book(id="new", title="Emma")
    with pytest.raises(ValidationFailed):
        books.apply_replicated_update("new", Book(id="other", title="Emma"))


def test_a_replicated_delete_tells_whether_it_was_there(books: Handle[Book]) -> None:
    """A delete of nothing makes no event."""
    made = books.create(Book(title="Emma"))
    assert books.apply_replicated_delete(made.id) is True
    seq = books.stats().seq
    assert books.apply_replicated_delete(made.id) is False
    assert books.stats().seq == seq


def test_a_primary_key_is_the_id(readers: Handle[Reader]) -> None:
    """Created, replaced, read and deleted by it; one left out is made."""
    assert readers.create(Reader(handle="ada", name="Ada")).id == "ada"
    assert readers.replace("ada", Reader(handle="", name="A. L.")) == Reader(
        handle="ada", name="A. L."
    )
    readers.apply_replicated_update("bob", Reader(handle="", name="Bob"))
    assert readers.get("bob") == Reader(handle="bob", name="Bob")
    assert len(readers.create(Reader(handle="", name="someone")).handle) == 36
    assert [reader.name for reader in readers.iterate()] == ["A. L.", "Bob", "someone"]
    readers.delete("ada")
    assert readers.get("ada") is None


def test_hidden_fields_are_seen_by_handles(books: Handle[Book]) -> None:
    """They can be read, filtered by and sorted by."""
    made = books.create(Book(title="Emma", secret="s"))
    assert made.secret == "s"
    assert books.list({"secret": "s"}, sort="-secret").data == [made]


def test_by_its_name_a_model_gives_dicts_of_wire_names(client: Client, books: Handle[Book]) -> None:
    """The class's name and that of the path both mean it."""
    made = client.model("Book").create({"title": "Emma", "from": "shop"})
    by_path: Handle[dict[str, Any]] = client.model("books")
    assert made["from"] == "shop"
    assert by_path.get(made["id"]) == made
    assert by_path.list().data == [made]
    assert list(by_path.iterate()) == [made]
    assert by_path.history(made["id"])[0].item == made
    assert by_path.replace(made["id"], {"title": "Emma"})["from"] == ""
    assert books.get(made["id"]) == Book(id=made["id"], title="Emma")


def test_a_body_that_is_too_large_is_refused_with_its_size(books: Handle[Book]) -> None:
    """Before it is sent, and the handle goes on."""
    with pytest.raises(LithairError, match="split the list into several calls") as refused:
        books.bulk_create([Book(title="x" * (8 << 20))] * 9)
    assert refused.value.status == 413
    assert books.count() == 0


def test_an_id_that_can_not_be_sent_is_refused_alone(books: Handle[Book]) -> None:
    """Not even its neighbours of the same message suffer."""
    with pytest.raises(ValidationFailed):
        books.get("\ud800")
    with pytest.raises(LithairError):
        books.apply_replicated_update("", Book(title="x"))
    assert books.get("") is None
