"""Which server is meant, and what is said when it or the model is not there."""

import multiprocessing
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from lithair import Client, Handle, LithairError, ModelUnavailable, ValidationFailed, connect
from lithair.client import directory
from tests.client.library import Book, Tally, library
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

if TYPE_CHECKING:
    from lithair.actors.background import Server

READY_MAX_S = 30.0
EXIT_MAX_S = 5.0  # an interpreter with everything imported, on a busy machine


class Unknown(Book):
    pass


def test_an_unknown_model_is_told_with_those_there_are(client: Client) -> None:
    """By class or by name, at once, and each time."""
    for _ in range(2):
        with pytest.raises(ValidationFailed, match=r"no model 'Unknown'; it has Book \(books\), R"):
            client.model(Unknown).count()
    with pytest.raises(ValidationFailed, match="no model 'nothing'"):
        list(client.model("nothing").iterate())
    with pytest.raises(TypeError, match="is no model"):
        client.model(cast("type[Book]", 5))
    with pytest.raises(TypeError, match="is no model"):
        client.model(dict)


def test_without_a_server_a_call_waits_and_then_names_the_run_directory(tmp_path: Path) -> None:
    """Also when the run directory is not there, or is a file."""
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    deep = tmp_path / ("x" * 120)
    for place in (tmp_path / "empty", tmp_path / "missing", tmp_path / "file", deep, deep / "run"):
        with connect(place, timeout=0.2) as client:
            began = time.monotonic()
            with pytest.raises(ModelUnavailable, match="No server answers") as refused:
                client.model(Book).count()
            assert 0.2 <= time.monotonic() - began < 2
            assert str(place) in str(refused.value)
            assert refused.value.status == 503


def test_a_model_that_has_failed_says_so_at_once(tmp_path: Path) -> None:
    """The sentence names the command that helps; the others serve."""
    with library(tmp_path, Book, Tally).running() as server:
        server.handle(Book).create(Book(title="Emma"))
        server.handle(Tally).create(Tally(n=1))
    segment = min((tmp_path / "book").glob("*.raftlog"))
    damaged = bytearray(segment.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    segment.write_bytes(damaged)
    with library(tmp_path, Book, Tally).running() as server:
        began = time.monotonic()
        for _ in range(2):
            with pytest.raises(ModelUnavailable, match="lithair restart books"):
                server.handle(Book).count()
        assert time.monotonic() - began < 5
        assert server.handle(Tally).count() == 1


def test_a_handle_may_be_older_than_its_server_and_outlive_it(tmp_path: Path) -> None:
    """A call that waits is answered once it is up, and refused when it stays away."""
    with (
        ThreadPoolExecutor(1) as pool,
        connect(tmp_path / "run", timeout=READY_MAX_S) as client,
    ):
        books = client.model(Book)
        waiting = pool.submit(books.create, Book(title="Emma"))
        with library(tmp_path, Book).running() as server:
            made = waiting.result(READY_MAX_S)
            assert server.handle(Book).list().data == [made]
            hasty = connect(tmp_path / "run", timeout=READY_MAX_S).model(Book)
            assert hasty.count() == 1
        hasty._connection._timeout_s = 0.2
        with pytest.raises(ModelUnavailable, match="No server answers"):
            hasty.count()
        hasty.close()
        with library(tmp_path, Book).running():
            assert books.get(made.id) == made


def test_a_closed_client_refuses_calls_those_that_wait_too(tmp_path: Path) -> None:
    """Closing twice is closing once; so is closing what was never used."""
    client = connect(tmp_path)
    handle = client.model(Book)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(handle.count)
        wait_until(lambda: client._connection._links, "the call to wait")
        client.close()
        with pytest.raises(ModelUnavailable, match="closed"):
            waiting.result(5)
    client.close()
    with pytest.raises(LithairError, match="closed"):
        handle.count()
    unused = connect(tmp_path)
    unused.close()
    with pytest.raises(LithairError, match="closed"):
        unused.model(Book).count()


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e12])
def test_a_time_out_is_some_seconds(timeout: float) -> None:
    """What is none is refused where it is written."""
    with pytest.raises(ValueError, match="timeout="):
        connect(timeout=timeout)


