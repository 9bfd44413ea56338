"""/docs in a real browser: it works under its policy, asks nobody else, and tries calls out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.mailing import WORD, add_user, copied
from tests.support.browser import Browser, browser, is_installed
from tests.support.started import Started

pytestmark = [
    pytest.mark.usefixtures("no_leaks"),
    pytest.mark.skipif(not is_installed(), reason="Chromium and chromedriver are not installed"),
]

OPEN = """
const block = document.getElementById("operations-" + arguments[0]);
if (!block.querySelector(".opblock-body"))
  block.querySelector(".opblock-summary-control").click();
"""
SEND = """
const [id, body] = arguments;
const block = document.getElementById("operations-" + id);
if (body) {
  const area = block.querySelector("textarea");
  const write = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set;
  write.call(area, body);
  area.dispatchEvent(new Event("input", { bubbles: true }));
  area.dispatchEvent(new Event("change", { bubbles: true }));
}
block.querySelector(".execute").click();
"""


@pytest.fixture
def window() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


def executed(window: Browser, operation: str, body: str = "") -> str:
    """Try an operation out as a person does, and give what the page shows of the answer."""
    block = f"document.getElementById('operations-{operation}')"
    window.run(OPEN, operation)
    window.wait_for(f"{block}.querySelector('.execute')")
    window.run(SEND, operation, body)
    answer = f"{block}.querySelector('.live-responses-table .response')"
    window.wait_for(f"{answer} && {block}.querySelector('.loading-container') === null")
    shown: str = window.run(f"return {answer}.innerText")
    return shown


def test_the_page_shows_the_api_and_tries_it_out(window: Browser, tmp_path: Path) -> None:
    place = copied(tmp_path / "shop", "shop")
    add_user(place, "eve", "employee")
    with Started(place, environ={"LT_TIMEOUT": "120"}) as server:
        window.requested()  # what the browser's first page has asked for
        window.open(server.url + "/docs")
        window.wait_for("document.querySelectorAll('.opblock').length > 20")
        assert window.run("return document.title") == "products, orders"
        assert "Warning" not in window.run("return document.body.innerText")

        refused = executed(window, "products-products_count")
        assert refused.startswith("401"), refused
        login = f'{{"username": "eve", "password": "{WORD}"}}'
        assert executed(window, "accounts-post_auth_login", login).startswith("200")
        assert executed(window, "products-products_count").startswith("200")
        made = executed(window, "products-products_create", '{"name": "Tea", "price": 450}')
        assert made.startswith("201"), made
        assert '"total": 1' in executed(window, "products-products_list")
        window.run("document.querySelector('.btn.authorize').click()")
        window.wait_for("document.querySelector('.dialog-ux')")

        asked = [url for url in window.requested() if url.startswith(("http", "ws"))]
        assert len(asked) >= 10
        assert [url for url in asked if not url.startswith(server.url + "/")] == []
        said = [f"{entry['level']}: {entry['message']}" for entry in window.logged("browser")]
        assert len(said) == 1, said
        assert "/api/products/count" in said[0], "the call without a session, and nothing else"
        assert "401" in said[0]
        assert server.stop() == 0
