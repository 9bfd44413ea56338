"""Bytes of any origin are either a message of the right types or a WireError; nothing else."""

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lithair.wire.codec import (
    VERSION_BYTE,
    _pack,
    decode_changes,
    decode_control,
    decode_events,
    decode_feed,
    decode_replies,
    decode_requests,
    encode_refusal,
)
from lithair.wire.messages import WriteRequest
from lithair.wire.protocol import (
    ACCESS,
    GRANTS_MARK,
    MESSAGE_BYTES_MAX,
    PROTOCOL_VERSION,
    READS,
    REFUSAL_MARK,
    WRITES,
    ProtocolMismatch,
    Verb,
    WireError,
)
from tests.wire import samples

Decode = Callable[[bytes], object]
WITH_VERSION: tuple[Decode, ...] = (decode_requests, decode_replies, decode_control, decode_feed)
ALL: tuple[Decode, ...] = (*WITH_VERSION, decode_events, decode_changes)


def mutated(message: bytes, at: int, what: bytes, cut: int) -> bytes:
    """Cut bytes out of a message and put others there."""
    at %= len(message) + 1
    return message[:at] + what + message[at + cut :]


MUTATED = st.builds(
    mutated, samples.MESSAGES, st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 3)
)


def packed(value: object) -> bytes:
    return VERSION_BYTE + _pack(value)


def check(message: bytes) -> None:
    """Decode with every decoder; a WireError is fine, any other error fails the test."""
    for decode in ALL:
        try:
            decode(message)
        except WireError:
            pass


@given(st.binary(max_size=300))
@example(b"")
@example(VERSION_BYTE)
@example(VERSION_BYTE + b"\xdd\xff\xff\xff\xff")  # a list of 4 billion
@example(VERSION_BYTE + b"\xdf\xff\xff\xff\xff")  # a map of as many
@example(VERSION_BYTE + b"\xc6\xff\xff\xff\xff")  # bytes that never come
@example(VERSION_BYTE + b"\x91" * 5000 + b"\xc0")  # deeper than any stack
@example(VERSION_BYTE + b"\x81\x81\x01\x01\x01")  # a map as a map's key
@example(VERSION_BYTE + b"\x92\x01\x81\xc1\x01")  # a byte that msgpack never uses
@example(VERSION_BYTE + b"\xd6\xff\x00\x00\x00\x00")  # a timestamp
@example(VERSION_BYTE + b"\xc7\x00\xff")  # an empty one
@example(VERSION_BYTE + b"\xa2\xff\xff")  # text that is no UTF-8
def test_arbitrary_bytes_raise_nothing_but_wire_errors(message: bytes) -> None:
    check(message)


@given(st.binary(max_size=100))
def test_arbitrary_bytes_of_this_version_raise_nothing_else_either(message: bytes) -> None:
    check(VERSION_BYTE + message)


@settings(max_examples=200)
@given(MUTATED)
def test_mutated_messages_raise_nothing_but_wire_errors(message: bytes) -> None:
    check(message)


@given(samples.VALUES)
def test_msgpack_of_any_other_form_is_refused(value: object) -> None:
    check(packed(value))
    check(packed((0, value)))
    check(packed((0, (value,))))


@settings(max_examples=150)
@given(
    st.lists(st.one_of(samples.LEAVES, samples.FILTERS, st.just(True)), min_size=9, max_size=9),
    st.sampled_from((5, 6, 9)),
    st.sampled_from(sorted(READS | WRITES)),
)
def test_a_request_that_is_decoded_has_the_types_it_says(
    fields: list[object], length: int, verb: int
) -> None:
    fields[1] = verb
    try:
        batch = decode_requests(packed((0, (tuple(fields[:length]),))))
    except WireError:
        return
    for request in batch.requests:
        assert type(request.request_id) is int
        assert type(request.deadline_ms) is int
        assert request.access in ACCESS or request.access.startswith(GRANTS_MARK)


@pytest.mark.parametrize("decode", WITH_VERSION)
@given(version=st.integers(1, 255).filter(lambda v: v != PROTOCOL_VERSION), rest=st.binary())
def test_another_version_is_refused_with_both_numbers(
    decode: Decode, version: int, rest: bytes
) -> None:
    with pytest.raises(ProtocolMismatch) as caught:
        decode(bytes((version,)) + b"." + rest)
    assert (caught.value.theirs, caught.value.ours) == (version, PROTOCOL_VERSION)
    assert f"version {version} of" in str(caught.value)
    assert f"version {PROTOCOL_VERSION}:" in str(caught.value)
    assert caught.value.status == 503


@pytest.mark.parametrize("decode", WITH_VERSION)
@given(theirs=st.integers(1, 255))
def test_a_refusal_tells_the_refused_one_the_servers_version(decode: Decode, theirs: int) -> None:
    with pytest.raises(ProtocolMismatch) as caught:
        decode(bytes((REFUSAL_MARK, theirs, PROTOCOL_VERSION)))
    assert caught.value.theirs == theirs


def test_the_form_of_a_refusal_never_changes() -> None:
    """Every version reads it, so these three bytes are what they are for good."""
    assert encode_refusal(9) == bytes((0, PROTOCOL_VERSION, 9))


