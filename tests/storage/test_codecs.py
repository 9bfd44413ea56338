"""Records and frames: what is encoded comes back exactly; other bytes are refused by name."""

import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair.core.event import Event, EventKind, Position
from lithair.core.frame import (
    CLOSING_BYTES,
    FRAME_HEAD_BYTES,
    BadHeader,
    SegmentHeader,
    Shift,
    check_frames,
    decode_header,
    encode_closing,
    encode_frame,
    encode_header,
    frame_is_intact,
    records_in,
    relink_frames,
)
from lithair.core.record import (
    RECORD_BYTES_MIN,
    BadRecord,
    check_record,
    decode_record,
    encode_record,
    payload_in,
    payload_of,
    record_length,
)
from lithair.errors import UnknownFormat

U64 = st.integers(0, (1 << 64) - 1)
U32 = st.integers(0, (1 << 32) - 1)
ID = st.binary(min_size=16, max_size=16).filter(any)
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=255)
POSITIONS = st.builds(Position, st.integers(1, (1 << 64) - 1), U32)
SEQS = st.integers(1, 1 << 60)


@st.composite
def events(draw: st.DrawFn, seq: int | None = None) -> Event:
    event = Event(
        seq=draw(SEQS) if seq is None else seq,
        time_ms=draw(U64),
        kind=draw(st.sampled_from([1, 2, 3])),
        key=draw(KEYS),
        payload=draw(st.binary(max_size=300)),
        command_id=draw(st.one_of(st.just(b""), ID)),
        flags=draw(st.integers(0, 3)),
        prev=draw(st.none() | POSITIONS),
        author=draw(st.just("") | KEYS),
    )
    if draw(st.booleans()):
        event.key_hash, event.body_hash = draw(ID), draw(ID)
        event.status = draw(st.integers(0, 999))
    return event


@given(events(), st.binary(max_size=50), st.binary(max_size=50))
def test_a_record_comes_back_exactly_from_wherever_it_lies(
    event: Event, before: bytes, after: bytes
) -> None:
    record = encode_record(event, event.prev)
    buffer = before + record + after
    assert record_length(buffer, len(before)) == len(record)
    assert check_record(buffer, len(before)) == len(record)
    assert decode_record(buffer, len(before)) == event


@given(events(), st.data())
def test_a_changed_record_is_refused(event: Event, data: st.DataObject) -> None:
    record = bytearray(encode_record(event, event.prev))
    at = data.draw(st.integers(0, len(record) - 1))
    record[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadRecord):
        decode_record(bytes(record), 0)


@given(events(), st.data())
def test_a_record_that_is_cut_off_is_refused(event: Event, data: st.DataObject) -> None:
    record = encode_record(event, event.prev)
    with pytest.raises(BadRecord):
        decode_record(record[: data.draw(st.integers(0, len(record) - 1))], 0)


@given(st.binary(max_size=200))
def test_hostile_bytes_are_refused_by_name(data: bytes) -> None:
    with contextlib.suppress(BadRecord, UnknownFormat):
        decode_record(data, 0)
    with contextlib.suppress(BadHeader, UnknownFormat):
        decode_header(data)
    frame_is_intact(data, 0)
    check_frames(data, 0, 0, 1, 1 << 64)


@given(events(), st.data())
def test_an_item_is_taken_out_of_its_own_intact_record_alone(
    event: Event, data: st.DataObject
) -> None:
    record, seq, key = encode_record(event, event.prev), event.seq, event.key
    is_usual = event.kind != EventKind.DELETE and not event.author
    for whole in (record, bytearray(record)):
        assert payload_of(whole, seq, key) == (event.payload if is_usual else None)
    at = data.draw(st.integers(0, len(record) - 1))
    changed = bytearray(record)
    changed[at] ^= data.draw(st.integers(1, 255))
    for other in (changed, record[:at], record + b"\0"):
        assert payload_of(other, seq, key) is None
    for other_seq, other_key in ((seq + 1, key), (seq, key + "x"), (seq, key[1:])):
        assert payload_of(record, other_seq, other_key) is None


