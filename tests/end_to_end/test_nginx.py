"""deploy/nginx.conf with a real nginx: nothing is held back, and who comes over TLS is known to."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.end_to_end.mailing import URL, WORD, add_user, copied
from tests.support.proxy import NGINX, Proxy, proxy
from tests.support.started import Started
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.usefixtures("no_leaks"),
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
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


def port_of(server: Started) -> int:
    return int(server.url.rpartition(":")[2])


def client_of(nginx: Proxy) -> httpx2.Client:
    """Make a browser's twin: it knows the certificate, and keeps cookies by their rules."""
    trust = ssl.create_default_context(cafile=nginx.cert)
    transport = httpx2.HTTPTransport(verify=trust, local_address=OUTSIDE)
    return httpx2.Client(base_url=nginx.url, transport=transport, timeout=EVENT_MAX_S)


def log_in(client: httpx2.Client, headers: dict[str, str] | None = None) -> httpx2.Response:
    login = {"username": "ada", "password": WORD}
    answer = client.post("/auth/login", json=login, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def test_the_cookie_is_secure_behind_nginx_that_ends_tls(server: Started, tmp_path: Path) -> None:
    with proxy(tmp_path / "nginx", port_of(server)) as nginx, client_of(nginx) as client:
        cookie = log_in(client).headers["Set-Cookie"]
        assert cookie.startswith("__Host-session_token=")
        assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert client.get("/auth/me").json()["username"] == "ada"
        # What a page of ours sends with it passes, another site's does not.
        letter = {"to": "ada", "subject": "hi", "body": "…"}
        ours = {"Origin": nginx.url}
        theirs = {"Origin": nginx.url.replace("localhost", "elsewhere.example")}
        assert client.post("/api/send", json=letter, headers=ours).status_code == 204
        assert client.post("/api/send", json=letter, headers=theirs).status_code == 403
        # Without TLS there is nothing but the way to it.
        moved = httpx2.get(nginx.plain_url + "/x?y=1", timeout=60)
        assert (moved.status_code, moved.headers["Location"]) == (301, "https://localhost/x?y=1")


def test_the_client_is_known_by_his_own_address(server: Started, tmp_path: Path) -> None:
    """Whatever he says of himself."""
    with proxy(tmp_path / "nginx", port_of(server)) as nginx, client_of(nginx) as client:
        invented = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "http"}
        assert client.get(URL + "?known=1", headers=invented).status_code == 401
        wait_until(lambda: f"{OUTSIDE} GET {URL}" in server.log, "the request to be logged")
        assert "192.0.2.7" not in server.log
        assert "__Host-" in log_in(client, invented).headers["Set-Cookie"]


@pytest.mark.parametrize("more", ["", "proxy_ignore_headers X-Accel-Buffering;"])
def test_an_event_arrives_while_the_answer_goes_on(
    server: Started, tmp_path: Path, more: str
) -> None:
    """Also by the configuration alone: without what the server itself tells nginx of buffering."""
    with proxy(tmp_path / "nginx", port_of(server), more) as nginx, client_of(nginx) as client:
        log_in(client)
        with client.stream("GET", URL + "/stream") as stream:
            assert stream.status_code == 200
            lines = stream.iter_lines()
            assert next(line for line in lines if line.startswith("event:")) == "event: connected"
            for subject in ("one", "two"):
                letter = {"to": "ada", "subject": subject, "body": ""}
                assert client.post("/api/send", json=letter).status_code == 204
                data = next(line for line in lines if line.startswith("data:") and subject in line)
                assert json.loads(data.removeprefix("data:"))["item"]["subject"] == subject
        assert server.stop() == 0
