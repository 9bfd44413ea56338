"""A request whose token has to be asked about waits, by itself, and nothing of it is read."""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from tornado.web import Application

from lithair import Lithair
from lithair.declaration import SessionsDeclaration
from lithair.gateway.bearers import UNKNOWN, Unknown
from lithair.gateway.contract import Transport
from lithair.gateway.cors import CrossOrigin
from lithair.gateway.gate import Gate
from lithair.gateway.identity import Identity, of_session
from lithair.gateway.limits import BodyLimits, Patience
from lithair.gateway.model_site import ModelSite
from lithair.gateway.server import TRANSPORTS
from lithair.gateway.sessions import hash_of
from lithair.gateway.site import Site
from lithair.http import Session
from lithair.phase import FAILED
from lithair.transport.loop_driver import LoopDriver
from lithair.transport.sockets import model_endpoint
from tests.gateway.harness import TRANSPORT, RawConnection
from tests.support.waiting import wait_until

TOKEN, OTHER = "A" * 43, "B" * 43
# A body is given less than a request here waits for its session; the sweep looks as often as that.
HASTY = Patience(head_s=60.0, body_s=0.05, idle_s=60.0, sweep_s=0.02)
# The model has failed, so that 503 says: let through. Nothing has to answer behind it.
LET_THROUGH, REFUSED = 503, 401


class AskedSlowly:
    """Knows nothing at once, and answers when the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = asyncio.Event()

    def cached(self, token_hash: str, now_ms: int) -> Identity | Unknown | None:
        return UNKNOWN

    async def find(self, token_hash: str) -> Identity | None:
        self.asked += 1
        await self.answers.wait()
        if token_hash != hash_of(TOKEN):
            return None
        return of_session(Session(token_hash, "alice", "editor", b"{}", (0, 1)))

    async def look(self, token_hash: str) -> Identity | None:
        return await self.find(token_hash)


@dataclass
class Waiting:
    """What a test sees of the gateway from its own thread."""

    loop: asyncio.AbstractEventLoop
    site: Site
    sessions: AskedSlowly
    port: int = 0
    sweeps: int = 0

    def connect(self) -> RawConnection:
        return RawConnection.to("127.0.0.1", self.port)

    def answer(self) -> None:
        self.loop.call_soon_threadsafe(self.sessions.answers.set)

    def wait_until_asked(self) -> None:
        wait_until(lambda: self.sessions.asked > 0, "the sessions to be asked")

    def wait_for_patience_to_end(self) -> None:
        wanted = self.sweeps + 10
        assert 10 * HASTY.sweep_s > 2 * HASTY.body_s
        wait_until(lambda: self.sweeps >= wanted, "the sweep to look at all connections")


def bytes_of(head: str) -> bytes:
    return head.replace("\n", "\r\n").encode() + b"\r\n\r\n"


def head(path: str, token: str = TOKEN, method: str = "GET", body: int = 0) -> str:
    length = f"\nContent-Length: {body}\nContent-Type: application/json" if body else ""
    return f"{method} {path} HTTP/1.1\nHost: x\nAuthorization: Bearer {token}{length}"


def in_front_of(talk: Callable[[Waiting], None], folder: Path) -> None:
    """Run a gateway on a loop of its own while `talk` talks to it from a thread."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        sessions = AskedSlowly()
        declaration = Lithair().declaration({}, {})
        with_sessions = msgspec.structs.replace(declaration, sessions=SessionsDeclaration())
        driver = LoopDriver(loop, model_endpoint(str(folder), "letters"))
        model = ModelSite("letters", "/api/letters", driver, 5.0)
        model.enter(FAILED)
        gate = Gate(with_sessions, sessions, None)
        limits = BodyLimits(single=1000, bulk=1000)
        site = Site({model.path: model}, Application(), gate, CrossOrigin(()), limits)
        transport = TRANSPORTS[os.environ[TRANSPORT]][0](loop, site, 100, None, HASTY)
        listener = socket.create_server(("127.0.0.1", 0))
        await transport.listen([listener])
        waiting = Waiting(loop, site, sessions, listener.getsockname()[1])
        sweeping = loop.create_task(sweep(transport, waiting))
        try:
            await asyncio.to_thread(talk, waiting)
            await asyncio.to_thread(wait_until, lambda: not transport.connections, "the end of all")
        finally:
            sweeping.cancel()
            transport.stop_accepting()
            driver.close()

    asyncio.run(asyncio.wait_for(run(), 30))


