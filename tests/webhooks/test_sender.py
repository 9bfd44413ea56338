"""The sender of webhooks against real receivers, good ones and bad ones."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lithair.webhooks import sender as webhook_sender
from lithair.webhooks.sender import NotDelivered, WebhookSender
from tests.support.certificates import make_certificate
from tests.support.ports import free_port
from tests.support.receiver import Delivery, Receiver

pytestmark = pytest.mark.usefixtures("no_leaks")

BODY = b'{"seq": 1}'
HEADERS = {"Content-Type": "application/json", "Lithair-Event": "create"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def posting(url: str) -> Callable[[], None]:
    """Give what posts once, and leaves nothing open."""

    def post() -> None:
        sender = WebhookSender(url)
        try:
            sender.post(BODY, HEADERS)
        finally:
            sender.close()

    return post


def refusal(url: str) -> str:
    with pytest.raises(NotDelivered) as caught:
        posting(url)()
    return str(caught.value)


def test_body_path_query_and_headers_arrive_as_they_are(receiver: Receiver) -> None:
    posting(receiver.url)()
    (delivery,) = receiver.deliveries
    assert delivery.path == "/hook?from=lithair"
    assert delivery.body == BODY
    assert delivery.headers["Lithair-Event"] == "create"
    assert delivery.headers["Content-Type"] == "application/json"
    assert delivery.headers["Host"] == f"localhost:{receiver.port}"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_success(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _delivery: status
    receiver.body = b""
    posting(receiver.url)()
    assert len(receiver.deliveries) == 1


@pytest.mark.parametrize("status", [304, 400, 401, 404, 410, 429, 500, 503])
def test_any_other_status_is_none(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _delivery: status
    assert refusal(receiver.url).startswith(f"answered {status}")


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    """It would take signed data to an address that nobody wrote."""
    receiver.answer = lambda _delivery: 307
    receiver.headers["Location"] = receiver.url
    assert refusal(receiver.url) == "answered 307; redirects are not followed"
    assert len(receiver.deliveries) == 1


def test_one_connection_carries_many_deliveries(receiver: Receiver) -> None:
    sender = WebhookSender(receiver.url)
    for _ in range(5):
        sender.post(BODY, HEADERS)
    sender.close()
    assert len({delivery.connection for delivery in receiver.deliveries}) == 1


def test_a_connection_goes_on_after_an_error_that_was_answered(receiver: Receiver) -> None:
    sender = WebhookSender(receiver.url)
    receiver.answer = lambda _delivery: 500
    with pytest.raises(NotDelivered):
        sender.post(BODY, HEADERS)
    receiver.answer = lambda _delivery: 200
    sender.post(BODY, HEADERS)
    sender.close()
    assert len({delivery.connection for delivery in receiver.deliveries}) == 1


def test_a_kept_connection_that_was_closed_is_no_failure(receiver: Receiver) -> None:
    """The receiver closes after each answer without having said so."""
    receiver.closes = True
    sender = WebhookSender(receiver.url)
    for _ in range(5):
        sender.post(BODY, HEADERS)
    sender.close()
    assert len({delivery.connection for delivery in receiver.deliveries}) == 5


def test_hanging_up_on_a_new_connection_is_a_failure(receiver: Receiver) -> None:
    receiver.answer = lambda _delivery: None
    assert refusal(receiver.url) == "closed the connection without an answer"
    assert len(receiver.deliveries) == 1


def test_one_that_is_left_in_the_midst_begins_anew(receiver: Receiver) -> None:
    """A process that has to stop does not wait for an answer; what comes late is no answer."""
    is_left = threading.Event()

    def answer(_delivery: Delivery) -> int:
        if len(receiver.deliveries) == 1:
            os.kill(os.getpid(), signal.SIGUSR1)
            is_left.wait(30)
            return 500
        return 200

    def leave(*_: object) -> None:
        raise SystemExit(0)

    receiver.answer = answer
    before = signal.signal(signal.SIGUSR1, leave)
    sender = WebhookSender(receiver.url)
    try:
        with pytest.raises(SystemExit):
            sender.post(BODY, HEADERS)
        is_left.set()
        sender.post(BODY, HEADERS)
    finally:
        sender.close()
        signal.signal(signal.SIGUSR1, before)
    assert len({delivery.connection for delivery in receiver.deliveries}) == 2


def test_a_body_too_long_to_read_costs_the_connection_and_nothing_else(receiver: Receiver) -> None:
    receiver.body = b"x" * 1_000_000
    sender = WebhookSender(receiver.url)
    sender.post(BODY, HEADERS)
    sender.post(BODY, HEADERS)
    sender.close()
    assert len({delivery.connection for delivery in receiver.deliveries}) == 2


def test_nobody_there_is_told_in_words() -> None:
    assert refusal(f"http://127.0.0.1:{free_port()}/") == "can't be reached: Connection refused"
    assert refusal("http://nobody.invalid/").startswith("its host is not known: ")


def answering(words: bytes) -> "tuple[str, threading.Thread, socket.socket]":
    """Start a server that answers one connection with these bytes, and keeps it open."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(30)

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(30)
            connection.recv(65_536)
            connection.sendall(words)
            while connection.recv(65_536):  # until the sender has had enough
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/", thread, listening


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"220 mail.example.org ESMTP\r\n\r\n", "its answer is no HTTP: BadStatusLine"),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "its answer is no HTTP: BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200, "its answer is no HTTP: HTTPException"),
    ],
)
def test_an_answer_that_is_no_http_is_told_in_words(words: bytes, told: str) -> None:
    url, thread, listening = answering(words)
    assert refusal(url) == told
    thread.join()
    listening.close()


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 200"])
def test_an_answer_that_does_not_come_is_not_waited_for_without_an_end(
    words: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_sender, "READ_MAX_S", 0.2)
    url, thread, listening = answering(words)
    assert refusal(url) == "no answer within 0.2 s"
    thread.join()
    listening.close()


