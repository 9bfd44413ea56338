"""How many crash states a test tries: one that tries few has shown little, whatever it asserts."""

import contextlib
from collections.abc import Generator


class Tally:
    """Counts the states of one module's tests, as each of them goes on."""

    def __init__(self) -> None:
        self._states = 0

    def add(self) -> None:
        """Count a state."""
        self._states += 1

    @contextlib.contextmanager
    def at_least(self, states: int) -> Generator[None]:
        """Fail the test that this decorates unless it has tried so many."""
        before = self._states
        yield
        tried = self._states - before
        assert tried >= states, f"only {tried} crash states were tried, not {states}"
