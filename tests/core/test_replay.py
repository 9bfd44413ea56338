"""Logs of older declarations: what just works, and what stops the model."""

from datetime import datetime
from typing import NamedTuple

import msgspec
import pytest

from lithair.core.command import TRUSTED, Action, Command
from lithair.core.event import Event, Position
from lithair.core.frame import encode_frame, records_in
from lithair.core.model_state import ModelState
from lithair.core.replay import Replay
from lithair.core.schema import schema_of
from lithair.errors import SchemaChanged
from lithair.fields import Created, Indexed, Unique, filled_in
from lithair.handler import ModelHandler
from lithair.model import Model
from tests.core.films import NOW_MS, decoded


class Before(Model):
    name: str
    size: int = 1


class Grown(Model):
    size: Indexed[int | None] = 1
    name: str
    tags: list[str] = []
    made: Created[datetime] = filled_in()


class Strict(Model):
    name: Unique[str]
    size: int = 1


class Gone(Model):
    name: str


class Kept(NamedTuple):
    position: Position
    length: int


def old_events(names: list[str]) -> list[Event]:
    """Give the events that creating these items led to under the old declaration."""
    state = ModelState(ModelHandler(Before, "unused"), 1000)
    bodies = [msgspec.json.encode({"id": str(n), "name": name}) for n, name in enumerate(names)]
    commands = [Command(Action.CREATE, n.to_bytes(16, "big"), body=b) for n, b in enumerate(bodies)]
    events = state.decide(commands, NOW_MS, lambda: "unused").events
    for event in events:
        event.fingerprint = state.schema.fingerprint  # as the log says when it reads them
    return events


def opened(model: type[Model], events: list[Event]) -> ModelState:
    """Replay a log of the old declaration under a new one."""
    state = ModelState(ModelHandler(model, "unused"), 1000)
    old = schema_of(Before)
    buffer = encode_frame(events, 0, 0, Position(1, 0)).data
    replay = Replay(state, len(events))
    upgrade = replay.upgrade_for(old.fingerprint, old.description)
    replay.take(records_in(buffer, 0, len(buffer)), 1, 0, upgrade)
    replay.finish()
    return state


def test_fields_with_defaults_and_null_are_added_and_indexed() -> None:
    state = opened(Grown, old_events(["a", "b"]))
    slot = state.find("1")
    assert slot is not None
    assert decoded(state.tables.projection.cell(slot)) == {
        "id": "1", "size": 1, "name": "b", "tags": [], "made": "2023-11-14T22:13:20Z",
    }  # fmt: skip
    assert len(state.tables.sorted["size"].entries) == 2
    patch = Command(Action.PATCH, b"p" * 16, key="1", body=b'{"size": null}', access=TRUSTED)
    plan = state.decide([patch], NOW_MS + 5, lambda: "unused")
    (answer,) = state.answers(plan)
    assert decoded(answer.body)["made"] == "2023-11-14T22:13:20Z"


def test_an_old_event_is_shown_in_the_present_form() -> None:
    events = old_events(["a"])
    shown = opened(Grown, events).present(events[0])
    assert decoded(shown.payload)["tags"] == []
    untouched = old_events(["a"])[0]
    assert opened(Strict, [untouched]).present(untouched).payload == old_events(["a"])[0].payload


def test_a_unique_that_the_data_breaks_names_the_items() -> None:
    with pytest.raises(SchemaChanged, match="'0' and '2' have the same value of 'name'"):
        opened(Strict, old_events(["x", "y", "x"]))
    opened(Strict, old_events(["x", "y", "z"]))


def test_a_field_that_is_gone_stops_the_model_and_is_named() -> None:
    with pytest.raises(SchemaChanged, match='field "size" is gone'):
        opened(Gone, old_events(["x"]))
