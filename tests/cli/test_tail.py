"""`lithair tail`: changes as they happen, over a death of the model's process, until Ctrl-C."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil

from lithair.client import Handle
from tests.cli.conftest import Run
from tests.cli.library import Book
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from lithair.actors.background import Server

END_MAX_S = 30.0


class Tail:
    """A tail under way."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def line(self) -> str:
        """Wait for the next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def told(self) -> Any:
        return json.loads(self.line())

    def interrupt(self) -> tuple[int, str]:
        """Type Ctrl-C; gives the exit status, and what else was said."""
        self.process.send_signal(signal.SIGINT)
        out, errors = self.process.communicate(timeout=END_MAX_S)
        return self.process.returncode, out + errors


@contextmanager
def tailing(*arguments: str) -> Generator[Tail]:
    command = [sys.executable, "-m", "lithair", "tail", "books", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    with process:
        try:
            assert process.stderr is not None
            assert "following from event" in process.stderr.readline()
            yield Tail(process)
        finally:
            process.kill()


def model_process(server: "Server", name: str) -> psutil.Process:
    def look() -> psutil.Process | None:
        for child in psutil.Process(server.pid).children(recursive=True):
            if f"lithair: model {name}" in " ".join(child.cmdline()):
                return child
        return None

    return wait_until(look, f"the process of {name}")


def test_changes_come_in_order_over_a_death_of_the_models_process_and_ctrl_c_ends_it(
    books: Handle[Book], server: "Server"
) -> None:
    with tailing("--json") as tail:
        first = books.create(Book(id="b1", title="Emma", shelf_mark="A 7"))
        told = tail.told()
        assert (told["operation"], told["model"], told["id"]) == ("create", "books", "b1")
        assert (told["item"]["title"], told["item"]["shelf_mark"]) == (first.title, "A 7")
        model_process(server, "books").kill()
        books.patch("b1", {"pages": 474})
        books.delete("b1")
        after = [tail.told(), tail.told()]
        assert [each["operation"] for each in after] == ["update", "delete"]
        assert [each["seq"] for each in after] == [told["seq"] + 1, told["seq"] + 2]
        assert tail.interrupt() == (0, "")


def test_filters_tell_once_what_stops_matching_and_since_is_a_place_of_the_log(
    books: Handle[Book],
) -> None:
    seq = books.stats().seq
    books.create(Book(id="b1", title="Emma", note="x" * 300))
    books.create(Book(id="b2", title="Optics", lent=True))
    books.patch("b1", {"lent": True})
    with tailing("--since", str(seq), "lent=false") as tail:
        number, _, operation, key, item = tail.line().split(maxsplit=4)
        assert (number, operation, key) == (str(seq + 1), "create", "b1")
        assert item.startswith('{"id":"b1","title":"Emma"')
        assert len(item) == 200
        assert tail.line().split()[2:4] == ["leave", "b1"]
        assert tail.interrupt()[0] == 0


def test_mistakes_are_told_at_once(books: Handle[Book], run: Run) -> None:
    cases: list[tuple[tuple[str, ...], int, Callable[[str], bool]]] = [
        (("colour=red",), 2, lambda said: "there is no field 'colour'" in said),
        (("--since", "1000000"), 2, lambda said: "1000000" in said),
        (("--run-dir", "elsewhere"), 4, lambda said: "no server answers" in said),
    ]
    for arguments, status, is_told in cases:
        done = run("tail", "books", *arguments)
        assert (done.status, done.stdout) == (status, "")
        assert is_told(done.stderr), done.stderr


def test_what_was_compacted_away_is_told_with_where_to_go_on(books: Handle[Book], run: Run) -> None:
    books.create(Book(title="Emma"))
    books.compact()
    done = run("tail", "books", "--since", "0")
    assert done.status == 1
    assert f"Go on from there: --since {books.stats().seq}" in done.stderr
