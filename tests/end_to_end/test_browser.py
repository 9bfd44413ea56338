"""A real browser: a plain EventSource misses nothing over restarts, and the mail page shows it."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.end_to_end.mailing import WORD, add_user, copied, logged_in
from tests.support.browser import Browser, browser, is_installed
from tests.support.ports import lasting_port
from tests.support.proxy import NGINX, proxy
from tests.support.started import Started
from tests.support.waiting import wait_until
from tests.tidy.source import ROOT

pytestmark = [
    pytest.mark.usefixtures("no_leaks"),
    pytest.mark.skipif(not is_installed(), reason="Chromium and chromedriver are not installed"),
]

# A model may be replayed for longer than a request waits, when the machine is busy.
PATIENCE = {"LT_TIMEOUT": "120"}
NASTY = 'one\r\ntwo\n\ndata: {"x": 1}\nid: 9\n\u2028\u2029\u0000\U0001f40c é \\n "'
URL = "/api/counters"

LISTEN = """
window.seen = [];
window.source = new EventSource(arguments[0]);
for (const kind of ["connected", "create", "update", "delete", "reset", "lagged", "message"])
  source.addEventListener(kind, (event) =>
    seen.push({ kind, id: Number(event.lastEventId), data: JSON.parse(event.data) }));
"""
CHANGES = "seen.filter((event) => event.kind !== 'connected')"
REMEMBER = """
window.items = items;
window.at = -1;
for (const kind of ["live", "create", "update", "delete"])
  stream.addEventListener(kind, (event) => { window.at = Number(event.lastEventId); });
