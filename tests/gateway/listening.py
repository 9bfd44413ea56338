"""A reader of streams: a real HTTP client that gives one event after the other."""

import contextlib
import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import httpx2

EVENT_STREAM = "text/event-stream"
WAITED_S = 30.0  # for an event: a deadline is for what hangs
PACKET_BYTES = 16 << 10


@dataclass(frozen=True)
class Heard:
    """An event as a browser dispatches it, or a bare id or comment; `id` None: none was sent."""

    id: str | None
    event: str
    data: str

    @property
    def json(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.data)
        return found

    @property
    def item(self) -> dict[str, object]:
        return cast("dict[str, object]", self.json["item"])

    @property
    def seq(self) -> int:
        assert self.id is not None
        return int(self.id)


def parse(lines: Iterator[str]) -> Iterator[Heard]:
    """Read an event stream as the HTML standard says."""
    fields: dict[str, list[str]] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        elif fields:
            ids = fields.get("id")
            event = fields.get("event", ["message" if "data" in fields else ""])[-1]
            yield Heard(ids[-1] if ids else None, event, "\n".join(fields.get("data", [])))
            fields = {}


def lines_of(response: httpx2.Response) -> Iterator[str]:
    """Give the lines of a body as they come; ends of lines are those of the standard alone."""
    rest = b""
    for data in response.iter_raw():
        *lines, rest = (rest + data).replace(b"\r\n", b"\n").split(b"\n")
        yield from (line.decode() for line in lines)


class Listener:
    """A stream that is read."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.events = parse(lines_of(response))

    def next(self) -> Heard:
        """Give the next event; bare ids and comments are passed over."""
        return next(heard for heard in self.events if heard.event)

    def next_of_any_kind(self) -> Heard:
        return next(self.events)

    def take(self, count: int) -> list[Heard]:
        return [self.next() for _ in range(count)]

    def has_ended(self) -> bool:
        """Wait for the end, whatever comes before it."""
        try:
            for _ in self.events:
                pass
        except httpx2.RemoteProtocolError:
            return True
        return True


@contextlib.contextmanager
def listening(
    http: httpx2.Client,
    path: str,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> Generator[Listener]:
    """Open a stream."""
    with http.stream("GET", path, headers=headers, params=params, timeout=WAITED_S) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["Content-Type"] == EVENT_STREAM
        yield Listener(response)


def request(
    http: httpx2.Client,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: object = None,
) -> httpx2.Response:
    """Send a request; of a stream only the head is awaited, of anything else all."""
    with http.stream(method, path, headers=headers, json=body, timeout=WAITED_S) as response:
        if response.headers.get("Content-Type") != EVENT_STREAM:
            response.read()
    return response
