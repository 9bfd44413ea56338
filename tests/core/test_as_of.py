"""Points of the past: what is read as one, and what a point includes."""

import pytest

from lithair.core.as_of import BEGINNING, UNBOUND, AsOf, parse_as_of, rfc3339


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("0", AsOf(seq=0)),
        ("41", AsOf(seq=41)),
        ("007", AsOf(seq=7)),
        ("1970-01-01T00:00:00Z", AsOf(time_ms=0)),
        ("1970-01-01t00:00:01z", AsOf(time_ms=1000)),
        ("1970-01-01 00:00:01Z", AsOf(time_ms=1000)),
        ("1970-01-01T00:00:00.0019Z", AsOf(time_ms=1)),
        ("1970-01-01T00:00:00.123456789Z", AsOf(time_ms=123)),
        ("1969-12-31T23:59:59.9995Z", AsOf(time_ms=-1)),
        ("1970-01-01T02:00:00+02:00", AsOf(time_ms=0)),
        ("1969-12-31T19:00:00-05:00", AsOf(time_ms=0)),
        ("0001-01-01T00:00:00+23:59", AsOf(time_ms=-62135683140000)),
        ("9999-12-31T23:59:59-23:59", AsOf(time_ms=253402387139000)),
    ],
)
def test_a_seq_or_a_time_is_a_point(text: str, point: AsOf) -> None:
    assert parse_as_of(text) == point


@pytest.mark.parametrize(
    "text",
    [
        "", "-1", "1.5", "0x1", "٣", "now", "yesterday", "1" * 21, "2026-01-31", "2026-01-31T12:00",
        "2026-01-31T12:00:00", "2026-01-31T12:00:00 02:00", "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z", "2026-01-31T12:00:60Z", "2026-01-31T12:00:00+99:00",
        "2026-01-31T12:00:00.Z", " 2026-01-31T12:00:00Z", "2026-W05-6T12:00:00Z",
    ],
)  # fmt: skip
def test_what_is_neither_a_seq_nor_a_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither the seq of an event nor a time"):
        parse_as_of(text)


def test_a_seq_that_is_too_long_to_be_one_is_still_a_seq() -> None:
    point = parse_as_of("99999999999999999999")
    assert point.is_seq
    assert point.seq < UNBOUND


def test_a_point_includes_what_had_happened_by_then() -> None:
    at_seq, at_time = AsOf(seq=5), AsOf(time_ms=1000)
    assert [at_seq.includes(seq, 1 << 40) for seq in (4, 5, 6)] == [True, True, False]
    assert [at_time.includes(1 << 40, time_ms) for time_ms in (999, 1000, 1001)] == [
        True,
        True,
        False,
    ]
    assert AsOf(seq=0).includes(*BEGINNING)
    assert parse_as_of("0001-01-01T00:00:00Z").includes(*BEGINNING)


def test_times_are_written_as_they_are_read() -> None:
    for time_ms in (0, 1, 999, 1_700_000_000_123, -1):
        assert parse_as_of(rfc3339(time_ms)) == AsOf(time_ms=time_ms)
