"""Upkeep: what a model process does for itself between requests."""

import gc
from collections.abc import Iterator

import pytest

from lithair.actors.upkeep import STAYING_ITEMS, Upkeep
from lithair.core.command import Action, Command
from lithair.core.event import Position
from lithair.core.model_state import ModelState
from lithair.handler import ModelHandler
from lithair.storage.event_log import Placed
from tests.core.films import Film


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def filled(state: ModelState, count: int) -> None:
    """Create so many films with one command."""
    at = len(state.tables.projection.keys)
    bodies = ",".join(f'{{"id":"{n}","year":{n}}}' for n in range(at, at + count))
    command = Command(Action.BULK, b"", body=f"[{bodies}]".encode())
    plan = state.decide([command], 1, lambda: "unused")
    placed = [Placed(Position(1, 64), 1)] * len(plan.events)
    (answer,) = state.answers(plan)
    state.commit(plan, placed)
    assert answer.status == 201, answer.body


def test_a_search_for_cycles_passes_over_items_that_came_since_the_start() -> None:
    state = ModelState(ModelHandler(Film, "unused"), 1000)
    upkeep = Upkeep(state)
    gc.collect()
    gc.freeze()
    before = gc.get_freeze_count()
    filled(state, STAYING_ITEMS - 1)
    upkeep.turn(0, has_written=True)
    assert gc.get_freeze_count() <= before
    filled(state, 1)
    upkeep.turn(0, has_written=True)
    assert gc.get_freeze_count() > before
