"""200 readers follow a model while it is written to in every way and its processes are killed.

Each rebuilds the state from what it is told. None sees a gap, a repeat or events out of order, and
in the end each has what the server has.
"""

import contextlib
import random
import re
import shutil
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx2 as httpx
import psutil
import pytest

from lithair import connect
from tests.end_to_end.flames import Flame
from tests.end_to_end.stream_readers import Crowd, Habits, StreamReader
from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

pytestmark = pytest.mark.usefixtures("no_leaks")

GATEWAY, MODEL = "gm"
VICTIMS = "gmgm" + "mmmmm" + "mgmgmg"  # ten models, five gateways
RESTS = (4, 9)  # from this death to that some take nothing: so much is written that they are lagged
READERS, SLOW, RESTING, LEAVING, SIFTING, LATE = 200, 50, 10, 20, 30, 20
HOT = "heat=>=50"  # what sifting readers ask for
TURNS = 10  # of each writer, between two deaths
PATIENCE_S = 120.0  # for whatever takes a moment: this machine may be busy with other tests
TRIES_MAX = 100  # of a write; a gateway is killed a few times
LAST = "last"  # the item that every reader waits for
SETTINGS = {
    "LT_RESTART_LIMIT": "100000/30s",
    "LT_SSE_BUFFER": "65536",  # slow readers are lagged, too
    "LT_SSE_HEARTBEAT": "1",
    "LT_MAX_TAKE": "100000",  # the server's state is compared with in one page
}
LONG = "It was a bright cold day in November, and the clocks were striking. " * 30
TEXTS = ("plain", "two\nlines\r\nand data: more\n\nid: 7", "\N{FIRE} \u2028 \u0085 \x00", "")


