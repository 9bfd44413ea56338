"""What the tests of the gateway share: both transports, and the server of a model's routes."""

import inspect
import os
import sys
from collections.abc import Generator

import httpx2
import pytest

from lithair.config import HTTP_TRANSPORTS
from tests.gateway import mailbox
from tests.gateway.harness import TRANSPORT

SERVES = ("harness", ".running(", "mailbox_client")  # what a module with a server has in it
# About what other processes do, and long: nothing in them hangs on how bytes come in.
OF_ONE_TRANSPORT = ("test_http_transport", "test_http_ends", "test_short_way")
ABOUT_OTHERS = (
    "test_users", "test_past_processes", "test_permission_map", "test_gate_table",
    "test_admin_access", "test_admin_session", "test_admin_data",
)  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have whatever is asked over HTTP asked over each transport."""
    module = sys.modules[metafunc.function.__module__]
    name = module.__name__.rpartition(".")[2]
    source = inspect.getsource(module)
    if name not in (*ABOUT_OTHERS, *OF_ONE_TRANSPORT) and any(sign in source for sign in SERVES):
        metafunc.parametrize("transport", HTTP_TRANSPORTS, indirect=True, scope="package")


@pytest.fixture(scope="package", autouse=True)
def transport(request: pytest.FixtureRequest) -> Generator[str]:
    """Have the servers of these tests use one of the transports."""
    name: str = getattr(request, "param", HTTP_TRANSPORTS[0])
    before = os.environ.get(TRANSPORT)
    os.environ[TRANSPORT] = name
    yield name
    if before is None:
        del os.environ[TRANSPORT]
    else:
        os.environ[TRANSPORT] = before


@pytest.fixture(scope="package")
def mailbox_client(
    transport: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[httpx2.Client]:
    assert os.environ[TRANSPORT] == transport
    folder = tmp_path_factory.mktemp("mailbox")
    with (
        mailbox.application(folder).running() as server,
        httpx2.Client(base_url=server.url) as http,
    ):
        yield http
