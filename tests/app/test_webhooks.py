"""Webhooks as they are declared: what is kept of them, and one sentence for each mistake."""

import datetime as dt
from typing import Any, cast

import pytest

from lithair import Lithair
from lithair.core.listening import Retries
from lithair.declaration import ListenerDeclaration, pack, unpack
from lithair.webhooks.listener import Webhook
from tests.app.sample_app import Email, Page
from tests.app.sample_listeners import Indexer
from tests.app.test_mistakes import told, with_emails

URL = "https://example.org/hook?key=s3cret-key"
SECRET = "0123456789abcdef-of-the-hook"
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


def listeners_of(app: Lithair) -> list[ListenerDeclaration]:
    return list(app.declaration({}, {}).listeners)


def webhook_of(listener: ListenerDeclaration) -> Webhook:
    return cast("Webhook", listener.listener_part.load())


def test_a_webhook_is_a_listener_with_longer_waits_and_an_end_of_them() -> None:
    (one,) = listeners_of(with_emails().with_webhook(Email, URL, secret=SECRET))
    assert (one.name, one.model, one.from_beginning) == ("webhook-emails", "emails", False)
    assert one.retries == Retries(5_000, HOUR_MS, None, disable_after_ms=3 * DAY_MS)
    webhook = webhook_of(one)
    assert (webhook.url, webhook.events) == (URL, ("create", "update", "delete"))
    assert one.call == webhook.on_event


@pytest.mark.parametrize("after", [3600, 3600.0, dt.timedelta(hours=1)])
def test_what_it_is_given_is_kept(after: Any) -> None:
    app = with_emails().with_webhook(
        Email, URL, SECRET, events=["delete", "create", "delete"], name="till", give_up_after=after
    )
    (one,) = listeners_of(app)
    assert (one.name, one.retries.disable_after_ms) == ("till", HOUR_MS)
    assert webhook_of(one).events == ("create", "delete")


def test_the_order_of_the_calls_does_not_matter() -> None:
    app = Lithair().with_webhook(Email, URL, SECRET)
    (one,) = listeners_of(app.with_model(Email, "./data/emails", "/api/emails"))
    assert one.name == "webhook-emails"


def test_a_declaration_can_be_made_more_than_once() -> None:
    app = with_emails().with_webhook(Email, URL, SECRET)
    assert listeners_of(app) == listeners_of(app)
    assert len(listeners_of(app)) == 1


def test_a_webhook_travels_to_its_process() -> None:
    declaration = with_emails().with_webhook(Email, URL, SECRET).declaration({}, {})
    (one,) = unpack(pack(declaration)).listeners
    webhook = webhook_of(one)
    assert (webhook.name, webhook.url) == ("webhook-emails", URL)


def test_neither_the_secret_nor_a_key_in_the_url_is_shown() -> None:
    """A log, an error or a debugger shows what a declaration looks like."""
    app = with_emails().with_webhook(Email, URL, secret=SECRET)
    declaration = app.declaration({}, {})
    shown = f"{declaration!r} {webhook_of(declaration.listeners[0])!r}"
    assert SECRET not in shown
    assert "s3cret-key" not in shown
    wrong = with_emails().with_webhook(Email, URL, secret=SECRET, events=())
    assert "s3cret-key" not in " ".join(told(wrong))


def test_a_short_secret_is_taken_and_announced() -> None:
    notices = with_emails().with_webhook(Email, URL, "secret").declaration({}, {}).notices
    (notice,) = [notice for notice in notices if "with_webhook" in notice]
    assert "a secret of 6 characters can be guessed; make a longer one" in notice


def hooked(url: object = URL, secret: object = SECRET, **named: Any) -> Lithair:
    return with_emails().with_webhook(Email, cast("str", url), cast("str", secret), **named)


PLACE = 'with_webhook(Email, "https://example.org/hook"): '
CASES: list[tuple[str, Lithair, str]] = [
    ("no URL", hooked(None), "None is not the URL of a receiver"),
    ("no scheme", hooked("example.org/hook"), "has to be a whole one of http or https"),
    ("another scheme", hooked("ftp://example.org/hook"), "has to be a whole one of http or https"),
    ("no host", hooked("https:///hook"), "has to be a whole one of http or https"),
    ("port 0", hooked("https://example.org:0/"), "has to be a whole one of http or https"),
    ("no port", hooked("https://example.org:many/"), "can't be read: Port could not be cast"),
    ("half an address", hooked("https://[::1/"), "can't be read: Invalid IPv6 URL"),
    ("a space", hooked("https://example.org/a b"), "has to be percent-encoded"),
    ("a line end", hooked("https://example.org/a\r\nX: y"), "has to be percent-encoded"),
    ("a letter", hooked("https://example.org/é"), "has to be percent-encoded"),
    ("a host that can't be", hooked(f"https://{'x' * 64}.org/"), "no host that there could be"),
    ("a password", hooked("https://ann:pw@example.org/"), "has a name or a password in it"),
    ("a fragment", hooked("https://example.org/#x"), "has a fragment (#)"),
    ("no secret", hooked(secret=None), PLACE + "secret= is a NoneType; it has to be text or bytes"),
    ("an empty secret", hooked(secret=""), PLACE + "secret= is empty"),
    ("no events", hooked(events=()), PLACE + "events=() has to be some of create, update, delete"),
    ("text for events", hooked(events="create"), "events='create' has to be some of"),
    ("another event", hooked(events=("create", "leave")), "has to be some of"),
    ("a number of events", hooked(events=3), "events=3 has to be some of"),
    ("no time", hooked(give_up_after=0), PLACE + "give_up_after=0 has to be seconds"),
    ("a text for a time", hooked(give_up_after="3d"), "give_up_after='3d' has to be seconds"),
    ("a name with a slash", hooked(name="a/b"), "the name 'a/b' has to be at most 64 letters"),
    ("the name of a model", hooked(name="emails"), '"emails" is the name of another process'),
    (
        "the name of a listener",
        hooked(name="indexer").with_event_listener(Email, Indexer(), name="indexer"),
        '"indexer" is the name of another process',
    ),
    (
        "a second one without a name",
        hooked().with_webhook(Email, "https://example.net/", SECRET),
        'net/"): there is another webhook called webhook-emails; give it a name=',
    ),
    (
        "a model that is not served",
        with_emails().with_webhook(cast("Any", Page), URL, SECRET),
        'with_webhook(Page, "https://example.org/hook"): Page is no model of this application',
    ),
    (
        "no model",
        with_emails().with_webhook(cast("Any", "emails"), URL, SECRET),
        "'emails' is not a model; give the class",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("app", "sentence"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_mistake_is_one_sentence(app: Lithair, sentence: str) -> None:
    (only,) = told(app)
    assert sentence in only


def test_all_mistakes_of_a_webhook_come_at_once() -> None:
    sentences = told(hooked("hook", "", events=(), give_up_after=-1, name="emails"))
    assert len(sentences) == 4
