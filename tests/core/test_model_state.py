"""Random histories against a plain dict, and the state after a replay."""

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lithair.core.command import TRUSTED, Action, Command
from tests.core.films import Bench, decoded, rows_of

keys = st.sampled_from(["a", "b", "c", "d"])
titles = st.none() | st.sampled_from(["x", "y", "z"])
years = st.none() | st.integers(0, 3)
writes = st.tuples(keys, titles, years)


class History(RuleBasedStateMachine):
    """Batches of any commands; the dict says what each must lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.items: dict[str, dict[str, object]] = {}
        self.batch: list[Command] = []
        self.expected: list[int] = []

    def taken(self, key: str, title: str | None) -> bool:
        return title is not None and any(
            item["title"] == title for other, item in self.items.items() if other != key
        )

    def add(self, action: Action, key: str, body: object, status: int) -> None:
        raw = b"" if action is Action.DELETE else msgspec.json.encode(body)
        self.batch.append(self.bench.command(action, key, raw))
        self.expected.append(status)

    @rule(write=writes)
    def create(self, write: tuple[str, str | None, int | None]) -> None:
        key, title, year = write
        status = 409 if key in self.items or self.taken(key, title) else 201
        self.add(Action.CREATE, "", {"id": key, "title": title, "year": year}, status)
        if status == 201:
            self.items[key] = {"title": title, "year": year}

    @rule(write=writes, whole=st.booleans())
    def update(self, write: tuple[str, str | None, int | None], whole: bool) -> None:
        key, title, year = write
        status = 404 if key not in self.items else 409 if self.taken(key, title) else 200
        action = Action.REPLACE if whole else Action.PATCH
        self.add(action, key, {"title": title, "year": year}, status)
        if status == 200:
            self.items[key] = {"title": title, "year": year}

    @rule(key=keys)
    def delete(self, key: str) -> None:
        self.add(Action.DELETE, key, None, 204 if key in self.items else 404)
        self.items.pop(key, None)

    @rule(group=st.lists(writes, min_size=1, max_size=3))
    def bulk(self, group: list[tuple[str, str | None, int | None]]) -> None:
        before = dict(self.items)
        status = 201
        for key, title, year in group:
            if key in self.items or self.taken(key, title):
                status = 409
                self.items = before
                break
            self.items[key] = {"title": title, "year": year}
        body = [{"id": key, "title": title, "year": year} for key, title, year in group]
        self.add(Action.BULK, "", body, status)

    @rule()
    def run_batch(self) -> None:
        answers = self.bench.run(*self.batch)
        assert [a.status for a in answers] == self.expected
        self.batch, self.expected = [], []

    @rule(again=st.integers(0, 30))
    def reopen(self, again: int) -> None:
        self.run_batch()
        self.bench = self.bench.reopened()

    @invariant()
    def agrees_with_the_dict(self) -> None:
        if self.batch:
            return
        rows = rows_of(self.bench.page())
        assert {r["id"]: {"title": r["title"], "year": r["year"]} for r in rows} == self.items
        assert [r["id"] for r in rows] == list(self.items), "creation order"
        for year in range(4):
            expected = {k for k, item in self.items.items() if item["year"] == year}
            assert set(self.bench.ids(("year", str(year)))) == expected
        for key in self.items:
            assert decoded(self.bench.get(key, TRUSTED).body)["id"] == key


History.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestHistory = History.TestCase


def test_a_replay_gives_the_same_state_byte_for_byte() -> None:
    bench = Bench()
    for number in range(3000):
        bench.do(Action.CREATE, body=f'{{"id": "{number}", "title": "t{number}"}}')
        if number % 3:
            bench.do(Action.DELETE, str(number))
        else:
            bench.do(Action.PATCH, str(number), f'{{"year": {number % 9}}}')
    bench.state.tables.tidy()
    other = bench.reopened()
    ours, theirs = bench.state.tables, other.state.tables
    assert ours.projection.cells == theirs.projection.cells
    assert list(ours.projection.seqs) == list(theirs.projection.seqs)
    assert list(ours.sorted["year"].entries) == list(theirs.sorted["year"].entries)
    assert ours.uniques["title"].slots == theirs.uniques["title"].slots
    assert ours.projection.ram_bytes == theirs.projection.ram_bytes
    assert len(bench.state.graves) == len(other.state.graves)
