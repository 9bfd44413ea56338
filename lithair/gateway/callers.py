"""Callers: where requests come from, and whether they come too often.

Law: it is settled from a request's head, before anything else of it is looked at; where nothing was
asked for, it costs nothing.
"""

import logging

from tornado.httputil import HTTPHeaders

from lithair.gateway.contract import Connection
from lithair.gateway.proxies import Client, Proxies
from lithair.gateway.rate_limits import RateLimits

_log = logging.getLogger("lithair.http")


class Callers:
    """Those of one gateway."""

    __slots__ = ("_is_tls", "_limits", "_plain", "_proxies")

    def __init__(
        self,
        is_tls: bool = False,
        proxies: Proxies | None = None,
        limits: RateLimits | None = None,
    ) -> None:
        self._is_tls = is_tls
        self._proxies = proxies
        self._limits = limits
        wants_addresses = proxies or limits or _log.isEnabledFor(logging.DEBUG)
        self._plain = None if wants_addresses else Client("", is_tls)

    @property
    def is_needless(self) -> bool:
        """Tell whether nothing has to be known of who calls."""
        return self._plain is not None

    def client(self, connection: Connection, headers: HTTPHeaders) -> Client:
        """Tell where a request comes from; the address is "" where nothing needs it."""
        if self._plain is not None:
            return self._plain
        client = Client(connection.context.remote_ip or "", self._is_tls)
        if self._proxies is not None:
            client = self._proxies.client(client, headers)
        return client

    def check(self, client: Client, method: str, raw_path: str, headers: HTTPHeaders) -> None:
        """Count a request; raises `Problem` 429. A browser's preflight counts for nothing."""
        if self._limits is not None and method != "OPTIONS":
            self._limits.check(raw_path, headers, client)
