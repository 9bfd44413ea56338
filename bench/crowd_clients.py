"""Another program: a crowd of connections that want little or nothing, and hold their places.

    python -m bench.crowd_clients PORT PATH COUNT HOW

`HOW`: `slow` sends, on one half of the connections a head, on the other half a body, a byte each
second, and connects again whenever it is closed; `idle` asks for PATH once on each, and keeps them.
It says `ready` once all are there; at the end of its input it says, as a line of JSON, how many
were closed, and after how many seconds at most.

Law: it shares the processors with whom it disturbs, so it does no more than it has to: one thread,
one epoll, one call to the system for a byte. They begin one after the other, evenly over a second:
who all send at the same moment are another attack.
"""

import json
import resource
import select
import socket
import sys
import time
from collections import deque
from typing import Final, NamedTuple

DESCRIPTORS_MORE: Final = 64
UNANSWERED_MAX: Final = 200  # of those who ask; more would only wait to be accepted
EVERY_S: Final = 1.0
STDIN: Final = 0


class Talk(NamedTuple):
    """What one of the crowd says: this first, and then a byte each second, or nothing."""

    first: bytes
    is_slow: bool


class Peer:
    """A connection, from its first byte on."""

    def __init__(self, port: int, talk: Talk) -> None:
        self.talk = talk
        self.is_answered = False
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.begun_s = time.perf_counter()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.socket.send(talk.first)


class Crowd:
    """The connections, and what became of them."""

    def __init__(self, port: int, talks: list[Talk]) -> None:
        self.closed = 0
        self.longest_s = 0.0
        self._port = port
        self._count = len(talks)
        self._coming = deque(talks)
        self._epoll = select.epoll()
        self._epoll.register(STDIN, select.EPOLLIN)
        self._peers: dict[int, Peer] = {}
        self._unanswered = 0  # of those who ask
        # All wait equally long for their next byte, so they stand in the order of their turns.
        self._turns: deque[tuple[float, Peer]] = deque()
        self._is_said = False

    def run(self) -> None:
        """Be the crowd until the input ends."""
        begun_s = time.perf_counter()
        while True:
            self._come(time.perf_counter() - begun_s)
            for descriptor, _ in self._epoll.poll(self._pause_s()):
                if descriptor == STDIN:
                    return
                self._read(self._peers[descriptor])
            self._send()

    def _come(self, passed_s: float) -> None:
        """Connect those whose time it is."""
        due = round(self._count * min(passed_s / EVERY_S, 1.0))
        while self._count - len(self._coming) < due and self._unanswered < UNANSWERED_MAX:
            self._connect(self._coming.popleft())
        if not self._coming and not self._unanswered and not self._is_said:
            self._is_said = True
            print("ready", flush=True)

    def _connect(self, talk: Talk) -> None:
        peer = Peer(self._port, talk)
        self._peers[peer.socket.fileno()] = peer
        self._epoll.register(peer.socket, select.EPOLLIN)
        if talk.is_slow:
            self._turns.append((peer.begun_s + EVERY_S, peer))
        else:
            self._unanswered += 1

    def _pause_s(self) -> float:
        """Tell how long nothing is to be done."""
        if self._coming:
            return EVERY_S / self._count
        if not self._turns:
            return -1
        return max(self._turns[0][0] - time.perf_counter(), 0.0)

    def _send(self) -> None:
        """Send a byte for each whose turn it is."""
        now_s = time.perf_counter()
        while self._turns and self._turns[0][0] <= now_s:
            due_s, peer = self._turns.popleft()
            if peer.socket.fileno() < 0:
                continue
            try:
                peer.socket.send(b"x")
            except OSError:  # it was closed, which its reading will tell
                continue
            self._turns.append((due_s + EVERY_S, peer))

    def _read(self, peer: Peer) -> None:
        """Take what came: an answer, or the end."""
        try:
            data = peer.socket.recv(1 << 16)
        except OSError:  # a reset is an end like any other
            data = b""
        if not peer.talk.is_slow and not peer.is_answered:
            peer.is_answered = True
            self._unanswered -= 1
        if not data:
            self._close(peer)

    def _close(self, peer: Peer) -> None:
        """Let go of who was closed; who is slow comes again."""
        del self._peers[peer.socket.fileno()]
        peer.socket.close()
        self.closed += 1
        self.longest_s = max(self.longest_s, time.perf_counter() - peer.begun_s)
        if peer.talk.is_slow:
            self._connect(peer.talk)


def talks(path: str, count: int, how: str) -> list[Talk]:
    """Give what each of a crowd says."""
    if how == "idle":
        return [Talk(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode(), is_slow=False)] * count
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    in_head = Talk(f"{head}X-Slow: ".encode(), is_slow=True)
    in_body = Talk(f"{head}Content-Length: 1000\r\n\r\n".encode(), is_slow=True)
    return [in_head if number % 2 else in_body for number in range(count)]


def main() -> None:
    port, path, count, how = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, int(count) + DESCRIPTORS_MORE), hard))
    crowd = Crowd(int(port), talks(path, int(count), how))
    crowd.run()
    print(json.dumps({"closed": crowd.closed, "longest_s": crowd.longest_s}), flush=True)


if __name__ == "__main__":
    main()
