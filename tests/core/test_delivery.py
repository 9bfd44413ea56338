"""Delivery of webhooks: ids that survive everything, and what is sent."""

import msgspec
import pytest

from lithair.core.delivery import Told, body_of, delivery_id

TOLD = Told("emails", 7, "update", "m1", 1_800_000_000_123, b'{"id":"m1","subject":"hi"}')


def test_a_delivery_has_the_same_id_in_every_process_and_version() -> None:
    """The literal stands here so that a change of it is noticed: receivers keep these."""
    assert delivery_id("shop", TOLD) == "de6c8a849e695921fb5de99087f88e7e"


@pytest.mark.parametrize(
    "other",
    [
        msgspec.structs.replace(TOLD, model="letters"),
        msgspec.structs.replace(TOLD, seq=8),
        msgspec.structs.replace(TOLD, event="create"),
        msgspec.structs.replace(TOLD, id="m2"),
        msgspec.structs.replace(TOLD, time_ms=TOLD.time_ms + 1),
    ],
)
def test_another_event_is_another_delivery(other: Told) -> None:
    assert delivery_id("shop", other) != delivery_id("shop", TOLD)


def test_each_webhook_has_deliveries_of_its_own() -> None:
    assert delivery_id("shop", TOLD) != delivery_id("till", TOLD)


def test_an_item_that_looks_different_now_is_the_same_delivery() -> None:
    """A field with a default was added between two tries."""
    later = msgspec.structs.replace(TOLD, item=b'{"id":"m1","subject":"hi","read":false}')
    assert delivery_id("shop", later) == delivery_id("shop", TOLD)


def test_the_body_says_what_happened_to_which_item_and_when() -> None:
    assert msgspec.json.decode(body_of(TOLD)) == {
        "id": "m1",
        "seq": 7,
        "model": "emails",
        "event": "update",
        "timestamp": "2027-01-15T08:00:00.123Z",
        "item": {"id": "m1", "subject": "hi"},
    }
