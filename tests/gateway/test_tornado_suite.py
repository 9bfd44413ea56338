"""Tornado's own tests of what its server and its handlers do, over the transport on a C parser.

They are run as Tornado ships them, with our transport and an exchange of ours in place of its
HTTPServer, on plain asyncio. `SKIPPED` names what does not apply, with the reason.
"""

import asyncio
import inspect
import logging
import socket
from collections.abc import Generator, Sequence
from typing import Any, Final

import pytest
import tornado.test.httpserver_test as of_server
import tornado.test.web_test as of_handlers
from tornado.httpserver import HTTPServer
from tornado.netutil import ssl_options_to_context
from tornado.testing import AsyncHTTPTestCase

from lithair import Lithair
from lithair.gateway.cors import CrossOrigin
from lithair.gateway.gate import Gate
from lithair.gateway.http_transport import HttpTransport
from lithair.gateway.limits import BodyLimits, Patience
from lithair.gateway.site import Site

# What is left out, a class or one test of it.
OPTIONS = "about an option of Tornado's server that is none of ours"
LOGGED = "waits for a line in Tornado's log; test_http_head has these bytes refused"
SKIPPED: Final[dict[str, str]] = {
    "BodyLimitsTest": OPTIONS + ": limits are the exchange's (413), see test_transport",
    "GzipTest": OPTIONS + ": bodies that came compressed are not unpacked",
    "GzipMemoryTest": OPTIONS + ": as above",
    "IdleTimeoutTest": OPTIONS + ": its times are `Patience`, see test_transport",
    "MaxHeaderSizeTest": OPTIONS + ": the limit is fixed, see test_transport",
    "ManualProtocolTest": OPTIONS + ": what a proxy says is read by `callers`",
    "XHeaderTest": OPTIONS + ": as above, see test_proxies",
    "SSLXHeaderTest": OPTIONS + ": as above",
    "StreamingChunkSizeTest": OPTIONS + ": a piece is what came at once",
    "DecoratedStreamingRequestFlowControlTest": OPTIONS + ": as above, see test_http_ends",
    "NativeStreamingRequestFlowControlTest": OPTIONS + ": as above, see test_http_ends",
    "HTTPConnectionTest.test_newlines": "lines end with CRLF, nothing else",
    "HTTPServerRawTest.test_chunked_request_body_duplicate_header": LOGGED,
    "HTTPServerRawTest.test_chunked_request_body_invalid_size": LOGGED,
    "HTTPServerRawTest.test_chunked_request_body_transfer_encoding_and_content_length": LOGGED,
    "HTTPServerRawTest.test_chunked_request_body_unsupported_transfer_encoding": LOGGED,
    "HTTPServerRawTest.test_content_length_list_whitespace": LOGGED,
    "HTTPServerRawTest.test_invalid_content_length": LOGGED,
    "HTTPServerRawTest.test_invalid_host_header_with_whitespace": LOGGED,
    "HTTPServerRawTest.test_invalid_methods": LOGGED,
    "HTTPServerRawTest.test_malformed_first_line_log": LOGGED,
    "HTTPServerRawTest.test_malformed_first_line_response": LOGGED,
    "HTTPServerRawTest.test_malformed_headers": LOGGED,
    "InvalidOutputContentLengthTest": "waits for lines in Tornado's log; see test_http_ends",
    "KeepAliveTest.test_keepalive_chunked": "HTTP/1.0 knows no chunks: 400",
    "SSLTest.test_error_logging": "waits for a line in Tornado's log",
    "SSLTest.test_non_ssl_request": "waits for a line in Tornado's log",
    "ClientCloseTest": "reaches for Tornado's stream, which is not there",
    "RequestEncodingTest.test_error": "an escape that is no UTF-8 is 400 before any handler",
    "WSGISafeWebTest.test_decode_argument": "as above, in a query",
    "WSGISafeWebTest.test_decode_argument_invalid_unicode": "as above, in a query",
}
HASTY: Final = Patience(half_s=0.1)
SWEEP_S: Final = 0.05


class CarriedServer:
    """What an AsyncHTTPTestCase wants of its server."""

    def __init__(self, loop: Any, application: Any, options: dict[str, Any]) -> None:
        tls = options.pop("ssl_options", None)
        assert not options, f"options of Tornado's server: {sorted(options)}"
        self._loop = loop
        gate = Gate(Lithair().declaration({}, {}), None, None)
        limits = BodyLimits(100 << 20, 100 << 20)
        site = Site({}, HTTPServer(application), gate, CrossOrigin(()), limits)
        carrying: asyncio.AbstractEventLoop = loop.asyncio_loop
        context = None if tls is None else ssl_options_to_context(tls, server_side=True)
        self._transport = HttpTransport(carrying, site, 1000, context, HASTY)
        self._sweeping = loop.call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        self._transport.sweep()
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)

    def add_sockets(self, sockets: Sequence[socket.socket]) -> None:
        self._loop.run_sync(lambda: self._transport.listen(sockets))

    def stop(self) -> None:
        self._loop.remove_timeout(self._sweeping)
        self._transport.stop_accepting()

    async def close_all_connections(self) -> None:
        self._transport.close()


def carried(case: type[AsyncHTTPTestCase]) -> type[AsyncHTTPTestCase]:
    """Make the same tests over our transport, but for those that are left out."""

    def get_http_server(self: Any) -> CarriedServer:
        return CarriedServer(self.io_loop, self._app, self.get_httpserver_options())

    left_out = {name: None for name in dir(case) if f"{case.__name__}.{name}" in SKIPPED}
    return type(case.__name__, (case,), {"get_http_server": get_http_server, **left_out})


def cases() -> dict[str, type[AsyncHTTPTestCase]]:
    found: dict[str, type[AsyncHTTPTestCase]] = {}
    for module in (of_server, of_handlers):
        for name, case in inspect.getmembers(module, inspect.isclass):
            if issubclass(case, AsyncHTTPTestCase) and case.__module__ == module.__name__:
                assert name not in found, f"two classes are called {name}"
                found[name] = case
    return found


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Generator[None]:
    """Keep the log of requests out of what the tests look at, as Tornado's own runner does."""
    log = logging.getLogger("tornado.access")
    before = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)


globals().update(
    {name: carried(case) for name, case in cases().items() if name not in SKIPPED},
)


def test_what_is_left_out_is_there() -> None:
    found = cases()
    for name in SKIPPED:
        case, _, test = name.partition(".")
        assert hasattr(found[case], test or "setUp"), name
