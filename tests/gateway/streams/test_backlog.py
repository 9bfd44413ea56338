"""A backlog gives back what was appended, from any place, whatever was dropped before it."""

import random

import pytest

from lithair.gateway.streams.backlog import VIEWED_BYTES_MIN, Backlog


def filled(*chunks: list[tuple[int, bytes]]) -> Backlog:
    backlog = Backlog(10)
    for chunk in chunks:
        backlog.append(chunk)
    return backlog


def read(backlog: Backlog, place: int) -> bytes:
    parts: list[bytes] = []
    while place < backlog.end:
        part = bytes(backlog.at(place))
        parts.append(part)
        place += len(part)
    return b"".join(parts)


def test_who_has_seen_an_event_goes_on_behind_it() -> None:
    backlog = filled([(11, b"aa"), (13, b"bbb")], [(14, b"c")], [(17, b"dddd")])
    for seq, rest in (
        (10, b"aabbbcdddd"),
        (11, b"bbbcdddd"),
        (12, b"bbbcdddd"),
        (13, b"cdddd"),
        (16, b"dddd"),
        (17, b""),
        (99, b""),
    ):
        place = backlog.place_after(seq)
        assert place is not None
        assert read(backlog, place) == rest, seq
    assert backlog.place_after(9) is None


def test_the_rest_of_an_event_ends_where_the_event_ends() -> None:
    backlog = filled([(11, b"aa"), (12, b"bbb")], [(13, b"c")])
    assert [bytes(backlog.rest_of_event(place)) for place in range(6)] == [
        b"aa",
        b"a",
        b"bbb",
        b"bb",
        b"b",
        b"c",
    ]
    assert [backlog.seq_at(place) for place in range(7)] == [10, 10, 11, 11, 11, 12, 13]


def test_only_a_long_rest_is_a_view_of_its_chunk() -> None:
    long = b"x" * VIEWED_BYTES_MIN
    backlog = filled([(11, b"short"), (12, long)])
    assert isinstance(backlog.rest_of_event(0), bytes)
    assert isinstance(backlog.rest_of_event(5), memoryview)


def test_what_is_dropped_is_whole_chunks_before_a_place() -> None:
    backlog = filled([(11, b"aa"), (12, b"bbb")], [(13, b"c")], [(14, b"dd")])
    backlog.trim(4)
    assert (backlog.begin, backlog.floor) == (0, 10)
    backlog.trim(5)
    assert (backlog.begin, backlog.floor, len(backlog)) == (5, 12, 3)
    assert backlog.place_after(11) is None
    assert backlog.place_after(12) == 5
    assert read(backlog, 5) == b"cdd"
    backlog.trim(backlog.end)
    assert (len(backlog), backlog.floor) == (0, 14)
    assert backlog.place_after(14) == backlog.end
    assert backlog.append([(15, b"e")]) == b"e"
    assert read(backlog, 8) == b"e"


@pytest.mark.parametrize("seed", range(20))
def test_readers_at_any_place_get_the_same_bytes_whatever_is_dropped(seed: int) -> None:
    chance = random.Random(seed)
    backlog, whole, seq = Backlog(0), b"", 0
    ends = {0: 0}
    for _ in range(300):
        events: list[tuple[int, bytes]] = []
        for _ in range(chance.randint(1, 4)):
            seq += chance.randint(1, 3)
            data = bytes([seq % 251]) * chance.randint(1, 9)
            events.append((seq, data))
            whole += data
            ends[seq] = len(whole)
        backlog.append(events)
        if chance.random() < 0.2:
            backlog.trim(chance.randint(0, backlog.end))
        asked = chance.randint(0, seq + 2)
        place = backlog.place_after(asked)
        if place is None:
            assert asked < backlog.floor
        else:
            assert place == ends[max(known for known in ends if known <= asked)]
            assert read(backlog, place) == whole[place:]
