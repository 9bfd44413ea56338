"""Asking the supervisor without waiting: from a driver's thread, or from an event loop."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import zmq

from lithair.transport.control_socket import Answer, Question
from lithair.transport.driver import Driver
from lithair.transport.sockets import (
    Socket,
    connect_dealer,
    control_endpoint,
    is_readable,
    monotonic_ms,
)
from lithair.wire.codec import decode_control, encode_control
from lithair.wire.protocol import ProtocolMismatch, WireError

log = logging.getLogger(__name__)

OnAnswer = Callable[[Answer | None], None]


class ControlAsker:
    """One question at a time, without waiting: `None` is the answer when the time is up."""

    def __init__(self, run_dir: str, driver: Driver) -> None:
        self._run_dir = run_dir
        self._driver = driver
        self._socket: Socket | None = None
        self._request_id = 0
        self._on_answer: OnAnswer | None = None
        self._deadline_ms = 0

    @property
    def is_idle(self) -> bool:
        return self._on_answer is None

    def ask(self, question: Question, deadline_ms: int, on_answer: OnAnswer) -> None:
        """Send a question at once; one that was asked before is forgotten."""
        self._on_answer = on_answer
        self._deadline_ms = deadline_ms
        self._request_id += 1
        self.close()
        try:
            endpoint = control_endpoint(self._run_dir)
        except FileNotFoundError:
            return  # no run directory yet: answered `None` when the time is up
        self._socket = connect_dealer(endpoint)
        self._driver.opened((self._socket,))
        self._socket.send(encode_control(self._request_id, dict(question)), zmq.NOBLOCK)

    def receive(self, now_ms: int) -> None:
        """Take the answer if it has arrived."""
        while self._socket is not None and is_readable(self._socket):
            message = self._socket.recv(zmq.NOBLOCK)
            try:
                request_id, content = decode_control(message)
            except ProtocolMismatch as error:
                self._finish({"error": str(error)})
                return
            except WireError as error:
                log.warning("an answer of the supervisor is no message: %s", error)
                continue
            if request_id == self._request_id:
                self._finish(content)

    def tick(self, now_ms: int) -> None:
        self.receive(now_ms)
        if self._on_answer is not None and now_ms >= self._deadline_ms:
            self._finish(None)

    def close(self) -> None:
        """Close the connection; a question that waits is answered by its deadline alone."""
        socket, self._socket = self._socket, None
        if socket is not None:
            self._driver.closing((socket,))
            socket.close(linger=0)

    def _finish(self, answer: Answer | None) -> None:
        self.close()
        on_answer, self._on_answer = self._on_answer, None
        if on_answer is not None:
            on_answer(answer)


class LoopControl:
    """Asks the supervisor from an asyncio event loop."""

    def __init__(self, run_dir: str) -> None:
        self._run_dir = run_dir

    async def ask(self, question: Question, timeout_s: float) -> Answer | None:
        """Ask the supervisor; None when no answer came in time."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer | None] = loop.create_future()

        def on_answer(answer: Answer | None) -> None:
            if not answered.done():
                answered.set_result(answer)

        driver = _LoopSeat(loop)
        asker = driver.asker = ControlAsker(self._run_dir, driver)
        now_ms = monotonic_ms()
        asker.ask(question, now_ms + int(timeout_s * 1000), on_answer)
        asker.receive(now_ms)  # the descriptor is edge-triggered
        timer = loop.call_later(timeout_s, on_answer, None)
        try:
            return await answered
        finally:
            timer.cancel()
            asker.close()


class _LoopSeat:
    """Calls a control asker when its socket has something."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.asker: ControlAsker | None = None

    def wants_flush(self) -> None:
        pass

    def opened(self, sockets: Sequence[Socket]) -> None:
        for socket in sockets:
            self._loop.add_reader(int(socket.getsockopt(zmq.FD)), self._receive)

    def closing(self, sockets: Sequence[Socket]) -> None:
        for socket in sockets:
            self._loop.remove_reader(int(socket.getsockopt(zmq.FD)))

    def _receive(self) -> None:
        if self.asker is not None:
            self.asker.receive(monotonic_ms())
