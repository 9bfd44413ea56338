"""What the transport over a C parser does that Tornado's stock server does not."""

import socket
from collections.abc import Generator

import msgspec
import pytest

from lithair import Lithair
from lithair.http import Request
from tests.gateway.harness import RawAnswer, RawConnection, RunningGateway, gateway
from tests.gateway.test_http_head import BROKEN_CHUNKS, REFUSED

HOST = "Host: x"
CHUNKED = f"POST /echo HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


async def echo(request: Request) -> dict[str, object]:
    return {"bytes": len(request.body)}


@pytest.fixture(scope="module")
def served(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningGateway]:
    assert transport == "httptools"
    app = Lithair().with_route("POST", "/echo", echo).with_route("GET", "/echo", echo)
    with gateway(app, tmp_path_factory.mktemp("run")) as running:
        yield running


def refused(answer: RawAnswer, status: int = 400) -> None:
    assert answer.status == status
    assert answer.field("Connection") == "close"
    assert answer.field("Content-Type") == "application/problem+json"
    assert msgspec.json.decode(answer.body, type=dict[str, object])["status"] == status


def length_of(answer: RawAnswer) -> int:
    assert answer.status == 200
    return msgspec.json.decode(answer.body, type=dict[str, int])["bytes"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /echo HTTP/1.1\nHost: x\n\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /echo HTTP/1.1\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: x y\r\n\r\n",
        b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_request_is_told_so_and_what_follows_is_not_looked_at(
    served: RunningGateway, data: bytes
) -> None:
    with served.connect() as connection:
        connection.send(data + b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
        refused(connection.answer())
        assert connection.is_closed()


@pytest.mark.parametrize("is_whole", [True, False])
def test_nothing_is_smuggled_behind_what_is_refused(served: RunningGateway, is_whole: bool) -> None:
    """All of it on sockets: one answer each, 400, and the connection ends."""
    behind = f"GET /echo HTTP/1.1\r\n{HOST}\r\n\r\n".encode()
    for data in (*REFUSED, *(CHUNKED + chunks for chunks in BROKEN_CHUNKS)):
        with served.connect() as connection:
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pieces = [data + behind] if is_whole else [bytes((byte,)) for byte in data + behind]
            for piece in pieces:
                connection.send(piece)
            refused(connection.answer())
            assert connection.is_closed(), data


def test_a_head_far_over_its_size_is_refused_in_words(served: RunningGateway) -> None:
    with served.connect() as connection:
        connection.send(b"GET /echo HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200_000)
        refused(connection.answer(), 431)


def test_nothing_behind_a_last_request_is_run(served: RunningGateway) -> None:
    with served.connect() as connection:
        one = f"GET /echo HTTP/1.1\r\n{HOST}\r\nConnection: close\r\n\r\n".encode()
        connection.send(one + one)
        answer = connection.answer()
        assert length_of(answer) == 0
        assert answer.field("Connection") == "close"
        assert connection.is_closed()


def test_who_sends_no_more_is_answered(served: RunningGateway) -> None:
    with served.connect() as connection:
        connection.send(f"POST /echo HTTP/1.1\r\n{HOST}\r\nContent-Length: 2\r\n\r\nab".encode())
        connection.sock.shutdown(socket.SHUT_WR)
        assert length_of(connection.answer()) == 2
        assert connection.is_closed()


def test_requests_may_come_byte_by_byte(served: RunningGateway) -> None:
    with served.connect() as connection:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one = f"POST /echo HTTP/1.1\r\n{HOST}\r\nContent-Length: 3\r\n\r\nabc".encode()
        for byte in one + CHUNKED + b"2\r\nab\r\n0\r\n\r\n":
            connection.send(bytes((byte,)))
        assert length_of(connection.answer()) == 3
        assert length_of(connection.answer()) == 2


def test_many_requests_in_one_piece_are_all_answered_in_order(served: RunningGateway) -> None:
    with served.connect() as connection:
        one = f"POST /echo HTTP/1.1\r\n{HOST}\r\nContent-Length: %d\r\n\r\n%s"
        connection.send("".join(one % (n, "x" * n) for n in range(200)).encode())
        assert [length_of(connection.answer()) for _ in range(200)] == list(range(200))


def test_chunks_may_have_extensions_and_trailers(served: RunningGateway) -> None:
    with served.connect() as connection:
        connection.send(CHUNKED + b"3;a=b\r\nabc\r\n0;last\r\nX-Sum: 1\r\n\r\n")
        assert length_of(connection.answer()) == 3
        connection.send(CHUNKED + b"0\r\n\r\n")
        assert length_of(connection.answer()) == 0


def test_a_broken_chunk_ends_the_connection(served: RunningGateway) -> None:
    with served.connect() as connection:
        connection.send(CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n")
        refused(connection.answer())
        assert connection.is_closed()


def test_a_client_of_http_1_0_is_answered_and_left(served: RunningGateway) -> None:
    with served.connect() as connection:
        answer = connection.request("GET /echo HTTP/1.0")
        assert length_of(answer) == 0
        assert connection.is_closed()
    with served.connect() as connection:
        answer = connection.request("GET /echo HTTP/1.0\nConnection: keep-alive")
        assert answer.field("Connection") == "Keep-Alive"
        assert length_of(connection.request("GET /echo HTTP/1.0\nConnection: keep-alive")) == 0


def test_a_request_to_upgrade_is_one_like_any_other(served: RunningGateway) -> None:
    with served.connect() as connection:
        head = f"GET /echo HTTP/1.1\n{HOST}\nConnection: Upgrade\nUpgrade: h2c"
        assert length_of(connection.request(head)) == 0
        assert length_of(connection.request(f"GET /echo HTTP/1.1\n{HOST}")) == 0


def test_who_only_connects_costs_nothing_else(served: RunningGateway) -> None:
    held = [RawConnection.to("127.0.0.1", served.port) for _ in range(50)]
    with served.connect() as connection:
        assert length_of(connection.request(f"GET /echo HTTP/1.1\n{HOST}")) == 0
    for one in held:
        one.sock.close()
