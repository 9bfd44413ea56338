"""A receiver of webhooks: a real HTTP or HTTPS server that answers as a test tells it to."""

import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import msgspec


class Delivery(NamedTuple):
    """One POST as it came, and the connection it came over."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: tuple[str, int]

    @property
    def seq(self) -> int:
        seq: int = msgspec.json.decode(self.body)["seq"]
        return seq

    # Any: what a test looks into
    @property
    def told(self) -> dict[str, Any]:
        return msgspec.json.decode(self.body, type=dict[str, Any])


# Says how a delivery is answered, after it was kept: a status, or None to hang up without one.
Answer = Callable[[Delivery], int | None]


class _Server(ThreadingHTTPServer):
    """A server that ends with all of its connections, also those that clients keep open."""

    daemon_threads = False  # so that closing it waits for them

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._open: set[socket.socket] = set()
        self._is_open = threading.Lock()

    # Any: the types of socketserver, which stand for sockets here
    def process_request(self, request: Any, client_address: Any) -> None:
        with self._is_open:
            self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        with self._is_open:
            self._open.discard(request)
            super().close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up; a test sees what came, or did not."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def end(self) -> None:
        with self._is_open:
            for one in self._open:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(one, socket.SHUT_RDWR)
        self.server_close()


class Receiver:
    """Keeps every delivery; `answer` may be changed while it runs."""

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self.deliveries: list[Delivery] = []
        self.answer: Answer = lambda _delivery: 200
        self.headers: dict[str, str] = {}  # of the answers
        self.body = b"thanks"
        self.closes = False  # each connection after its answer, without a word of it
        self._server = _Server(self._handler())
        scheme = "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.port: int = self._server.server_address[1]
        self.url = f"{scheme}://localhost:{self.port}/hook?from=lithair"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.end()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                delivery = Delivery(self.path, dict(self.headers), body, self.client_address)
                receiver.deliveries.append(delivery)
                status = receiver.answer(delivery)
                self.close_connection = status is None or receiver.closes
                if status is None:
                    return
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(receiver.body)))
                self.end_headers()
                self.wfile.write(receiver.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing: what came is in `deliveries`."""

        return Handler
