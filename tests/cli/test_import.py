"""`lithair import`: rows become items by the model's rules, in three formats and three modes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lithair.client import Handle
from tests.cli.conftest import Run
from tests.cli.library import Book, Reader

if TYPE_CHECKING:
    from lithair.actors.background import Server

IMPORT_MAX_S = 60.0


def write(path: Path, *rows: object) -> Path:
    """Write rows as NDJSON; a text is a line as it stands."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def imported(run: Run, path: Path, *options: str, status: int = 0) -> dict[str, Any]:
    """Import books, and give the counts."""
    done = run("import", "books", path, "--json", *options)
    assert (done.status, done.stderr) == (status, "")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def counts(told: dict[str, Any]) -> tuple[int, int, int, int]:
    return told["created"], told["changed"], told["unchanged"], told["bad"]


def refused(told: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    lines = (folder / told["bad_file"]).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def titles(books: Handle[Book]) -> list[str]:
    return [book.title for book in books.iterate()]


def test_rows_become_items_in_their_order_with_an_id_where_they_have_none(
    books: Handle[Book], run: Run, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.ndjson", {"id": "b1", "title": "Emma"}, "", {"title": "Optics"})
    done = run("import", "Book", path)
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith("books: 2 rows; 2 created; ")
    assert done.stdout.rstrip().endswith(" rows/s")
    assert titles(books) == ["Emma", "Optics"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.ndjson"]


def test_a_file_that_is_imported_twice_is_there_once_rows_without_an_id_included(
    books: Handle[Book], run: Run, tmp_path: Path
) -> None:
    """Rows that are the same are different items all the same."""
    rows = [{"id": "b1", "title": "Emma", "price": "1.50"}, {"title": "x"}, {"title": "x"}]
    path = write(tmp_path / "in.ndjson", *rows)
    copy = write(tmp_path / "a copy elsewhere", *rows)
    assert counts(imported(run, path)) == (3, 0, 0, 0)
    assert counts(imported(run, path)) == (0, 0, 3, 0)
    assert counts(imported(run, copy)) == (0, 0, 3, 0)
    assert titles(books) == ["Emma", "x", "x"]
    other = write(tmp_path / "other.ndjson", {"title": "x"})
    assert counts(imported(run, other)) == (1, 0, 0, 0)


def test_bad_rows_go_to_a_file_with_their_reasons_and_the_others_go_on(
    books: Handle[Book], run: Run, tmp_path: Path
) -> None:
    books.create(Book(id="old", title="Old", isbn="taken"))
    path = write(
        tmp_path / "in.ndjson",
        {"id": "b1", "title": "Emma"},
        {"id": "b2", "title": "", "pages": "many"},
        {"id": "b3", "title": "Optics", "colour": "red"},
        "{not json",
        "[1]",
        {"id": 5, "title": "Five"},
        {"id": "b4", "title": "x", "isbn": "taken"},
        {"id": "b5", "title": "forbidden"},
        {"id": "b6", "title": "broken"},
        {"id": "a/b", "title": "y"},
        {"id": "b1", "title": "Emma again"},
        {"id": "b7", "title": "Émile"},
    )
    told = imported(run, path, status=1)
    assert counts(told) == (2, 0, 0, 10)
    assert titles(books) == ["Old", "Emma", "Émile"]
    bad = refused(told, tmp_path)
    assert told["bad_file"] == f"{path}.books.bad.ndjson"
    assert [(each["row"], each["reason"].partition(";")[0]) for each in bad] == [
        (2, "title: expected `str` of length >= 1"),
        (3, "colour: is not a field of this model"),
        (4, bad[2]["reason"]),
        (5, "is no JSON object"),
        (6, "id: is no text"),
        (7, "isbn: is the value of another item"),
        (8, "this book is not taken"),
        (9, "The server failed while it checked this write"),
        (10, 'id: an id has no "/" in it'),
        (11, "there is an item 'b1' already, with other values of title"),
    ]
    assert bad[2]["reason"].startswith("is no JSON: ")
    assert bad[2]["text"] == "{not json"
    assert [fault["field"] for fault in bad[0]["errors"]] == ["title", "pages"]
    assert bad[0]["item"] == {"id": "b2", "title": "", "pages": "many"}


def test_the_file_of_bad_rows_can_be_named_and_is_that_of_the_last_import(
    books: Handle[Book], run: Run, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    path = write(tmp_path / "in.ndjson", {"title": ""}, {"title": 1})
    assert counts(imported(run, path, "--bad", str(bad), status=1)) == (0, 0, 0, 2)
    write(path, {"title": ""})
    done = run("import", "books", path, "--bad", bad)
    assert (done.status, len(bad.read_text(encoding="utf-8").splitlines())) == (1, 1)
    assert done.stdout.rstrip().endswith(f"the bad ones, with their reasons, are in {bad}")
    assert run("import", "books", path, "--bad", path).status == 2
    assert path.exists()


def test_a_row_whose_id_exists_is_left_refused_merged_or_put_in_its_place(
    books: Handle[Book], run: Run, tmp_path: Path
) -> None:
    first = Book(id="b1", title="Emma", pages=474, tags=["old"])
    books.create(first)
    same = {"id": "b1", "title": "Emma", "added": "2020-01-01T00:00:00Z"}  # that is filled in
    path = write(tmp_path / "in.ndjson", same, {"id": "b2", "title": "Optics"})
    assert counts(imported(run, path)) == (1, 0, 1, 0)
    write(path, {"id": "b1", "pages": 3, "title": "Emma!"}, {"id": "b3", "title": "Émile"})
    assert counts(imported(run, path, status=1)) == (1, 0, 0, 1)
    assert counts(imported(run, path, "--upsert")) == (0, 2, 0, 0)
    merged = books.get("b1")
    assert merged is not None
    assert (merged.title, merged.pages, merged.tags) == ("Emma!", 3, ["old"])
    assert counts(imported(run, path, "--replace")) == (0, 2, 0, 0)
    put = books.get("b1")
    assert put is not None
    assert (put.title, put.pages, put.tags, put.added) == ("Emma!", 3, [], merged.added)
    assert run("import", "books", path, "--replace", "--upsert").status == 2


@pytest.mark.parametrize("mode", ["--upsert", "--replace"])
def test_of_several_rows_with_one_id_the_last_one_holds(
    books: Handle[Book], run: Run, tmp_path: Path, mode: str
) -> None:
    rows = [{"id": f"b{number % 3}", "title": f"t{number}"} for number in range(9)]
    bad = {"id": "b1", "title": ""}
    path = write(tmp_path / "in.ndjson", *rows[:5], bad, *rows[5:])
    assert counts(imported(run, path, mode, status=1)) == (3, 6, 0, 1)
    assert titles(books) == ["t6", "t7", "t8"]


def test_an_array_is_read_as_a_stream_and_one_that_is_cut_off_is_imported_up_to_there(
    books: Handle[Book], run: Run, tmp_path: Path
) -> None:
    rows = [{"id": f"b{number}", "title": 'a "]}, {[" b'} for number in range(1500)]
    path = tmp_path / "in.json"
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    assert counts(imported(run, path)) == (1500, 0, 0, 0)
    path.write_text(json.dumps([{"id": "c1", "title": "x"}, {"id": "c2"}])[:-10], encoding="utf-8")
    done = run("import", "books", path)
    assert done.status == 1
    assert "the input ends within an array or an object" in done.stderr
    assert books.get("c1") is not None


def test_csv_is_read_by_the_declared_types(books: Handle[Book], run: Run, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(
        "\ufeffid;title;pages;price;published;genre;lent;tags;note\r\n"
        'b1;"a;""b""\nc";474;12.50;1815-12-23;science;yes;"[""x""]";\r\n'
        "b2;007;;;;;;;n\r\n"
        "b3;x;many;1;;;;;\r\n"
        "b4;x\r\n",
        encoding="utf-8",
    )
    told = imported(run, path, status=1)
    assert counts(told) == (2, 0, 0, 2)
    one, two = books.iterate()
    assert (one.title, one.pages, str(one.price)) == ('a;"b"\nc', 474, "12.50")
    assert (str(one.published), one.genre, one.lent) == ("1815-12-23", "science", True)
    assert (one.tags, one.note) == (["x"], "")
    assert (two.title, two.pages, two.genre, two.lent) == ("007", None, "novel", False)
    assert (two.tags, two.note) == ([], "n")
    bad = refused(told, tmp_path)
    assert [each["row"] for each in bad] == [5, 6]
    assert bad[0]["reason"].startswith("pages: expected `int | null`")
    assert bad[1]["reason"] == "has 2 cells, the first line has 9"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,titel\n", "'titel', which is no field; the fields of books are id, title"),
        ("id,title,id\n", "more than once"),
        ('id,title\nb1,"x" y\n', "no CSV from line 2 on"),
    ],
)
def test_what_is_no_csv_of_this_model_is_told_at_once(
    books: Handle[Book], run: Run, tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "in.csv"
    path.write_text(text, encoding="utf-8")
    done = run("import", "books", path)
    assert (done.status, done.stdout) == (1, "")
    assert says in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("movies", "in.ndjson"), 1, "it has Book (books), Reader (readers), Leaf (leaves)"),
        (("books", "no.ndjson"), 1, "no.ndjson can't be read: No such file"),
        (("books", "."), 1, ". is a directory"),
        (("books", "in.ndjson", "--run-dir", "elsewhere"), 4, "no server answers"),
    ],
)
def test_what_can_not_begin_says_why(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], status: int, says: str
) -> None:
    write(tmp_path / "in.ndjson", {"title": "Emma"})
    done = run("import", *arguments)
    assert (done.status, done.stdout) == (status, "")
    assert says in done.stderr