"""
LOG_IN = """
const form = document.getElementById("login");
form.username.value = arguments[0];
form.password.value = arguments[1];
form.requestSubmit();
"""


@pytest.fixture
def window() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


class Writer:
    """Writes through HTTP, and keeps what a reader of the stream has to be told."""

    def __init__(self) -> None:
        self.expected: list[dict[str, object]] = []

    def write(self, url: str, number: int) -> None:
        """Create, change and delete an item."""
        with httpx2.Client(base_url=url, timeout=120) as client:
            item: dict[str, object] = {"id": f"c{number}", "n": 0, "note": NASTY}
            self._sent(client.post(URL, json=item), "create", item)
            item = {**item, "n": number}
            changed = client.patch(f"{URL}/c{number}", json={"n": number})
            self._sent(changed, "update", item)
            if number % 3 == 0:
                self._sent(client.delete(f"{URL}/c{number}"), "delete", item)

    def _sent(self, answer: httpx2.Response, kind: str, item: dict[str, object]) -> None:
        assert answer.is_success, answer.text
        data = {"model": "counters", "item": item}
        self.expected.append({"kind": kind, "id": len(self.expected) + 1, "data": data})


def wait_for_all(window: Browser, writer: Writer) -> None:
    window.wait_for(f"{CHANGES}.length >= {len(writer.expected)}")


def test_a_plain_event_source_sees_every_change_over_restarts(
    window: Browser, tmp_path: Path
) -> None:
    """One orderly, one by SIGKILL of everything; what is written meanwhile is sent afterwards."""
    (tmp_path / "app.py").write_bytes((ROOT / "tests/end_to_end/counters.py").read_bytes())
    port = lasting_port()
    writer = Writer()
    with Started(tmp_path, environ=PATIENCE, port=port) as server:
        window.open(server.url + "/health")
        window.run(LISTEN, URL + "/stream")
        window.wait_for("seen.length")
        for number in range(10):
            writer.write(server.url, number)
        wait_for_all(window, writer)
        assert server.stop() == 0
    with Started(tmp_path, environ=PATIENCE, port=port) as server:
        for number in range(10, 20):
            writer.write(server.url, number)
        wait_for_all(window, writer)
    with Started(tmp_path, environ=PATIENCE, port=port) as server:
        for number in range(20, 30):
            writer.write(server.url, number)
        wait_for_all(window, writer)
        assert window.run(f"return {CHANGES}") == writer.expected
        begun = window.run("return seen.filter((event) => event.kind === 'connected')")
        assert begun[0]["data"]["seq"] == 0
        assert len(begun) >= 3
        assert server.stop() == 0


def test_an_event_source_that_comes_while_the_model_is_away_comes_back(
    window: Browser, tmp_path: Path
) -> None:
    """A request for a stream that is answered with an error is its last one."""
    (tmp_path / "app.py").write_bytes((ROOT / "tests/end_to_end/counters.py").read_bytes())
    writer = Writer()
    with Started(tmp_path, environ={"LT_TIMEOUT": "500ms"}) as server:
        window.open(server.url + "/health")
        (model,) = (
            child
            for child in psutil.Process(server.process.pid).children(recursive=True)
            if "lithair: model counters" in " ".join(child.cmdline())
        )
        model.suspend()
        try:
            window.run("window.errors = 0;" + LISTEN, URL + "/stream?since=0")
            window.run("source.onerror = () => { window.errors += 1; }")
            window.wait_for("window.errors")
            assert window.run("return source.readyState") == 0, "it is connecting again"
        finally:
            if model.is_running():  # it may have been killed, as one that hangs
                model.resume()
        wait_until(lambda: httpx2.get(server.url + URL).status_code == 200, "the model")
        writer.write(server.url, 0)
        wait_for_all(window, writer)
        assert window.run(f"return {CHANGES}") == writer.expected


def test_the_list_that_the_docs_keep_in_a_page_is_the_servers(
    window: Browser, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_bytes((ROOT / "tests/end_to_end/counters.py").read_bytes())
    page = (ROOT / "docs/streams.md").read_text(encoding="utf-8")
    told = re.search(r"```js\n(.*?)```", page, re.DOTALL)
    assert told is not None
    port = lasting_port()
    writer = Writer()

    def wait_for_the_same(url: str) -> None:
        listed: list[dict[str, object]] = httpx2.get(url + URL, timeout=120).json()["data"]
        last = writer.expected[-1]["id"]
        window.wait_for(f"at >= {last} && items.size === {len(listed)}")
        shown = window.run("return [...items.values()]")
        assert sorted(shown, key=lambda item: item["id"]) == sorted(
            listed, key=lambda item: str(item["id"])
        )

    with Started(tmp_path, environ=PATIENCE, port=port) as server:
        for number in range(10):
            writer.write(server.url, number)
        window.open(server.url + "/health")
        window.run(told[1].replace("/api/emails", URL) + REMEMBER)
        wait_for_the_same(server.url)
    with Started(tmp_path, environ=PATIENCE, port=port) as server:
        for number in range(10, 20):
            writer.write(server.url, number)
        wait_for_the_same(server.url)
        assert server.stop() == 0


def rows(window: Browser) -> list[str]:
    """Give the subjects that the page shows, from its top."""
    found: list[str] = window.run(
        "return [...document.querySelectorAll('.row .subject')].map((one) => one.textContent)"
    )
    return found


def send(server: Started, to: str, subject: str, body: str = "…") -> None:
    with logged_in(server, "ben") as ben:
        letter = {"to": to, "subject": subject, "body": body}
        assert ben.post("/api/send", json=letter).status_code == 204


def wait_for_row(window: Browser, subject: str) -> None:
    wait_until(lambda: subject in rows(window), f"{subject} in the page", 90)


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    place = copied(tmp_path / "mail")
    for name in ("ada", "ben"):
        add_user(place, name)
    return place


def log_in(window: Browser, url: str, name: str) -> None:
    """Log in by the form, and wait until the mailbox is there and live."""
    window.open(url)
    window.wait_for("location.pathname === '/login.html' && document.readyState === 'complete'")
    window.run(LOG_IN, name, WORD)
    window.wait_for("location.pathname === '/' && document.querySelector('#link.live')")


def test_the_mail_page_updates_itself_and_survives_a_restart(
    window: Browser, mail: Path, tmp_path: Path
) -> None:
    port = lasting_port()
    with Started(mail, environ=PATIENCE, port=port) as server:
        log_in(window, server.url, "ada")
        window.run("window.loadedOnce = true")
        wait_for_row(window, "Harbour News, week 2")
        send(server, "ada", "Lunch?", "At one, at the café on the quay.")
        wait_for_row(window, "Lunch?")
        send(server, "ben", "Note to myself")
        window.run("document.querySelector('.row').click()")
        window.wait_for("document.getElementById('body').textContent.startsWith('At one')")
        window.wait_for("!document.querySelector('.row').classList.contains('unread')")
        window.screenshot(tmp_path / "mail.png")
        assert (tmp_path / "mail.png").read_bytes().startswith(b"\x89PNG\r\n")
        assert server.stop() == 0
        window.wait_for("document.querySelector('#link.reconnecting')")
    with Started(mail, environ=PATIENCE, port=port) as server:
        send(server, "ada", "After the restart")
        wait_for_row(window, "After the restart")
        window.wait_for("document.querySelector('#link.live')")
        assert window.run("return window.loadedOnce") is True
        assert "Note to myself" not in rows(window)
        assert server.stop() == 0


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_the_mail_page_survives_a_restart_behind_nginx(
    window: Browser, mail: Path, tmp_path: Path
) -> None:
    """While the server is away nginx answers 502, which ends an EventSource for good."""
    port = lasting_port()
    environ = {**PATIENCE, "LT_TRUSTED_PROXIES": "127.0.0.1"}
    with proxy(tmp_path / "nginx", port) as nginx:
        with Started(mail, environ=environ, port=port) as server:
            assert server.url  # it is ready
            log_in(window, nginx.url, "ada")
            window.run("window.loadedOnce = true")
            wait_for_row(window, "Harbour News, week 2")
            assert server.stop() == 0
            window.wait_for("document.querySelector('#link.reconnecting')")
            window.wait_for("document.getElementById('problem').textContent.includes('502')")
        with Started(mail, environ=environ, port=port) as server:
            send(server, "ada", "After the restart")
            wait_for_row(window, "After the restart")
            window.wait_for("document.querySelector('#link.live')")
            send(server, "ada", "And live again")
            wait_for_row(window, "And live again")
            assert window.run("return window.loadedOnce") is True
            assert server.stop() == 0


def test_the_mail_page_shows_what_is_asked_for(window: Browser, mail: Path) -> None:
    """A refused login, older mails, unread ones, a search, a mail deleted, and the way out."""
    with Started(mail, environ=PATIENCE) as server:
        window.open(server.url + "/login.html")
        window.run(LOG_IN, "ada", "not her password")
        window.wait_for("document.getElementById('problem').textContent.includes('not right')")
        log_in(window, server.url, "ada")
        wait_for_row(window, "(no subject)")  # the last one of the mailbox
        with logged_in(server, "ben") as ben:
            for number in range(60):
                letter = {"to": "ada", "subject": f"Letter {number}", "body": f"Number {number}."}
                assert ben.post("/api/send", json=letter).status_code == 204
        wait_for_row(window, "Letter 59")
        assert len(rows(window)) == 50
        window.run("document.getElementById('older').click()")
        wait_for_row(window, "Minutes of Monday")
        assert len(set(rows(window))) == 65

        window.run("document.getElementById('unread').click()")
        window.wait_for("document.querySelectorAll('.row').length === 50")
        window.run("document.querySelector('.row').click()")
        window.wait_for("document.getElementById('body').textContent === 'Number 59.'")
        wait_until(lambda: rows(window)[:1] == ["Letter 58"], "what is read to leave", 90)

        window.run(
            "const field = document.getElementById('search'); field.value = 'ferry';"
            "field.dispatchEvent(new Event('input'))"
        )
        wait_until(lambda: len(rows(window)) == 1, "the search", 90)
        window.run("document.querySelector('.row').click()")
        window.wait_for("document.getElementById('body').textContent.includes('ferry leaves')")
        window.run("document.getElementById('delete').click()")
        wait_until(lambda: rows(window) == [], "the mail to be gone", 90)
        window.wait_for("document.getElementById('opened').hidden")
        window.run("document.getElementById('log-out').click()")
        window.wait_for("location.pathname === '/login.html'")
        assert server.stop() == 0