GOOD_WRITE = (1, int(Verb.CREATE), 0, "", bytes(16), "key", b"{}", None, b"")
GOOD_READ = (1, int(Verb.GET), 0, "", "key")
BAD_REQUESTS: dict[str, tuple[object, ...]] = {
    "no number as id": ("1", *GOOD_READ[1:]),
    "negative id": (-1, *GOOD_READ[1:]),
    "truth as id": (True, *GOOD_READ[1:]),
    "id beyond its bound": (1 << 63, *GOOD_READ[1:]),
    "negative deadline": (1, int(Verb.GET), -1, "", "key"),
    "unknown access": (1, int(Verb.GET), 0, "root", "key"),
    "unknown verb": (1, 31, 0, "", "key"),
    "truth as verb": (1, True, 0, "", None),
    "list as verb": (1, (), 0, "", None),
    "write verb in a read": (1, int(Verb.CREATE), 0, "", "key"),
    "read verb in a write": (1, int(Verb.GET), *GOOD_WRITE[2:]),
    "argument of another verb": (1, int(Verb.EVENTS), 0, "", "key"),
    "events with one number": (1, int(Verb.EVENTS), 0, "", (1,)),
    "changes without filters": (1, int(Verb.CHANGES), 0, "", (1, 1)),
    "changes with half a filter": (1, int(Verb.CHANGES), 0, "", (1, 1, (("name",),))),
    "filter of three": (1, int(Verb.LIST), 0, "", (("a", "b", "c"),)),
    "filter of bytes": (1, int(Verb.LIST), 0, "", (("a", b"b"),)),
    "cancel of nothing": (1, int(Verb.CANCEL), 0, "", None),
    "short command id": (*GOOD_WRITE[:4], bytes(15), *GOOD_WRITE[5:]),
    "bytes as key": (*GOOD_WRITE[:5], b"key", *GOOD_WRITE[6:]),
    "text as body": (*GOOD_WRITE[:6], "{}", None, b""),
    "false as if_match": (*GOOD_WRITE[:7], False, b""),
    "texts as if_match": (*GOOD_WRITE[:7], ("1",), b""),
    "half an idempotency": (*GOOD_WRITE[:8], bytes(16)),
    "too long": (*GOOD_WRITE, None),
    "empty": (),
}


@pytest.mark.parametrize("request_", BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_a_request_with_one_wrong_field_is_refused(request_: tuple[object, ...]) -> None:
    with pytest.raises(WireError):
        decode_requests(packed((0, (GOOD_READ, GOOD_WRITE, request_))))


def test_the_good_requests_of_these_tests_are_good() -> None:
    assert decode_requests(packed((0, (GOOD_READ, GOOD_WRITE)))).requests == [GOOD_READ, GOOD_WRITE]


@pytest.mark.parametrize("acknowledged", [-1, True, None, "1", 1 << 63])
def test_acknowledged_bytes_are_a_number(acknowledged: object) -> None:
    with pytest.raises(WireError, match="acknowledged"):
        decode_requests(packed((acknowledged, ())))


GOOD_REPLY = (1, 200, b"{}", 1, 1, "key")


@pytest.mark.parametrize(
    "reply",
    [
        (-1, *GOOD_REPLY[1:]),
        (1, 99, *GOOD_REPLY[2:]),
        (1, 600, *GOOD_REPLY[2:]),
        (1, 200, "{}", 1, 1, "key"),
        (1, 200, b"{}", -1, 1, "key"),
        (1, 200, b"{}", 1, 1.0, "key"),
        (1, 200, b"{}", 1, 1, b"key"),
        GOOD_REPLY[:5],
    ],
)
def test_a_reply_with_one_wrong_field_is_refused(reply: tuple[object, ...]) -> None:
    with pytest.raises(WireError):
        decode_replies(packed((bytes(16), (GOOD_REPLY, reply))))


@pytest.mark.parametrize("epoch", [b"", bytes(15), bytes(17), "0" * 16, None])
def test_replies_without_an_epoch_are_refused(epoch: object) -> None:
    with pytest.raises(WireError, match="epoch"):
        decode_replies(packed((epoch, (GOOD_REPLY,))))


@pytest.mark.parametrize(
    "event", [(1, 1, 1, "key"), (1, 1, 1, b"key", b""), (1, 1, 1, "key", ""), (-1, 1, 1, "k", b"")]
)
def test_an_event_with_one_wrong_field_is_refused(event: tuple[object, ...]) -> None:
    with pytest.raises(WireError):
        decode_events(packed((event,))[1:])


@pytest.mark.parametrize(
    "page", [(), (1,), (-1, ()), ("1", ()), (1, None), (1, ((1, 1, 1, "key", b""),)), (1, (), 1)]
)
def test_a_page_of_changes_with_one_wrong_field_is_refused(page: tuple[object, ...]) -> None:
    with pytest.raises(WireError):
        decode_changes(packed(page)[1:])


@pytest.mark.parametrize(
    "message", [(1,), (1, ()), ("1", {}), (-1, {}), (1, {b"ask": 1}), (1, {}, 3)]
)
def test_a_control_message_that_is_no_map_with_an_id_is_refused(
    message: tuple[object, ...],
) -> None:
    with pytest.raises(WireError):
        decode_control(packed(message))


def test_what_follows_a_message_makes_it_none() -> None:
    with pytest.raises(WireError):
        decode_requests(packed((0, ())) + b"\xc0")


def test_the_longest_message_has_room_for_the_longest_body() -> None:
    """A body at its bound is decoded; the bound of a message leaves room around it."""
    body = bytes(MESSAGE_BYTES_MAX - (16 << 20))
    (request,) = decode_requests(packed((0, ((*GOOD_WRITE[:6], body, None, b""),)))).requests
    assert isinstance(request, WriteRequest)
    assert request.body == body