@given(events(), st.data())
def test_an_item_is_never_taken_out_of_what_is_no_event(event: Event, data: st.DataObject) -> None:
    """Records of others, whole by their checksum: what is given is what decoding gives."""
    record = bytearray(encode_record(event, event.prev))
    at = data.draw(st.integers(4, len(record) - 1) | st.integers(16, RECORD_BYTES_MIN))
    if at < len(record):
        record[at] = data.draw(st.integers(0, 255))
    record[:4] = zlib.crc32(record[4:]).to_bytes(4, "little")
    found = payload_of(record, event.seq, event.key)
    if found is not None:
        decoded_event = decode_record(bytes(record), 0)
        told = decoded_event.seq, decoded_event.key, decoded_event.payload
        assert told == (event.seq, event.key, found)
        assert decoded_event.kind in (EventKind.CREATE, EventKind.UPDATE)


@st.composite
def batches(draw: st.DrawFn) -> list[list[Event]]:
    """Give the events of some frames, with consecutive seqs."""
    seq = draw(st.integers(1, 1 << 40))
    frames: list[list[Event]] = []
    for size in draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)):
        frame = [draw(events(seq=seq + index)) for index in range(size)]
        for index, event in enumerate(frame):
            if index and draw(st.booleans()):
                event.prev, event.prev_index = None, draw(st.integers(0, index - 1))
        seq += size
        frames.append(frame)
    return frames


def encoded(frames: list[list[Event]], start: Position) -> tuple[bytes, list[Event]]:
    """Give the frames' bytes, and their events with `prev_index` resolved."""
    data, crc, resolved = b"", 1, list[Event]()
    for frame in frames:
        at = Position(start.segment, start.offset + len(data))
        done = encode_frame(frame, crc, frame[0].seq - 1, at)
        for event in frame:
            if event.prev_index >= 0:
                event.prev = Position(start.segment, done.records[event.prev_index][0])
                event.prev_index = -1
            resolved.append(event)
        data, crc = data + done.data, done.crc
    return data, resolved


def decoded(data: bytes) -> list[Event]:
    return [decode_record(data, raw[0]) for raw in records_in(data, 0, len(data))]


@given(batches(), st.integers(0, 9999))
def test_frames_come_back_exactly(frames: list[list[Event]], begin: int) -> None:
    first = frames[0][0].seq
    data, resolved = encoded(frames, Position(first, begin))
    run = check_frames(data, 0, 1, first, 1 << 64)
    assert run.end == len(data)
    assert run.next_seq == first + len(resolved)
    assert run.synced_seq == frames[-1][0].seq - 1
    assert run.marks[0] == (first, 0)
    assert decoded(data) == resolved
    for raw, event in zip(records_in(data, 0, len(data)), resolved, strict=True):
        prev = event.prev or (0, 0)
        assert raw == (
            raw[0], record_length(data, raw[0]), event.seq, event.time_ms, event.kind, event.flags,
            event.key, event.payload, event.command_id, *prev, event.key_hash, event.body_hash,
            event.status,
        )  # fmt: skip


@given(batches(), st.data())
def test_a_changed_byte_ends_the_chain_at_its_frame(
    frames: list[list[Event]], data: st.DataObject
) -> None:
    first = frames[0][0].seq
    good, _ = encoded(frames, Position(first, 0))
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    run = check_frames(changed, 0, 1, first, 1 << 64)
    assert run.end <= at
    assert not frame_is_intact(changed, run.end) or at < run.end + FRAME_HEAD_BYTES


@given(batches(), st.data())
def test_a_run_stops_before_the_seq_it_was_told(
    frames: list[list[Event]], data: st.DataObject
) -> None:
    first = frames[0][0].seq
    good, resolved = encoded(frames, Position(first, 0))
    frame = data.draw(st.sampled_from(frames))
    run = check_frames(good, 0, 1, first, frame[0].seq)
    assert run.next_seq == frame[0].seq
    assert len(decoded(good[: run.end])) == frame[0].seq - first
    assert len(resolved) >= len(frame)


