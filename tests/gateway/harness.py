"""A gateway in a thread of the test's process, on a port of its own.

Owns what a test of HTTP needs: the gateway started as its process starts it, and raw connections
that show every byte of an answer.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

from lithair import Lithair
from lithair.gateway import server
from lithair.gateway.limits import PATIENCE, Patience
from lithair.process import Child
from tests.support.waiting import wait_until

ANSWER_TIMEOUT_S = 10.0
TRANSPORT = "LT_HTTP_TRANSPORT"


@dataclass
class HeardReporter:
    """Keeps what a child says."""

    phases: list[str] = field(default_factory=list[str])
    sentences: list[str] = field(default_factory=list[str])

    def phase(self, phase: str, detail: str) -> None:
        self.phases.append(phase)

    def gave_up(self, sentence: str, exit_status: int) -> None:
        self.sentences.append(sentence)


@dataclass
class RunningGateway:
    """A gateway that serves."""

    child: Child
    thread: threading.Thread
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> "RawConnection":
        return RawConnection.to("127.0.0.1", self.port)


@contextlib.contextmanager
def gateway(
    app: Lithair, run_dir: Path, patience: Patience = PATIENCE
) -> Generator[RunningGateway]:
    """Run the gateway of an application; its models are the caller's business."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    environ = {TRANSPORT: os.environ[TRANSPORT]} if TRANSPORT in os.environ else {}
    declaration = app.with_run_dir(str(run_dir)).declaration(environ, {})
    reporter = HeardReporter()
    child = Child("gateway", "gateway-0", declaration, str(run_dir), [listener.detach()], reporter)
    thread = threading.Thread(target=server.run, args=(child, patience), name="gateway")
    thread.start()
    try:
        wait_until(lambda: "serving" in reporter.phases, "the gateway to serve")
        yield RunningGateway(child, thread, port)
    finally:
        child.stop()
        thread.join(ANSWER_TIMEOUT_S + server.DRAIN_S)
        assert not thread.is_alive(), "the gateway did not stop"


@dataclass
class RawAnswer:
    """An answer as it came."""

    status: int
    head: bytes
    fields: list[tuple[str, str]]
    body: bytes

    def field(self, name: str) -> str | None:
        found = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None


class RawConnection:
    """A connection whose bytes the test writes itself."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(ANSWER_TIMEOUT_S)
        self._buffer = b""

    @classmethod
    def to(cls, host: str, port: int) -> "RawConnection":
        """Connect to a server."""
        return cls(socket.create_connection((host, port), ANSWER_TIMEOUT_S))

    def __enter__(self) -> "RawConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def request(self, head: str, body: bytes = b"") -> RawAnswer:
        """Send a request, its lines separated by newlines, and give the answer."""
        lines = head.strip().split("\n")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return self.answer(is_head=head.strip().startswith("HEAD"))

    def answer(self, is_head: bool = False) -> RawAnswer:
        """Give the next answer."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in lines[1:])]
        status = int(lines[0].split(" ")[1])
        answer = RawAnswer(status, head, fields, b"")
        length = 0 if is_head or status in (204, 304) else int(answer.field("Content-Length") or 0)
        while len(self._buffer) < length:
            self._more()
        answer.body, self._buffer = self._buffer[:length], self._buffer[length:]
        return answer

    def is_closed(self) -> bool:
        """Wait for the other side to close, and say whether it did without a further byte."""
        if self._buffer:
            return False
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def _more(self) -> None:
        data = self.sock.recv(1 << 16)
        assert data, f"closed after {self._buffer!r}"
        self._buffer += data
