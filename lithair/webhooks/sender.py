"""Webhook sender: one POST after the other to one address, over a connection that is kept.

Law: a 2xx is success and nothing else is; redirects are not followed, and no proxy is used. Every
wait has an end, whatever the receiver does. A kept connection that the receiver has closed
meanwhile is no failure: the request is sent once more over a new one, which at-least-once allows.
"""

import contextlib
import http.client
import logging
import socket
import ssl
import threading
from collections.abc import Generator, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from lithair.errors import LithairError

CONNECT_MAX_S: Final = 10.0
READ_MAX_S: Final = 10.0  # between two pieces of an answer, and of a request that is not taken
WHOLE_MAX_S: Final = 30.0  # of one POST, from the first byte sent to the last one read
REST_MAX_S: Final = 1.0  # between two pieces of a body, once the status is known
REST_BYTES_MAX: Final = 65_536  # of a body, which nobody reads; past it the connection is closed

# What a connection that was kept ends with when the other side has closed it.
CLOSED: Final = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)

log = logging.getLogger(__name__)


class NotDelivered(LithairError):
    """The receiver could not be reached, or did not say 2xx; the message says which."""


class WebhookSender:
    """Sends to one URL. Used by one thread; close it."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._target = _target(self._url)
        # SSL_CERT_FILE and SSL_CERT_DIR name further authorities, as everywhere with OpenSSL
        self._context = ssl.create_default_context() if self._url.scheme == "https" else None
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Close the connection; the next POST opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a body and return when the receiver has said 2xx; NotDelivered otherwise."""
        try:
            status = self._ask(body, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise NotDelivered(_told(error)) from error
        except BaseException:  # left in the midst of it: what comes next on it is not for us
            self.close()
            raise
        if not 200 <= status <= 299:
            hint = "; redirects are not followed" if 300 <= status <= 399 else ""
            raise NotDelivered(f"answered {status}{hint}")

    def _ask(self, body: bytes, headers: Mapping[str, str]) -> int:
        if self._connection is not None:
            try:
                return self._exchange(self._connection, body, headers)
            except CLOSED:
                log.debug("the receiver had closed the connection; sending over a new one")
                self.close()
        self._connection = self._connect()
        return self._exchange(self._connection, body, headers)

    def _connect(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        connection: http.client.HTTPConnection
        if self._context is None:
            connection = http.client.HTTPConnection(host, self._url.port, CONNECT_MAX_S)
        else:
            connection = http.client.HTTPSConnection(
                host, self._url.port, timeout=CONNECT_MAX_S, context=self._context
            )
        try:
            connection.connect()
            connection.sock.settimeout(READ_MAX_S)
        except BaseException:
            connection.close()
            raise
        return connection

    def _exchange(
        self, connection: http.client.HTTPConnection, body: bytes, headers: Mapping[str, str]
    ) -> int:
        response: http.client.HTTPResponse | None = None
        try:
            with _bounded(connection.sock):
                connection.request("POST", self._target, body, dict(headers))
                response = connection.getresponse()
        except BaseException:
            if response is not None:  # it may hold the socket by itself
                response.close()
            raise
        if not _is_read_out(connection, response):
            response.close()
            self.close()
        return response.status


def _is_read_out(
    connection: http.client.HTTPConnection, response: http.client.HTTPResponse
) -> bool:
    """Read the rest of an answer, and tell whether its connection is fit for another request."""
    if response.will_close or connection.sock is None:
        return False
    try:
        connection.sock.settimeout(REST_MAX_S)
        with _bounded(connection.sock):
            response.read(REST_BYTES_MAX)
        connection.sock.settimeout(READ_MAX_S)
    except (OSError, http.client.HTTPException, ValueError):
        return False  # it was an answer all the same: the status counts
    return response.isclosed()


@contextlib.contextmanager
def _bounded(sock: socket.socket) -> Generator[None]:
    """End the connection when the whole takes too long: a receiver may send a byte at a time."""
    is_late = threading.Event()

    def abort() -> None:
        is_late.set()
        with contextlib.suppress(OSError):  # it has just been closed
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # of TLS, too: no farewell is sent

    timer = threading.Timer(WHOLE_MAX_S, abort)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError):
        if not is_late.is_set():
            raise
    finally:
        timer.cancel()
    if is_late.is_set():  # whatever it then ended with, or took for an end
        raise TimeoutError(f"no whole answer within {WHOLE_MAX_S:g} s")


def _target(url: SplitResult) -> str:
    path = url.path or "/"
    return f"{path}?{url.query}" if url.query else path


def _told(error: Exception) -> str:
    """Say in a few words why nothing was delivered; nothing of a request is in it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return f"its host is not known: {error.strerror}"
    if isinstance(error, TimeoutError):
        return str(error) if str(error).startswith("no ") else f"no answer within {READ_MAX_S:g} s"
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed the connection without an answer"
    if isinstance(error, OSError):
        return f"can't be reached: {error.strerror or error}"
    return f"its answer is no HTTP: {type(error).__name__}"
