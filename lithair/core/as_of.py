"""Points of a model's past, as a caller names them.

    as_of := seq | time      seq: the number of an event, 0 before the first; time: RFC 3339

Law: a point is an upper bound. It includes every event up to that seq or that time, the one that
has it as well; what was right after the last of these is what was then.
"""

import datetime as dt
import re
from typing import Final

import msgspec

SEQ_DIGITS_MAX: Final = 20  # more than any log will ever count to
UNBOUND: Final = (1 << 63) - 1
BEGINNING: Final = (0, -UNBOUND)  # seq and time (ms) of a point that every other one includes

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)

EXPECTED: Final = (
    "is neither the seq of an event nor a time such as 2026-01-31T12:00:00Z"
    " (RFC 3339; a + in it is written %2B)"
)


class AsOf(msgspec.Struct, frozen=True):
    """A point of the past; both bounds hold, and one that was not named holds always."""

    seq: int = UNBOUND
    time_ms: int = UNBOUND

    @property
    def is_seq(self) -> bool:
        return self.seq != UNBOUND

    def includes(self, seq: int, time_ms: int) -> bool:
        """Tell whether an event had happened by then."""
        return seq <= self.seq and time_ms <= self.time_ms


def parse_as_of(text: str) -> AsOf:
    """Read a point of the past; raises `ValueError` for a text that is none."""
    if text.isascii() and text.isdigit() and len(text) <= SEQ_DIGITS_MAX:
        return AsOf(seq=min(int(text), UNBOUND - 1))
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(EXPECTED)
    try:
        moment = dt.datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError(EXPECTED) from None
    return AsOf(time_ms=(moment - _EPOCH) // _MILLISECOND)


def rfc3339(time_ms: int) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds."""
    moment = _EPOCH + time_ms * _MILLISECOND
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
