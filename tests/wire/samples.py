"""Strategies for everything that the wire can carry."""

from hypothesis import strategies as st

from lithair.wire.codec import (
    encode_changes,
    encode_control,
    encode_events,
    encode_feed,
    encode_replies,
    encode_requests,
)
from lithair.wire.messages import FeedEvent, ReadRequest, Reply, Request, WireEvent, WriteRequest
from lithair.wire.protocol import ACCESS, EPOCH_BYTES, REQUEST_ID_MAX, WRITES, Verb

COUNTS = st.integers(0, REQUEST_ID_MAX)
UINTS = st.integers(0, (1 << 64) - 1)
TEXTS = st.text(max_size=20)
BODIES = st.binary(max_size=200)
EPOCHS = st.binary(min_size=EPOCH_BYTES, max_size=EPOCH_BYTES)
COMMAND_IDS = st.binary(min_size=16, max_size=16)
ACCESSES = st.sampled_from(sorted(ACCESS))
FILTERS = st.lists(st.tuples(TEXTS, TEXTS), max_size=5).map(tuple)

ARGUMENTS: dict[Verb, st.SearchStrategy[object]] = {
    Verb.HELLO: st.none(),
    Verb.GET: st.one_of(TEXTS, st.tuples(TEXTS, FILTERS)),
    Verb.LIST: FILTERS,
    Verb.COUNT: FILTERS,
    Verb.RANDOM: st.none(),
    Verb.HISTORY: TEXTS,
    Verb.EVENTS: st.tuples(COUNTS, COUNTS),
    Verb.EXISTS: st.lists(TEXTS, max_size=5).map(tuple),
    Verb.STATS: st.none(),
    Verb.CANCEL: COUNTS,
    Verb.COMPACT: FILTERS,
    Verb.BACKUP: TEXTS,
    Verb.PURGE: TEXTS,
    Verb.ATTEMPT: st.tuples(TEXTS, TEXTS),
    Verb.SETTLE: st.tuples(COUNTS, COUNTS),
    Verb.CHANGES: st.tuples(COUNTS, COUNTS, FILTERS),
    Verb.DESCRIBE: st.none(),
}


def reads_of(verb: Verb) -> st.SearchStrategy[ReadRequest]:
    return st.builds(ReadRequest, COUNTS, st.just(int(verb)), COUNTS, ACCESSES, ARGUMENTS[verb])


READ_REQUESTS = st.sampled_from(sorted(ARGUMENTS)).flatmap(reads_of)
WRITE_REQUESTS = st.builds(
    WriteRequest,
    COUNTS,
    st.sampled_from(sorted(WRITES)),
    COUNTS,
    ACCESSES,
    COMMAND_IDS,
    TEXTS,
    BODIES,
    st.one_of(st.none(), st.just(True), st.lists(COUNTS, max_size=4).map(tuple)),
    st.one_of(st.just(b""), st.binary(min_size=32, max_size=32)),
)
REQUESTS: st.SearchStrategy[Request] = st.one_of(READ_REQUESTS, WRITE_REQUESTS)
REQUEST_LISTS = st.lists(REQUESTS, max_size=6)
REPLIES = st.builds(Reply, UINTS, st.integers(100, 599), BODIES, UINTS, UINTS, TEXTS)
REPLY_LISTS = st.lists(REPLIES, max_size=6)
EVENTS = st.builds(WireEvent, COUNTS, COUNTS, st.integers(1, 3), TEXTS, BODIES)
EVENT_LISTS = st.lists(EVENTS, max_size=6)
FEED_EVENTS = st.builds(FeedEvent, COUNTS, COUNTS, st.integers(1, 3), TEXTS, BODIES, BODIES)
FEED_EVENT_LISTS = st.lists(FEED_EVENTS, max_size=6)

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 64) - 1), TEXTS, BODIES,
    st.floats(allow_nan=False),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(tuple), st.dictionaries(TEXTS, inner, max_size=4)
    ),
    max_leaves=12,
)
CONTENTS = st.dictionaries(TEXTS, VALUES, max_size=5)

MESSAGES: st.SearchStrategy[bytes] = st.one_of(
    st.builds(encode_requests, REQUEST_LISTS, COUNTS),
    st.builds(encode_replies, EPOCHS, REPLY_LISTS),
    st.builds(encode_control, COUNTS, CONTENTS),
    st.builds(encode_events, EVENT_LISTS),
    st.builds(encode_feed, EPOCHS, COUNTS, FEED_EVENT_LISTS),
    st.builds(encode_changes, COUNTS, FEED_EVENT_LISTS),
)
