"""systemd: telling the service manager that the server is ready, or stops.

Owns sd_notify(3), as far as it is needed. Law: without NOTIFY_SOCKET nothing happens, and a service
manager that does not listen is no reason to fail.
"""

import logging
import os
import socket

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
