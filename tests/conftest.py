"""Fixtures for every test; the rest of what tests share is imported from tests.support."""

from collections.abc import Generator

import pytest
from hypothesis import settings

from tests.support.leaks import no_process_left

# A machine that is busy otherwise is no mistake of the code.
settings.register_profile("lithair", deadline=None)
settings.load_profile("lithair")


@pytest.fixture
def no_leaks() -> Generator[None]:
    """Fail the test when a process that it started outlives it."""
    with no_process_left():
        yield
