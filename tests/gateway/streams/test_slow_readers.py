"""Readers who do not read: what becomes of them, what it costs, and who never notices."""

import contextlib
import socket
import threading
from collections.abc import Generator

import httpx2
import psutil
import pytest

from lithair import Lithair, Model
from lithair.actors.background import Server
from lithair.gateway.streams.room import KEPT_BYTES
from tests.gateway.harness import RawConnection
from tests.gateway.listening import Heard, Listener, listening, parse
from tests.support.waiting import wait_until

ITEMS = "/api/blobs"
STREAM = f"{ITEMS}/stream"
BUFFER = 64 << 10
BLOB = "b" * 8_000
# More than the systems' buffers at both ends and what a reader may be behind.
ENOUGH = 200


class Blob(Model):
    text: str = ""
    number: int = 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    folder = tmp_path_factory.mktemp("slow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LT_SSE_BUFFER", str(BUFFER))
        patch.setenv("LT_SSE_HEARTBEAT", "200ms")
        app = (
            Lithair()
            .with_model(Blob, folder / "blobs", ITEMS)
            .with_run_dir(folder / "run")
            .with_port(0)
        )
        with app.running() as running:
            yield running


@pytest.fixture
def http(server: Server) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=server.url) as client:
        yield client


class SlowReader:
    """A connection with a small window, which is read only when it is told to."""

    def __init__(self, server: Server, head: str) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((host, int(port)))
        self.raw = RawConnection(sock)
        self.raw.send(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        self.rest = b""

    def read_on(self) -> bytes:
        """Read until the other side closes; gives the body without its chunks."""
        data = self.rest
        with contextlib.suppress(ConnectionResetError):
            while more := self.raw.sock.recv(1 << 16):
                data += more
        return body_of(data)

    def wait_for(self, part: bytes) -> None:
        seen = 0
        while part not in self.rest[seen:]:
            seen = max(0, len(self.rest) - len(part))
            more = self.raw.sock.recv(1 << 16)
            assert more, "the other side has closed"
            self.rest += more

    def close(self) -> None:
        self.raw.sock.close()


def body_of(data: bytes) -> bytes:
    """Take the chunks of HTTP/1.1 off; whatever is not whole at the end is left out."""
    head, _, rest = data.partition(b"\r\n\r\n")
    if b"chunked" not in head:
        return rest
    body = b""
    while rest:
        length, end, rest = rest.partition(b"\r\n")
        size = int(length, 16) if end else 0
        if not size or len(rest) < size + 2:
            break
        assert rest[size : size + 2] == b"\r\n"
        body, rest = body + rest[:size], rest[size + 2 :]
    return body


@contextlib.contextmanager
def slow(server: Server, version: str = "1.1", query: str = "") -> Generator[SlowReader]:
    reader = SlowReader(server, f"GET {STREAM}{query} HTTP/{version}\nHost: x")
    try:
        reader.wait_for(b"\n\n")
        yield reader
    finally:
        reader.close()


def heard_in(body: bytes) -> list[Heard]:
    return [heard for heard in parse(iter(body.decode().split("\n"))) if heard.event]


def figure(http: httpx2.Client, name: str) -> float:
    found = [line for line in http.get("/metrics").text.splitlines() if line.startswith(name + "{")]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def write(http: httpx2.Client, count: int = ENOUGH) -> None:
    for first in range(0, count, 50):
        blobs = [{"text": BLOB, "number": first + n} for n in range(min(50, count - first))]
        assert http.post(f"{ITEMS}/_bulk", json=blobs).status_code == 201


def seqs_until_last(stream: Listener, last: int) -> list[int]:
    seqs: list[int] = []
    while not seqs or seqs[-1] < last:
        seqs.append(stream.next().seq)
    return seqs


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_who_falls_too_far_behind_is_told_and_comes_back_without_a_gap(
    server: Server, http: httpx2.Client, version: str
) -> None:
    before = figure(http, "lithair_stream_lagged_total")
    first = int(http.get(ITEMS).headers["Lithair-Seq"])
    with slow(server, version) as stopped:
        write(http)
        wait_until(
            lambda: figure(http, "lithair_stream_lagged_total") > before, "it to be given up"
        )
        heard = heard_in(stopped.read_on())
    *told, lagged = heard
    assert lagged.event == "lagged"
    seqs = [each.seq for each in told if each.event == "create"]
    assert seqs == list(range(first + 1, first + 1 + len(seqs))), "whole, and in order"
    assert lagged.json == {"seq": seqs[-1]}
    last = int(http.get(ITEMS).headers["Lithair-Seq"])
    assert seqs[-1] < last
    with listening(http, STREAM, {"Last-Event-ID": str(seqs[-1])}) as back:
        assert back.next().seq == seqs[-1]
        assert seqs_until_last(back, last) == list(range(seqs[-1] + 1, last + 1))


def test_nobody_waits_for_who_does_not_read(server: Server, http: httpx2.Client) -> None:
    with (
        slow(server),
        slow(server),
        slow(server, query="?since=0"),
        listening(http, STREAM) as keen,
    ):
        start = keen.next().seq
        with httpx2.Client(base_url=server.url) as writer:
            for number in range(60):
                answer = writer.post(ITEMS, json={"text": BLOB, "number": number})
                assert answer.status_code == 201
                heard = keen.next()
                assert (heard.seq, heard.item["number"]) == (start + 1 + number, number)


def test_who_replays_reads_at_his_own_pace_and_is_never_given_up(
    server: Server, http: httpx2.Client
) -> None:
    write(http, 150)
    before = figure(http, "lithair_stream_lagged_total")
    last = int(http.get(ITEMS).headers["Lithair-Seq"])
    start = last - 150
    with slow(server, query=f"?since={start}") as stopped:
        write(http, 50)  # much comes meanwhile, and he is not there yet
        stopped.wait_for(f"id: {last}\n".encode())
        stopped.wait_for(f"id: {last + 50}\n".encode())
        body = body_of(stopped.rest)
    heard = [each.seq for each in heard_in(body) if each.event == "create"]
    assert heard == list(range(start + 1, heard[-1] + 1))
    assert heard[-1] >= last + 49, "the last may not be whole yet"
    assert figure(http, "lithair_stream_lagged_total") == before


@contextlib.contextmanager
def stopped_model() -> Generator[None]:
    """Have the model's process answer nothing."""
    (process,) = (
        child
        for child in psutil.Process().children(recursive=True)
        if "lithair: model blobs" in " ".join(child.cmdline())
    )
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def test_who_comes_back_soon_is_served_from_what_is_kept(
    server: Server, http: httpx2.Client
) -> None:
    """The newest of an audience stays, so nobody asks the model about it."""
    assert len(BLOB) * 20 < KEPT_BYTES
    with listening(http, STREAM) as stays:
        start = stays.next().seq
        write(http, 20)
        assert seqs_until_last(stays, start + 20)[-1] == start + 20
        with stopped_model():
            for back in range(20):
                with listening(http, STREAM, {"Last-Event-ID": str(start + back)}) as again:
                    assert again.next().seq == start + back
                    assert again.next().seq == start + back + 1


def test_a_burst_longer_than_anybody_may_be_behind_reaches_whoever_reads(
    server: Server, http: httpx2.Client
) -> None:
    with listening(http, STREAM) as keen, httpx2.Client(base_url=server.url) as writer:
        start = keen.next().seq
        blobs = [{"text": BLOB, "number": n} for n in range(200)]
        assert len(BLOB) * len(blobs) > 20 * BUFFER
        writing = threading.Thread(
            target=lambda: writer.post(f"{ITEMS}/_bulk", json=blobs, timeout=60)
        )
        writing.start()
        try:
            assert seqs_until_last(keen, start + 200) == list(range(start + 1, start + 201))
        finally:
            writing.join()


def test_a_heartbeat_moves_the_id_and_fires_nothing(server: Server, http: httpx2.Client) -> None:
    with listening(http, STREAM, params={"number": "-1"}) as stream:
        start = stream.next().seq
        write(http, 3)
        while (beat := stream.next_of_any_kind()).id != str(start + 3):
            assert (beat.id, beat.event) == (str(start), "")
        assert (beat.event, beat.data) == ("", "")
    with listening(http, STREAM, {"Last-Event-ID": str(start + 3)}) as again:
        assert again.next().seq == start + 3
