"""Free TCP ports of the loopback address."""

import contextlib
import random
import socket


def free_port() -> int:
    """Give a port that nobody listened on a moment ago; prefer port 0 where that is possible."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def lasting_port() -> int:
    """Give a free port that the kernel gives to nobody by itself, for whoever comes back to it."""
    while True:
        port = random.randrange(10_000, 30_000)  # below net.ipv4.ip_local_port_range
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
