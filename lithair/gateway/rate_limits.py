"""Rate limits: how many requests a gateway takes from one address, and with one token.

Law: of all limits that a path lies below, the one with the longest prefix counts, and that one
alone. A request is let through when its address and its token both may come; then it counts for
both. What was refused counts for neither, and no body of it was looked at.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote

from tornado.httputil import HTTPHeaders

from lithair.core.rate import Rate
from lithair.declaration import RateLimitDeclaration
from lithair.gateway.accounts import counted_address
from lithair.gateway.answers import Problem
from lithair.gateway.credentials import credential_of
from lithair.gateway.proxies import Client

TOO_MANY: Final = "Too many requests"


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class RateLimit:
    """One limit, and who has come."""

    def __init__(self, declared: RateLimitDeclaration) -> None:
        self.prefix = declared.prefix
        self._told = f"{TOO_MANY}: {declared.requests} in {declared.per_ms / 1000:g} s is the limit"
        self._addresses = Rate(declared.requests, declared.per_ms)
        self._tokens = Rate(declared.requests, declared.per_ms)

    def take(self, address: str, token: str, now_ms: int) -> None:
        """Count a request; raises `Problem` 429. `token` "" is none."""
        wait_ms = self._addresses.wait_ms(address, now_ms)
        if token:
            wait_ms = max(wait_ms, self._tokens.wait_ms(token, now_ms))
        if wait_ms > 0:
            raise Problem(429, self._told, (("Retry-After", str(-(-wait_ms // 1000))),))
        self._addresses.add(address, now_ms)
        if token:
            self._tokens.add(token, now_ms)


class RateLimits:
    """The limits of one gateway; `cookie_name` is that of sessions, None without any."""

    def __init__(
        self,
        declared: Iterable[RateLimitDeclaration],
        cookie_name: str | None,
        clock_ms: Callable[[], int] = monotonic_ms,
    ) -> None:
        limits = [RateLimit(each) for each in declared]
        self._limits = sorted(limits, key=lambda limit: -len(limit.prefix))
        self._cookie_name = cookie_name
        self._clock_ms = clock_ms

    def check(self, raw_path: str, headers: HTTPHeaders, client: Client) -> None:
        """Count a request to a path, as it was sent; raises `Problem` 429."""
        # However a path is written: an escape must not lead around a limit.
        path = (unquote(raw_path) if "%" in raw_path else raw_path) + "/"
        for limit in self._limits:
            if path.startswith(limit.prefix):
                token = self._token(headers, client)
                limit.take(counted_address(client.address), token, self._clock_ms())
                return

    def _token(self, headers: HTTPHeaders, client: Client) -> str:
        credential = credential_of(headers, self._cookie_name, client.is_tls)
        if credential is None or not credential.token:
            return ""
        return hashlib.sha256(credential.token.encode()).hexdigest()
