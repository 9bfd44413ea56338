"""What the stock HTTPServer does under our watch: slow and huge requests, odd heads, stopping."""

from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest

from lithair import Lithair
from lithair.gateway.limits import Patience
from lithair.http import Request
from tests.gateway.harness import RawAnswer, RunningGateway, gateway

BODY_BYTES_MAX = 3000
SHORT = Patience(head_s=0.3, body_s=0.3, idle_s=0.6, sweep_s=0.02)
HOST = "Host: x"


async def echo(request: Request) -> dict[str, object]:
    return {"method": request.method, "bytes": len(request.body)}


def application() -> Lithair:
    return (
        Lithair()
        .with_route("POST", "/echo", echo)
        .with_route("GET", "/echo", echo)
        .with_max_body_size(BODY_BYTES_MAX)
    )


@pytest.fixture(scope="module")
def served(transport: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningGateway]:
    with gateway(application(), tmp_path_factory.mktemp("run")) as running:
        yield running


@pytest.fixture(scope="module")
def impatient(
    transport: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[RunningGateway]:
    with gateway(application(), tmp_path_factory.mktemp("run"), SHORT) as running:
        yield running


def problem_of(answer: RawAnswer) -> dict[str, object]:
    assert answer.field("Content-Type") == "application/problem+json"
    problem = msgspec.json.decode(answer.body, type=dict[str, object])
    assert problem["status"] == answer.status
    return problem


def test_requests_of_one_connection_are_answered_in_order(served: RunningGateway) -> None:
    with served.connect() as connection:
        one = f"POST /echo HTTP/1.1\r\n{HOST}\r\nContent-Length: %d\r\n\r\n%s"
        connection.send("".join(one % (n, "x" * n) for n in (1, 2, 3)).encode())
        sizes = [msgspec.json.decode(connection.answer().body)["bytes"] for _ in range(3)]
        assert sizes == [1, 2, 3]


def test_a_chunked_body_is_put_together(served: RunningGateway) -> None:
    with served.connect() as connection:
        head = f"POST /echo HTTP/1.1\n{HOST}\nTransfer-Encoding: chunked"
        answer = connection.request(head, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        assert msgspec.json.decode(answer.body) == {"method": "POST", "bytes": 5}


def test_a_body_after_expect_is_asked_for(served: RunningGateway) -> None:
    with served.connect() as connection:
        head = f"POST /echo HTTP/1.1\r\n{HOST}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        connection.send(head.encode())
        assert connection.answer().status == 100
        connection.send(b"ab")
        assert connection.answer().status == 200


def test_a_body_over_the_limit_is_not_asked_for(served: RunningGateway) -> None:
    with served.connect() as connection:
        answer = connection.request(
            f"POST /echo HTTP/1.1\n{HOST}\nExpect: 100-continue\nContent-Length: 99999"
        )
        assert answer.status == 413
        assert answer.field("Connection") == "close"
        assert connection.is_closed()


def test_a_body_over_the_limit_is_refused_and_the_connection_goes_on(
    served: RunningGateway,
) -> None:
    with served.connect() as connection:
        head = f"POST /echo HTTP/1.1\n{HOST}\nContent-Length: 500000"
        answer = connection.request(head, b"x" * 500_000)
        assert answer.status == 413
        assert str(BODY_BYTES_MAX) in str(problem_of(answer)["detail"])
        assert connection.request(f"GET /echo HTTP/1.1\n{HOST}").status == 200


def test_a_chunked_body_over_the_limit_is_refused_while_it_comes(served: RunningGateway) -> None:
    with served.connect() as connection:
        connection.send(
            f"POST /echo HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        for _ in range(4):
            connection.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        assert connection.answer().status == 413
        connection.send(b"0\r\n\r\n")
        assert connection.request(f"GET /echo HTTP/1.1\n{HOST}").status == 200


def test_a_body_of_exactly_the_limit_is_taken(served: RunningGateway) -> None:
    with served.connect() as connection:
        head = f"POST /echo HTTP/1.1\n{HOST}\nContent-Length: {BODY_BYTES_MAX}"
        assert connection.request(head, b"x" * BODY_BYTES_MAX).status == 200


@pytest.mark.parametrize(
    ("fields", "expected"),
    [(99, 200), (100, 431)],  # beside Host
)
def test_a_head_has_a_hundred_fields_at_most(
    served: RunningGateway, fields: int, expected: int
) -> None:
    with served.connect() as connection:
        more = "\n".join(f"X-Field-{n % 3}: {n}" for n in range(fields))
        answer = connection.request(f"GET /echo HTTP/1.1\n{HOST}\n{more}")
        assert answer.status == expected


def test_a_head_over_its_size_is_refused(served: RunningGateway) -> None:
    with served.connect() as connection:
        answer = connection.request(f"GET /echo HTTP/1.1\n{HOST}\nX-Long: {'x' * 65600}")
        assert answer.status == 431
        problem_of(answer)
        answer = connection.request(f"GET /echo?{'x' * 65600} HTTP/1.1\n{HOST}")
        assert answer.status == 414
        problem_of(answer)


@pytest.mark.parametrize(
    "head",
    [
        "GET /echo HTTP/1.1",
        f"GET /echo HTTP/1.1\n{HOST}\nHost: y",
        "GET /echo HTTP/1.1\nHost: a b",
        "GET /echo HTTP/1.1\nHost: a,b",
        f"GET /echo?a=%zz HTTP/1.1\n{HOST}",
        f"GET /%zz HTTP/1.1\n{HOST}",
        f"GET /echo#part HTTP/1.1\n{HOST}",
        f"GET echo HTTP/1.1\n{HOST}",
        f"CONNECT example.org:443 HTTP/1.1\n{HOST}",
        f"GET * HTTP/1.1\n{HOST}",
        f"POST /echo HTTP/1.0\n{HOST}\nTransfer-Encoding: chunked",
    ],
)
def test_an_ambiguous_head_is_a_problem(served: RunningGateway, head: str) -> None:
    with served.connect() as connection:
        answer = connection.request(head, b"0\r\n\r\n" if "chunked" in head else b"")
        assert answer.status == 400
        problem_of(answer)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"no http at all\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /echo HTTP/2.0\r\nHost: x\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        (
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    ],
)
def test_bytes_that_are_no_http_are_refused_and_closed(
    served: RunningGateway, request_bytes: bytes
) -> None:
    with served.connect() as connection:
        connection.send(request_bytes)
        answer = connection.answer()
        assert answer.status == 400
        assert connection.is_closed()


def test_http_1_0_needs_no_host_and_closes(served: RunningGateway) -> None:
    with served.connect() as connection:
        assert connection.request("GET /echo HTTP/1.0").status == 200
        assert connection.is_closed()


def test_an_absolute_target_means_its_path(served: RunningGateway) -> None:
    with served.connect() as connection:
        answer = connection.request(f"GET http://example.org/echo HTTP/1.1\n{HOST}")
        assert answer.status == 200


def test_options_on_the_server_itself(served: RunningGateway) -> None:
    with served.connect() as connection:
        answer = connection.request(f"OPTIONS * HTTP/1.1\n{HOST}")
        assert answer.status == 204
        assert "GET" in (answer.field("Allow") or "")


def test_a_silent_connection_is_closed(impatient: RunningGateway) -> None:
    with impatient.connect() as connection:
        assert connection.is_closed()


def test_a_slow_head_is_answered_408_and_closed(impatient: RunningGateway) -> None:
    with impatient.connect() as connection:
        connection.send(b"GET /echo HTTP/1.1\r\n")
        answer = connection.answer()
        assert answer.status == 408
        problem_of(answer)
        assert connection.is_closed()


def test_a_slow_second_head_is_not_taken_for_idling(impatient: RunningGateway) -> None:
    with impatient.connect() as connection:
        assert connection.request(f"GET /echo HTTP/1.1\n{HOST}").status == 200
        connection.send(b"GET /echo HT")
        assert connection.answer().status == 408
        assert connection.is_closed()


def test_an_idle_connection_is_closed_in_time(impatient: RunningGateway) -> None:
    with impatient.connect() as connection:
        assert connection.request(f"GET /echo HTTP/1.1\n{HOST}").status == 200
        assert connection.is_closed()


@pytest.mark.parametrize("path", ["/echo", "/nothing"])
def test_a_slow_body_is_answered_408_and_closed(impatient: RunningGateway, path: str) -> None:
    with impatient.connect() as connection:
        connection.send(f"POST {path} HTTP/1.1\r\n{HOST}\r\nContent-Length: 9\r\n\r\nab".encode())
        answer = connection.answer()
        assert answer.status == 408
        problem_of(answer)
        assert connection.is_closed()


def test_stopping_closes_idle_connections_at_once(tmp_path: Path) -> None:
    with gateway(application(), tmp_path) as running, running.connect() as connection:
        assert connection.request(f"GET /echo HTTP/1.1\n{HOST}").status == 200
        running.child.stop()
        assert connection.is_closed()
        running.thread.join(2)
        assert not running.thread.is_alive()
