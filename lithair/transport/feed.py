"""The feed of a model: every committed event, sent to whoever listens.

Law: the sender never waits for a reader. Messages are numbered by the seqs in them, and an idle
feed says its seq every `BEAT_MS`: so a reader notices whatever it has missed, and asks for it.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import zmq

from lithair.transport.sockets import Socket, bind_feed, connect_feed, is_readable
from lithair.wire.codec import decode_feed, encode_feed
from lithair.wire.messages import FeedBatch
from lithair.wire.protocol import BATCH_BYTES_MAX, BODY_BYTES_MAX

BEAT_MS: Final = 250  # how late the loss of the last message may be noticed
SUBSCRIBED: Final = 1  # the first byte of what XPUB tells of a reader that came


class Fact(Protocol):
    """An event, as far as the feed tells it."""

    seq: int
    time_ms: int
    kind: int
    key: str
    payload: bytes
    before: bytes


class FeedServer:
    """The sending end; without readers it costs next to nothing."""

    def __init__(self, where: str, epoch: bytes) -> None:
        self._socket: Socket = bind_feed(where)
        self._epoch = epoch
        self._readers = 0
        self._sent_ms = 0  # or would have been, with somebody to hear it

    def close(self) -> None:
        self._socket.close(linger=0)

    def has_readers(self) -> bool:
        """Tell whether anybody listens."""
        while is_readable(self._socket):
            news = self._socket.recv(zmq.NOBLOCK)
            self._readers = 1 if news[:1] == bytes((SUBSCRIBED,)) else 0
        return self._readers > 0

    def publish(self, events: Sequence[Fact], now_ms: int) -> None:
        """Send events that were committed, in the order of the log."""
        if not self.has_readers():
            return
        facts: list[tuple[object, ...]] = []
        size = seq = 0
        for event in events:
            seq = event.seq
            size += len(event.payload) + len(event.before)
            if size > BODY_BYTES_MAX:  # too long for a message: readers see the gap, and ask
                facts, size = [], 0
                continue
            facts.append((seq, event.time_ms, event.kind, event.key, event.payload, event.before))
            if size >= BATCH_BYTES_MAX:
                self._send(encode_feed(self._epoch, seq, facts))
                facts, size = [], 0
        if facts:
            self._send(encode_feed(self._epoch, seq, facts))
        self._sent_ms = now_ms

    def beat(self, seq: int, now_ms: int) -> None:
        """Say the seq when nothing was sent for a while."""
        if now_ms - self._sent_ms < BEAT_MS:
            return
        self._sent_ms = now_ms
        if self.has_readers():
            self._send(encode_feed(self._epoch, seq, ()))

    def _send(self, message: bytes) -> None:
        self._socket.send(message, zmq.NOBLOCK)  # never blocks: XPUB drops for who is behind


class FeedClient:
    """A reading end; `receive` whenever `socket` is readable."""

    def __init__(self, where: str) -> None:
        self.socket: Socket = connect_feed(where)

    def fileno(self) -> int:
        """Give what is readable when something came; edge-triggered: receive all of it then."""
        return int(self.socket.getsockopt(zmq.FD))

    def receive(self) -> list[FeedBatch]:
        """Give what has come, without waiting; raises WireError."""
        batches: list[FeedBatch] = []
        while True:
            try:
                batches.append(decode_feed(self.socket.recv(zmq.NOBLOCK)))
            except zmq.Again:
                return batches

    def receive_one(self) -> FeedBatch | None:
        """Give the next of what has come, without waiting; raises WireError."""
        try:
            return decode_feed(self.socket.recv(zmq.NOBLOCK))
        except zmq.Again:
            return None

    def close(self) -> None:
        self.socket.close(linger=0)
