"""Many items that are taken in at once lead to what taking in each by itself does."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sortedcontainers import SortedList

from lithair.core.command import PUBLIC, Action, Command, Plan
from lithair.core.entries import Entries, Entry
from lithair.core.event import Event, EventKind, Position, Slot
from lithair.core.model_state import RUN_MAX, ModelState, end_of_run
from lithair.core.projection import COLUMNS
from lithair.handler import ModelHandler
from lithair.retention import Retention
from tests.core.films import NOW_MS, Film, Placed

KEPT_WHOLE = 3
PART = 4  # entries of a part of a sorted list, so that parts are split often

runs = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=30)
steps = st.tuples(runs, st.lists(st.integers(0, 1000), max_size=6), st.booleans())


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=8))
def test_a_run_is_added_as_each_of_its_entries_would_be(
    taken: list[tuple[list[Entry], list[int], bool]],
) -> None:
    entries, plain = Entries(), SortedList[Entry]()
    vars(SortedList)["_reset"](entries, PART)
    for run, dropped, looks in taken:
        entries.add_run(sorted(run))
        for entry in run:
            plain.add(entry)
        if looks:  # this makes the tree of lengths, which has to be kept right from then on
            assert [entries[at] for at in range(len(plain))] == list(plain)
        for drawn in dropped:
            if plain:
                entry = plain[drawn % len(plain)]
                entries.remove(entry)
                plain.remove(entry)
        assert list(entries) == list(plain)
        assert len(entries) == len(plain)
        for entry in run:
            assert entries.bisect_right(entry) == plain.bisect_right(entry)


def test_a_long_run_is_split_into_parts() -> None:
    entries = Entries()
    entries.update([(0, Slot(0)), (10_000, Slot(1))])
    entries.add_run([(number, Slot(number)) for number in range(1, 9_000)])
    assert max(map(len, entries._lists)) <= 2 * entries._load
    assert [entries[at] for at in (1, 4_500, 8_999)] == [(1, 1), (4_500, 4_500), (8_999, 8_999)]


class Watching:
    """What reads over several turns."""

    def __init__(self) -> None:
        self.touched: set[Slot] = set()


class Both:
    """Two states: what the one takes in at once, the other does event by event."""

    def __init__(self) -> None:
        self.ours, self.theirs = self._state(), self._state()
        self.watching = Watching(), Watching()
        self.numbers = iter(range(1, 1 << 20))
        for state, watching in zip((self.ours, self.theirs), self.watching, strict=True):
            state.tables.watchers.append(watching)
            state.tables.sections.take("genre", "drama")
            state.tables.sections.take_whole()

    def _state(self) -> ModelState:
        return ModelState(ModelHandler(Film, "unused"), 1000, Retention(count=KEPT_WHOLE))

    def new_id(self) -> str:
        return f"id-{next(self.numbers)}"

    def run(self, commands: list[Command]) -> None:
        plan = self.ours.decide(commands, NOW_MS, self.new_id)
        placed = [Placed(Position(1 + e.seq // 7, e.seq * 100), e.seq) for e in plan.events]
        answers = self.ours.answers(plan)
        self.ours.commit(plan, placed)
        assert [a.body for a in self.ours.answers(plan)] == [a.body for a in answers]
        for event, place in zip(plan.events, placed, strict=True):
            self.theirs.commit(Plan(events=[event]), [place])

    def check(self) -> None:
        ours, theirs = _told(self.ours), _told(self.theirs)
        assert ours == theirs
        assert self.watching[0].touched == self.watching[1].touched


def _told(state: ModelState) -> dict[str, Any]:
    """Give everything that taking events in changes."""
    tables, projection = state.tables, state.tables.projection
    assert tables.eviction is not None
    return {
        "seq": (state.seq, state.time_ms),
        "slots": projection.slots,
        "rows": (projection.keys, projection.cells),
        "columns": [list(getattr(projection, name)) for name in COLUMNS],
        "counts": (projection.hot_count, projection.hot_bytes, projection.warm_bytes),
        "values": tables.columns,
        "uniques": [index.slots for index in tables.uniques.values()],
        "sorted": [(list(i.entries), list(i.nulls)) for i in tables.sorted.values()],
        "eviction": list(tables.eviction._entries),
        "sections": [(each.writes, each._recent) for each in tables.sections],
        "graves": state.graves._places,
        "commands": (state.commands._seqs, list(state.commands._order)),
        "keys": (state.keys._answers, list(state.keys._order)),
    }


films = st.fixed_dictionaries(
    {"year": st.none() | st.integers(0, 4), "genre": st.sampled_from(["drama", "noir"])},
    optional={"id": st.sampled_from(["a", "b", "c"]), "title": st.sampled_from(["x", "y"])},
)
writes = st.one_of(
    st.tuples(st.just(Action.CREATE), st.just(""), films),
    st.tuples(st.just(Action.CREATE), st.just(""), films),
    st.tuples(st.just(Action.BULK), st.just(""), st.lists(films, min_size=1, max_size=4)),
    st.tuples(st.just(Action.PATCH), st.sampled_from(["a", "b", "c"]), films),
    st.tuples(st.just(Action.DELETE), st.sampled_from(["a", "b", "c"]), st.none()),
)
batches = st.lists(st.tuples(writes, st.integers(0, 3)), max_size=12)


@settings(max_examples=100, deadline=None)
@given(st.lists(batches, max_size=5))
def test_a_batch_leads_to_what_its_events_one_by_one_do(
    drawn: list[list[tuple[tuple[Action, str, object], int]]],
) -> None:
    both = Both()
    for batch in drawn:
        commands: list[Command] = []
        for (action, key, body), keyed in batch:
            raw = b"" if action is Action.DELETE else msgspec.json.encode(body)
            command_id = b"" if keyed == 2 else next(both.numbers).to_bytes(16, "big")
            idempotency = command_id * 2 if keyed == 3 else b""
            commands.append(Command(action, command_id, key, raw, PUBLIC, idempotency=idempotency))
        both.run(commands)
        both.check()


def _event(seq: int, kind: EventKind = EventKind.CREATE) -> Event:
    return Event(seq, NOW_MS, kind, f"k{seq}", b'{"id":"k%d"}' % seq)


def test_a_run_of_new_items_has_a_bound_and_ends_at_any_other_event() -> None:
    events = [_event(seq) for seq in range(1, RUN_MAX + 10)]
    assert end_of_run(events, 0) == RUN_MAX
    assert end_of_run(events, RUN_MAX) == len(events)
    events[5] = _event(6, EventKind.UPDATE)
    assert [end_of_run(events, at) for at in (0, 5, 6)] == [5, 6, 6 + RUN_MAX]


def test_events_that_do_not_follow_each_other_are_not_taken_in() -> None:
    state = ModelState(ModelHandler(Film, "unused"), 1000)
    placed = [Placed(Position(1, 0), 1)] * 2
    with pytest.raises(AssertionError, match="follow 0"):
        state.commit(Plan(events=[_event(1), _event(3)]), placed)
    assert (state.seq, len(state.tables.projection)) == (0, 0)
