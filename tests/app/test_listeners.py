"""Event listeners as they are declared: what is kept of them, and one sentence for each mistake."""

import inspect
from typing import Any, cast

import pytest

from lithair import Lithair, Mistakes
from lithair.core.listening import Retries
from lithair.declaration import Declaration, pack, unpack
from tests.app import sample_listeners
from tests.app.sample_app import Email, Page, Product, nightly
from tests.app.sample_listeners import (
    Announcer,
    Deaf,
    Greedy,
    Holding,
    Indexer,
    Yielding,
    announce,
    greedy,
)

WRONG: Any = object()
NAMELESS: Any = eval("lambda event: event")  # it has no name


def with_emails() -> Lithair:
    return Lithair().with_model(Email, "./data/emails", "/api/emails")


def declared(app: Lithair) -> Declaration:
    return app.declaration({}, {})


def told(app: Lithair) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        declared(app)
    return list(caught.value.sentences)


def test_listeners_are_declared_whatever_the_order_of_the_calls() -> None:
    app = (
        Lithair()
        .with_event_listener(Email, Indexer("here"), name="indexer", start="beginning")
        .with_model(Email, "./data/emails", "/api/emails")
        .with_event_listener(Email, Announcer(), name="announcer", max_retries=2)
    )
    indexer, announcer = declared(app).listeners
    assert (indexer.name, indexer.model, indexer.from_beginning) == ("indexer", "emails", True)
    assert (announcer.model, announcer.from_beginning) == ("emails", False)
    assert indexer.retries == Retries()
    assert announcer.retries == Retries(max_retries=2)
    assert inspect.iscoroutinefunction(announcer.call)


def test_on_change_leaves_the_function_as_it_is_and_calls_the_listener_as_it() -> None:
    declaration = declared(sample_listeners.app)
    assert [(one.name, one.from_beginning) for one in declaration.listeners] == [
        ("announce", False),
        ("whisper", False),
    ]
    assert inspect.isfunction(announce)
    found = declaration.listener("announce")
    assert found is not None
    assert found.call is announce
    assert declaration.listener("nobody") is None


def test_a_listener_travels_by_reference_and_its_values_by_value() -> None:
    app = with_emails().with_event_listener(Email, Indexer("there"), name="indexer")
    (found,) = unpack(pack(declared(app))).listeners
    listener = cast("Indexer", found.listener_part.load())
    assert isinstance(listener, Indexer)
    assert listener.place == "there"
    assert found.call == listener.on_event


def a_listener(listener: object = None, **named: Any) -> Lithair:
    arguments: dict[str, Any] = {"name": "indexer", **named}
    given = Indexer() if listener is None else listener
    return with_emails().with_event_listener(Email, given, **arguments)


@pytest.mark.parametrize(
    ("app", "sentence"),
    [
        (
            with_emails().with_event_listener(Product, Indexer(), name="indexer"),
            "Product is no model of this application; register it with with_model(Product, ...)",
        ),
        (
            with_emails().with_event_listener(WRONG, Indexer(), name="indexer"),
            "is not a model; give the class",
        ),
        (a_listener(Indexer), "Indexer is a class; write Indexer()"),
        (a_listener(greedy), "greedy is a function; write @app.on_change(Model), or"),
        (a_listener(Deaf()), "the Deaf object has no on_event(event), plain or async"),
        (a_listener(Greedy()), "it has to take one argument, the event; write Greedy.on_event("),
        (a_listener(Yielding()), "it yields, so nothing of it would be run; write Yielding.on_"),
        (a_listener(Holding()), "the Holding object can't be sent to another process: it can't be"),
        (a_listener(name="a/b"), "the name 'a/b' has to be at most 64 letters"),
        (a_listener(name=None), "the name None has to be at most 64 letters"),
        (a_listener(name="emails"), '"emails" is the name of another process; choose another'),
        (a_listener(name="EMAIL"), '"EMAIL" is the name of another process'),
        (a_listener(name="gateway-0"), '"gateway-0" is the name of another process'),
        (a_listener().with_worker(nightly, "Indexer"), '"indexer" is the name of another process'),
        (
            a_listener().with_event_listener(Email, Indexer(), name="INDEXER"),
            '"INDEXER" is the name of another process',
        ),
        (a_listener(start="then"), 'start=\'then\' has to be "now" or "beginning"'),
        (a_listener(max_retries=-1), "max_retries=-1 has to be a whole number from 0 on, or None"),
        (a_listener(max_retries=True), "max_retries=True has to be a whole number"),
        (a_listener(max_retries=1.5), "max_retries=1.5 has to be a whole number"),
    ],
)
def test_a_mistake_in_a_listener_has_a_sentence_of_its_own(app: Lithair, sentence: str) -> None:
    (only,) = told(app)
    assert sentence in only, only
    assert only.startswith("with_event_listener(")
    assert only.endswith(".")


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (greedy, "it has to take one argument, the event; write greedy(event)"),
        (NAMELESS, "the name '<lambda>' has to be at most 64 letters"),
        (Page, "is not a function; write def func(event) or async def func(event)"),
    ],
)
def test_a_mistake_in_on_change_has_a_sentence_of_its_own(function: Any, sentence: str) -> None:
    app = with_emails()
    app.on_change(Email)(function)
    (only,) = told(app)
    assert sentence in only, only
    assert only.startswith("@on_change(Email) ")


def test_on_change_without_its_model_is_a_mistake_and_not_a_listener_to_nothing() -> None:
    app = with_emails()
    bare: Any = app.on_change
    bare(announce)
    (only,) = told(app)
    assert only.startswith("@on_change: announce is a function; name the model as well: @app.on_")


def test_a_function_inside_a_function_can_not_be_sent() -> None:
    app = with_emails()

    @app.on_change(Email)
    def inside(event: Any) -> None:
        sample_listeners.heard.append(event.seq)

    (only,) = told(app)
    assert "it is defined inside a function; define it at the top of a module" in only
    assert inspect.isfunction(inside)


def test_a_mistake_in_the_model_is_told_once() -> None:
    app = Lithair().with_model(Email, "./data/emails", "emails")
    app.with_event_listener(Email, Indexer(), name="indexer")
    (only,) = told(app)
    assert only.startswith("with_model(")
