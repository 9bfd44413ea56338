"""An application with a dashboard, as its tests use it: films, and products with a past."""

import json
import shutil
from pathlib import Path
from typing import Any

import httpx2

from tests.end_to_end.mailing import add_user
from tests.support.browser import Browser
from tests.tidy.source import ROOT

TOKEN = "only-for-this-test-0123456789"
ENVIRON = {"LT_ADMIN_TOKEN": TOKEN, "LT_TIMEOUT": "60"}
FILMS = 300
PRODUCTS = "/api/products"

# Beside a copy of examples/movies; `app` is that example's.
PANEL = '''
"""The films of the example, products with hidden and audited fields, users, and a listener."""

from typing import Annotated

from app import app as films
from lithair import Audited, Hidden, MemorySessionStore, Model, NonEmpty, SessionManager
from msgspec import Meta, Struct


class Place(Struct):
    city: str
    street: str = ""


class Product(Model):
    name: NonEmpty
    price: Audited[Annotated[int, Meta(ge=0)]] = 0
    supplier: Hidden[str] = ""
    tags: list[str] = []
    place: Place | None = None
    sold: bool = False


class Clerk:
    def on_event(self, event):
        if event.item.name == "Anvil":
            raise ValueError("too heavy to be filed")


app = (
    films.with_model(Product, "./data/products", "/api/products")
    .with_sessions(SessionManager(MemorySessionStore()))
    .with_users("./data/users")
    .with_event_listener(Product, Clerk(), name="clerk", max_retries=0)
)
'''


def prepared(place: Path) -> Path:
    """Make the directory that it is started in."""
    ignore = shutil.ignore_patterns("data", "__pycache__")
    shutil.copytree(ROOT / "examples/movies", place, ignore=ignore)
    (place / "panel.py").write_text(PANEL, encoding="utf-8")
    add_user(place, "ann")
    return place


def fill(url: str) -> None:
    """Load films of the example, and some products: events 1 to 4 are creations."""
    rows: list[dict[str, Any]] = json.loads((ROOT / "examples/movies/movies.json").read_bytes())
    films = [
        {
            "id": f"f{number}",
            "slug": f"film-{number}",
            "title": row["Title"],
            "genre": row["Major Genre"],
            "director": row["Director"],
            "stars": row["IMDB Rating"],
            "votes": row["IMDB Votes"],
        }
        for number, row in enumerate(rows)
        if isinstance(row["Title"], str)
    ]
    with httpx2.Client(base_url=url, timeout=60) as client:
        sent = client.post("/api/films/_bulk", json=films[:FILMS])
        assert sent.is_success, sent.text
        for name in ("Kettle", "Lamp", "Desk", "Anvil"):
            product = {"id": name.lower(), "name": name, "price": 100, "place": {"city": "Rome"}}
            assert client.post(PRODUCTS, json=product).is_success
        for price in (120, 90):
            assert client.patch(f"{PRODUCTS}/lamp", json={"price": price}).is_success


class Panel:
    """The page, in a browser."""

    def __init__(self, window: Browser, url: str) -> None:
        self.window = window
        self.url = url

    def open(self) -> None:
        """Open the link that the server prints, and wait for the overview."""
        self.window.open("about:blank")
        self.window.open(f"{self.url}/_admin/#{TOKEN}")
        self.wait_for("document.querySelector('tr[data-model=films]')")

    def begin(self) -> None:
        """Go to the overview, logged in; the page is loaded anew only where that has to be."""
        if self.window.run("return Boolean(document.querySelector('header.side'))"):
            self.go("#/", "tr[data-model=films]")
        else:
            self.open()

    def go(self, view: str, until: str) -> None:
        """Go to a view, and wait until an element of it is there."""
        self.window.run("location.hash = arguments[0]", view)
        self.wait_for(f"document.querySelector({json.dumps(until)})")

    def wait_for(self, expression: str) -> Any:
        """Wait until an expression is true."""
        return self.window.wait_for(expression)

    def wait_for_text(self, text: str, place: str = "main") -> None:
        """Wait until a text can be read in an element."""
        told = f"document.querySelector({json.dumps(place)})?.innerText.includes"
        self.wait_for(f"{told}({json.dumps(text)})")

    def write(self, selector: str, text: str) -> None:
        """Write into a field."""
        self.window.run(
            "const field = document.querySelector(arguments[0]); field.value = arguments[1];"
            "field.dispatchEvent(new Event('input', { bubbles: true }));"
            "field.dispatchEvent(new Event('change', { bubbles: true }));",
            selector,
            text,
        )

    def click(self, text: str, place: str = "main") -> None:
        """Click the button, or the link, with this text in an element."""
        found = (
            f"[...document.querySelector({json.dumps(place)}).querySelectorAll('button, a')]"
            f".find((one) => one.textContent.trim() === {json.dumps(text)} && !one.disabled)"
        )
        self.wait_for(found)
        self.window.run(f"{found}.click()")
