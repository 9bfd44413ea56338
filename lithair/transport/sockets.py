"""ZeroMQ sockets: every one is made here, with every option that matters said.

Law: no socket of ours keeps the process alive, waits for ever, or drops a message silently. ROUTER
drops at its high-water mark, so there is none, and what may pile up is bounded by who sends.

Endpoints are `ipc://` sockets in the run directory. A path of a Unix socket has at most 107 bytes;
a longer one is reached through an open descriptor of the directory (`/proc/self/fd/N/name`), so an
endpoint means something in the process that made it and nowhere else: others are told names.
"""

import functools
import itertools
import os
import threading
import time
from collections.abc import Iterable
from typing import Final

import zmq

from lithair.wire.protocol import MESSAGE_BYTES_MAX

SOCKET_PATH_BYTES_MAX: Final = 107
RECONNECT_MS: Final = 20  # a model process is back within some 100 ms
RECONNECT_MS_MAX: Final = 200
HANDSHAKE_MS: Final = 5_000
HEARTBEAT_MS: Final = 5_000  # over ipc the kernel tells of a death; this finds a stopped process
HEARTBEAT_TIMEOUT_MS: Final = 30_000
SOCKETS_MAX: Final = 16_384  # per process: three per model and peer are far below it
FEED_MESSAGES_MAX: Final = 64  # of some 1 MiB at most, kept for a reader that has stopped
COPIED_BYTES_MAX: Final = 64 << 10  # below it, copying costs less than keeping track of who reads

CONTROL: Final = "control"

# Asked for a few times in each turn of a loop: pyzmq's members of enumerations take half as long
# again as numbers.
_EVENTS: Final = int(zmq.EVENTS)
_POLLIN: Final = int(zmq.POLLIN)

Socket = zmq.Socket[bytes]
Context = zmq.Context[zmq.Socket[bytes]]


def monotonic_ms() -> int:
    """Give the clock of deadlines: CLOCK_MONOTONIC, the same in every process of the machine."""
    return time.monotonic_ns() // 1_000_000


def new_context() -> Context:
    made: Context = zmq.Context(io_threads=1)
    made.set(zmq.MAX_SOCKETS, SOCKETS_MAX)
    return made


@functools.cache
def _context_of(_pid: int) -> Context:
    return new_context()


def context() -> Context:
    """Give the context that all asking ends of this process share."""
    return _context_of(os.getpid())


_directories: dict[str, int] = {}
_directories_lock = threading.Lock()


def _directory_fd(directory: str) -> int:
    """Open a directory for as long as its sockets are reached through it; again, if replaced."""
    with _directories_lock:
        known = _directories.get(directory)
        there = os.stat(directory)
        if known is not None:
            held = os.fstat(known)
            if (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino):
                return known
            os.close(_directories.pop(directory))
        opened = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        _directories[directory] = opened
        return opened


def endpoint(run_dir: str, name: str) -> str:
    """Give the endpoint of a socket in the run directory, however long its path is.

    Raises FileNotFoundError when the path is long and the directory is not there.
    """
    path = os.path.join(os.path.abspath(run_dir), name)
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        return f"ipc://{path}"
    return f"ipc:///proc/self/fd/{_directory_fd(os.path.dirname(path))}/{name}"


def model_endpoint(run_dir: str, model: str) -> str:
    """Give the endpoint of a model's process by the model's name."""
    return endpoint(run_dir, f"model-{model}")


def feed_endpoint(run_dir: str, model: str) -> str:
    """Give the endpoint of a model's feed by the model's name."""
    return endpoint(run_dir, f"feed-{model}")


def control_endpoint(run_dir: str) -> str:
    """Give the endpoint of the supervisor's control socket."""
    return endpoint(run_dir, CONTROL)


def _make(owner: Context, kind: int) -> Socket:
    made = owner.socket(kind)
    for option, value in (
        (zmq.LINGER, 0),
        (zmq.SNDHWM, 0),
        (zmq.RCVHWM, 0),
        (zmq.MAXMSGSIZE, MESSAGE_BYTES_MAX),
        (zmq.HANDSHAKE_IVL, HANDSHAKE_MS),
        (zmq.HEARTBEAT_IVL, HEARTBEAT_MS),
        (zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS),
        (zmq.RECONNECT_IVL, RECONNECT_MS),
        (zmq.RECONNECT_IVL_MAX, RECONNECT_MS_MAX),
    ):
        made.setsockopt(option, value)
    return made


