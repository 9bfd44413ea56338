"""Lithair: two servers of one gateway and one model process each, gated and not."""

import http.client
import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.sides.side import NOTES, PAGE, Entry, Routes, memory_bytes, note, until_answered
from lithair import Indexed, Lithair, MemorySessionStore, Model, SessionManager
from lithair.http import Request

if TYPE_CHECKING:
    from lithair.actors.background import Server

ROUTES = Routes(
    item="/api/notes/",
    collection="/api/notes",
    bulk="/api/notes/_bulk",
    page=f"/api/notes?folder=folder-%d&sort=-sent&take={PAGE}",
)
BATCH = 5000


class Note(Model):
    sender: str
    folder: Indexed[str]
    sent: Indexed[int]
    subject: str
    body: str


def made(number: int) -> Note:
    told: dict[str, Any] = note(number)
    return Note(**told)


async def log_in(request: Request) -> dict[str, str | None]:
    """Make a session."""
    session = await request.sessions.create(user_id="ann")
    return {"token": session.token}


def application(directory: Path) -> Lithair:
    return (
        Lithair()
        .with_model(Note, directory / "notes", "/api/notes")
        .with_run_dir(directory / "run")
        .with_port(0)
    )


def gated_application(directory: Path) -> Lithair:
    return (
        application(directory)
        .with_sessions(SessionManager(MemorySessionStore()))
        .with_models_require_session(True)
        .with_route("POST", "/in", log_in)
    )


class LithairSide:
    name = "Lithair"
    what = "this one, 1 gateway and 1 model process"
    syncs = "each acknowledged write (group commit: one `fdatasync` for all that wait)"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = ExitStack()
        self._servers: list[Server] = []
        self._token = ""

    def fill(self) -> int:
        empty_bytes = 0
        for app in (application(self._directory / "open"), gated_application(self._gated)):
            with app.running() as server:
                empty_bytes = empty_bytes or memory_bytes([server.pid])
                notes = server.handle(Note)
                for start in range(0, NOTES, BATCH):
                    notes.bulk_create([made(each) for each in range(start, start + BATCH)])
        return empty_bytes

    def start(self) -> float:
        started = time.monotonic()
        opened = self._stack.enter_context(application(self._directory / "open").running())
        self._servers = [opened]
        took_s = until_answered(self.open) - started
        gated = self._stack.enter_context(gated_application(self._gated).running())
        self._servers.append(gated)
        self._token = _token_of(gated)
        return took_s

    def stop(self) -> None:
        self._stack.close()
        self._servers = []

    @property
    def open(self) -> Entry:
        return Entry(self._servers[0].url, ROUTES)

    @property
    def gated(self) -> Entry:
        return Entry(self._servers[1].url, ROUTES, f"Bearer {self._token}")

    def pids(self) -> list[int]:
        return [self._servers[0].pid]

    def gated_pids(self) -> list[int]:
        return [self._servers[1].pid]

    @property
    def _gated(self) -> Path:
        return self._directory / "gated"


def _token_of(server: "Server") -> str:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    connection.request("POST", "/in")
    told = json.loads(connection.getresponse().read())
    connection.close()
    return str(told["token"])
