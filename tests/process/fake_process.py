"""A process for tests of the supervisor: does what the first word of its name says, and no more.

serve   replays, serves until it is told to stop      dies     raises at once
damaged locked   give up with status 3, 5             deaf     serves and ignores requests to stop
once    finishes by itself                            answer   accepts connections, says its pid
counts  serves and says how many lives it had before
slow    replays until the file "go" is in its run directory
"""

import os
import select
import signal
import socket
from collections.abc import Callable

from lithair.process import EXIT_DAMAGED, EXIT_LOCKED, Child
from tests.support.waiting import wait_until


def run(child: Child) -> None:
    """Behave."""
    BEHAVIOURS[child.name.partition("-")[0]](child)


def serve(child: Child) -> None:
    child.phase("replaying")
    child.progress += 1
    child.phase("serving")
    _wait_for(child.stop_fd)


def counts(child: Child) -> None:
    child.phase("serving", f"{child.restarts} before")
    _wait_for(child.stop_fd)


def slow(child: Child) -> None:
    child.phase("replaying")
    wait_until(lambda: os.path.exists(os.path.join(child.run_dir, "go")), "go", 60)
    child.phase("serving")
    _wait_for(child.stop_fd)


def dies(child: Child) -> None:
    child.phase("replaying")
    raise ValueError("boom")


def damaged(child: Child) -> None:
    child.fail("log damaged at offset 7", EXIT_DAMAGED)


def locked(child: Child) -> None:
    child.fail("locked by another", EXIT_LOCKED)


def deaf(child: Child) -> None:
    child.phase("serving")
    while True:
        signal.pause()


def once(child: Child) -> None:
    child.phase("serving")
    child.phase("finished")


def answer(child: Child) -> None:
    """Be a gateway: say the pid to whoever connects, until told to stop."""
    with socket.socket(fileno=child.listen_fds[0]) as listening:
        child.phase("serving")
        while _wait_for(child.stop_fd, listening.fileno()) != child.stop_fd:
            accepted, _ = listening.accept()
            with accepted:
                accepted.sendall(f"{os.getpid()}".encode())


def _wait_for(*descriptors: int) -> int:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return poll.poll()[0][0]


BEHAVIOURS: dict[str, Callable[[Child], None]] = {
    "serve": serve,
    "counts": counts,
    "slow": slow,
    "dies": dies,
    "damaged": damaged,
    "locked": locked,
    "deaf": deaf,
    "once": once,
    "answer": answer,
}
