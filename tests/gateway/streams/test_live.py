"""A stream as a client reads it: what it opens with, what comes, and what it refuses."""

from collections.abc import Generator
from pathlib import Path
from typing import Annotated

import httpx2
import pytest
from msgspec import Meta

from lithair import Hidden, Indexed, Lithair, Model
from lithair.actors.background import Server
from tests.gateway.harness import RawConnection
from tests.gateway.listening import EVENT_STREAM, Heard, Listener, listening
from tests.gateway.mailbox import problem_of

ITEMS = "/api/notes"
STREAM = f"{ITEMS}/stream"
ODD = "data: x\n\nevent: lagged\r\nid: 7\r\u2028\u2029\u0085 \U0001f600 \t :"


class Note(Model):
    text: str = ""
    price: Indexed[int] = 0
    tag: Annotated[str, Meta(max_length=20)] = ""
    secret: Hidden[str] = ""


def application(folder: Path) -> Lithair:
    return (
        Lithair()
        .with_model(Note, folder / "notes", ITEMS)
        .with_run_dir(folder / "run")
        .with_port(0)
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with application(tmp_path_factory.mktemp("live")).running() as running:
        yield running


@pytest.fixture
def http(server: Server) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=server.url) as client:
        yield client


def create(http: httpx2.Client, **fields: object) -> dict[str, object]:
    answer = http.post(ITEMS, json=fields)
    assert answer.status_code == 201, answer.text
    created: dict[str, object] = answer.json()
    return created


def told(heard: Heard) -> tuple[str, object]:
    return heard.event, heard.item.get("text")


def test_a_stream_begins_now_and_tells_what_comes_from_every_writer(
    server: Server, http: httpx2.Client
) -> None:
    create(http, text="before")
    seq = int(http.get(ITEMS).headers["Lithair-Seq"])
    with listening(http, STREAM) as stream:
        assert stream.response.headers["Cache-Control"] == "no-cache"
        assert stream.response.headers["X-Accel-Buffering"] == "no"
        assert int(stream.response.headers["Lithair-Seq"]) >= seq
        connected = stream.next()
        assert (connected.event, connected.seq) == ("connected", seq)
        assert connected.json == {"model": "notes", "seq": seq}
        item = create(http, text="one")
        http.patch(f"{ITEMS}/{item['id']}", json={"text": "two"})
        http.post(f"{ITEMS}/_bulk", json=[{"text": "three"}, {"text": "four"}])
        with_handle = server.handle(Note)
        with_handle.apply_replicated_item(Note(id="five", text="five", secret="s"))
        http.delete(f"{ITEMS}/{item['id']}")
        heard = stream.take(6)
    assert [each.seq for each in heard] == list(range(seq + 1, seq + 7))
    assert [told(each) for each in heard] == [
        ("create", "one"),
        ("update", "two"),
        ("create", "three"),
        ("create", "four"),
        ("create", "five"),
        ("delete", "two"),
    ]
    assert heard[0].json["model"] == "notes"
    assert heard[0].item == item
    assert not any("secret" in each.item for each in heard)


def test_an_item_arrives_as_it_is_whatever_its_text_looks_like(http: httpx2.Client) -> None:
    with listening(http, STREAM) as stream:
        stream.next()
        item = create(http, text=ODD)
        heard = stream.next()
    assert item["text"] == ODD
    assert heard.item == item


def test_who_comes_back_with_an_id_gets_what_came_after_it(http: httpx2.Client) -> None:
    for number in range(5):
        create(http, text=f"past {number}")
    seq = int(http.get(ITEMS).headers["Lithair-Seq"])
    for headers, params in (
        ({"Last-Event-ID": str(seq - 5)}, None),
        (None, {"since": str(seq - 5)}),
        ({"Last-Event-ID": str(seq - 5)}, {"since": "1"}),
    ):
        with listening(http, STREAM, headers, params) as stream:
            connected = stream.next()
            assert (connected.event, connected.seq) == ("connected", seq - 5)
            heard = stream.take(5)
            assert [each.seq for each in heard] == list(range(seq - 4, seq + 1))
            assert told(heard[0]) == ("create", "past 0")
    with listening(http, STREAM, {"Last-Event-ID": str(seq)}) as stream:
        assert stream.next().seq == seq
        create(http, text="next")
        assert stream.next().seq == seq + 1


