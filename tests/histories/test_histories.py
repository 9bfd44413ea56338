"""Random histories of a model, whatever its retention, leave what a plain dict holds.

A history creates, updates, patches, deletes and writes in bulk; time passes and items are evicted
by count, age and budget; the log is compacted; the process ends in order, is killed or loses power;
it starts again, with other retention as well.
"""

import random
from typing import Final

import pytest

from lithair.core.command import Action, Command
from lithair.retention import Retention
from tests.histories.whole import Expected, Item, Whole, command
from tests.support.simulated_files import SimulatedFiles

HISTORIES: Final = 5000
PORTIONS: Final = 20
STEPS_MAX: Final = 18
KEYS: Final = [f"key-{number}" for number in range(12)]
TITLES: Final = ["ant", "Bee", "cat", 'quo"te', "Ünï\u2028code", "[x", "{x"]
START_MS: Final = 1_700_000_000_000

RETENTIONS: Final = [
    Retention(),
    Retention(count=1),
    Retention(count=4),
    Retention(age_s=30),
    Retention(max_bytes=400),
    Retention(count=5, age_s=60, max_bytes=900),
]


class History:
    """One history: a model and the dict beside it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.expected = Expected()
        self.now_ms = START_MS
        self.retention = self.rng.choice(RETENTIONS)
        self.whole = Whole(SimulatedFiles(), self.retention, self.now_ms)
        self.archives = self.rng.random() < 0.3

    def item(self, key: str) -> Item:
        rng = self.rng
        item: Item = {"id": key, "title": rng.choice(TITLES)}
        if rng.random() < 0.3:
            item["code"] = rng.choice("uvwxyz")
        if rng.random() < 0.7:
            item["size"] = rng.choice([None, 1, 2, 3, 10**20])
        if rng.random() < 0.5:
            item["body"] = rng.choice(TITLES) * rng.randrange(1, 20)
        if rng.random() < 0.3:
            item["weight"], item["tags"] = (
                rng.choice([0.25, -3.0, 1e100]),
                ["a", rng.choice(TITLES)],
            )
        return item

    def step(self) -> None:
        """Do one thing to both, and see that they answer alike."""
        rng, expected = self.rng, self.expected
        self.now_ms += rng.choice([0, 1, 1000, 20_000])
        self.whole.now_ms = self.now_ms
        key = rng.choice(KEYS)
        item = self.item(key)
        draw = rng.random()
        if draw < 0.25:
            self.run(command(Action.CREATE, body=item), expected.create(item))
        elif draw < 0.4:
            self.run(command(Action.REPLACE, key, item), expected.replace(key, item))
        elif draw < 0.55:
            changes = {f: v for f, v in item.items() if f != "id" and v is not None}
            self.run(command(Action.PATCH, key, changes), expected.patch(key, changes))
        elif draw < 0.65:
            self.run(command(Action.DELETE, key), expected.delete(key))
        elif draw < 0.77:
            items = [self.item(k) for k in rng.sample(KEYS, rng.randrange(1, 6))]
            self.run(command(Action.BULK, body=items), expected.bulk(items))
        elif draw < 0.86:
            self.whole.compact(keep_history=self.archives)
        else:
            self.live_on()

    def run(self, asked: Command, status: int) -> None:
        (answer,) = self.whole.run(asked)
        assert answer.status == status, (asked, answer)
        if self.rng.random() < 0.7:
            self.whole.keep()

    def live_on(self) -> None:
        """End this life somehow and begin the next one: every answered write is there."""
        whole, rng = self.whole, self.rng
        content, indexes, disk = whole.content(), whole.indexes(), whole.disk
        how = rng.choice(["closed", "killed", "power"])
        if how == "closed":
            whole.log.close()
        elif how == "killed":
            disk = disk.fork()
        else:
            disk = disk.after_power_loss()
        if rng.random() < 0.3:
            self.retention = rng.choice(RETENTIONS)
        self.whole = Whole(disk, self.retention, self.now_ms)
        assert self.whole.content() == content
        assert self.whole.indexes() == indexes

    def check(self) -> None:
        """Compare all that can be asked."""
        whole, items = self.whole, self.expected.items
        whole.check_shape()
        listed, total = whole.listed()
        assert listed == list(items.values())
        assert total == len(items)
        for key in KEYS:
            assert whole.get(key) == items.get(key)
        rng = self.rng
        field = rng.choice(["title", "size", "weight", "body", "id"])
        descending = rng.random() < 0.5
        ordered, _ = whole.listed(("sort", f"-{field}" if descending else field))
        assert [i["id"] for i in ordered] == self.expected.listed(field, descending=descending)
        title, size = rng.choice(TITLES), rng.choice([1, 2, 3])
        alike = [i["id"] for i in items.values() if i["title"] == title and i["body"] != title]
        found, total = whole.listed(("title", f"={title}"), ("body", f"!{title}"))
        assert ([i["id"] for i in found], total) == (alike, len(alike))
        sizes = [i for i in items.values() if i["size"] is not None and i["size"] >= size]
        assert whole.count(("size", f">={size}")) == len(sizes)
        few, _ = whole.listed(("fields", "title,size"), ("take", "3"), ("skip", "1"))
        assert few == [
            {"id": i["id"], "title": i["title"], "size": i["size"]}
            for i in list(items.values())[1:4]
        ]

    def check_bounds(self) -> None:
        """Nothing is hot that is over a bound; the newest are what is hot."""
        whole, bounds = self.whole, self.retention
        whole.keep()
        projection = whole.state.tables.projection
        hot = whole.hot_slots()
        assert bounds.count is None or len(hot) <= bounds.count
        assert bounds.max_bytes is None or projection.hot_bytes <= bounds.max_bytes
        for slot in hot:
            age_ms = self.now_ms - projection.times[slot]
            assert bounds.age_s is None or age_ms < bounds.age_s * 1000
        if bounds == Retention():
            assert projection.warm_count == 0


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_any_history_leaves_what_a_dict_holds(portion: int) -> None:
    per_portion = HISTORIES // PORTIONS
    for seed in range(portion * per_portion, (portion + 1) * per_portion):
        history = History(seed)
        try:
            for _ in range(history.rng.randrange(4, STEPS_MAX)):
                history.step()
                if history.rng.random() < 0.3:
                    history.check()
            history.check()
            history.check_bounds()
            history.live_on()
            history.check()
        except Exception as error:
            raise AssertionError(f"history {seed}") from error
