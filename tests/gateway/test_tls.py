"""TLS: the same gateway over an encrypted connection."""

import shutil
import socket
import ssl
import warnings
from collections.abc import Generator
from pathlib import Path

import pytest

from lithair import Lithair
from lithair.gateway.limits import Patience
from lithair.http import Request
from tests.gateway.harness import ANSWER_TIMEOUT_S, RawConnection, RunningGateway, gateway
from tests.support.certificates import make_certificate

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


async def scheme(request: Request) -> str:
    return "over TLS"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def served(certificate: tuple[Path, Path], tmp_path: Path) -> Generator[RunningGateway]:
    cert, key = certificate
    app = Lithair().with_tls(str(cert), str(key)).with_route("GET", "/scheme", scheme)
    with gateway(app, tmp_path, Patience(head_s=0.5, sweep_s=0.02)) as running:
        yield running


def test_requests_are_answered_over_tls(
    served: RunningGateway, certificate: tuple[Path, Path]
) -> None:
    context = ssl.create_default_context(cafile=str(certificate[0]))
    context.set_alpn_protocols(["h2", "http/1.1"])
    plain = socket.create_connection(("127.0.0.1", served.port), ANSWER_TIMEOUT_S)
    with context.wrap_socket(plain, server_hostname="localhost") as encrypted:
        assert encrypted.selected_alpn_protocol() == "http/1.1"
        connection = RawConnection(encrypted)
        for _ in range(2):
            answer = connection.request("GET /scheme HTTP/1.1\nHost: localhost")
            assert (answer.status, answer.body) == (200, b"over TLS")


def test_old_versions_of_tls_are_refused(served: RunningGateway) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings(action="ignore"):  # it is deprecated, which is what is tested
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    plain = socket.create_connection(("127.0.0.1", served.port), ANSWER_TIMEOUT_S)
    with plain, pytest.raises(OSError), context.wrap_socket(plain):
        pass


def test_a_handshake_that_never_ends_is_closed(served: RunningGateway) -> None:
    with served.connect() as connection:
        connection.send(b"\x16\x03\x01")
        assert connection.is_closed()
