"""Bodies that are being received are bounded together, and counted out again."""

import asyncio
import socket

from tornado.web import Application, RequestHandler

from lithair import Lithair
from lithair.gateway.cors import CrossOrigin
from lithair.gateway.gate import Gate
from lithair.gateway.limits import PATIENCE, BodyLimits
from lithair.gateway.server import TRANSPORTS
from lithair.gateway.site import Site
from tests.gateway.harness import RawAnswer, RawConnection
from tests.support.waiting import wait_until

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\n"
LIMITS = BodyLimits(single=1000, bulk=1000, held=1000)


class Sink(RequestHandler):
    def post(self) -> None:
        self.set_status(204)


def talk(port: int, site: Site) -> list[RawAnswer]:
    """Have one body wait while another comes, then a third when the first one is through."""
    with RawConnection.to("127.0.0.1", port) as one, RawConnection.to("127.0.0.1", port) as other:
        one.send(HEAD + b"x" * 599)
        wait_until(lambda: site.held_bytes == 599, "the first body to come")
        refused = other.request(HEAD.decode().replace("\r\n", "\n"), b"x" * 600)
        one.send(b"x")
        first = one.answer()
        again = other.request(HEAD.decode().replace("\r\n", "\n"), b"x" * 600)
        other.send(HEAD + b"x")
    return [refused, first, again]


def test_too_many_bodies_at_once_are_refused_and_then_taken_again(transport: str) -> None:
    async def run() -> tuple[list[RawAnswer], Site]:
        loop = asyncio.get_running_loop()
        gate = Gate(Lithair().declaration({}, {}), None, None)
        site = Site({}, Application([("/", Sink)]), gate, CrossOrigin(()), LIMITS)
        carrier = TRANSPORTS[transport][0](loop, site, 100, None, PATIENCE)
        listener = socket.create_server(("127.0.0.1", 0))
        await carrier.listen([listener])
        answers = await asyncio.to_thread(talk, listener.getsockname()[1], site)
        await asyncio.to_thread(wait_until, lambda: not carrier.connections, "the end of all")
        carrier.stop_accepting()
        return answers, site

    (refused, first, again), site = asyncio.run(asyncio.wait_for(run(), 20))
    assert refused.status == 503
    assert refused.field("Retry-After") == "1"
    assert (first.status, again.status) == (204, 204)
    assert site.held_bytes == 0
