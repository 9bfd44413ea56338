"""Listeners in a module: what the tests of their declaration declare."""

import threading
from collections.abc import Iterator
from typing import Any

from lithair import Lithair
from lithair.client import Event
from tests.app.sample_app import Email

heard: list[int] = []


class Indexer:
    def __init__(self, place: str = "") -> None:
        self.place = place

    def on_event(self, event: Event[Email]) -> None:
        heard.append(event.seq)


class Announcer:
    async def on_event(self, event: Event[Email]) -> None:
        heard.append(event.seq)


class Deaf:
    pass


class Greedy:
    def on_event(self, event: Event[Email], more: int) -> None:
        heard.append(event.seq + more)


class Yielding:
    def on_event(self, event: Event[Email]) -> Iterator[int]:
        yield event.seq


class Holding:
    """It holds what can't be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def on_event(self, event: Event[Email]) -> None:
        heard.append(event.seq)


app = Lithair().with_model(Email, "./data/emails", "/api/emails")


@app.on_change(Email)
def announce(event: Event[Email]) -> None:
    heard.append(event.seq)


@app.on_change(Email)
async def whisper(event: Event[Email]) -> None:
    heard.append(event.seq)


def greedy(event: Any, more: int) -> None:
    heard.append(more)
