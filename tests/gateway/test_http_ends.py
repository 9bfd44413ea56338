"""What becomes of connections when a peer is slow, goes away or sends too much, and of handlers."""

# pyright: reportUnknownMemberType=false

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import pytest
import tornado.web
from tornado.web import Application, RequestHandler

from lithair import Lithair
from lithair.gateway.cors import CrossOrigin
from lithair.gateway.gate import Gate
from lithair.gateway.http_connection import HttpConnection
from lithair.gateway.http_transport import HttpTransport
from lithair.gateway.limits import BodyLimits, Patience
from lithair.gateway.site import Site
from tests.gateway.harness import RawConnection
from tests.support.waiting import wait_until

GET = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
POST = "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
BIG = b"x" * (6 << 20)
LIMITS = BodyLimits(single=1 << 20, bulk=1 << 20, held=1 << 20)
SHORT = Patience(half_s=0.3, sweep_s=0.05)
T = TypeVar("T")


class Log:
    """What the handlers have seen."""

    def __init__(self) -> None:
        self.begun = 0
        self.gone = 0
        self.done: list[str] = []


class Noting(RequestHandler):
    def initialize(self, log: Log) -> None:
        self.log = log
        log.begun += 1

    def on_connection_close(self) -> None:
        self.log.gone += 1


class Big(Noting):
    def get(self) -> None:
        self.write(BIG)


class Never(Noting):
    async def get(self) -> None:
        await asyncio.get_running_loop().create_future()


@tornado.web.stream_request_body
class Early(Noting):
    """Answers before it has its body."""

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if not self._finished:
            _ = self.finish("early")
        return None

    def post(self) -> None:
        raise AssertionError("it was answered before")


@tornado.web.stream_request_body
class Limited(Noting):
    """Takes its body slowly, up to 100 bytes."""

    def prepare(self) -> None:
        self.request.connection.set_max_body_size(100)  # type: ignore[union-attr]
        self.request.connection.set_body_timeout(20)  # type: ignore[union-attr]

    async def data_received(self, chunk: bytes) -> None:
        await asyncio.sleep(0)
        self.log.done.append(chunk.decode())

    def post(self) -> None:
        self.write("taken")


@tornado.web.stream_request_body
class Failing(Noting):
    """Can't go on with an answer that has begun."""

    async def prepare(self) -> None:
        self.write("begun")
        await self.flush()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        raise RuntimeError(chunk)

    def post(self) -> None:
        raise AssertionError("its body never comes")


class Impatient(Noting):
    """Waits for a slow reader, gives up once and waits again."""

    async def get(self) -> None:
        for _ in range(50):
            self.write(BIG[: 1 << 20])
            try:
                await asyncio.wait_for(self.flush(), 0.05)
            except TimeoutError:
                self.log.done.append("waited")
                await self.flush()
                self.log.done.append("flushed")
                return


class Plain(Noting):
    def get(self) -> None:
        self.write("ok")


class Unwritable(Noting):
    """Has a head that says nothing for sure."""

    def get(self) -> None:
        self.set_header("Content-Length", "+2")
        self.write("ok")


HANDLERS = (Big, Never, Early, Limited, Failing, Impatient, Plain, Unwritable)


def served(talk: Callable[[int, Log, Site], T]) -> T:
    """Serve the handlers on plain asyncio while `talk` runs in a thread."""

    async def sweep(transport: HttpTransport) -> None:
        while True:
            await asyncio.sleep(SHORT.sweep_s)
            transport.sweep()

    async def run() -> T:
        loop = asyncio.get_running_loop()
        log = Log()
        gate = Gate(Lithair().declaration({}, {}), None, None)
        application = Application(
            [(f"/{handler.__name__.lower()}", handler, {"log": log}) for handler in HANDLERS]
        )
        site = Site({}, application, gate, CrossOrigin(()), LIMITS)
        transport = HttpTransport(loop, site, 100, None, SHORT)
        listener = socket.create_server(("127.0.0.1", 0))
        await transport.listen([listener])
        sweeping = asyncio.create_task(sweep(transport))
        try:
            said = await asyncio.to_thread(talk, listener.getsockname()[1], log, site)
            await asyncio.to_thread(wait_until, lambda: not transport.connections, "all to end", 8)
        finally:
            sweeping.cancel()
            transport.stop_accepting()
            transport.close()
        return said

    return asyncio.run(asyncio.wait_for(run(), 30))