def test_the_argument_goes_before_the_environment_and_that_before_the_directory(
    server: "Server", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative argument is meant from where it was given."""
    run_dir = Path(server.run_dir)
    monkeypatch.setattr(directory, "_of_own_server", "")  # a gateway may have been run in here
    monkeypatch.setenv("LT_RUN_DIR", "/nowhere")
    with connect(run_dir) as client:
        assert client.run_dir == str(run_dir)
        client.model(Book).count()
    monkeypatch.chdir(run_dir.parent)
    with connect("run") as client:
        monkeypatch.chdir(tmp_path)
        client.model(Book).count()
    with connect() as client:
        assert client.run_dir == "/nowhere"
    monkeypatch.setenv("LT_RUN_DIR", str(run_dir))
    with connect() as client:
        client.model(Book).count()
        monkeypatch.setenv("LT_RUN_DIR", "/nowhere")
        client.model(Tally).count()  # a client is of one server
    monkeypatch.delenv("LT_RUN_DIR")
    (tmp_path / ".lithair").symlink_to(run_dir)
    with connect() as client:
        assert client.run_dir == str(tmp_path / ".lithair")
        client.model(Book).count()


IN_ANOTHER_PROCESS = """
import pickle, sys
handle = pickle.load(sys.stdin.buffer)
print(handle.count(), handle._connection._timeout_s)
"""


def test_a_handle_is_pickled_into_another_process(server: "Server", books: "Handle[Book]") -> None:
    """It finds the same server there, and has the same time-out."""
    books.create(Book(title="Emma"))
    with connect(server.run_dir, timeout=20) as client:
        other = subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS],
            input=pickle.dumps(client.model(Book)),
            stdout=subprocess.PIPE,
            cwd=ROOT,
            check=True,
            timeout=READY_MAX_S,
        )
        assert other.stdout == b"1 20\n"


def count_and_tell(handle: "Handle[Book]", pipe: Pipe) -> None:
    pipe.send(handle.count())


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("is_used", [False, True])
def test_a_handle_is_forked_into_another_process(books: "Handle[Book]", is_used: bool) -> None:
    """Used before or not: the child has a connection of its own, and the parent keeps its own."""
    if is_used:
        books.create(Book(title="Emma"))
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=count_and_tell, args=(books, theirs))
    child.start()
    assert ours.poll(READY_MAX_S)
    assert ours.recv() == int(is_used)
    child.join(READY_MAX_S)
    assert child.exitcode == 0
    assert books.count() == int(is_used)


def test_handles_that_are_pickled_together_share_a_connection(client: Client) -> None:
    """As they did before."""
    pair = (client.model(Book), client.model("Tally"))
    first, second = cast("tuple[Handle[Book], Handle[Tally]]", pickle.loads(pickle.dumps(pair)))
    assert first._connection is second._connection
    assert first.count() >= 0
    first.close()


EXIT_SCRIPT = """
import sys, time
from lithair import connect
client = connect(sys.argv[1])
print(client.model("Book").count() >= 0, time.monotonic(), flush=True)
"""


def test_the_interpreter_ends_with_a_connection_open(server: "Server") -> None:
    """Nothing is waited for, and nothing is said."""
    script = subprocess.run(
        [sys.executable, "-c", EXIT_SCRIPT, server.run_dir],
        capture_output=True,
        text=True,
        check=True,
        timeout=READY_MAX_S,
    )
    said, when = script.stdout.split()
    assert (said, script.stderr) == ("True", "")
    assert time.monotonic() - float(when) < EXIT_MAX_S


def test_many_threads_share_a_handle(books: "Handle[Book]") -> None:
    """Each gets its own answers, and one thread drives them all."""

    def write(number: int) -> int:
        made = books.create(Book(title=f"{number}", year=number))
        found = books.get(made.id)
        assert found is not None
        return found.year

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(write, range(200))) == list(range(200))
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("lithair-handles") == 1
