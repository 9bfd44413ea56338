"""The answering end, asked over a plain socket that does what no client of ours would."""

import itertools
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from lithair.transport.request_server import (
    HEAVY_MAX,
    HELD_REQUESTS_MAX,
    UNREAD_BYTES_MAX,
    RequestServer,
)
from lithair.transport.sockets import Socket, connect_dealer, model_endpoint
from lithair.wire.codec import decode_replies, encode_requests
from lithair.wire.messages import Reply, Request
from lithair.wire.protocol import BATCH_BYTES_MAX, BODY_BYTES_MAX, PROTOCOL_VERSION, Verb
from tests.support.waiting import wait_until
from tests.transport.asking import take

MIB = 1 << 20
PAGE = bytes(16 * MIB)
EPOCH = bytes(range(16))


class Raw:
    """A server, and a peer that says how much it has read only when the test wants it to."""

    def __init__(self, endpoint: str) -> None:
        self.server = RequestServer(EPOCH)
        self.server.bind(endpoint)
        self.socket: Socket = connect_dealer(endpoint)
        self.peer = b""
        self.taken: list[Request] = []
        self._numbers = itertools.count(1)

    def ask(self, verb: Verb, argument: object = None, acknowledged: int = 0) -> int:
        number = next(self._numbers)
        request = (number, int(verb), 0, "", argument)
        self.socket.send(encode_requests([request], acknowledged))
        return number

    def turn(self) -> None:
        for peer, requests in self.server.receive(100):
            self.peer = peer
            self.taken.extend(requests)

    def until(self, look: Callable[[], object], what: str) -> None:
        def turn() -> bool:
            self.turn()
            return bool(look())

        wait_until(turn, what)

    def ids(self) -> list[int]:
        return [request[0] for request in self.taken]

    def arrived(self) -> None:
        """Wait until everything sent so far was received: a hello is let through at once."""
        hello = self.ask(Verb.HELLO)
        self.until(lambda: hello in self.ids(), "the hello")

    def leave_unread(self) -> None:
        """Answer more than may lie unread."""
        self.arrived()
        for _ in range(UNREAD_BYTES_MAX // len(PAGE) + 1):
            self.server.send(self.peer, [Reply(999_999, 200, PAGE)])


@pytest.fixture
def raw(tmp_path: Path) -> Generator[Raw]:
    raw = Raw(model_endpoint(str(tmp_path), "things"))
    yield raw
    raw.socket.close(linger=0)
    raw.server.close()


def test_a_peer_that_does_not_read_is_held_back_until_it_has(raw: Raw) -> None:
    raw.leave_unread()
    held = [raw.ask(Verb.GET, "a"), raw.ask(Verb.GET, "b"), raw.ask(Verb.COUNT, ())]
    raw.arrived()
    assert not set(held) & set(raw.ids())
    assert not raw.server.has_pending()
    raw.ask(Verb.STATS, acknowledged=2 * len(PAGE))
    raw.until(lambda: held[-1] in raw.ids(), "what was held back")
    assert [number for number in raw.ids() if number in held] == held


def test_peers_that_read_are_not_held_back_by_one_that_does_not(raw: Raw, tmp_path: Path) -> None:
    raw.leave_unread()
    raw.ask(Verb.GET, "held")
    raw.arrived()
    other = connect_dealer(model_endpoint(str(tmp_path), "things"))
    other.send(encode_requests([(77, int(Verb.GET), 0, "", "a")]))
    raw.until(lambda: 77 in raw.ids(), "the other peer's request")
    other.close(linger=0)


def test_past_16384_requests_held_back_the_newest_are_503(raw: Raw) -> None:
    raw.leave_unread()
    requests = [(n, int(Verb.GET), 0, "", "a") for n in range(10_000, 10_000 + HELD_REQUESTS_MAX)]
    raw.socket.send(encode_requests(requests))
    beyond = raw.ask(Verb.GET, "beyond")
    raw.arrived()
    answers: list[Reply] = []
    while not answers or answers[-1].request_id == 999_999:
        answers += decode_replies(take(raw.socket)).replies
    assert (answers[-1].request_id, answers[-1].status) == (beyond, 503)


def test_only_a_few_long_reads_of_a_peer_are_under_way(raw: Raw) -> None:
    reads = [raw.ask(Verb.LIST, ()) for _ in range(HEAVY_MAX + 3)]
    light = raw.ask(Verb.GET, "a")
    raw.until(lambda: light in raw.ids(), "the light request, which overtakes")
    assert raw.ids() == [*reads[:HEAVY_MAX], light]
    raw.server.send(raw.peer, [Reply(reads[0], 200, b"[]")])
    assert raw.server.has_pending()
    raw.turn()
    assert raw.ids()[-1] == reads[HEAVY_MAX]
    assert not raw.server.has_pending()


def test_lists_of_the_past_hold_up_no_other_list(raw: Raw) -> None:
    past = [raw.ask(Verb.LIST, (("as_of", "1"),)) for _ in range(HEAVY_MAX + 3)]
    present = raw.ask(Verb.LIST, (("sort", "as_of"),))
    raw.until(lambda: present in raw.ids(), "the list of the present")
    assert raw.ids() == [*past, present]


def test_a_long_read_that_is_cancelled_makes_room_for_the_next(raw: Raw) -> None:
    reads = [raw.ask(Verb.HISTORY, "a") for _ in range(HEAVY_MAX + 1)]
    raw.ask(Verb.CANCEL, reads[1])
    raw.until(lambda: reads[-1] in raw.ids(), "the next long read")
    assert Verb.CANCEL in [request[1] for request in raw.taken]


def test_a_long_read_cancelled_while_held_back_never_starts(raw: Raw) -> None:
    reads = [raw.ask(Verb.EVENTS, (0, 10)) for _ in range(HEAVY_MAX + 2)]
    raw.ask(Verb.CANCEL, reads[HEAVY_MAX])
    raw.arrived()
    raw.server.send(raw.peer, [Reply(number, 200, b"") for number in reads[:HEAVY_MAX]])
    raw.turn()
    assert [n for n in raw.ids() if n in reads] == [*reads[:HEAVY_MAX], reads[-1]]


def test_replies_leave_in_messages_of_a_megabyte(raw: Raw) -> None:
    raw.arrived()
    body = bytes(BATCH_BYTES_MAX // 2 - 1000)
    raw.server.send(raw.peer, [Reply(number, 200, body) for number in range(5)])
    batches = [decode_replies(take(raw.socket)) for _ in range(3)]
    assert [len(batch.replies) for batch in batches] == [2, 2, 1]
    assert {batch.epoch for batch in batches} == {EPOCH}


def test_an_answer_longer_than_a_message_carries_becomes_a_500(raw: Raw) -> None:
    raw.arrived()
    raw.server.send(raw.peer, [Reply(1, 200, bytes(BODY_BYTES_MAX + 1))])
    (reply,) = decode_replies(take(raw.socket)).replies
    assert reply.status == 500
    assert b"ask for less" in reply.body


def test_another_version_is_refused_with_both_numbers(
    raw: Raw, caplog: pytest.LogCaptureFixture
) -> None:
    raw.socket.send(b"\x07whatever")
    assert take(raw.socket, raw.turn) == bytes((0, PROTOCOL_VERSION, 7))
    assert "version 7" in caplog.text
    assert not raw.taken


@pytest.mark.parametrize(
    "parts", [[b""], [b"\x01"], [b"\x01\xc1"], [b"\x01\x92\x00\x91\x05"], [b"\x01", b"\x90"]]
)
def test_what_is_no_message_costs_a_line_in_the_log(
    raw: Raw, parts: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    raw.socket.send_multipart(parts)
    raw.arrived()
    assert [request[1] for request in raw.taken] == [Verb.HELLO]
    assert caplog.text.count("refused a message") == 1


def test_answering_a_peer_that_is_gone_does_nothing(raw: Raw) -> None:
    raw.server.send(b"nobody", [Reply(1, 200, b"{}")])
    raw.arrived()