async def sweep(transport: Transport, waiting: Waiting) -> None:
    while True:
        await asyncio.sleep(HASTY.sweep_s)
        transport.sweep()
        waiting.sweeps += 1


def test_a_request_waits_for_its_session_and_is_then_let_through(tmp_path: Path) -> None:
    """However long that takes: it is not the client who is slow."""

    def talk(waiting: Waiting) -> None:
        with waiting.connect() as one:
            one.send(bytes_of(head("/api/letters", method="POST", body=4)) + b"null")
            waiting.wait_until_asked()
            waiting.wait_for_patience_to_end()
            waiting.answer()
            assert one.answer().status == LET_THROUGH

    in_front_of(talk, tmp_path)


def test_what_is_refused_afterwards_tells_nothing_of_the_model(tmp_path: Path) -> None:
    def talk(waiting: Waiting) -> None:
        with waiting.connect() as one:
            one.send(bytes_of(head("/api/letters?nonsense", OTHER)))
            waiting.wait_until_asked()
            waiting.answer()
            answer = one.answer()
            assert answer.status == REFUSED
            assert (
                answer.field("WWW-Authenticate") == 'Bearer realm="lithair", error="invalid_token"'
            )
            assert answer.field("Cache-Control") == "private, no-cache"
            assert answer.field("Vary") == "Authorization, Cookie"
            assert answer.field("Lithair-Seq") is None

    in_front_of(talk, tmp_path)


def test_a_head_that_is_faulty_is_told_so_once_it_is_let_through(tmp_path: Path) -> None:
    def talk(waiting: Waiting) -> None:
        with waiting.connect() as one, waiting.connect() as other:
            one.send(bytes_of(head("/api/letters?a=%zz")))
            other.send(bytes_of(head("/api/letters/count", method="DELETE")))
            waiting.answer()
            assert one.answer().status == 400
            assert other.answer().status == 405

    in_front_of(talk, tmp_path)


def test_nobody_else_waits_and_no_body_is_read(tmp_path: Path) -> None:
    def talk(waiting: Waiting) -> None:
        with waiting.connect() as one, waiting.connect() as other:
            one.send(bytes_of(head("/api/letters", method="POST", body=900)) + b"x" * 900)
            waiting.wait_until_asked()
            assert other.request("GET /elsewhere HTTP/1.1\nHost: x").status == 404
            assert other.request("GET /api/letters HTTP/1.1\nHost: x").status == REFUSED
            assert other.request("OPTIONS /api/letters HTTP/1.1\nHost: x").status == 204
            assert waiting.site.held_bytes == 0
            waiting.answer()
            assert one.answer().status == LET_THROUGH

    in_front_of(talk, tmp_path)


def test_requests_of_one_connection_are_answered_in_order(tmp_path: Path) -> None:
    def talk(waiting: Waiting) -> None:
        with waiting.connect() as one:
            both = bytes_of(head("/api/letters", OTHER)) + bytes_of(head("/api/letters"))
            one.send(both)
            waiting.wait_until_asked()
            waiting.answer()
            assert [one.answer().status, one.answer().status] == [REFUSED, LET_THROUGH]

    in_front_of(talk, tmp_path)


def test_a_client_may_leave_while_it_waits(tmp_path: Path) -> None:
    def talk(waiting: Waiting) -> None:
        with waiting.connect() as one:
            one.send(bytes_of(head("/api/letters", method="POST", body=900)) + b"x" * 20)
            waiting.wait_until_asked()
        waiting.answer()

    in_front_of(talk, tmp_path)
