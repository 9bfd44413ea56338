"""The mail example: a worker imports a mailbox while HTTP serves, and does it only once."""

import mailbox
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

pytestmark = pytest.mark.usefixtures("no_leaks")

MESSAGES = 5  # in examples/mail/sample.mbox


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    ignore = shutil.ignore_patterns("data", "__pycache__")
    return shutil.copytree(ROOT / "examples/mail", tmp_path / "mail", ignore=ignore)


@pytest.fixture
def server(mail: Path) -> Iterator[Started]:
    with Started(mail) as started:
        yield started


def wait_for_import(server: Started, count: int = MESSAGES) -> str:
    url = server.url + "/api/emails"
    wait_until(
        lambda: httpx.get(url + "/count", timeout=30).json()["count"] == count,
        f"{count} messages to be imported",
        30,
    )
    return url


def test_the_worker_imports_each_message_once_over_restarts(server: Started, mail: Path) -> None:
    url = wait_for_import(server)
    emails = {item["subject"]: item for item in httpx.get(url, timeout=30).json()["data"]}
    corrections = emails["Re: Minutes of Monday \u2013 two corrections"]
    assert corrections["from"] == "José Ortega <jose@example.org>"
    assert corrections["body"].startswith("The café is at the north quay")
    item = f"{url}/{corrections['id']}"
    assert httpx.patch(item, json={"read": True}, timeout=30).json()["read"] is True
    assert server.stop() == 0

    with Started(mail) as again:
        url = again.url + "/api/emails"
        wait_until(lambda: "0 of them new" in again.log, "the second import", 30)
        listed = httpx.get(url, timeout=30).json()
        assert listed["total"] == MESSAGES
        assert [one["id"] for one in listed["data"] if one["read"]] == [corrections["id"]]


def test_a_killed_worker_goes_on_where_it_was(mail: Path) -> None:
    """A Maildir, and the worker killed in the middle of the import."""
    total = 400
    maildir = mailbox.Maildir(mail / "Maildir", create=True)
    for number in range(total):
        maildir.add(f"From: a@example.org\nSubject: {number}\nMessage-ID: <{number}@x>\n\nhello\n")
    with Started(mail, environ={"MAILBOX": str(mail / "Maildir")}) as server:
        url = server.url + "/api/emails"
        wait_until(
            lambda: httpx.get(url + "/count", timeout=30).json()["count"] > 0, "the first one", 30
        )
        server.child("worker import").kill()
        wait_for_import(server, total)
        listed = httpx.get(url, params={"fields": "subject"}, timeout=30).json()["data"]
        assert sorted(int(one["subject"]) for one in listed) == list(range(total))
        assert server.stop() == 0
