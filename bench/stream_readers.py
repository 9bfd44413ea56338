"""Another program: many readers of one stream, on plain sockets, cheap enough not to be the limit.

    python -m bench.stream_readers PORT PATH READERS HOW

`HOW`: `prompt` takes everything as soon as it comes, and notes how old it is: an item tells when it
was sent, as `"sent":` and nanoseconds of the monotonic clock. `sweeping` takes what has come on all
connections each 20 ms, `still` nothing at all. It says `ready` once the stream has begun on each
connection; then it answers each line with what was read since the last one, as a line of JSON.
"""

import json
import os
import resource
import select
import socket
import sys
import time
from array import array
from contextlib import ExitStack
from typing import Final

SWEEP_S: Final = 0.02
RECEIVED_MAX: Final = 256 << 10
EVENT: Final = b"\nevent: "
SENT: Final = b'"sent":'
DESCRIPTORS_MORE: Final = 64


class Reading:
    """What was read since the last look."""

    def __init__(self) -> None:
        self.deliveries = 0
        self.ended = 0  # connections
        self.ages_ms = array("f")
        self._since_s = time.perf_counter()
        self._cpu_s = time.process_time()

    def told(self) -> str:
        """Write it down."""
        ages = sorted(self.ages_ms)
        return json.dumps(
            {
                "deliveries": self.deliveries,
                "ended": self.ended,
                "seconds": time.perf_counter() - self._since_s,
                "cpu_s": time.process_time() - self._cpu_s,
                "p50_ms": ages[len(ages) // 2] if ages else 0.0,
                "p99_ms": ages[int(len(ages) * 0.99)] if ages else 0.0,
                "max_ms": ages[-1] if ages else 0.0,
            }
        )


def begin(port: int, path: str, stack: ExitStack) -> socket.socket:
    """Ask for a stream, and wait until it has begun."""
    sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), 60))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    head = b""
    while EVENT not in head:
        data = sock.recv(4096)
        if not data or not head.startswith(b"HTTP/1.1 200"[: len(head)]):
            sys.exit(f"no stream: {head + data!r}")
        head += data
    sock.setblocking(False)
    return sock


def take(sock: socket.socket, into: bytearray, reading: Reading) -> int:
    """Take what has come on a connection; gives how many bytes, -1 at its end."""
    try:
        got = sock.recv_into(into)
    except BlockingIOError:
        return 0
    except OSError:
        return -1
    reading.deliveries += into.count(EVENT, 0, got)
    return got or -1


def note_ages(data: bytearray, size: int, reading: Reading) -> None:
    """Note how old the items in here are; one that is not whole is passed over."""
    now_ns = time.monotonic_ns()
    at = data.find(SENT, 0, size)
    while at >= 0:
        end = data.find(b",", at, size)
        if end < 0:
            return
        reading.ages_ms.append((now_ns - int(data[at + len(SENT) : end])) / 1e6)
        at = data.find(SENT, end, size)


def read_promptly(socks: list[socket.socket], orders: int) -> None:
    """Read as soon as something comes."""
    waiting = select.epoll()
    by_descriptor = {sock.fileno(): sock for sock in socks}
    for descriptor in (*by_descriptor, orders):
        waiting.register(descriptor, select.EPOLLIN)
    reading, into = Reading(), bytearray(RECEIVED_MAX)
    while True:
        for descriptor, _ in waiting.poll():
            if descriptor == orders:
                if not os.read(orders, 100):
                    return
                print(reading.told(), flush=True)
                reading = Reading()
                continue
            got = take(by_descriptor[descriptor], into, reading)
            if got < 0:
                waiting.unregister(descriptor)
                reading.ended += 1
            note_ages(into, got, reading)


def sweep(socks: list[socket.socket], orders: int, *, is_still: bool) -> None:
    """Read from everybody in turn, or from nobody."""
    reading, into = Reading(), bytearray(RECEIVED_MAX)
    while True:
        begun_s = time.perf_counter()
        for sock in () if is_still else list(socks):
            if take(sock, into, reading) < 0:
                socks.remove(sock)
                reading.ended += 1
        left_s = SWEEP_S - (time.perf_counter() - begun_s)
        if select.select([orders], [], [], max(0.0, left_s))[0]:
            if not os.read(orders, 100):
                return
            print(reading.told(), flush=True)
            reading = Reading()


def main() -> None:
    port, path, readers, how = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, readers + DESCRIPTORS_MORE), most))
    with ExitStack() as stack:
        socks = [begin(port, path, stack) for _ in range(readers)]
        print("ready", flush=True)
        if how == "prompt":
            read_promptly(socks, sys.stdin.fileno())
        else:
            sweep(socks, sys.stdin.fileno(), is_still=how == "still")


if __name__ == "__main__":
    main()