class Writer(ABC, threading.Thread):
    """Creates, changes and deletes items of its own, `turns` times and then as often as wished."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.chance = random.Random(name)
        self.keys: set[str] = set()
        self.wanted = 0  # turns
        self.done = 0
        self.fault = ""
        self._wake = threading.Condition()
        self._is_over = False

    def want(self, turns: int) -> None:
        with self._wake:
            self.wanted += turns
            self._wake.notify()

    def stop(self) -> None:
        with self._wake:
            self._is_over = True
            self._wake.notify()

    def run(self) -> None:
        try:
            while self._is_wanted():
                self.turn()
                self.done += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the test has to show it
            self.fault = f"{self.name} at {self.done}: {type(error).__name__}: {error}"

    def _is_wanted(self) -> bool:
        with self._wake:
            self._wake.wait_for(lambda: self._is_over or self.done < self.wanted)
            return not self._is_over

    def turn(self) -> None:
        """Write once or twice."""
        key = f"{self.name}-{self.chance.randrange(8)}"
        fields: dict[str, object] = {"heat": self.chance.randrange(100)}
        fields["text"] = self.chance.choice(TEXTS)
        if key not in self.keys:
            self.create({"id": key, **fields})
            self.keys.add(key)
        elif self.chance.random() < 0.3:
            self.delete(key)
            self.keys.discard(key)
        else:
            self.change(key, fields)

    @abstractmethod
    def create(self, item: dict[str, object]) -> None: ...

    @abstractmethod
    def change(self, key: str, fields: dict[str, object]) -> None: ...

    @abstractmethod
    def delete(self, key: str) -> None: ...


class HttpWriter(Writer):
    """Retries when its connection is cut, with the same Idempotency-Key."""

    def __init__(self, name: str, url: str) -> None:
        super().__init__(name)
        self._url = url
        self._http = httpx.Client(timeout=PATIENCE_S)

    def run(self) -> None:
        with self._http:
            super().run()

    def create(self, item: dict[str, object]) -> None:
        self._send("POST", "", item, 201)

    def change(self, key: str, fields: dict[str, object]) -> None:
        self._send("PATCH", f"/{key}", fields, 200)

    def delete(self, key: str) -> None:
        self._send("DELETE", f"/{key}", None, 204)

    def _send(self, method: str, path: str, body: object, status: int) -> None:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        for _ in range(TRIES_MAX):
            try:
                answer = self._http.request(method, self._url + path, json=body, headers=headers)
            except httpx.TransportError:
                continue
            assert answer.status_code == status, f"{method} {path}: {answer.text}"
            return
        raise AssertionError(f"{TRIES_MAX} connections were cut")


class BulkWriter(HttpWriter):
    """Writes lists of items, and changes or deletes one of them now and then."""

    def turn(self) -> None:
        if self.chance.random() < 0.3 and self.keys:
            key = self.chance.choice(sorted(self.keys))
            self.change(key, {"heat": self.chance.randrange(100)})
            return
        keys = [f"{self.name}-{self.done}-{number}" for number in range(10)]
        items = [{"id": key, "heat": self.chance.randrange(100), "text": LONG} for key in keys]
        self._send("POST", "/_bulk", items, 201)
        self.keys.update(keys)


class HandleWriter(Writer):
    """Writes past the gateways."""

    def __init__(self, name: str, run_dir: Path) -> None:
        super().__init__(name)
        self._run_dir = run_dir

    def run(self) -> None:
        with connect(self._run_dir, timeout=PATIENCE_S) as lithair:
            self._flames = lithair.model(Flame)
            super().run()

    def create(self, item: dict[str, object]) -> None:
        self._flames.create(Flame(**item))  # type: ignore[arg-type]

    def change(self, key: str, fields: dict[str, object]) -> None:
        self._flames.patch(key, fields)

    def delete(self, key: str) -> None:
        assert self._flames.apply_replicated_delete(key)


def make_readers(url: str) -> tuple[list[StreamReader], list[StreamReader]]:
    """Make those that are there from the beginning, and those that come later."""
    parts = urlsplit(url)
    address, path = (parts.hostname or "", parts.port or 0), parts.path
    readers: list[StreamReader] = []
    for number in range(READERS):
        habits = Habits(
            filters=HOT if number < SIFTING else "",
            is_slow=SIFTING // 2 <= number < SIFTING // 2 + SLOW,
            leaves_after=5 if 100 <= number < 100 + LEAVING else 0,
            wants_snapshot=number >= READERS - LATE,
        )
        readers.append(StreamReader(f"reader-{number}", address, path, habits))
    return readers[:-LATE], readers[-LATE:]


def check_running(crowd: Crowd, writers: list[Writer]) -> None:
    """Fail at the first thing that should not be, and not when patience has ended."""
    faults = [writer.fault for writer in writers if writer.fault]
    faults += [fault for reader in crowd.readers for fault in reader.faults]
    if crowd.fault or faults:
        raise AssertionError("\n".join([crowd.fault, *faults[:20]]))


def gateways(server: Started, deaths: int) -> list[psutil.Process]:
    """Wait until both serve after so many deaths, and give them."""

    def look() -> list[psutil.Process] | None:
        if len(re.findall(r"gateway-\d: serving", server.log)) < 2 + deaths:
            return None
        found: list[psutil.Process] = []
        for process in server.living():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "lithair: gateway" in " ".join(process.cmdline()):
                    found.append(process)
        return found if len(found) == 2 else None

    return wait_until(look, "both gateways to serve", PATIENCE_S)


def disturb(server: Started, crowd: Crowd, writers: list[Writer], late: list[StreamReader]) -> None:
    """Kill one process after another; after each, everybody writes, and readers come."""
    chance = random.Random(5)
    resting = [reader for reader in crowd.readers if reader.is_slow][-RESTING:]
    share = -(-len(late) // len(VICTIMS))
    for number, victim in enumerate(VICTIMS):
        for writer in writers:
            writer.want(TURNS)
        crowd.add(late[number * share : (number + 1) * share])
        for reader in resting:
            reader.is_resting = RESTS[0] <= number < RESTS[1]
        if victim == MODEL:
            server.child("model flames").kill()
        else:
            chance.choice(gateways(server, VICTIMS[:number].count(GATEWAY))).kill()

        def is_done() -> bool:
            check_running(crowd, writers)
            return all(writer.done >= writer.wanted for writer in writers)

        wait_until(is_done, "everybody to have written", PATIENCE_S)


def items_of(url: str, query: str = "") -> dict[str, object]:
    """Give what the server has, by id."""
    with httpx.Client(timeout=PATIENCE_S) as http:
        page = http.get(f"{url}?{query}").json()
    assert not page["has_more"]
    return {item["id"]: item for item in page["data"]}


def finish(url: str, crowd: Crowd, writers: list[Writer]) -> int:
    """Write one thing more, which concerns everybody; gives its seq once all have it."""
    with httpx.Client(timeout=PATIENCE_S) as http:
        answer = http.post(url, json={"id": LAST, "heat": 99, "text": ""})
    assert answer.status_code == 201
    seq = int(answer.headers["ETag"].strip('"'))

    def is_done() -> bool:
        check_running(crowd, writers)
        return all(LAST in reader.state and reader.last_id == seq for reader in crowd.readers)

    wait_until(is_done, "all readers to have everything", PATIENCE_S)
    return seq


def check(url: str, crowd: Crowd) -> None:
    """Compare what each reader has with what the server has."""
    everything, hot = items_of(url), items_of(url, HOT)
    assert len(everything) > len(hot) > 0
    for reader in crowd.readers:
        expected = hot if reader.filters else everything
        assert reader.state == expected, reader.name


def test_200_readers_are_told_everything_once_and_in_order_while_processes_are_killed(
    tmp_path: Path,
) -> None:
    """Through HTTP, in bulk and by handles; ten deaths of the model's process, five of a gateway.

    50 are slow, and ten of them take nothing for a while; 20 come back all the time, 30 see a
    part, and 20 begin with a snapshot amid it all.
    """
    shutil.copy(ROOT / "tests/end_to_end/flames.py", tmp_path / "app.py")
    with Started(tmp_path, environ=SETTINGS) as server, Crowd() as crowd:
        url = server.url + "/api/flames"
        readers, late = make_readers(url)
        crowd.add(readers)
        wait_until(lambda: all(r.last_id == 0 for r in readers), "all to be connected", PATIENCE_S)
        writers: list[Writer] = [HttpWriter(f"http-{number}", url) for number in range(4)]
        writers.append(BulkWriter("bulk", url))
        writers += [HandleWriter(f"handle-{n}", tmp_path / ".lithair") for n in range(2)]
        run_to_end(lambda: disturb(server, crowd, writers, late), writers)
        seq = finish(url, crowd, writers)
        check(url, crowd)
        assert seq > len(VICTIMS) * TURNS * len(writers)
        assert all(reader.lives > 10 for reader in readers[100 : 100 + LEAVING])
        assert sum(reader.leaves for reader in readers) > 0
        assert sum(reader.lagged for reader in readers) >= RESTING
        assert sum(reader.lives for reader in crowd.readers) > READERS + VICTIMS.count(GATEWAY)
        assert server.stop() == 0


def run_to_end(disturbing: Callable[[], None], writers: list[Writer]) -> None:
    """Have the writers write while something goes on, and until it is over."""
    for writer in writers:
        writer.start()
    try:
        disturbing()
    finally:
        for writer in writers:
            writer.stop()
        for writer in writers:
            writer.join(PATIENCE_S)
    assert not any(writer.fault for writer in writers), [w.fault for w in writers if w.fault]
