"""Waiting for an event with a deadline: the only place of the tests where time passes unused."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOK_EVERY_S = 0.01  # often enough not to slow a test down, seldom enough to leave the cores free


def wait_until(
    look: Callable[[], T | None],
    what: str,
    timeout_s: float = 30.0,
    every_s: float = LOOK_EVERY_S,
) -> T:
    """Call `look` until it gives something true, and return that; fail with `what` at the deadline.

    A `look` that raises ends the wait with its error.
    """
    deadline = time.monotonic() + timeout_s
    while not (seen := look()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout_s:g} s in vain for: {what}")
        time.sleep(every_s)
    return seen
