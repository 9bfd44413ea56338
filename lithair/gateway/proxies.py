"""Trusted proxies: whose word counts on who a client is and how he came.

Owns the reading of X-Forwarded-For and X-Forwarded-Proto. Law: a proxy writes at the end of what it
was sent, so these fields are read from their end on, and only as far as trusted proxies wrote them;
what anybody else says of himself counts for nothing.

    X-Forwarded-For   := address *("," address)      the client's, then those of proxies
    address           := IPv4 [":" port] | IPv6 | "[" IPv6 "]" [":" port]
    X-Forwarded-Proto := scheme *("," scheme)        one for the client, or one for each address
"""

import functools
import ipaddress
from collections.abc import Sequence
from typing import Final, NamedTuple

from tornado.httputil import HTTPHeaders

HOPS_MAX: Final = 32  # proxies behind each other; more is a loop, or somebody's invention
REMEMBERED_MAX: Final = 4096  # addresses, and whether they are trusted


class Client(NamedTuple):
    """Where a request comes from."""

    address: str
    is_tls: bool
    is_told: bool = False  # by a trusted proxy


SOMEBODY: Final = Client("", is_tls=False)  # of whom nothing is known yet


class Proxies:
    """The proxies of one application, by their addresses and networks."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(text) for text in trusted]
        self._is_trusted = functools.lru_cache(REMEMBERED_MAX)(self._look)

    def client(self, peer: Client, headers: HTTPHeaders) -> Client:
        """Tell who has sent a request that came from `peer`."""
        if not self._is_trusted(peer.address):
            return peer
        addresses = _listed(headers, "X-Forwarded-For")
        hops = 0  # of the proxies that wrote them
        address = peer.address
        for text in addresses[: -HOPS_MAX - 1 : -1]:
            found = address_of(text)
            if found is None:
                break
            address = found
            hops += 1
            if not self._is_trusted(address):
                break
        schemes = _listed(headers, "X-Forwarded-Proto")
        return Client(address, _is_tls(schemes, len(addresses), hops, peer.is_tls), is_told=True)

    def _look(self, text: str) -> bool:
        found = address_of(text)
        if found is None:
            return False
        address = ipaddress.ip_address(found)
        return any(address in network for network in self._networks)


def address_of(text: str) -> str | None:
    """Read an address in its one form; None when it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _listed(headers: HTTPHeaders, name: str) -> list[str]:
    return [part.strip() for field in headers.get_list(name) for part in field.split(",")]


def _is_tls(schemes: list[str], address_count: int, hops: int, otherwise: bool) -> bool:
    """Tell how the client came: one scheme is his; of one for each address, that of his address."""
    if not schemes:
        return otherwise
    is_one_each = hops > 0 and len(schemes) == address_count
    return schemes[-hops if is_one_each else -1].lower() == "https"
