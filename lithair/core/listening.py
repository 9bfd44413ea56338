"""Listening: what follows when a listener fails at an event.

Owns the row of failures of one listener. Law: pure; time is an argument (milliseconds since 1970).
A row begins with a failure and ends with the event: handled, given up as a dead letter, or skipped.

    failure n of the row  -> tried again after first_ms * 2 ** (n - 1), at most `most_ms`
    n > max_retries       -> the event becomes a dead letter, and the listener goes on
    disable_after_ms since the first one -> the listener is disabled until somebody enables it, if
                          there were as many tries as fit into that time, or TRIES_MIN: one that was
                          stopped for a week after its first failure has not tried for a week
"""

import enum
from typing import Final

import msgspec

RETRY_FIRST_MS: Final = 100  # whatever it needs may just be starting
RETRY_MAX_MS: Final = 60_000  # what was down for hours is noticed within a minute
ERROR_CHARACTERS_MAX: Final = 1000  # kept of an error: it is stored, and shown in a table
TRIES_MIN: Final = 10  # before a listener is disabled, where they fit into its time
DOUBLINGS_MAX: Final = 32  # past any maximum long before; keeps the number small


class Retries(msgspec.Struct, frozen=True):
    """How often and when a listener is tried again at an event that it fails at."""

    first_ms: int = RETRY_FIRST_MS
    most_ms: int = RETRY_MAX_MS
    max_retries: int | None = None  # None: for ever; 2 means three tries
    disable_after_ms: int | None = None  # None: never


class Failing(msgspec.Struct, frozen=True):
    """A row of failures at event `seq`: how many, since when, and why the last one."""

    seq: int
    tries: int
    since_ms: int
    last_ms: int
    error: str
    disabled_ms: int | None = None  # since then it is not tried any more


class Then(enum.Enum):
    """What has to be done about a failure."""

    RETRY = "try it again"
    DEAD_LETTER = "keep it aside and go on"
    DISABLE = "wait for somebody to enable the listener"


def failed(retries: Retries, before: Failing | None, seq: int, error: str, now_ms: int) -> Failing:
    """Add a failure to its row, or begin one."""
    tries, since_ms = 1, now_ms
    if before is not None and before.seq == seq:
        tries = before.tries + 1
        since_ms = min(before.since_ms, now_ms)  # clocks are set back
    after_ms = retries.disable_after_ms
    is_over = (
        after_ms is not None
        and now_ms - since_ms >= after_ms
        and tries >= _tries_within(retries, after_ms)
    )
    kept = error[:ERROR_CHARACTERS_MAX]
    return Failing(seq, tries, since_ms, now_ms, kept, now_ms if is_over else None)


def then(retries: Retries, failing: Failing) -> Then:
    """Decide what follows from the last failure of a row."""
    if retries.max_retries is not None and failing.tries > retries.max_retries:
        return Then.DEAD_LETTER
    return Then.RETRY if failing.disabled_ms is None else Then.DISABLE


def wait_ms(retries: Retries, tries: int) -> int:
    """How long to wait after the n-th failure of a row, counted from 1."""
    return min(retries.first_ms << min(tries - 1, DOUBLINGS_MAX), retries.most_ms)


def _tries_within(retries: Retries, time_ms: int) -> int:
    """Count the tries up to the first one that is not within a time; TRIES_MIN at most."""
    tries, at_ms = 1, 0
    while at_ms < time_ms and tries < TRIES_MIN:
        at_ms += wait_ms(retries, tries)
        tries += 1
    return tries