_umask_lock = threading.Lock()


def bind_router(where: str, owner: Context | None = None) -> Socket:
    """Bind the serving end; its file is readable by the owner alone.

    Sending to a peer that is gone raises ZMQError (EHOSTUNREACH). A peer can't take another's name
    (no ROUTER_HANDOVER). libzmq takes over a path that somebody else listens on without an error:
    exclusion is the business of the lock on the data directory.
    """
    made = _make(owner or context(), zmq.ROUTER)
    made.setsockopt(zmq.ROUTER_MANDATORY, 1)
    made.setsockopt(zmq.ROUTER_HANDOVER, 0)
    return _bound(made, where)


def bind_feed(where: str) -> Socket:
    """Bind the sending end of a feed; it tells by messages whether anybody reads.

    A reader that does not keep up misses messages, which it notices by their numbers.
    """
    made = _make(context(), zmq.XPUB)
    made.setsockopt(zmq.SNDHWM, FEED_MESSAGES_MAX)
    return _bound(made, where)


def connect_feed(where: str) -> Socket:
    """Connect a reading end of a feed."""
    made = _make(context(), zmq.SUB)
    made.setsockopt(zmq.RCVHWM, FEED_MESSAGES_MAX)
    made.setsockopt(zmq.SUBSCRIBE, b"")
    made.connect(where)
    return made


def _bound(made: Socket, where: str) -> Socket:
    """Bind a socket whose file is readable by the owner alone."""
    with _umask_lock:
        old = os.umask(0o177)
        try:
            made.bind(where)
        except zmq.ZMQError:
            made.close()
            raise
        finally:
            os.umask(old)
    return made


def connect_dealer(where: str) -> Socket:
    """Connect the asking end; it connects again by itself when the other process comes back."""
    made = _make(context(), zmq.DEALER)
    made.connect(where)
    return made


_monitor_numbers = itertools.count(1)


class WatchedDealer:
    """A DEALER, and a second socket that tells when its connection was lost."""

    def __init__(self, where: str) -> None:
        self.socket = _make(context(), zmq.DEALER)
        # The number of a closed descriptor is used again, pyzmq's own name for this with it.
        name = f"inproc://lithair-monitor-{next(_monitor_numbers)}"
        self.socket.monitor(name, zmq.EVENT_DISCONNECTED)
        self.losses = context().socket(zmq.PAIR)
        self.losses.setsockopt(zmq.LINGER, 0)
        self.losses.connect(name)
        self.socket.connect(where)

    def was_lost(self) -> bool:
        """Say whether the connection was lost since this was last asked."""
        lost = False
        while is_readable(self.losses):
            event = self.losses.recv_multipart(zmq.NOBLOCK)[0]
            lost = lost or int.from_bytes(event[:2], "little") == zmq.EVENT_DISCONNECTED
        return lost

    def close(self) -> None:
        self.socket.disable_monitor()
        self.losses.close(linger=0)
        self.socket.close(linger=0)


def is_readable(socket: Socket) -> bool:
    """Say whether a message waits; the descriptor is edge-triggered, so ask after every use."""
    return bool(int(socket.getsockopt(_EVENTS)) & _POLLIN)


class Waiter:
    """Waits until one of several descriptors or sockets has something."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()
        self._sockets: set[Socket] = set()

    def watch(self, what: int | Socket) -> None:
        """Wait for this too; nothing happens when it is watched already."""
        if not isinstance(what, int):
            self._sockets.add(what)
        self._poller.register(what, zmq.POLLIN)

    def forget(self, what: int | Socket) -> None:
        if not isinstance(what, int):
            self._sockets.discard(what)
        if what in self._poller:
            self._poller.unregister(what)

    def wait(self, timeout_ms: int) -> Iterable[object]:
        """Give what is ready, nothing when the time is up; a negative time never is.

        A socket that was closed meanwhile is forgotten: a client that connects anew has a new one.
        """
        for socket in [socket for socket in self._sockets if socket.closed]:
            self.forget(socket)
        return [what for what, _ in self._poller.poll(timeout_ms)]
