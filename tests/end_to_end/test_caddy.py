"""deploy/Caddyfile with a real Caddy: nothing is held back, and who comes over TLS is known to."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.end_to_end.mailing import URL, WORD, add_user, copied
from tests.support.caddy import CADDY, SITE, caddy
from tests.support.proxy import Proxy
from tests.support.started import Started
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.usefixtures("no_leaks"),
    pytest.mark.skipif(CADDY is None, reason="caddy is not installed"),
]

OUTSIDE = "127.0.0.2"  # a client that is not at the trusted address, as the clients of a server are
EVENT_MAX_S = 90.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Started]:
    mail = copied(tmp_path / "mail")
    add_user(mail, "ada")
    (mail / "spool").mkdir()
    environ = {
        "LT_TRUSTED_PROXIES": "127.0.0.1",
        "LT_LOG_LEVEL": "debug",
        "MAILBOXES": str(mail / "spool"),  # nobody writes but the test
    }
    with Started(mail, environ=environ) as started:
        yield started


def client_of(proxy: Proxy) -> httpx2.Client:
    """Make a browser's twin: it knows the certificate, and keeps cookies by their rules."""
    trust = ssl.create_default_context(cafile=proxy.cert)
    transport = httpx2.HTTPTransport(verify=trust, local_address=OUTSIDE)
    return httpx2.Client(base_url=proxy.url, transport=transport, timeout=EVENT_MAX_S)


def test_caddy_understands_every_line_as_it_would_write_it() -> None:
    assert CADDY is not None
    for command in (("validate", "--adapter", "caddyfile", "--config"), ("fmt",)):
        done = subprocess.run(
            [CADDY, *command, str(SITE)], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr


def test_caddy_ends_tls_tells_who_comes_and_holds_no_event_back(
    server: Started, tmp_path: Path
) -> None:
    port = int(server.url.rpartition(":")[2])
    with caddy(tmp_path / "caddy", port) as proxy, client_of(proxy) as client:
        # Whatever a client says of himself, he is known by his own address, and to come over TLS.
        invented = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "http"}
        assert client.get(URL + "?known=1", headers=invented).status_code == 401
        wait_until(lambda: f"{OUTSIDE} GET {URL}" in server.log, "the request to be logged")
        assert "192.0.2.7" not in server.log
        login = {"username": "ada", "password": WORD}
        answer = client.post("/auth/login", json=login, headers=invented)
        assert answer.headers["Set-Cookie"].startswith("__Host-session_token=")
        # A page of ours may write, another site's may not.
        letter = {"to": "ada", "subject": "hi", "body": ""}
        ours, theirs = {"Origin": proxy.url}, {"Origin": "https://elsewhere.example"}
        assert client.post("/api/send", json=letter, headers=ours).status_code == 204
        assert client.post("/api/send", json=letter, headers=theirs).status_code == 403
        # Figures are nobody's business outside, and no body is larger than Lithair takes.
        assert client.get("/metrics").status_code == 404
        assert client.post("/api/send", content=b" " * (13 << 20)).status_code == 413
        # An event arrives while the answer goes on.
        with client.stream("GET", URL + "/stream") as stream:
            lines = stream.iter_lines()
            assert next(line for line in lines if line.startswith("event:")) == "event: connected"
            for subject in ("one", "two"):
                sent = {**letter, "subject": subject}
                assert client.post("/api/send", json=sent).status_code == 204
                data = next(line for line in lines if line.startswith("data:") and subject in line)
                assert json.loads(data.removeprefix("data:"))["item"]["subject"] == subject
        assert server.stop() == 0
