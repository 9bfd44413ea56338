"""Clients that write with known ids and counters, and know exactly what was acknowledged.

Each client owns one item and raises its `n` by one with every write, so the item's history has to
be 0, 1, 2, ... up to the last acknowledged one: a gap is a lost write, a repeat one applied twice.
Beside it, every tenth write creates an item of its own.
"""

import collections
import threading
import uuid
from abc import ABC, abstractmethod
from pathlib import Path

import httpx2 as httpx

from lithair import connect
from tests.end_to_end.counters import Counter

NEW_ITEM_EVERY = 10
TRIES_MAX = 100  # a gateway is killed at most 20 times; more cut connections are a bug
REQUEST_TIMEOUT_S = 60.0


class Writer(ABC, threading.Thread):
    """Writes until it is told to stop; `fault` says what it should never have seen."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.item_id = name
        self.acknowledged = 0  # writes of the counter, its creation included
        self.created: list[str] = []  # other items, acknowledged
        self.retries = 0
        self.fault = ""
        self.stopping = threading.Event()

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                self.write(self.acknowledged)
                self.acknowledged += 1
                if self.acknowledged % NEW_ITEM_EVERY == 0:
                    key = f"{self.item_id}-{self.acknowledged}"
                    self.create(key, self.acknowledged)
                    self.created.append(key)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test has to show it
            self.fault = f"{self.name} at {self.acknowledged}: {type(error).__name__}: {error}"

    @abstractmethod
    def write(self, number: int) -> None:
        """Create the client's item with n = 0, or raise its n to `number`."""

    @abstractmethod
    def create(self, key: str, number: int) -> None:
        """Create one more item."""


class HttpWriter(Writer):
    """Retries only when its connection was cut, with the same Idempotency-Key."""

    def __init__(self, name: str, url: str) -> None:
        super().__init__(name)
        self._url = url
        self._http = httpx.Client(timeout=REQUEST_TIMEOUT_S)

    def run(self) -> None:
        with self._http:
            super().run()

    def write(self, number: int) -> None:
        if number == 0:
            self.create(self.item_id, 0)
            return
        answer = self._send("PATCH", f"/{self.item_id}", {"n": number})
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        assert answer.json()["n"] == number

    def create(self, key: str, number: int) -> None:
        answer = self._send("POST", "", {"id": key, "n": number})
        assert answer.status_code == 201, f"{answer.status_code} {answer.text}"

    def _send(self, method: str, path: str, body: dict[str, object]) -> httpx.Response:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        seen: collections.Counter[str] = collections.Counter()
        for _ in range(TRIES_MAX):
            try:
                return self._http.request(method, self._url + path, json=body, headers=headers)
            except httpx.TransportError as error:
                seen[repr(error)] += 1
                self.retries += 1
        raise AssertionError(f"{TRIES_MAX} connections were cut: {dict(seen)}")


class HandleWriter(Writer):
    """Writes past the gateway; never has to retry."""

    def __init__(self, name: str, run_dir: Path) -> None:
        super().__init__(name)
        self._run_dir = run_dir

    def run(self) -> None:
        with connect(self._run_dir, timeout=REQUEST_TIMEOUT_S) as lithair:
            self._counters = lithair.model(Counter)
            super().run()

    def write(self, number: int) -> None:
        if number == 0:
            self.create(self.item_id, 0)
        else:
            assert self._counters.patch(self.item_id, {"n": number}).n == number

    def create(self, key: str, number: int) -> None:
        self._counters.create(Counter(id=key, n=number))
