"""The mail example: each user's mailbox is imported while HTTP serves, once, and is his alone."""

import mailbox
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.end_to_end.mailing import URL, add_user, copied, logged_in, subjects
from tests.support.commands import lithair
from tests.support.started import Started
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("no_leaks")

ADAS = [
    "",
    "Paper jam in tray 2",
    "Harbour News, week 2",
    "Re: Minutes of Monday \u2013 two corrections",
    "Minutes of Monday",
]
IMPORT_MAX_S = 60.0


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    place = copied(tmp_path / "mail")
    for name in ("ada", "ben"):
        add_user(place, name)
    return place


@pytest.fixture
def server(mail: Path) -> Iterator[Started]:
    with Started(mail) as started:
        yield started


def wait_for_import(client: httpx2.Client, count: int) -> None:
    wait_until(
        lambda: client.get(URL + "/count").json()["count"] == count,
        f"{count} messages to be imported",
        IMPORT_MAX_S,
    )


def test_the_worker_imports_each_message_once_over_restarts(server: Started, mail: Path) -> None:
    with logged_in(server, "ada") as ada:
        wait_for_import(ada, len(ADAS))
        emails = {item["subject"]: item for item in ada.get(URL).json()["data"]}
        assert sorted(emails) == sorted(ADAS)
        corrections = emails[ADAS[3]]
        assert corrections["from"] == "José Ortega <jose@example.org>"
        assert corrections["body"].startswith("The café is at the north quay")
        assert corrections["received"] == "2026-01-05T11:29:58Z"
        read = ada.patch(f"{URL}/{corrections['id']}", json={"read": True})
        assert read.json()["read"] is True
        assert ada.delete(f"{URL}/{emails['Paper jam in tray 2']['id']}").status_code == 204
    assert server.stop() == 0
    imports = server.log.count("of them new")

    with Started(mail) as again, logged_in(again, "ada") as ada:
        wait_until(lambda: again.log.count("of them new") >= imports + 2, "an import", IMPORT_MAX_S)
        listed = ada.get(URL).json()
        assert {one["subject"] for one in listed["data"]} == set(ADAS) - {"Paper jam in tray 2"}
        assert [one["id"] for one in listed["data"] if one["read"]] == [corrections["id"]]
        assert again.stop() == 0


def test_a_killed_worker_goes_on_where_it_was(mail: Path) -> None:
    """A Maildir, and the worker killed in the middle of the import."""
    total = 400
    (mail / "spool").mkdir()
    maildir = mailbox.Maildir(mail / "spool" / "ben", create=True)
    for number in range(total):
        maildir.add(f"From: a@example.org\nSubject: {number}\nMessage-ID: <{number}@x>\n\nhello\n")
    with Started(mail, environ={"MAILBOXES": str(mail / "spool")}) as server:
        with logged_in(server, "ben") as ben:
            wait_until(lambda: ben.get(URL + "/count").json()["count"], "the first", IMPORT_MAX_S)
            server.child("worker import").kill()
            wait_for_import(ben, total)
            assert sorted(map(int, subjects(ben))) == list(range(total))
        assert server.stop() == 0


def test_a_user_sees_his_own_mailbox_and_no_other(server: Started) -> None:
    with logged_in(server, "ada") as ada, logged_in(server, "ben") as ben:
        wait_for_import(ada, len(ADAS))
        wait_for_import(ben, 2)
        adas = {item["id"] for item in ada.get(URL).json()["data"]}
        bens = {item["id"] for item in ben.get(URL).json()["data"]}
        assert len(adas) == len(ADAS)
        assert not adas & bens
        for path in (f"{URL}/{id_}" for id_ in adas):
            assert ben.get(path).status_code == 404
            assert ben.patch(path, json={"read": True}).status_code == 404
            assert ben.delete(path).status_code == 404
    for path in (URL, f"{URL}/count", f"{URL}/stream"):
        assert httpx2.get(server.url + path, timeout=60).status_code == 401


