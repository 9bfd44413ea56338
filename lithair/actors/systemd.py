"""systemd: telling the service manager that the server is ready, lives, or stops.

Owns sd_notify(3) and sd_watchdog_enabled(3), as far as they are needed. Law: without NOTIFY_SOCKET
nothing happens, and a service manager that does not listen is no reason to fail.
"""

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


def notify(state: str) -> None:
    """Send one state, such as "READY=1", to the service manager if there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(1.0)
            sender.sendto(state.encode(), address)
    except OSError as error:
        log.warning("the service manager could not be told %s: %s", state, error)


class Watchdog:
    """Tells the service manager that this process goes on, at twice the rate that it asks for."""

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        asked_us = environ.get("WATCHDOG_USEC", "")
        is_ours = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        self._every_ms = int(asked_us) // 2000 if is_ours and asked_us.isdecimal() else 0
        self._told_ms: int | None = None

    def turn(self, now_ms: int) -> None:
        """Say so if it is time; for whoever is watched to call in each turn of its loop."""
        if self._every_ms and (self._told_ms is None or now_ms - self._told_ms >= self._every_ms):
            self._told_ms = now_ms
            notify("WATCHDOG=1")
