"""The server that the tests of a model's routes share."""

from collections.abc import Generator

import httpx2
import pytest

from tests.gateway import mailbox


@pytest.fixture(scope="package")
def mailbox_client(tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx2.Client]:
    folder = tmp_path_factory.mktemp("mailbox")
    with (
        mailbox.application(folder).running() as server,
        httpx2.Client(base_url=server.url) as http,
    ):
        yield http
