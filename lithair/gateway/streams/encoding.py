r"""The bytes of a stream: events as `text/event-stream` has them, in the chunks of HTTP/1.1.

    stream    := [opening] event* [closing]
    opening   := "id: " seq LF "event: connected" LF "data: " {"model","seq"} LF LF
               | "id: " seq LF "event: reset" LF "data: " {"seq"} LF LF
               | snapshot* "id: " seq LF "event: live" LF "data: " {"model","seq"} LF LF
    snapshot  := "event: snapshot" LF "data: " {"model","item"} LF LF
    event     := "id: " seq LF "event: " name LF "data: " {"model","item"} LF LF | beat
    name      := "create" | "update" | "delete" | "leave"
    beat      := ":" LF "id: " seq LF LF
    closing   := "event: lagged" LF "data: " {"seq"} LF LF

Law: data is one line. JSON has its line feeds and carriage returns escaped in texts, and whatever
stands between its parts may be a space as well; nothing else ends a line (U+2028 does not).
"""

from typing import Final

import msgspec

CONNECTED: Final = "connected"
LIVE: Final = "live"

LAST_CHUNK: Final = b"0\r\n\r\n"

_encode = msgspec.json.Encoder().encode


def item_data(model: str, item: bytes) -> bytes:
    """Write the data of an event about an item, which is JSON."""
    data = b'{"model":%b,"item":%b}' % (_encode(model), item)
    if b"\n" in data or b"\r" in data:
        return data.replace(b"\n", b" ").replace(b"\r", b" ")
    return data


def item_event(seq: int, name: str, data: bytes) -> bytes:
    """Write what happened to an item."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (seq, name.encode(), data)


def snapshot_event(data: bytes) -> bytes:
    """Write that an item is there; without an id, because a reader can't resume in between."""
    return b"event: snapshot\ndata: %b\n\n" % data


def opening(name: str, model: str, seq: int) -> bytes:
    """Write from where the stream goes on."""
    data = _encode({"model": model, "seq": seq})
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (seq, name.encode(), data)


def reset(seq: int) -> bytes:
    """Write that there is a gap, and from where the stream goes on."""
    return b'id: %d\nevent: reset\ndata: {"seq":%d}\n\n' % (seq, seq)


def reset_before_snapshot(seq: int) -> bytes:
    """Write that there is a gap, and that all items follow; who breaks off has no position."""
    return b'id:\nevent: reset\ndata: {"seq":%d}\n\n' % seq


def beat(seq: int) -> bytes:
    """Write a position, which fires nothing."""
    return b":\nid: %d\n\n" % seq


def lagged(seq: int) -> bytes:
    """Write that the reader has fallen behind too far; its last id says where it goes on."""
    return b'event: lagged\ndata: {"seq":%d}\n\n' % seq


def framed(data: bytes) -> bytes:
    """Write a chunk of HTTP/1.1; data is never empty, which would be the end."""
    return b"%x\r\n%b\r\n" % (len(data), data)