def test_an_answer_in_small_pieces_is_not_waited_for_without_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each piece comes in time, and the end never does."""
    monkeypatch.setattr(webhook_sender, "WHOLE_MAX_S", 0.3)
    monkeypatch.setattr(webhook_sender, "READ_MAX_S", 30.0)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(30)
    has_ended = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(30)
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
            try:
                while not has_ended.wait(0.02):
                    connection.sendall(b"a")
            except ConnectionError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    told = refusal(f"http://127.0.0.1:{listening.getsockname()[1]}/")
    has_ended.set()
    thread.join()
    listening.close()
    assert told == "no whole answer within 0.3 s"


def test_a_status_counts_though_its_body_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_sender, "REST_MAX_S", 0.2)
    url, thread, listening = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    posting(url)()
    thread.join()
    listening.close()


def test_https_is_spoken_with_a_certificate_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with Receiver(certificate) as receiver:
        sender = WebhookSender(receiver.url)
        sender.post(BODY, HEADERS)
        receiver.closes = True
        sender.post(BODY, HEADERS)
        sender.post(BODY, HEADERS)
        sender.close()
        assert [delivery.body for delivery in receiver.deliveries] == [BODY] * 3
        assert len({delivery.connection for delivery in receiver.deliveries}) == 2


def test_nothing_is_sent_where_the_certificate_is_not_trusted(tmp_path: Path) -> None:
    with Receiver(make_certificate(tmp_path)) as receiver:
        assert refusal(receiver.url).startswith("its certificate is not trusted: ")
        assert receiver.deliveries == []


def test_nothing_is_sent_where_the_certificate_is_for_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with Receiver(certificate) as receiver:
        told = refusal(f"https://127.0.0.1:{receiver.port}/")
        assert told.startswith("its certificate is not trusted: ")
        assert receiver.deliveries == []
