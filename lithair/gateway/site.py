"""Everything that a request is looked up in.

Law: made once, when the gateway starts; what changes in it afterwards are counts.
"""

import asyncio
import logging

from tornado.httputil import HTTPServerConnectionDelegate

from lithair.gateway.callers import Callers
from lithair.gateway.contract import Connection
from lithair.gateway.cors import CrossOrigin
from lithair.gateway.exchange import Exchange
from lithair.gateway.gate import Gate
from lithair.gateway.limits import BodyLimits
from lithair.gateway.model_site import ModelSite
from lithair.gateway.request_figures import RequestFigures
from lithair.gateway.short_way import ShortWay
from lithair.gateway.streams.streams import Streams

_log = logging.getLogger("lithair.http")


class Site:
    """One application, as a gateway serves it."""

    __slots__ = (
        "application",
        "callers",
        "cross_origin",
        "figures",
        "gate",
        "held_bytes",
        "is_logging",
        "limits",
        "models",
        "streams",
    )

    def __init__(
        self,
        models: dict[str, ModelSite],
        application: HTTPServerConnectionDelegate,
        gate: Gate,
        cross_origin: CrossOrigin,
        limits: BodyLimits,
        callers: Callers | None = None,
    ) -> None:
        self.models = models
        self.application = application
        self.gate = gate
        self.cross_origin = cross_origin
        self.limits = limits
        self.callers = callers or Callers()
        self.figures = RequestFigures()
        self.streams: Streams | None = None
        self.held_bytes = 0  # of bodies that are being received, all together
        self.is_logging = _log.isEnabledFor(logging.DEBUG)

    def short_way(self, loop: asyncio.AbstractEventLoop, *, is_tls: bool) -> ShortWay | None:
        """Give the short way for ordinary requests, where nothing has to be done to each."""
        if self.is_logging or not self.callers.is_needless:
            return None
        return ShortWay(self, loop, is_tls=is_tls)

    def start_request(self, server_conn: object, connection: Connection) -> Exchange:
        """Begin an exchange; the transport calls it when it starts to wait for a head."""
        return Exchange(self, server_conn, connection)
