"""What is encoded is decoded to the same values, of the same types."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair.wire.codec import (
    ARGUMENTS,
    decode_changes,
    decode_control,
    decode_events,
    decode_feed,
    decode_replies,
    decode_requests,
    encode_changes,
    encode_control,
    encode_events,
    encode_feed,
    encode_replies,
    encode_requests,
)
from lithair.wire.messages import FeedEvent, ReadRequest, Reply, Request, WireEvent, WriteRequest
from lithair.wire.protocol import PROTOCOL_VERSION, READS, WRITES, Verb, WireError, is_write
from tests.wire import samples


@given(samples.REQUEST_LISTS, samples.COUNTS)
def test_requests_of_every_verb_come_back_as_they_were(
    requests: list[Request], acknowledged: int
) -> None:
    batch = decode_requests(encode_requests(requests, acknowledged))
    assert batch.requests == requests
    assert batch.acknowledged == acknowledged
    assert [type(request) for request in batch.requests] == [type(r) for r in requests]


@pytest.mark.parametrize("verb", samples.ARGUMENTS, ids=lambda verb: Verb(verb).name)
@given(data=st.data())
def test_each_read_comes_back_with_its_argument(verb: Verb, data: st.DataObject) -> None:
    request = data.draw(samples.reads_of(verb))
    assert decode_requests(encode_requests([request])).requests == [request]


@given(samples.EPOCHS, samples.REPLY_LISTS)
def test_replies_come_back_with_their_epoch(epoch: bytes, replies: list[Reply]) -> None:
    batch = decode_replies(encode_replies(epoch, replies))
    assert batch == (epoch, replies)
    assert all(type(reply) is Reply for reply in batch.replies)


@given(samples.EVENT_LISTS)
def test_events_come_back_as_they_were(events: list[WireEvent]) -> None:
    decoded = decode_events(encode_events(events))
    assert decoded == events
    assert all(type(event) is WireEvent for event in decoded)


@given(samples.EPOCHS, samples.COUNTS, samples.FEED_EVENT_LISTS)
def test_the_feed_comes_back_as_it_was(epoch: bytes, seq: int, events: list[FeedEvent]) -> None:
    assert decode_feed(encode_feed(epoch, seq, events)) == (epoch, seq, events)


@given(samples.COUNTS, samples.FEED_EVENT_LISTS)
def test_a_page_of_changes_comes_back_as_it_was(upto: int, events: list[FeedEvent]) -> None:
    assert decode_changes(encode_changes(upto, events)) == (upto, events)


@given(samples.COUNTS, samples.CONTENTS)
def test_questions_and_answers_of_control_come_back(
    request_id: int, content: dict[str, object]
) -> None:
    assert decode_control(encode_control(request_id, content)) == (request_id, content)


def test_every_message_starts_with_the_version() -> None:
    messages = (encode_requests([]), encode_replies(bytes(16), []), encode_control(1, {}))
    assert {message[0] for message in messages} == {PROTOCOL_VERSION}


def test_a_plain_tuple_is_encoded_like_its_request() -> None:
    """The client keeps plain tuples: nothing is made again for the wire."""
    request = ReadRequest(7, Verb.GET, 0, "", "a")
    assert encode_requests([request]) == encode_requests([tuple(request)])


def test_a_write_names_only_what_it_needs() -> None:
    """Everything after the command id has a default that means: absent."""
    request = WriteRequest(1, Verb.ERASE, 0, "", bytes(16))
    assert request[5:] == ("", b"", None, b"")


def test_text_that_is_no_unicode_is_refused_before_it_is_sent() -> None:
    with pytest.raises(WireError, match="can't be sent"):
        encode_requests([(1, int(Verb.GET), 0, "", "\ud800")])


@pytest.mark.parametrize("value", [1 << 64, object(), {1, 2}])
def test_a_value_without_a_form_on_the_wire_is_refused(value: object) -> None:
    with pytest.raises(WireError):
        encode_control(1, {"value": value})


def test_every_read_verb_has_a_check_of_its_argument() -> None:
    assert set(ARGUMENTS) == READS == set(samples.ARGUMENTS)


def test_every_verb_is_a_read_or_a_write() -> None:
    assert set(Verb) == READS | WRITES
    assert {verb for verb in Verb if is_write(verb)} == WRITES
