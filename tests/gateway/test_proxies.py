"""Who a client is, by what trusted proxies say, and by what nobody should believe."""

import pytest
from tornado.httputil import HTTPHeaders

from lithair.gateway.proxies import HOPS_MAX, Client, Proxies, address_of

NEAR, FAR, STRANGER, CLIENT = "127.0.0.1", "10.1.2.3", "203.0.113.9", "198.51.100.7"
PROXIES = Proxies(["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"])


def told(peer: str, forwarded: str | None, *, is_tls: bool = False, proto: str = "") -> Client:
    headers = HTTPHeaders()
    for line in (forwarded or "").split("\n") if forwarded is not None else []:
        headers.add("X-Forwarded-For", line)
    if proto:
        headers.add("X-Forwarded-Proto", proto)
    return PROXIES.client(Client(peer, is_tls), headers)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (STRANGER, CLIENT, STRANGER),  # anybody can write this
        (NEAR, CLIENT, CLIENT),
        (NEAR, None, NEAR),
        (NEAR, "", NEAR),
        (NEAR, f"{CLIENT}, {FAR}", CLIENT),
        (NEAR, f"{CLIENT}\n{FAR}", CLIENT),  # two fields
        (NEAR, f"1.2.3.4, {CLIENT}, {FAR}", CLIENT),  # what the client wrote himself
        (NEAR, f"{FAR}, {CLIENT}", CLIENT),  # he says that a proxy stood before him
        (NEAR, f"{FAR}, 10.9.9.9", FAR),  # from inside
        (NEAR, f"{CLIENT}:1234", CLIENT),
        (NEAR, f"{CLIENT}, unknown", NEAR),
        (NEAR, f"{CLIENT}, unknown, {FAR}", FAR),
        (NEAR, "2001:DB8::1", "2001:db8::1"),
        (NEAR, '"[2001:db8::1]:443"', "2001:db8::1"),
        (NEAR, f"::ffff:{CLIENT}", CLIENT),
        ("::ffff:127.0.0.1", CLIENT, CLIENT),
        ("fd00::1", CLIENT, CLIENT),
        ("fe80::1%eth0", CLIENT, "fe80::1%eth0"),
        (NEAR, ", ".join([CLIENT] + [FAR] * HOPS_MAX), FAR),
    ],
)
def test_the_client_is_the_last_whom_no_trusted_proxy_is(
    peer: str, forwarded: str | None, address: str
) -> None:
    assert told(peer, forwarded).address == address


@pytest.mark.parametrize(
    ("peer", "forwarded", "proto", "is_tls", "expected"),
    [
        (STRANGER, CLIENT, "https", False, False),
        (STRANGER, CLIENT, "http", True, True),
        (NEAR, CLIENT, "", True, True),
        (NEAR, CLIENT, "", False, False),
        (NEAR, CLIENT, "https", False, True),
        (NEAR, CLIENT, "HTTPS", False, True),
        (NEAR, CLIENT, "http", True, False),
        (NEAR, None, "https", False, True),
        (NEAR, f"{CLIENT}, {FAR}", "https", False, True),  # the outer one's, passed on
        (NEAR, f"{CLIENT}, {FAR}", "https, http", False, True),  # one each
        (NEAR, f"1.1.1.1, {CLIENT}, {FAR}", "https, http, https", False, False),
        (NEAR, CLIENT, "https, http", False, False),  # he says https himself
        (NEAR, CLIENT, "gopher", True, False),
    ],
)
def test_how_a_client_came(
    peer: str, forwarded: str | None, proto: str, is_tls: bool, expected: bool
) -> None:
    found = told(peer, forwarded, is_tls=is_tls, proto=proto)
    assert found.is_tls is expected
    assert found.is_told == (peer == NEAR)


@pytest.mark.parametrize("text", ["", "a", "1.2.3", "1.2.3.4.5", "1::2::3", "[", "01.2.3.4"])
def test_what_is_no_address(text: str) -> None:
    assert address_of(text) is None