@given(batches(), U32, st.integers(1, 1 << 60), st.integers(0, 9999), st.integers(0, 9999))
def test_frames_that_move_keep_all_but_their_places(
    frames: list[list[Event]], crc: int, segment: int, old: int, new: int
) -> None:
    first = frames[0][0].seq
    data, resolved = encoded(frames, Position(first, old))
    shift = Shift(Position(first, old), Position(segment, new))
    moved = relink_frames(data, crc, shift)
    assert len(moved) == len(data)
    assert check_frames(moved, 0, crc, first, 1 << 64).end == len(data)
    for event in resolved:
        if event.prev and event.prev.segment == first and event.prev.offset >= old:
            event.prev = Position(segment, event.prev.offset - old + new)
    assert decoded(moved) == resolved


HEADERS = st.builds(
    SegmentHeader,
    model_name=st.text(st.characters(codec="utf-8"), max_size=40),
    first_seq=U64,
    synced_seq=U64,
    created_ms=U64,
    prev_crc=U32,
    fingerprint=st.binary(min_size=16, max_size=16),
    description=st.binary(max_size=200),
)


@given(HEADERS, st.binary(max_size=40))
def test_a_header_comes_back_exactly(header: SegmentHeader, after: bytes) -> None:
    data = encode_header(header)
    found = decode_header(data + after)
    assert found.header == header
    assert found.length == len(data)


@given(HEADERS, st.data())
def test_a_changed_or_cut_header_is_refused(header: SegmentHeader, data: st.DataObject) -> None:
    good = encode_header(header)
    at = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[at] ^= data.draw(st.integers(1, 255))
    for bad in (bytes(changed), good[:at]):
        with pytest.raises(BadHeader):
            decode_header(bad)


@given(U32, st.integers(0, 1 << 60))
def test_a_closing_frame_is_intact_and_no_data(crc: int, last_seq: int) -> None:
    closing = encode_closing(crc, last_seq)
    assert len(closing) == CLOSING_BYTES
    assert frame_is_intact(closing, 0)
    assert check_frames(closing, 0, crc, last_seq + 1, 1 << 64).end == 0


@given(batches(), U32, st.integers(0, 1 << 50))
def test_a_frame_out_of_the_chain_or_out_of_order_is_none_of_it(
    frames: list[list[Event]], crc: int, seq: int
) -> None:
    first = frames[0][0].seq
    data, _ = encoded(frames, Position(first, 0))
    assert check_frames(data, 0, crc, first, 1 << 64).end == (len(data) if crc == 1 else 0)
    assert check_frames(data, 0, 1, seq, 1 << 64).end == (len(data) if seq == first else 0)


def test_an_author_stands_at_the_end_of_its_record() -> None:
    event = Event(7, 1_000, 2, "k", b'{"id":"k"}')
    plain = encode_record(event, None)
    event.author = "ada é"
    authored = encode_record(event, None)
    assert authored[len(plain) :] == "ada é".encode() + b"\x06\x00"
    assert authored[8:25] == plain[8:25]  # seq, time and kind
    assert authored[25] == plain[25] | 64
    assert authored[26 : len(plain)] == plain[26:]
    assert payload_in(authored, 0) == event.payload
    assert decode_record(authored, 0).author == "ada é"


def test_an_author_that_is_longer_than_its_record_is_none() -> None:
    event = Event(7, 1_000, 2, "k", b"{}", author="ada")
    record = bytearray(encode_record(event, None))
    record[-2:] = b"\xff\x00"
    record[:4] = zlib.crc32(record[4:]).to_bytes(4, "little")
    with pytest.raises(BadRecord, match="author"):
        decode_record(bytes(record), 0)