def test_a_position_that_no_log_has_is_a_reset(http: httpx2.Client) -> None:
    create(http)
    seq = int(http.get(ITEMS).headers["Lithair-Seq"])
    for position in (str(seq + 1), "9" * 30, "-1", "abc", "1.5"):
        with listening(http, STREAM, {"Last-Event-ID": position}) as stream:
            reset = stream.next()
            assert (reset.event, reset.seq, reset.json) == ("reset", seq, {"seq": seq}), position
            create(http)
            seq += 1
            assert stream.next().seq == seq


def test_an_empty_last_event_id_is_none(http: httpx2.Client) -> None:
    with listening(http, STREAM, {"Last-Event-ID": ""}) as stream:
        assert stream.next().event == "connected"


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"sort": "text"}, "sort"),
        ({"fields": "text"}, "fields"),
        ({"skip": "1"}, "skip"),
        ({"take": "1"}, "take"),
        ({"after": "x"}, "after"),
        ({"as_of": "1"}, "as_of"),
        ({"since": "abc"}, "since"),
        ({"since": "-1"}, "since"),
        ({"snapshot": "maybe"}, "snapshot"),
        ({"colour": "red"}, "colour"),
        ({"secret": "s"}, "secret"),
        ({"price": "cheap"}, "price"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(
    http: httpx2.Client, params: dict[str, str], named: str
) -> None:
    for method in ("GET", "HEAD"):
        answer = http.request(method, STREAM, params=params)
        assert answer.status_code == 400, answer.text
    assert named in str(problem_of(http.get(STREAM, params=params))["detail"])


def test_head_has_the_head_and_nothing_else(http: httpx2.Client) -> None:
    for _ in range(2):  # on one connection
        answer = http.head(STREAM)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == EVENT_STREAM
        assert answer.content == b""


def test_http_1_0_gets_a_stream_without_chunks(server: Server, http: httpx2.Client) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with RawConnection.to(host, int(port)) as raw:
        raw.send(f"GET {STREAM} HTTP/1.0\r\n\r\n".encode())
        data = b""
        while b"connected" not in data or not data.endswith(b"\n\n"):
            data += raw.sock.recv(1 << 16)
        create(http, text="old")
        while b"event: create" not in data:
            data += raw.sock.recv(1 << 16)
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body.startswith(b"id: ")
    assert b"\r" not in body


# Filters


def events_of(stream: Listener, count: int) -> list[tuple[str, object]]:
    return [told(heard) for heard in stream.take(count)]


def test_a_filter_tells_what_comes_goes_and_comes_back(http: httpx2.Client) -> None:
    seq = int(http.get(ITEMS).headers["Lithair-Seq"])
    with listening(http, STREAM, params={"price": ">10", "tag": "f"}) as stream:
        stream.next()
        cheap = create(http, text="cheap", price=1, tag="f")
        dear = create(http, text="dear", price=20, tag="f")
        http.patch(f"{ITEMS}/{cheap['id']}", json={"price": 11})
        http.patch(f"{ITEMS}/{cheap['id']}", json={"price": 12, "text": "dearer"})
        http.patch(f"{ITEMS}/{cheap['id']}", json={"price": 2})
        http.patch(f"{ITEMS}/{cheap['id']}", json={"price": 3})
        http.patch(f"{ITEMS}/{cheap['id']}", json={"price": 30})
        http.patch(f"{ITEMS}/{dear['id']}", json={"tag": "g"})
        http.delete(f"{ITEMS}/{dear['id']}")
        http.delete(f"{ITEMS}/{cheap['id']}")
        expected = [
            ("create", "dear"),
            ("update", "cheap"),
            ("update", "dearer"),
            ("leave", "dearer"),
            ("update", "dearer"),
            ("leave", "dear"),
            ("delete", "dearer"),
        ]
        assert events_of(stream, len(expected)) == expected
    with listening(
        http, STREAM, {"Last-Event-ID": str(seq)}, {"price": ">10", "tag": "f"}
    ) as again:
        again.next()
        assert events_of(again, len(expected)) == expected, "on replay, too"


def test_the_leave_of_a_filter_shows_the_item_as_it_is(http: httpx2.Client) -> None:
    item = create(http, text="x", tag="shown")
    with listening(http, STREAM, params={"tag": "shown"}) as stream:
        stream.next()
        http.patch(f"{ITEMS}/{item['id']}", json={"tag": "", "secret": "s"})
        heard = stream.next()
    assert (heard.event, heard.item) == ("leave", {**item, "tag": ""})


# One item


def test_the_stream_of_one_item_tells_of_nothing_else(http: httpx2.Client) -> None:
    one, other = create(http, text="one"), create(http, text="other")
    seq = int(http.get(ITEMS).headers["Lithair-Seq"])
    path = f"{ITEMS}/{one['id']}/stream"
    with listening(http, path) as stream:
        assert stream.next().seq == seq
        http.patch(f"{ITEMS}/{other['id']}", json={"text": "no"})
        http.patch(f"{ITEMS}/{one['id']}", json={"text": "yes"})
        http.delete(f"{ITEMS}/{other['id']}")
        http.delete(f"{ITEMS}/{one['id']}")
        assert events_of(stream, 2) == [("update", "yes"), ("delete", "yes")]
    assert problem_of(http.get(path))["status"] == 404
    with listening(http, path, {"Last-Event-ID": str(seq)}) as again:
        again.next()
        assert events_of(again, 2) == [("update", "yes"), ("delete", "yes")], "also when it is gone"
        http.put(f"{ITEMS}/{one['id']}", json={"text": "x"})
        create(http, id=one["id"], text="reborn")
        assert events_of(again, 1) == [("create", "reborn")]
    assert problem_of(http.get(f"{ITEMS}/none/stream"))["status"] == 404
    assert http.get(f"{ITEMS}/{one['id']}/x/stream").status_code == 404


# The present items


def test_a_snapshot_tells_the_present_items_then_what_comes(http: httpx2.Client) -> None:
    items = [create(http, text=f"snap {n}", tag="snap") for n in range(3)]
    seq = int(http.get(ITEMS).headers["Lithair-Seq"])
    with listening(http, STREAM, params={"snapshot": "true", "tag": "snap"}) as stream:
        heard = stream.take(3)
        assert {each.event for each in heard} == {"snapshot"}
        assert {each.id for each in heard} == {None}
        assert [each.item for each in heard] == items
        live = stream.next()
        assert (live.event, live.seq, live.json) == ("live", seq, {"model": "notes", "seq": seq})
        create(http, text="after", tag="snap")
        assert events_of(stream, 1) == [("create", "after")]
    with listening(http, STREAM, {"Last-Event-ID": str(seq)}, {"snapshot": "true"}) as stream:
        assert stream.next().event == "connected", "who has a position needs no snapshot"
    gone = {"Last-Event-ID": str(seq + 1000)}
    with listening(http, STREAM, gone, {"snapshot": "true", "tag": "snap"}) as stream:
        reset = stream.next()
        assert (reset.event, reset.id) == ("reset", "")
        # A cut may be some seconds old; what has happened since comes behind it.
        later = stream.take(5)
        assert sorted(str(each.item["text"]) for each in later if each.event != "live") == [
            "after",
            "snap 0",
            "snap 1",
            "snap 2",
        ]
        assert [each.event for each in later].count("live") == 1


def test_the_snapshot_of_one_item_is_that_item(http: httpx2.Client) -> None:
    item, _ = create(http, text="just this"), create(http, text="and not this")
    path = f"{ITEMS}/{item['id']}/stream"
    with listening(http, path, params={"snapshot": "true"}) as stream:
        assert stream.next().item == item
        assert stream.next().event == "live"
