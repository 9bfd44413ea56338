"""The feed: who listens hears every event in order, or sees that something is missing."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from lithair.core.event import Event
from lithair.transport.feed import BEAT_MS, FeedClient, FeedServer
from lithair.transport.sockets import FEED_MESSAGES_MAX, feed_endpoint
from lithair.wire.messages import FeedBatch
from lithair.wire.protocol import BATCH_BYTES_MAX, BODY_BYTES_MAX
from tests.support.waiting import wait_until

EPOCH = bytes(range(16))


def event(seq: int, payload: bytes = b"{}", before: bytes = b"") -> Event:
    return Event(seq, 1000 + seq, 2 if before else 1, f"k{seq}", payload, before=before)


@pytest.fixture
def where(tmp_path: Path) -> str:
    return feed_endpoint(str(tmp_path), "notes")


@pytest.fixture
def server(where: str) -> Iterator[FeedServer]:
    with contextlib.closing(FeedServer(where, EPOCH)) as server:
        yield server


@pytest.fixture
def client(where: str, server: FeedServer) -> Iterator[FeedClient]:
    with contextlib.closing(joined(where, server)) as client:
        yield client


def joined(where: str, server: FeedServer) -> FeedClient:
    """Give a client that the server knows of."""
    client = FeedClient(where)
    now_ms = [0]

    def has_heard() -> list[FeedBatch]:
        now_ms[0] += BEAT_MS
        server.beat(0, now_ms[0])
        return client.receive()

    wait_until(has_heard, "the first beat")
    return client


def heard(client: FeedClient, seq: int) -> list[FeedBatch]:
    """Wait until the feed has said `seq`; gives all that came."""
    batches: list[FeedBatch] = []

    def is_there() -> bool:
        batches.extend(batch for batch in client.receive() if batch.seq)  # 0: beats of joining
        return bool(batches) and batches[-1].seq >= seq

    wait_until(is_there, f"seq {seq} on the feed")
    return batches


def last_told(server: FeedServer, client: FeedClient, seq: int) -> int:
    """Give the last seq that a reader who was behind hears of, once it reads again.

    What it left unread still fills both ends for a moment, so a single message may be dropped: the
    beats that follow are what it can rely on.
    """
    told = [0]
    now_ms = [10 * seq]

    def is_told() -> bool:
        now_ms[0] += BEAT_MS
        server.beat(seq, now_ms[0])
        told.extend(batch.seq for batch in client.receive())
        return told[-1] >= seq

    wait_until(is_told, f"seq {seq} on the feed")
    return told[-1]


def test_each_reader_hears_all_events_in_order_with_what_was_before(
    where: str, server: FeedServer, client: FeedClient
) -> None:
    with contextlib.closing(joined(where, server)) as other:
        server.publish([event(1), event(2, b'{"a":2}', b'{"a":1}')], 1)
        server.publish([event(3)], 2)
        for reader in (client, other):
            events = [e for batch in heard(reader, 3) for e in batch.events]
            assert [e.seq for e in events] == [1, 2, 3]
            assert events[1] == (2, 1002, 2, "k2", b'{"a":2}', b'{"a":1}')


def test_an_idle_feed_says_its_seq_and_only_when_it_was_silent(
    server: FeedServer, client: FeedClient
) -> None:
    server.publish([event(7)], 10_000)
    server.beat(7, 10_000 + BEAT_MS - 1)
    server.beat(7, 10_000 + BEAT_MS)
    server.beat(8, 10_000 + 2 * BEAT_MS)
    batches = heard(client, 8)
    assert [(batch.seq, len(batch.events)) for batch in batches] == [(7, 1), (7, 0), (8, 0)]
    assert {batch.epoch for batch in batches} == {EPOCH}


def test_a_long_batch_comes_in_several_messages(server: FeedServer, client: FeedClient) -> None:
    server.publish([event(seq, bytes(BATCH_BYTES_MAX // 2)) for seq in range(1, 6)], 1)
    batches = heard(client, 5)
    assert [[e.seq for e in batch.events] for batch in batches] == [[1, 2], [3, 4], [5]]
    assert [batch.seq for batch in batches] == [2, 4, 5]


def test_an_event_too_long_for_a_message_is_seen_to_be_missing(
    server: FeedServer, client: FeedClient
) -> None:
    server.publish([event(1), event(2, bytes(BODY_BYTES_MAX), b"{}"), event(3)], 1)
    assert [e.seq for batch in heard(client, 3) for e in batch.events] == [3]


def test_a_reader_that_has_stopped_costs_a_bounded_amount_and_sees_the_gap(
    where: str, server: FeedServer, client: FeedClient
) -> None:
    count = 6 * FEED_MESSAGES_MAX
    with contextlib.closing(joined(where, server)) as attentive:
        for seq in range(1, count + 1):
            server.publish([event(seq, bytes(100_000))], seq)
            assert [e.seq for batch in heard(attentive, seq) for e in batch.events] == [seq]
        seqs = [batch.seq for batch in client.receive() if batch.seq]
        assert len(seqs) < count
        assert last_told(server, client, count) == count


def test_without_a_reader_nothing_is_sent(server: FeedServer, client: FeedClient) -> None:
    client.close()
    wait_until(lambda: not server.has_readers(), "the reader has left")
    server.publish([event(1)], 1)
    assert client.socket.closed


def test_the_socket_is_the_owners_alone(server: FeedServer, tmp_path: Path) -> None:
    assert (tmp_path / "feed-notes").stat().st_mode & 0o077 == 0


def test_both_ends_are_bounded(client: FeedClient) -> None:
    assert client.socket.getsockopt(zmq.RCVHWM) == FEED_MESSAGES_MAX
