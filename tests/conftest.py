"""Fixtures for every test; the rest of what tests share is imported from tests.support."""

from collections.abc import Generator

import pytest

from tests.support.leaks import no_process_left


@pytest.fixture
def no_leaks() -> Generator[None]:
    """Fail the test when a process that it started outlives it."""
    with no_process_left():
        yield
