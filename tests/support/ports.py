"""Free TCP ports of the loopback address."""

import socket


def free_port() -> int:
    """Give a port that nobody listened on a moment ago; prefer port 0 where that is possible."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