def small(port: int) -> RawConnection:
    """Connect as a peer whose system takes little ahead of it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
    sock.connect(("127.0.0.1", port))
    return RawConnection(sock)


def test_a_last_answer_is_taken_as_slowly_as_the_peer_likes() -> None:
    def talk(port: int, log: Log, _site: Site) -> int:
        with small(port) as connection:
            connection.send(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            taken = 0
            begun_s = time.monotonic()
            while data := connection.sock.recv(1 << 16):
                taken += len(data)
                if taken < 1 << 16:  # longer than a peer that has its whole answer may stay
                    wait_until(lambda: time.monotonic() - begun_s > 2.5, "time to pass")
            assert log.begun == 1
            return taken

    assert served(talk) > len(BIG)


def test_who_takes_no_answers_has_no_more_of_his_requests_run() -> None:
    def talk(port: int, log: Log, _site: Site) -> int:
        with small(port) as connection:
            connection.send((GET % "/big").encode() * 100)
            wait_until(lambda: log.begun, "the first request to run")
            with RawConnection.to("127.0.0.1", port) as other:  # the loop goes around meanwhile
                for _ in range(50):
                    assert other.request("GET /plain HTTP/1.1\nHost: x").status == 200
            begun = log.begun - 50
            assert connection.answer().body == BIG  # and they go on when he does
            assert connection.answer().body == BIG
            return begun

    assert served(talk) == 1


def test_a_body_that_was_not_needed_is_counted_out() -> None:
    def talk(port: int, log: Log, site: Site) -> tuple[int, int]:
        with RawConnection.to("127.0.0.1", port) as connection:
            connection.send((POST % ("/early", 1000)).encode() + b"x" * 500)
            assert connection.answer().body == b"early"
            assert connection.is_closed()
        wait_until(lambda: log.gone, "the handler to be told")
        return log.gone, site.held_bytes

    assert served(talk) == (1, 0)


def test_a_handler_is_told_that_its_client_is_gone() -> None:
    def talk(port: int, log: Log, _site: Site) -> int:
        with RawConnection.to("127.0.0.1", port) as connection:
            connection.send((GET % "/never").encode())
            wait_until(lambda: log.begun, "the request to come")
        wait_until(lambda: log.gone, "the handler to be told", 8)
        return log.gone

    assert served(talk) == 1


def test_all_requests_of_who_sends_no_more_are_answered() -> None:
    def talk(port: int, _log: Log, _site: Site) -> int:
        with RawConnection.to("127.0.0.1", port) as connection:
            connection.send((GET % "/plain").encode() * 100)
            connection.sock.shutdown(socket.SHUT_WR)
            answers = [connection.answer().body for _ in range(100)]
            assert connection.is_closed()
            return answers.count(b"ok")

    assert served(talk) == 100


def test_a_body_is_asked_for_once_and_taken_up_to_its_handlers_limit() -> None:
    head = (POST % ("/limited", 3)).replace("\r\n\r\n", "\r\nExpect: 100-Continue\r\n\r\n")

    def talk(port: int, log: Log, _site: Site) -> list[int]:
        with RawConnection.to("127.0.0.1", port) as connection:
            connection.send(head.encode())
            statuses = [connection.answer().status]
            for piece in ("a", "b", "c"):
                connection.send(piece.encode())
                wait_until(partial(log.done.__contains__, piece), "the piece to be taken")
            statuses.append(connection.answer().status)
            connection.send((POST % ("/limited", 100)).encode() + b"x" * 100)
            statuses.append(connection.answer().status)
            connection.send((POST % ("/limited", 101)).encode() + b"x" * 101)
            statuses.append(connection.answer().status)
            assert connection.is_closed()
        with RawConnection.to("127.0.0.1", port) as connection:
            connection.send(b"POST /limited HTTP/1.1\r\nHost: x\r\n")
            connection.send(b"Transfer-Encoding: chunked\r\n\r\n60\r\n" + b"x" * 96 + b"\r\n")
            connection.send(b"5\r\n12345\r\n0\r\n\r\n")
            statuses.append(connection.answer().status)
        return statuses

    assert served(talk) == [100, 200, 200, 413, 413]


def test_a_body_that_is_refused_before_it_comes_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def talk(port: int, log: Log, _site: Site) -> int:
        head = POST % ("/limited", 2 << 20)
        with RawConnection.to("127.0.0.1", port) as connection:
            connection.send(head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n").encode())
            assert connection.answer().status == 413
            connection.send(b"all the same")
            assert connection.is_closed()
        return len(log.done)

    assert served(talk) == 0
    assert [record.name for record in caplog.records if record.name == "asyncio"] == []


def test_who_fails_with_half_an_answer_is_told_once() -> None:
    def talk(port: int, log: Log, _site: Site) -> int:
        with RawConnection.to("127.0.0.1", port) as connection:
            connection.send((POST % ("/failing", 3)).encode())
            assert connection.answer().status == 200
            connection.send(b"abc")
            while connection.sock.recv(1 << 16):
                pass
        with RawConnection.to("127.0.0.1", port) as connection:
            assert connection.request("GET /plain HTTP/1.1\nHost: x").status == 200
        return log.gone

    assert served(talk) == 1


def test_who_gives_up_waiting_for_a_slow_reader_may_wait_again() -> None:
    def talk(port: int, log: Log, _site: Site) -> list[str]:
        with small(port) as connection:
            connection.send((GET % "/impatient").encode())
            wait_until(lambda: log.done, "the handler to give up once")
            while not connection.sock.recv(1 << 16).endswith(b"0\r\n\r\n"):
                pass
        return log.done

    assert served(talk) == ["waited", "flushed"]


def test_a_head_that_cannot_be_written_ends_the_connection() -> None:
    def talk(port: int, log: Log, _site: Site) -> int:
        with RawConnection.to("127.0.0.1", port) as connection:
            connection.send((GET % "/unwritable").encode() + (GET % "/plain").encode())
            assert connection.is_closed()
        return log.begun

    assert served(talk) == 1


class Held(asyncio.Transport):
    """A transport whose peer is fast: only tells whether it is read from."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = True
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


def test_more_requests_than_others_leave_time_for_are_not_read() -> None:
    async def run() -> None:
        gate = Gate(Lithair().declaration({}, {}), None, None)
        application = Application([("/plain", Plain, {"log": Log()})])
        site = Site({}, application, gate, CrossOrigin(()), LIMITS)
        server = HttpTransport(asyncio.get_running_loop(), site, 100, None, SHORT)
        connection, transport = HttpConnection(server), Held()
        connection.connection_made(transport)
        refused = b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"
        count = 3000
        connection.data_received(refused * count)
        was_read = transport.is_read
        assert len(transport.sent) < count // 10
        while len(transport.sent) < count:
            sent = len(transport.sent)
            await asyncio.sleep(0)
            assert len(transport.sent) - sent <= count // 10
        assert (was_read, transport.is_read) == (False, True)
        connection.connection_lost(None)

    asyncio.run(asyncio.wait_for(run(), 10))
