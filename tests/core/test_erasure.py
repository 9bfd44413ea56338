"""Erasure: what a purge leaves of a frame's records, and that nothing around them is moved."""

import random

import pytest

from lithair.core.erasure import Target, erase, holds
from lithair.core.event import ERASED, Event, Position
from lithair.core.frame import EncodedFrame, encode_frame, frame_head, frame_is_intact, records_in
from lithair.core.record import decode_record

AT = Position(1, 0)
KEYS = ("a", "ab", "é", "b")


def made(draw: random.Random) -> tuple[list[Event], EncodedFrame]:
    """Make a frame of events with ids out of a few, payloads of any length, some of them keyed."""
    events: list[Event] = []
    for seq in range(1, draw.randrange(2, 8)):
        event = Event(seq, 1000 + seq, 1, draw.choice(KEYS), draw.randbytes(draw.randrange(90)))
        event.command_id = draw.choice((b"", draw.randbytes(16)))
        if draw.random() < 0.3:
            event.key_hash, event.body_hash = draw.randbytes(16), draw.randbytes(16)
        events.append(event)
    return events, encode_frame(events, draw.getrandbits(32), 0, AT)


def records(frame: bytes, written: EncodedFrame) -> list[Event]:
    return [decode_record(frame, offset) for offset, _ in written.records]


@pytest.mark.parametrize("seed", range(200))
def test_a_record_is_erased_in_its_place_and_the_others_are_as_they_were(seed: int) -> None:
    draw = random.Random(seed)
    events, written = made(draw)
    target = Target(draw.choice(events).key.encode(), draw.choice((3, 100)))
    is_meant = [e.key.encode() == target.key and e.seq <= target.last_seq for e in events]
    assert holds(written.data, target) is any(is_meant)
    link = draw.getrandbits(32)
    found = erase(written.data, target, link)
    assert len(found) == len(written.data)
    assert frame_is_intact(found, 0)
    assert frame_head(found, 0).prev_crc == link
    before = records(written.data, written)
    for event, was, erased in zip(records(found, written), before, is_meant, strict=True):
        if erased:
            assert event == Event(was.seq, was.time_ms, ERASED, "", bytes(len(event.payload)))
        else:
            assert event == was
    assert not holds(found, target)
    assert [r[4] for r in records_in(found, 0, len(found))] == [
        ERASED if erased else 1 for erased in is_meant
    ]


@pytest.mark.parametrize("seed", range(200))
def test_a_settled_frame_has_the_crc_that_it_was_written_with(seed: int) -> None:
    draw = random.Random(seed)
    events, written = made(draw)
    target = Target(draw.choice(events).key.encode(), 100)
    settled = erase(written.data, target, draw.getrandbits(32), written.crc)
    assert frame_head(settled, 0).crc == written.crc
    assert frame_is_intact(settled, 0)
    kinds = [event.kind for event in records(settled, written)]
    assert kinds == [ERASED if e.key.encode() == target.key else 1 for e in events]


def test_the_crc_of_an_erased_record_tells_nothing_of_what_was_in_it() -> None:
    link = 7
    found: set[bytes] = set()
    for payload in (b'{"phone":"030 1234567"}', b'{"phone":"030 7654321"}'):
        frame = encode_frame([Event(1, 5, 1, "a", payload)], 0, 0, AT)
        found.add(erase(frame.data, Target(b"a", 1), link))
    assert len(found) == 1
