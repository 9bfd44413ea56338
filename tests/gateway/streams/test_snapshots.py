"""Snapshots of a served model: exact at the id of `live`, at the reader's pace; nobody waits."""

import os
import random
import threading
from collections.abc import Generator
from pathlib import Path

import httpx2
import psutil
import pytest

from lithair import Hidden, Indexed, Lithair, Model, connect, retention
from lithair.actors.background import Server
from tests.gateway.harness import RawConnection
from tests.gateway.listening import Heard, Listener, listening
from tests.support.waiting import wait_until

ITEMS = "/api/notes"
STREAM = f"{ITEMS}/stream"
MANY = 4000  # items: too many to be kept in RAM for a reader
KEYS = [f"note-{number:05d}" for number in range(MANY)]
CHANGES = 10  # looked at after the snapshot

State = dict[str, object]


@retention(memory=100)
class Note(Model):
    text: str
    price: Indexed[int] = 0
    secret: Hidden[str] = "none"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    folder = tmp_path_factory.mktemp("snapshots")
    app = Lithair().with_model(Note, folder / "notes", ITEMS).with_run_dir(folder / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LT_MAX_TAKE", "100000")
        with app.with_port(0).running() as running:
            notes = running.handle(Note)
            for start in range(0, MANY, 2000):
                notes.apply_replicated_items([make(key) for key in KEYS[start : start + 2000]])
            yield running


@pytest.fixture
def http(server: Server) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        yield client


def make(key: str, price: int = 50) -> Note:
    return Note(id=key, text=f"{key} " + "x" * 300, price=price, secret="s")


class Writer(threading.Thread):
    """Changes, deletes and creates again, most of all what is at the front, until it is left."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._run_dir = server.run_dir
        self._stopping = threading.Event()
        self._chance = random.Random(3)

    def __enter__(self) -> "Writer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join()

    def run(self) -> None:
        chance = self._chance
        with connect(self._run_dir) as lithair:
            notes = lithair.model(Note)
            while not self._stopping.is_set():
                key = KEYS[int(MANY * chance.random() ** 2)]
                if chance.random() < 0.4:
                    notes.apply_replicated_delete(key)
                else:
                    notes.apply_replicated_item(make(key, chance.randrange(100)))


def state_at(http: httpx2.Client, seq: int, filters: dict[str, str]) -> State:
    """Give what a list of the past tells."""
    page = http.get(ITEMS, params={"as_of": str(seq), **filters}).json()
    assert not page["has_more"]
    return {item["id"]: item for item in page["data"]}


def read_snapshot(stream: Listener) -> tuple[State, int]:
    """Read up to `live`."""
    state: State = {}
    while (heard := stream.next()).event == "snapshot":
        assert heard.id is None
        assert heard.item["id"] not in state, "told twice"
        state[str(heard.item["id"])] = heard.item
    assert heard.event == "live"
    assert heard.json == {"model": "notes", "seq": heard.seq}
    return state, heard.seq


def apply(state: State, heard: Heard) -> None:
    if heard.event in ("create", "update"):
        state[str(heard.item["id"])] = heard.item
    else:
        del state[str(heard.item["id"])]


@pytest.mark.parametrize("filters", [{}, {"price": ">=50"}, {"price": "[7,77]"}, {"text": "~9"}])
def test_a_snapshot_is_the_list_at_the_id_of_live_amid_writes(
    server: Server, http: httpx2.Client, filters: dict[str, str]
) -> None:
    """And with the changes that follow, the list after them."""
    with Writer(server), listening(http, STREAM, params={"snapshot": "true", **filters}) as stream:
        state, seq = read_snapshot(stream)
        first = dict(state)
        changes = stream.take(CHANGES)
    assert first == state_at(http, seq, filters)
    for heard in changes:
        apply(state, heard)
    assert state == state_at(http, changes[-1].seq, filters)


def test_a_reader_that_stops_amid_a_snapshot_keeps_nobody_waiting_and_leaves_nothing(
    server: Server, http: httpx2.Client
) -> None:
    """What waits for him is in a file without a name, and that is gone with him."""
    with RawConnection.to("127.0.0.1", int(server.url.rpartition(":")[2])) as stopped:
        stopped.send(f"GET {STREAM}?snapshot=true&price=>=0 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert stopped.sock.recv(100).startswith(b"HTTP/1.1 200")
        wait_until(lambda: spools_of(server), "the snapshot to be kept in a file")
        assert not [name for name in os.listdir(server.run_dir) if "spool" in name]
        with listening(http, STREAM) as stream:
            assert stream.next().event == "connected"
            server.handle(Note).apply_replicated_item(make("new"))
            assert stream.next().item["id"] == "new"
        assert spools_of(server)
    wait_until(lambda: not spools_of(server), "the file to be gone")


def spools_of(server: Server) -> list[str]:
    """Give the spools that the gateway has open."""
    family = psutil.Process(server.pid).children(recursive=True)
    gateway = next(p for p in family if "lithair: gateway" in " ".join(p.cmdline()))
    folder = Path(f"/proc/{gateway.pid}/fd")
    return [link for entry in folder.iterdir() if ".spool" in (link := read_link(entry))]


def read_link(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""
