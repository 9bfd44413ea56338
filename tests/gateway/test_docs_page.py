"""/openapi.json and /docs as they are served: kept by their ETags, open to all, or not there."""

from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from lithair import Lithair, MemorySessionStore, SessionManager
from lithair.gateway.docs_page import ASSETS, CSP
from lithair.gateway.openapi.document import encoded
from tests.gateway.harness import gateway
from tests.gateway.mailbox import Email


def closed(folder: Path) -> Lithair:
    """Make an application whose models ask everybody for a session."""
    return (
        Lithair()
        .with_sessions(SessionManager(MemorySessionStore()))
        .with_models_require_session(True)
        .with_model(Email, folder / "emails", "/api/emails")
    )


@pytest.fixture(scope="module")
def http(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx2.Client]:
    folder = tmp_path_factory.mktemp("docs")
    (folder / "run").mkdir(mode=0o700)
    with (
        gateway(closed(folder), folder / "run") as running,
        httpx2.Client(base_url=running.url, timeout=60) as client,
    ):
        yield client


def test_the_document_is_open_and_that_of_the_declaration(
    http: httpx2.Client, tmp_path: Path
) -> None:
    answer = http.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == encoded(closed(tmp_path).declaration({}, {}))
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", *ASSETS])
def test_what_the_client_has_is_not_sent_again(http: httpx2.Client, path: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, len(answer.content) > 0) == (200, True)
    again = http.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = http.head(path)
    assert head.headers["content-length"] == str(len(answer.content))
    assert http.post(path).status_code == 405


def test_the_page_may_ask_no_other_host(http: httpx2.Client) -> None:
    page = http.get("/docs")
    assert page.headers["content-security-policy"] == CSP
    assert "unsafe" not in CSP
    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in page.text.replace("<!doctype html>", "")
    assert http.get("/docs/README.md").status_code == 404, "only what the page needs"


def test_switched_off_they_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    with gateway(closed(tmp_path).with_docs(False), tmp_path / "run") as running:
        for path in ("/openapi.json", "/docs", *ASSETS):
            assert httpx2.get(running.url + path).status_code == 404
