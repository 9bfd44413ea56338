"""What ends a stream and what does not: restarts, compactions, the server's stop, the switch."""

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Generator
from pathlib import Path

import httpx2
import psutil
import pytest

from lithair import Lithair, Model
from lithair.actors.background import Server
from lithair.gateway.server import DRAIN_S
from tests.gateway.listening import EVENT_STREAM, Heard, Listener, listening, parse
from tests.gateway.mailbox import problem_of
from tests.support.certificates import make_certificate
from tests.support.waiting import wait_until

ITEMS = "/api/words"
STREAM = f"{ITEMS}/stream"
SHOP = "https://shop.example"


class Word(Model):
    text: str = ""


class Other(Model):
    text: str = ""


def application(folder: Path) -> Lithair:
    return (
        Lithair()
        .with_model(Word, folder / "words", ITEMS)
        .with_run_dir(folder / "run")
        .with_cors([SHOP])
        .with_port(0)
    )


@pytest.fixture
def server(tmp_path: Path) -> Generator[Server]:
    with application(tmp_path).running() as running:
        yield running


@pytest.fixture
def http(server: Server) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        yield client


def write(http: httpx2.Client, *texts: str) -> None:
    for text in texts:
        assert http.post(ITEMS, json={"text": text}).status_code == 201


def model_process() -> psutil.Process:
    (process,) = (
        child
        for child in psutil.Process().children(recursive=True)
        if "lithair: model words" in " ".join(child.cmdline())
    )
    return process


def texts(stream: Listener, count: int) -> list[object]:
    return [heard.item["text"] for heard in stream.take(count)]


def test_a_stream_goes_on_over_deaths_of_the_models_process(
    server: Server, http: httpx2.Client
) -> None:
    with listening(http, STREAM) as stream, listening(http, STREAM, params={"text": "!x"}) as some:
        stream.next()
        some.next()
        for number in range(3):
            write(http, f"before {number}")
            model_process().kill()
            write(http, f"after {number}")  # waits for the next one
            expected = [f"before {number}", f"after {number}"]
            assert texts(stream, 2) == expected
            assert texts(some, 2) == expected


def test_a_position_that_was_compacted_away_is_a_reset(server: Server, http: httpx2.Client) -> None:
    write(http, *"abcdef")
    server.handle(Word).compact()
    write(http, "g")
    with listening(http, STREAM, {"Last-Event-ID": "1"}) as stream:
        reset = stream.next()
        assert (reset.event, reset.seq, reset.json) == ("reset", 7, {"seq": 7})
        write(http, "h")
        assert stream.next().seq == 8
    with listening(http, STREAM, {"Last-Event-ID": "6"}) as stream:
        assert stream.next().event == "connected", "what came after the snapshot is there"
        assert texts(stream, 2) == ["g", "h"]
    with listening(http, STREAM, {"Last-Event-ID": "1"}, {"snapshot": "true"}) as stream:
        reset = stream.next()
        assert (reset.event, reset.id) == ("reset", "")
        assert sorted(str(text) for text in texts(stream, 8)) == list("abcdefgh")
        assert stream.next().event == "live"


