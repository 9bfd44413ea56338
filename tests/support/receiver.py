"""A receiver of webhooks: a real HTTP or HTTPS server that answers as a test tells it to."""

import ssl
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


class Receiver:
    """Keeps every delivery; `answer` may be changed while it runs."""

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self.deliveries: list[Delivery] = []
        self.answer: Answer = lambda _delivery: 200
        self.headers: dict[str, str] = {}  # of the answers
        self.body = b"thanks"
        self.closes = False  # each connection after its answer, without a word of it
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
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
        self._server.server_close()

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