def test_an_id_of_another_name_is_made_too(
    readers: Handle[Reader], run: Run, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.ndjson", {"card": "r1", "name": "Ann"}, {"name": "Bob"}, {})
    done = run("import", "readers", path, "--json")
    assert counts(json.loads(done.stdout)) == (2, 0, 0, 1)
    assert [reader.name for reader in readers.iterate()] == ["Ann", "Bob"]


def piped(folder: Path, text: str, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "lithair", "import", "books", "-", *options]
    return subprocess.run(
        command,
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        timeout=IMPORT_MAX_S,
        check=False,
    )


def test_a_pipe_is_known_by_the_name_of_its_source(
    books: Handle[Book], server: "Server", tmp_path: Path
) -> None:
    text = '{"title":"Emma"}\n{"title":"Optics"}\n'
    first = piped(tmp_path, text, "--source", "list")
    assert (first.returncode, first.stderr) == (0, "")
    grown = piped(tmp_path, text + '{"title":"more"}\n', "--source", "list", "--json")
    assert counts(json.loads(grown.stdout)) == (1, 0, 2, 0)
    nameless = piped(tmp_path, '{"title":"Emma"}\n')
    assert "--source NAME gives the input a name" in nameless.stderr
    assert titles(books) == ["Emma", "Optics", "more", "Emma"]
