"""`lithair export`: a whole file or none, in three formats, which an import takes back."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lithair.client import Handle
from tests.cli.conftest import Run
from tests.cli.library import PAGE, Book

if TYPE_CHECKING:
    from lithair.actors.background import Server

pytestmark = pytest.mark.usefixtures("at_server")
BOOKS = 2 * PAGE + 20  # three pages


@pytest.fixture
def shelf(books: Handle[Book]) -> Handle[Book]:
    books.create(
        Book(
            id="b1",
            title='a "title",\nof two lines',
            pages=3,
            tags=["x", "y,z"],
            shelf_mark="A 7",
            note="",
        )
    )
    books.bulk_create([Book(title=f"book {number}", pages=number) for number in range(BOOKS - 1)])
    return books


def as_stored(books: Handle[Book]) -> list[dict[str, Any]]:
    page = [*books.iterate()]
    return [json.loads(json.dumps(_plain(book))) for book in page]


def _plain(book: Book) -> dict[str, Any]:
    return {"id": book.id, "title": book.title, "tags": book.tags, "mark": book.shelf_mark}


def shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"id": r["id"], "title": r["title"], "tags": r["tags"], "mark": r["shelf_mark"]}
        for r in rows
    ]


def test_each_format_has_all_items_with_hidden_fields_in_the_order_of_creation(
    shelf: Handle[Book], run: Run, tmp_path: Path
) -> None:
    for name in ("out.ndjson", "out.json", "out.csv"):
        done = run("export", "books", name)
        assert (done.status, done.stderr) == (0, "")
        assert done.stdout.startswith(f"books: {BOOKS:,} items in {name}, in ")
    lines = (tmp_path / "out.ndjson").read_text(encoding="utf-8").splitlines()
    assert shown([json.loads(line) for line in lines]) == as_stored(shelf)
    assert shown(json.loads((tmp_path / "out.json").read_bytes())) == as_stored(shelf)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == BOOKS
    assert (rows[0]["title"], rows[0]["tags"]) == ('a "title",\nof two lines', '["x","y,z"]')
    assert (rows[0]["pages"], rows[0]["lent"], rows[0]["isbn"]) == ("3", "false", "")


@pytest.mark.parametrize("name", ["out.ndjson", "out.json", "out.csv"])
def test_what_was_exported_can_be_imported_into_an_empty_model(
    shelf: Handle[Book], run: Run, name: str
) -> None:
    before = [*shelf.iterate()]
    run("export", "books", name)
    for book in before:
        shelf.apply_replicated_delete(book.id)
    assert run("import", "books", name, "--json").status == 0
    after = [*shelf.iterate()]
    assert [[b.id, b.title, b.pages, b.tags, b.note, b.shelf_mark] for b in after] == [
        [b.id, b.title, b.pages, b.tags, b.note, b.shelf_mark] for b in before
    ]


def test_stdout_gets_it_when_no_file_is_named(shelf: Handle[Book], run: Run) -> None:
    for arguments in ((), ("-",)):
        done = run("export", "books", *arguments)
        assert (done.status, done.stderr, done.stdout.count("\n")) == (0, "", BOOKS)
    assert len(json.loads(run("export", "books", "--format", "json").stdout)) == BOOKS
    assert run("export", "books", "--json").status == 2


def test_an_empty_model_is_an_empty_file_of_its_format(
    books: Handle[Book], run: Run, tmp_path: Path
) -> None:
    assert run("export", "books", "none.json", "--json").stdout == (
        '{"file":"none.json","format":"json","items":0}\n'
    )
    assert json.loads((tmp_path / "none.json").read_bytes()) == []
    assert run("export", "books").stdout == ""
    assert run("export", "books", "--format", "csv").stdout.startswith("id,title,")


def test_the_file_is_its_owners_and_replaces_the_one_before(
    books: Handle[Book], run: Run, tmp_path: Path
) -> None:
    target = tmp_path / "out.ndjson"
    target.write_text("before", encoding="utf-8")
    (tmp_path / "link.ndjson").symlink_to(target)
    books.create(Book(id="b1", title="Emma"))
    assert run("export", "books", "link.ndjson").status == 0
    assert json.loads(target.read_bytes())["id"] == "b1"
    assert target.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.ndjson", "out.ndjson"]


@pytest.mark.parametrize(
    ("target", "says"), [("/dev/null", "no file"), ("no/such/out.json", "No such file")]
)
def test_what_is_no_file_is_not_replaced(
    books: Handle[Book], run: Run, target: str, says: str
) -> None:
    done = run("export", "books", target)
    assert done.status == 1
    assert says in done.stderr
    assert not Path("/dev/null").is_file()


def test_a_reader_that_stops_reading_ends_it_quietly(shelf: Handle[Book], server: "Server") -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "lithair", "export", "books"]
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_export_that_is_killed_leaves_the_file_as_it_was(
    shelf: Handle[Book], tmp_path: Path
) -> None:
    """The kernel kills it when its file has some length."""
    target = tmp_path / "out.ndjson"
    target.write_text("before", encoding="utf-8")
    code = (
        "import resource, sys, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))\n"
        "from lithair.cli.main import main\n"
        f"sys.argv = ['lithair', 'export', 'books', {str(target)!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert done.returncode == -signal.SIGXFSZ
    assert target.read_text(encoding="utf-8") == "before"
    left = [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]
    assert len(left) == 1
