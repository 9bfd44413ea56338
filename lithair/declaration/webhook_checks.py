"""The checks of webhooks, and the listeners that they are.

Law: a webhook is an event listener of ours, and passes the checks of one as well. Its secret is in
no sentence.
"""

from collections.abc import Iterable, Sequence
from typing import Final, cast
from urllib.parse import urlsplit

from lithair.core.delivery import RETRY_FIRST_MS, RETRY_MAX_MS
from lithair.core.listening import Retries
from lithair.declaration.asked import AskedListener, AskedWebhook
from lithair.declaration.declared import ModelDeclaration
from lithair.declaration.draft import Draft
from lithair.declaration.listener_checks import name_of_model
from lithair.model import Model

OPERATIONS: Final = ("create", "update", "delete")
NAME_CHARACTERS_MAX: Final = 64
SECRET_CHARACTERS_MIN: Final = 16  # fewer can be tried one after the other by who saw a delivery
URL_CHARACTERS_MAX: Final = 4096


def webhook_listeners(
    asked: Sequence[AskedWebhook], models: Sequence[ModelDeclaration], draft: Draft
) -> list[AskedListener]:
    """Check what is a webhook's own; the rest is checked as for any listener."""
    unnamed: set[str] = set()
    found: list[AskedListener] = []
    for number, one in enumerate(asked):
        model = name_of_model(one.model, models)
        name = one.name
        if name is None:
            name = f"webhook-{model or number}"[:NAME_CHARACTERS_MAX]
            if name in unnamed:
                draft.mistake(one.call, f"there is another webhook called {name}; give it a name=")
                continue
            unnamed.add(name)
        listener = _listener(one, str(name), draft)
        if listener is not None:
            found.append(listener)
    return found


def _listener(one: AskedWebhook, name: str, draft: Draft) -> AskedListener | None:
    events = _events(one.events)
    problems = [_url_problem(one.url), _secret_problem(one.secret)]
    if events is None:
        problems.append(
            f'events={one.events!r} has to be some of {", ".join(OPERATIONS)}, as ("create",)'
        )
    for problem in filter(None, problems):
        draft.mistake(one.call, problem)
    give_up_s = draft.seconds(one.call, one.give_up_after, "give_up_after")
    if any(problems) or events is None or give_up_s is None:
        return None
    from lithair.webhooks.listener import Webhook  # TLS and HTTP are for those who have one

    secret = cast("str | bytes", one.secret)
    if len(secret) < SECRET_CHARACTERS_MIN:
        draft.notices.append(
            f"{one.call}: a secret of {len(secret)} characters can be guessed; make a longer one,"
            " as by: openssl rand -hex 32"
        )
    webhook = Webhook(cast("type[Model]", one.model), name, str(one.url), secret, events)
    retries = Retries(RETRY_FIRST_MS, RETRY_MAX_MS, disable_after_ms=round(give_up_s * 1000))
    return AskedListener(
        one.call, one.model, webhook, name if one.name is None else one.name, retries=retries
    )


def _events(events: object) -> tuple[str, ...] | None:
    """Read which kinds of events are wanted, each once and in our order; None if it can't be."""
    if isinstance(events, str | bytes) or not isinstance(events, Iterable):
        return None
    wanted = list(cast("Iterable[object]", events))
    if not wanted or not all(each in OPERATIONS for each in wanted):
        return None
    return tuple(each for each in OPERATIONS if each in wanted)


def _secret_problem(secret: object) -> str | None:
    if not isinstance(secret, str | bytes):
        return f"secret= is a {type(secret).__name__}; it has to be text or bytes"
    if not secret:
        return "secret= is empty; look at the variable or the file that it comes from"
    return None


def _url_problem(url: object) -> str | None:
    """Say what is wrong with an address, or None."""
    if not isinstance(url, str) or len(url) > URL_CHARACTERS_MAX:
        return f"{url!r} is not the URL of a receiver"[:URL_CHARACTERS_MAX]
    shown = url.partition("?")[0]
    if not url.isascii() or any(each <= " " or each == "\x7f" for each in url):
        return f"the URL {shown!r} has a character in it that has to be percent-encoded"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"the URL {shown!r} can't be read: {error}"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return f'the URL {shown!r} has to be a whole one of http or https, as "https://example.org/hook"'
    if "@" in parts.netloc:
        return "its URL has a name or a password in it; the signature says who sends"
    if "#" in url:
        return f"the URL {shown!r} has a fragment (#), which is not for servers"
    try:
        parts.hostname.encode("idna")
    except UnicodeError:
        return f"the URL {shown!r} has no host that there could be"
    return None
