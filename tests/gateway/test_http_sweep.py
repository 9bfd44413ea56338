"""A crowd of slow senders: all are refused in the course of a sweep, and never many at once."""

import asyncio

import pytest
from tornado.web import Application

from lithair import Lithair
from lithair.gateway.cors import CrossOrigin
from lithair.gateway.gate import Gate
from lithair.gateway.http_connection import HttpConnection
from lithair.gateway.http_transport import SWEPT_AT_ONCE, SWEPT_PARTS_MAX, HttpTransport
from lithair.gateway.limits import BodyLimits, Patience
from lithair.gateway.site import Site

BEGUN = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "
LATE_AT_ONCE = Patience(head_s=0.0, sweep_s=0.2)


class Peer(asyncio.Transport):
    """A transport that keeps what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


class Crowd:
    """Connections that have sent a part of a head, and are late with the rest."""

    def __init__(self, count: int) -> None:
        gate = Gate(Lithair().declaration({}, {}), None, None)
        site = Site({}, Application([]), gate, CrossOrigin(()), BodyLimits(1, 1))
        loop = asyncio.get_running_loop()
        self.server = HttpTransport(loop, site, count, None, LATE_AT_ONCE)
        self.peers = {HttpConnection(self.server): Peer() for _ in range(count)}
        for connection, peer in self.peers.items():
            connection.connection_made(peer)
            connection.data_received(BEGUN)

    @property
    def refused(self) -> int:
        return sum(peer.sent != [] for peer in self.peers.values())

    async def turn(self) -> int:
        """Let the loop go around once, in which others are served; tells how many are refused."""
        await asyncio.sleep(0)
        return self.refused


@pytest.mark.parametrize("count", [1, SWEPT_AT_ONCE, 100, 3 * SWEPT_AT_ONCE * SWEPT_PARTS_MAX])
def test_a_crowd_is_refused_a_few_at_a_time_and_all_within_one_sweep(count: int) -> None:
    async def run() -> None:
        crowd = Crowd(count)
        at_once = max(SWEPT_AT_ONCE, count // SWEPT_PARTS_MAX)
        crowd.server.sweep()
        refused = crowd.refused
        assert refused == min(count, at_once)
        while refused < count:
            before, refused = refused, await crowd.turn()
            assert refused - before <= at_once
        for peer in crowd.peers.values():
            (answer,) = peer.sent
            assert answer.startswith(b"HTTP/1.1 408 ")

    asyncio.run(asyncio.wait_for(run(), 10))


def test_who_is_gone_before_his_turn_is_let_go() -> None:
    async def run() -> None:
        crowd = Crowd(3 * SWEPT_AT_ONCE)
        crowd.server.sweep()
        refused = crowd.refused
        *_, last = crowd.peers
        last.connection_lost(None)
        while await crowd.turn() < len(crowd.peers) - 1:
            pass
        assert refused == SWEPT_AT_ONCE
        assert crowd.peers[last].sent == []
        assert crowd.server.connections == len(crowd.peers) - 1

    asyncio.run(asyncio.wait_for(run(), 10))