def test_a_letter_lies_in_the_mailbox_of_whom_it_is_for(server: Started) -> None:
    letter = {"to": "Ben", "subject": "Lunch?", "body": "At one."}
    anonymous = httpx2.post(server.url + "/api/send", json=letter, timeout=60)
    assert anonymous.status_code == 401
    with logged_in(server, "ada") as ada, logged_in(server, "ben") as ben:
        assert ada.post("/api/send", json={**letter, "to": ""}).status_code == 422
        assert ada.post("/api/send", json=letter).status_code == 204
        assert subjects(ben)[0] == "Lunch?"
        (lunch,) = ben.get(URL, params={"subject": "Lunch?"}).json()["data"]
        assert (lunch["from"], lunch["owner"], lunch["body"]) == ("ada", "ben", "At one.")
        assert "Lunch?" not in subjects(ada)


def test_the_pages_are_there_for_everybody(server: Started) -> None:
    for path, part in {"/": "mail.js", "/login.html": "login.js", "/style.css": ":root"}.items():
        answer = httpx2.get(server.url + path, timeout=60)
        assert answer.status_code == 200
        assert part in answer.text


def test_the_role_of_a_user_reaches_own_mails_only(mail: Path) -> None:
    printed = lithair(mail, "permissions", "app.py")
    assert printed.returncode == 0, printed.stderr
    rows = [line.split() for line in printed.stdout.splitlines()]
    reached = {row[0]: row[-3:] for row in rows if row and row[0].startswith("/api/emails")}
    assert len(reached) >= 7
    assert [path for path, cells in reached.items() if cells != ["401", "own", "all"]] == []


def wait_for_found(client: httpx2.Client, words: str, subjects: set[str]) -> None:
    wait_until(
        lambda: {hit["subject"] for hit in search(client, words)} == subjects,
        f"{words!r} to be found in {subjects}",
        IMPORT_MAX_S,
    )


def search(client: httpx2.Client, words: str) -> list[dict[str, str]]:
    answer = client.get("/api/search", params={"q": words})
    assert answer.status_code == 200, answer.text
    hits: list[dict[str, str]] = answer.json()
    return hits


def test_a_search_finds_words_in_the_callers_own_mails_only(server: Started) -> None:
    with logged_in(server, "ada") as ada, logged_in(server, "ben") as ben:
        wait_for_found(ada, "harb", {"Harbour News, week 2", "Minutes of Monday"})
        wait_for_found(ben, "crane", {"Harbour News, week 2"})
        (mine,), (theirs,) = search(ada, "crane"), search(ben, "crane")
        assert (mine["owner"], theirs["owner"]) == ("ada", "ben")
        assert "new crane" in mine["snippet"]
        assert search(ada, "cafe quay")[0]["from"] == "José Ortega <jose@example.org>"
        for words in ("", "crane xyzzy", '"', "xyzzy NOT (", "xyzzy:*", "\0", "%"):
            assert search(ada, words) == []
        assert ada.delete(f"{URL}/{mine['id']}").status_code == 204
        wait_for_found(ada, "crane", set())
        assert search(ben, "crane") == [theirs]
    assert httpx2.get(server.url + "/api/search?q=crane", timeout=60).status_code == 401


def test_the_index_follows_although_its_listener_is_killed(server: Started) -> None:
    with logged_in(server, "ada") as ada:
        wait_for_found(ada, "crane", {"Harbour News, week 2"})
        server.child("listener").kill()
        letter = {"to": "ada", "subject": "A xylophone", "body": "…"}
        assert ada.post("/api/send", json=letter).status_code == 204
        wait_for_found(ada, "xylophone", {"A xylophone"})
        ada.patch(f"{URL}/{search(ada, 'xylophone')[0]['id']}", json={"subject": "A lute"})
        wait_for_found(ada, "lute", {"A lute"})
        assert search(ada, "xylophone") == []