def test_a_server_that_stops_ends_its_streams_in_order(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        with application(tmp_path).running() as server:
            http = stack.enter_context(httpx2.Client(base_url=server.url))
            streams = [stack.enter_context(listening(http, STREAM)) for _ in range(3)]
            for stream in streams:
                assert stream.next().event == "connected"
        for stream in streams:
            assert list(stream.events) == [], "the last chunk was sent: else this raises"


def test_a_server_stops_at_once_though_a_reader_takes_nothing(tmp_path: Path) -> None:
    """The ten seconds of a drain are for requests: what a reader does not take is given up."""
    with contextlib.ExitStack() as stack:
        with application(tmp_path).running() as server:
            with httpx2.Client(base_url=server.url, timeout=60) as http:
                for _ in range(20):
                    long = [{"text": "x" * 10_000}] * 20
                    assert http.post(f"{ITEMS}/_bulk", json=long).status_code == 201
            for asked in ("?snapshot=true", "?since=0"):
                stuck = stack.enter_context(socket.socket())
                stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                host, port = server.url.removeprefix("http://").split(":")
                stuck.connect((host, int(port)))
                stuck.sendall(f"GET {STREAM}{asked} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert stuck.recv(100).startswith(b"HTTP/1.1 200")
            started_s = time.monotonic()
        assert time.monotonic() - started_s < DRAIN_S / 2


def test_an_event_source_is_put_off_where_others_are_told_503(tmp_path: Path) -> None:
    """Any status but 200 ends it for good; at the end of an empty stream it comes back."""
    source = {"Accept": EVENT_STREAM}
    app = application(tmp_path).with_timeout(0.3)
    with app.running() as server, httpx2.Client(base_url=server.url, timeout=60) as http:
        write(http, "a")
        process = model_process()
        process.suspend()
        try:
            for asked in ("", "?snapshot=true", "?since=0"):
                assert http.get(f"{STREAM}{asked}").status_code in (503, 504)
                answer = http.get(f"{STREAM}{asked}", headers=source)
                assert (answer.status_code, answer.headers["Content-Type"]) == (200, EVENT_STREAM)
                assert list(parse(iter(answer.text.split("\n")))) == [Heard(None, "", "")]
            assert http.get(f"{ITEMS}/count", headers=source).status_code in (503, 504)
        finally:
            process.resume()
        with listening(http, STREAM, {**source, "Last-Event-ID": "0"}) as stream:
            assert stream.next().event == "connected"
            assert texts(stream, 1) == ["a"]
        for asked, status in (("?nothing=1", 400), ("?since=x", 400)):
            assert http.get(f"{STREAM}{asked}", headers=source).status_code == status
        assert http.get(f"{ITEMS}/nobody/stream", headers=source).status_code == 404


def test_an_event_source_waits_for_a_model_that_has_failed(tmp_path: Path) -> None:
    with application(tmp_path).running() as server, httpx2.Client(base_url=server.url) as http:
        write(http, "x" * 500, "y")
    log = min((tmp_path / "words").glob("*.raftlog"))
    data = bytearray(log.read_bytes())
    data[bytes(data).index(b"x" * 500) + 100] ^= 1
    log.write_bytes(data)
    app = application(tmp_path).with_model(Other, tmp_path / "others", "/api/others")
    with app.running() as server, httpx2.Client(base_url=server.url) as http:
        wait_until(lambda: http.get("/ready").status_code == 200, "the model to have failed")
        answer = http.get(STREAM)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        answer = http.get(STREAM, headers={"Accept": EVENT_STREAM})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, EVENT_STREAM)
        assert answer.text.startswith(": 503 ")


def test_streams_that_are_switched_off_are_not_there(tmp_path: Path) -> None:
    app = application(tmp_path).with_sse(False)
    with app.running() as server, httpx2.Client(base_url=server.url) as http:
        write(http, "a")
        key = http.get(ITEMS).json()["data"][0]["id"]
        for path in (STREAM, f"{ITEMS}/{key}/stream", f"{STREAM}?snapshot=true"):
            assert problem_of(http.get(path))["status"] == 404
            assert http.head(path).status_code == 404


def named(server: Server) -> str:
    """Give the address by the name that the certificate has."""
    return server.url.replace("127.0.0.1", "localhost")


def test_a_stream_is_encrypted_as_all_else_is(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(certificate))
    app = application(tmp_path).with_tls(certificate, key)
    with (
        app.running() as server,
        httpx2.Client(base_url=named(server), verify=trust, timeout=60) as http,
        listening(http, STREAM) as stream,
    ):
        stream.next()
        answer = http.post(f"{ITEMS}/_bulk", json=[{"text": "x" * 20_000}] * 100)
        assert answer.status_code == 201
        assert [heard.seq for heard in stream.take(100)] == list(range(1, 101))


def test_a_reader_who_pauses_over_tls_gets_what_follows(tmp_path: Path) -> None:
    """What the system takes after a while has to be told to whoever waits for it, each time."""
    certificate, key = make_certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(certificate))
    app = application(tmp_path).with_tls(certificate, key)
    with app.running() as server, httpx2.Client(base_url=named(server), verify=trust) as http:
        for _ in range(8):
            items = [{"text": "x" * 10_000}] * 100
            assert http.post(f"{ITEMS}/_bulk", json=items, timeout=60).status_code == 201
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(20)
        host, port = server.url.removeprefix("https://").split(":")
        plain.connect((host, int(port)))
        with trust.wrap_socket(plain, server_hostname="localhost") as reader:
            reader.sendall(f"GET {STREAM}?since=0 HTTP/1.0\r\n\r\n".encode())
            heard = b""
            while b"\nid: 800\n" not in heard[-40_000:]:
                heard += reader.recv(1 << 14)
    seqs = [int(seq) for seq in re.findall(rb"\nid: (\d+)\n", heard)]
    assert seqs[-800:] == list(range(1, 801))


def test_another_origin_that_is_named_may_read(http: httpx2.Client) -> None:
    with listening(http, STREAM, {"Origin": SHOP}) as stream:
        assert stream.response.headers["Access-Control-Allow-Origin"] == SHOP
    with listening(http, STREAM, {"Origin": "https://evil.example"}) as stream:
        assert "Access-Control-Allow-Origin" not in stream.response.headers


def test_nothing_is_followed_for_nobody(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes after everybody has left finds a stream as the first one did."""
    for number in range(3):
        with listening(http, STREAM) as stream:
            assert stream.next().seq == number
            write(http, str(number))
            assert texts(stream, 1) == [str(number)]
        wait_until(
            lambda: 'lithair_stream_readers{model="words"} 0.0' in http.get("/metrics").text,
            "the reader to be forgotten",
        )
