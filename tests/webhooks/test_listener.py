"""A webhook as the listener that it is: what it sends of an event, and what it leaves out."""

import datetime as dt
import pickle
from collections.abc import Iterator

import msgspec
import pytest

from lithair import Hidden, Model, PrimaryKey
from lithair.client.answers import Event
from lithair.webhooks import sign, verify
from lithair.webhooks.listener import Webhook
from lithair.webhooks.sender import NotDelivered
from tests.support.receiver import Receiver

SECRET = "whsec-0123456789abcdef"
ALL = ("create", "update", "delete")
MOMENT = dt.datetime(2027, 1, 15, 8, 0, 0, 123_000, tzinfo=dt.UTC)


class Parcel(Model):
    number: PrimaryKey[str]
    from_: str
    code: Hidden[str] = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def event(seq: int = 1, operation: str = "create", from_: str = "José") -> Event[Model]:
    parcel: Model = Parcel(number="p1", from_=from_, code="7788")
    return Event(seq, operation, "parcels", "p1", parcel, MOMENT)


def test_an_event_is_sent_as_everybody_sees_it_and_signed(receiver: Receiver) -> None:
    webhook = Webhook(Parcel, "hook", receiver.url, SECRET, ALL)
    webhook.on_event(event())
    webhook.close()
    (delivery,) = receiver.deliveries
    assert delivery.told == {
        "id": "p1",
        "seq": 1,
        "model": "parcels",
        "event": "create",
        "timestamp": "2027-01-15T08:00:00.123Z",
        "item": {"number": "p1", "from": "José"},
    }
    headers = delivery.headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Lithair-Event"] == "create"
    assert headers["User-Agent"].startswith("Lithair/")
    assert verify(SECRET, delivery.body, headers["Lithair-Signature"])


@pytest.mark.parametrize("text", ["a\nb\r\n", "data: x", "\u2028", "🦜", '"\\', "\x00"])
def test_every_text_arrives_as_it_was_written(receiver: Receiver, text: str) -> None:
    webhook = Webhook(Parcel, "hook", receiver.url, SECRET, ALL)
    webhook.on_event(event(from_=text))
    webhook.close()
    (delivery,) = receiver.deliveries
    assert delivery.told["item"]["from"] == text
    assert verify(SECRET, delivery.body, delivery.headers["Lithair-Signature"])


def test_events_that_are_not_wanted_are_passed_over(receiver: Receiver) -> None:
    webhook = Webhook(Parcel, "hook", receiver.url, SECRET, ("delete",))
    for seq, operation in enumerate(ALL, 1):
        webhook.on_event(event(seq, operation))
    webhook.close()
    assert [(one.seq, one.told["event"]) for one in receiver.deliveries] == [(3, "delete")]


def test_a_refusal_is_raised_and_the_next_try_is_the_same_delivery(receiver: Receiver) -> None:
    webhook = Webhook(Parcel, "hook", receiver.url, SECRET, ALL)
    receiver.answer = lambda _delivery: 503
    with pytest.raises(NotDelivered, match="answered 503"):
        webhook.on_event(event())
    receiver.answer = lambda _delivery: 200
    webhook.on_event(event())
    webhook.on_event(event(2))
    webhook.close()
    first, second, other = [one.headers["Lithair-Delivery"] for one in receiver.deliveries]
    assert first == second != other


def test_it_travels_to_another_process_as_it_was_declared(receiver: Receiver) -> None:
    """Also one that has been used, and so has a connection."""
    webhook = Webhook(Parcel, "hook", receiver.url, SECRET, ("create",))
    webhook.on_event(event())
    other: Webhook = pickle.loads(pickle.dumps(webhook))
    other.on_event(event())
    other.on_event(event(2, "update"))
    webhook.close()
    other.close()
    here, there = receiver.deliveries
    assert (here.body, here.headers["Lithair-Delivery"]) == (
        there.body,
        there.headers["Lithair-Delivery"],
    )


def test_text_and_bytes_are_the_same_secret() -> None:
    assert sign(SECRET, b"{}", 1) == sign(SECRET.encode(), b"{}", 1)


def test_an_item_of_two_mebibytes_is_delivered(receiver: Receiver) -> None:
    """The longest that HTTP takes; a bulk write may have longer ones."""
    webhook = Webhook(Parcel, "hook", receiver.url, SECRET, ALL)
    webhook.on_event(event(from_="x" * (2 << 20)))
    webhook.close()
    (delivery,) = receiver.deliveries
    assert len(msgspec.json.decode(delivery.body)["item"]["from"]) == 2 << 20
