"""Listening sockets: one per gateway, held by the supervisor and handed down.

Owns the server's TCP address. Law: a gateway's restart refuses no connection, because its socket
stays open here and the kernel goes on queueing; one socket per gateway (SO_REUSEPORT), because a
shared queue spreads the load badly; the socket of a gateway that has failed is closed, so that the
kernel spreads its share over the others.
"""

import socket
from typing import Final

from lithair.errors import LithairError

BACKLOG: Final = 4096  # the kernel's own default bound; connections wait there during a restart


class ListeningSockets:
    """The sockets, by the gateway's number. `port` is the real one when 0 was asked for."""

    def __init__(self, host: str, port: int, count: int) -> None:
        self.host = host
        self.port = port
        self._family, self._address = _resolve(host, port)
        self._sockets: list[socket.socket | None] = []
        if port != 0:
            self._probe()
        try:
            for _ in range(count):
                self._sockets.append(self._bind())
        except BaseException:
            self.close()
            raise

    def descriptor(self, number: int) -> int:
        """Return the socket to hand down to a gateway, made anew when it had been closed."""
        present = self._sockets[number]
        if present is None:
            present = self._sockets[number] = self._bind()
        return present.fileno()

    def close_one(self, number: int) -> None:
        """Close a gateway's socket: it is not going to be started for a while."""
        present = self._sockets[number]
        if present is not None:
            self._sockets[number] = None
            present.close()

    def close(self) -> None:
        """Stop listening."""
        for number in range(len(self._sockets)):
            self.close_one(number)

    def _probe(self) -> None:
        """SO_REUSEPORT would let two servers of one user share a port without a word: refuse."""
        with socket.socket(self._family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._bind_to(probe)

    def _bind(self) -> socket.socket:
        made = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._bind_to(made)
            made.listen(BACKLOG)
        except BaseException:
            made.close()
            raise
        made.setblocking(False)
        if self.port == 0:
            self.port = int(made.getsockname()[1])
            self._address = (self._address[0], self.port)
        return made

    def _bind_to(self, made: socket.socket) -> None:
        if self._family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            made.bind(self._address)
        except OSError as error:
            raise LithairError(
                f"can't listen on {self.host} port {self.port}: {error.strerror}. Choose another"
                " port with LT_PORT or --port, or another address with LT_HOST or --host."
            ) from error


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """Turn a host into an address; IPv4 first where a name has both."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise LithairError(
            f"can't listen on {host}: {error.strerror}. Set another address with LT_HOST or --host."
        ) from error
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))


def url_of(host: str, port: int, has_tls: bool) -> str:
    """Write the address as people reach it from this machine."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)
    if ":" in reachable and not reachable.startswith("["):
        reachable = f"[{reachable}]"
    return f"{'https' if has_tls else 'http'}://{reachable}:{port}"
