"""The dashboard in a real browser, with real data: what it shows, changes, and who can use it."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.end_to_end.dashboards import (
    ENVIRON,
    PRODUCTS,
    TOKEN,
    Panel,
    fill,
    prepared,
)
from tests.end_to_end.mailing import logged_in
from tests.support import axe
from tests.support.browser import KEYS, browser, is_installed
from tests.support.started import Started
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(
    not is_installed(), reason="Chromium and chromedriver are not installed"
)

VIEWS = {
    "#/": "tr[data-process]",
    "#/models/films?stars=>7&sort=-stars": "table a.id",
    "#/models/products/items/lamp": ".history li",
    "#/models/products/items/lamp?as_of=5": ".notice.past",
    "#/models/products/new": "#field-name",
    "#/models/products/changes": ".feed li",
    "#/models/films/figures": ".panel",
    "#/sessions": "tbody tr",
    "#/listeners": "tr[data-listener]",
}
LISTEN = """
window.seen = [];
window.source = new EventSource(arguments[0]);
source.addEventListener("connected", () => { window.connected = true; });
source.addEventListener("update", (event) => seen.push(JSON.parse(event.data).item));
"""
TABS_MAX = 90
SENT_MAX = 100_000  # bytes, packed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    place = prepared(tmp_path_factory.mktemp("dashboard") / "panel")
    with Started(place, "panel.py", ENVIRON) as started:
        fill(started.url)
        yield started
        assert started.stop() == 0


@pytest.fixture(scope="module")
def opened(server: Started) -> Iterator[Panel]:
    with browser(1280, 860) as window:
        yield Panel(window, server.url)


@pytest.fixture
def panel(opened: Panel) -> Panel:
    """The page, logged in and at the overview; what was logged before is forgotten."""
    opened.begin()
    opened.window.logged("browser")
    opened.window.requested()
    return opened


def get(server: Started, path: str) -> httpx2.Response:
    return httpx2.get(server.url + path, timeout=60)


def test_every_view_shows_real_data_without_an_error_or_a_request_elsewhere(
    server: Started, panel: Panel
) -> None:
    window = panel.window
    panel.open()
    panel.wait_for_text("300", "tr[data-model=films]")
    assert window.run("return location.hash") == "", "the token is not left in the address"
    assert TOKEN not in window.run("return JSON.stringify({...localStorage, ...sessionStorage})")
    with logged_in(server, "ann"):
        for view, sign in VIEWS.items():
            panel.go(view, sign)
    panel.go("#/models/films?title=~star&sort=-stars", "table a.id")
    asked = {"title": "~star", "sort": "-stars", "take": "50"}
    found = httpx2.get(server.url + "/api/films", params=asked).json()
    panel.wait_for_text(f"of {found['total']}", ".numbers")
    shown = window.run("return [...document.querySelectorAll('a.id')].map((one) => one.title)")
    assert shown == [item["id"] for item in found["data"]]
    requests = window.requested()
    assert any("/api/films/stream" in one for one in requests)
    assert [one for one in requests if not one.startswith((server.url, "data:", "about:"))] == []
    assert [one for one in window.logged("browser") if one["level"] == "SEVERE"] == []


def test_the_page_is_under_100_kb_as_it_is_sent(server: Started, panel: Panel) -> None:
    panel.window.command("Network.clearBrowserCache")
    panel.open()
    sent = {one for one in panel.window.requested() if one.startswith(f"{server.url}/_admin/")}
    files = [one for one in sent if "/data/" not in one and not one.endswith("/session")]
    with httpx2.Client(headers={"Accept-Encoding": "gzip"}) as client:
        answers = [client.get(one) for one in files]
    assert len(answers) > 20, "page, style, scripts and libraries"
    assert sum(int(one.headers["Content-Length"]) for one in answers) < SENT_MAX


def test_an_edit_appears_in_another_browsers_stream(server: Started, panel: Panel) -> None:
    panel.go("#/models/products/items/desk", "#field-price")
    with browser() as other:
        other.open(server.url + "/health")
        other.run(LISTEN, PRODUCTS + "/stream")
        other.wait_for("window.connected")
        panel.write("#field-price", "175")
        panel.click("Save")
        panel.wait_for_text("Saved as event")
        assert other.wait_for("seen[0]")["price"] == 175
    history = httpx2.get(
        f"{server.url}/_admin/data/models/products/desk/history",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ).json()
    assert history[-1]["by"] == "admin token"
    panel.wait_for_text("by admin token", ".history")


def test_refusals_are_shown_at_the_fields(server: Started, panel: Panel) -> None:
    """422 by the server, what is no number at all, and 412 when somebody else was faster."""
    panel.go("#/models/products/items/kettle", "#field-price")
    panel.write("#field-price", "-1")
    panel.click("Save")
    panel.wait_for("document.querySelector('#field-price[aria-invalid=true]')")
    panel.wait_for_text("0", "#field-price-fault")
    panel.write("#field-price", "many")
    panel.wait_for_text("is not a number", "#field-price-fault")
    panel.write("#field-price", "101")
    with httpx2.Client(base_url=server.url) as client:
        theirs = {"name": "Teapot", "price": 99}
        assert client.patch(f"{PRODUCTS}/kettle", json=theirs).is_success
    panel.wait_for_text("Somebody else has changed this item")
    panel.wait_for_text("99", "[data-field=price] .theirs")
    panel.click("Save")
    panel.wait_for_text("Not saved")
    panel.click("Keep my changes, on top of theirs")
    panel.click("Save")
    panel.wait_for_text("Saved as event")
    item = get(server, f"{PRODUCTS}/kettle").json()
    assert (item["name"], item["price"]) == ("Teapot", 101)


def test_an_item_is_created_seen_in_its_past_and_deleted(server: Started, panel: Panel) -> None:
    panel.go("#/models/products/new", "#field-name")
    panel.click("Create")
    panel.wait_for("document.querySelector('#field-name[aria-invalid=true]')")
    panel.write("#field-id", "mug")
    panel.write("#field-name", "Mug")
    panel.write("#field-tags", '["blue"]')
    panel.click("Create")
    panel.wait_for("location.hash === '#/models/products/items/mug'")
    assert get(server, f"{PRODUCTS}/mug").json()["tags"] == ["blue"]

    panel.go("#/models/products", "#travel")
    panel.write("#travel", "2")
    panel.wait_for("document.querySelectorAll('tbody tr').length === 2")
    panel.click("lamp")
    panel.wait_for_text("As it was after event 2")
    panel.wait_for_text("100", "#field-price")
    panel.wait_for_text("120", ".history del")

    panel.go("#/models/products/items/mug", "#field-name")
    panel.click("Delete")
    panel.click("Delete", "dialog")
    panel.wait_for("location.hash === '#/models/products'")
    assert get(server, f"{PRODUCTS}/mug").status_code == 404


def test_a_filter_finds_values_that_look_like_operators(server: Started, panel: Panel) -> None:
    names = ["=1", ">x", "!", "~a", "null", "[a,b]", "a,b & c+d #1%", "<=", "é"]
    panel.window.run("import('./query.js').then((it) => { window.query = it; })")
    panel.wait_for("window.query")
    with httpx2.Client(base_url=server.url) as client:
        for number, name in enumerate(names):
            product = {"id": f"odd-{number}", "name": name}
            assert client.post(PRODUCTS, json=product).is_success
        for number, name in enumerate(names):
            told = panel.window.run(
                "const asked = { filters: [{ field: 'name', operator: '', value: arguments[0] }] };"
                "const text = query.filterQuery(asked);"
                "return [text, query.parse(text).filters[0].value]",
                name,
            )
            found = client.get(f"{PRODUCTS}?{told[0]}").json()["data"]
            assert [item["id"] for item in found] == [f"odd-{number}"], told
            assert told[1] == name
        for number in range(len(names)):
            assert client.delete(f"{PRODUCTS}/odd-{number}").is_success


def test_changes_come_in_and_a_restart_of_a_model_is_shown(server: Started, panel: Panel) -> None:
    panel.go("#/models/films/changes", ".feed li")
    panel.wait_for_text("live", ".bar-top .state")
    url = f"{server.url}/api/films/f7"
    assert httpx2.patch(url, json={"stars": 8.5}).is_success
    panel.wait_for_text("8.5", ".feed li:first-child")
    panel.go("#/", "tr[data-model=films]")
    server.child("model films").kill()
    panel.wait_for("Number(document.querySelector('tr[data-model=films] .restarts').innerText) > 0")
    panel.wait_for_text("serving", "tr[data-model=films]")
    panel.go("#/models/films/changes", ".feed li")
    assert httpx2.patch(url, json={"stars": 8.6}, timeout=60).is_success
    panel.wait_for_text("8.6", ".feed li:first-child")


def test_sessions_and_listeners_are_looked_after(server: Started, panel: Panel) -> None:
    with logged_in(server, "ann") as ann:
        panel.go("#/sessions", "tbody tr")
        panel.write("#user", "ann")
        panel.click("Show")
        panel.click("End all of ann")
        panel.click("End all of ann", "dialog")
        panel.wait_for_text("has no live session")
        wait_until(lambda: ann.get("/auth/me").status_code == 401, "the session to be over")
    panel.go("#/listeners", "tr[data-listener=clerk] button")
    panel.click("1", "tr[data-listener=clerk]")
    panel.wait_for_text("too heavy to be filed", "section")
    panel.click("Replay", "section")
    panel.wait_for_text("Asked for", "section")


def test_who_is_not_logged_in_is_asked_for_the_token(server: Started, panel: Panel) -> None:
    panel.click("Log out", "header")
    panel.wait_for("document.querySelector('#token')")
    panel.write("#token", "not this one")
    panel.click("Log in")
    panel.wait_for_text("not the admin token")
    assert panel.window.run("return fetch('/_admin/data/models').then((r) => r.status)") == 401
    panel.write("#token", TOKEN)
    panel.click("Log in")
    panel.wait_for_text("Overview")


def test_the_keyboard_alone_reaches_and_does_everything(server: Started, panel: Panel) -> None:
    panel.go("#/models/products/items/lamp", "#field-price")
    panel.wait_for("document.querySelector('.history li a')")
    wanted = {
        "the way past the views": ".skip",
        "the overview": "nav a[href='#/']",
        "a model": "nav a[href='#/models/films']",
        "sessions": "nav a[href='#/sessions']",
        "the theme": ".theme select",
        "the way out": ".foot button",
        "the changes": ".tabs a[href$='changes']",
        "a field": "#field-price",
        "null": "[data-field=place] input[type=checkbox]",
        "delete": "button.danger",
        "a version": ".history li a",
    }
    seen: set[str] = set()
    panel.window.run("document.activeElement.blur(); getSelection().removeAllRanges()")
    for _ in range(TABS_MAX):
        panel.window.press(KEYS["tab"])
        seen |= {
            name
            for name, place in wanted.items()
            if panel.window.run("return document.activeElement.matches(arguments[0])", place)
        }
        if seen == set(wanted):
            break
    assert set(wanted) - seen == set()

    reach(panel, "#field-price")
    panel.window.press("7", "7", KEYS["tab"])
    reach(panel, "button.primary")
    panel.window.press(KEYS["enter"])
    panel.wait_for_text("Saved as event")
    assert get(server, f"{PRODUCTS}/lamp").json()["price"] == 77


def reach(panel: Panel, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(TABS_MAX):
        if panel.window.run("return document.activeElement.matches(arguments[0])", selector):
            return
        panel.window.press(KEYS["tab"])
    raise AssertionError(f"the keyboard does not reach {selector}")


def test_both_themes_and_a_narrow_window_fit(panel: Panel, tmp_path: Path) -> None:
    pictures: set[str] = set()
    for theme in ("light", "dark"):
        panel.write(".theme select", theme)
        panel.wait_for(f"document.documentElement.dataset.theme === '{theme}'")
        panel.window.screenshot(tmp_path / f"{theme}.png")
        pictures.add(hashlib.sha256((tmp_path / f"{theme}.png").read_bytes()).hexdigest())
    assert len(pictures) == 2
    panel.write(".theme select", "")
    panel.window.command(
        "Emulation.setDeviceMetricsOverride",
        width=400,
        height=800,
        deviceScaleFactor=1,
        mobile=False,
    )
    try:
        for view, sign in VIEWS.items():
            if view != "#/sessions":  # there may be none
                panel.go(view, sign)
                width = panel.window.run("return document.documentElement.scrollWidth")
                assert width <= 400, view
    finally:
        panel.window.command("Emulation.clearDeviceMetricsOverride")


def test_axe_finds_no_serious_fault(server: Started, panel: Panel) -> None:
    """In both themes, of every view, the form to log in and a dialog."""
    script = axe.source()
    found: dict[str, list[dict[str, object]]] = {}
    with logged_in(server, "ann"):
        for theme in ("dark", "light"):
            panel.write(".theme select", theme)
            for view, sign in VIEWS.items():
                panel.go(view, sign)
                found[f"{theme} {view}"] = axe.faults(panel.window, script)
    panel.go("#/models/products/items/lamp", "button.danger")
    panel.click("Delete")
    panel.wait_for("document.querySelector('dialog[open]')")
    found["dialog"] = axe.faults(panel.window, script)
    panel.click("Cancel", "dialog")
    panel.click("Log out", "header")
    panel.wait_for("document.querySelector('#token')")
    found["log in"] = axe.faults(panel.window, script)
    bad = {view: one for view, one in found.items() if one}
    assert not bad, json.dumps(bad, indent=1)
