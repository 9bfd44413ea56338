"""What is kept of lists never shows: the answers are those of looking at every item anew."""

import gc
import random
import sys
from itertools import product
from typing import Annotated, Any, Final

import msgspec
import pytest

from lithair.actors.model_jobs import ListWork, Work
from lithair.actors.model_lists import ModelLists
from lithair.core import kept_lists, order, projection, scan, section, selection
from lithair.core.command import PUBLIC, TRUSTED, Action
from lithair.core.event import Event, Position
from lithair.core.grants import Grants
from lithair.core.kept_lists import Asked
from lithair.core.model_state import ModelState
from lithair.core.problem import problem_of
from lithair.core.reads import Read
from lithair.errors import LithairError
from lithair.fields import Hidden, Indexed, Owner, Permission, Unique
from lithair.handler import ModelHandler
from lithair.model import Model
from lithair.retention import Retention
from tests.core.films import LIST_BYTES_MAX, Bench

HISTORIES: Final = 60
STEPS: Final = 120
KEYS: Final = [f"key-{number}" for number in range(24)]
FOLDERS: Final = ["in", "out", "null", "in,out"]
USERS: Final = ["ann", "bob"]


class Mail(Model):
    folder: Indexed[str] = "in"
    sent: Indexed[int | None] = None
    code: Unique[str | None] = None
    owner: Owner[Indexed[str | None]] = None
    size: Annotated[Indexed[int], Permission(read="Size")] = 1
    weight: float = 0.5
    secret: Hidden[str] = "none"


ACCESSES: Final = [
    TRUSTED,
    PUBLIC,
    Grants(unreadable=("size",)).access,
    *(Grants(user=user, own=True, shows="own").access for user in USERS),
    Grants(user="ann", shows="own").access,
]
FILTERS: Final = [
    [],
    [("folder", "in")],
    [("folder", "!in")],
    [("folder", "==null")],
    [("folder", "[in,null]")],
    [("folder", "~OU")],
    [("folder", "~i")],
    [("folder", "in"), ("sent", ">=2")],
    [("folder", "out"), ("owner", "ann")],
    [("folder", "in"), ("weight", ">1")],
    [("sent", "null")],
    [("sent", "!null"), ("size", "<3")],
    [("sent", "<3"), ("code", "!null")],
    [("code", "a"), ("folder", "in")],
    [("owner", "null"), ("sent", ">0")],
]
SORTS: Final = ["", "sent", "-sent", "-sent,folder", "folder,-sent", "code,-owner", "-weight"]


class MailBench(Bench):
    """A bench whose items are evicted, and read back from the events."""

    def __init__(self, retention: Retention) -> None:
        handler: ModelHandler[Any] = ModelHandler(Mail, "unused")
        super().__init__(handler)
        self.state = ModelState(handler, 1000, retention)
        self.state.read_item = self._read_item

    def _read_item(self, home: Position, place: int, length: int) -> Event:
        return self.events[home.offset - 1]


class History:
    """A model at which things happen, what is kept of its lists, and what is asked of it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        retention = self.rng.choice([Retention(), Retention(count=0), Retention(count=6)])
        self.bench = MailBench(retention)
        self.state = self.bench.state
        self.lists = ModelLists(self.state, LIST_BYTES_MAX)
        everything = list(product(FILTERS, SORTS, ACCESSES))
        self.questions = self.rng.sample(everything, 12)  # so few that they are asked again

    def fields(self) -> dict[str, object]:
        rng = self.rng
        fields: dict[str, object] = {
            "folder": rng.choice(FOLDERS),
            "sent": rng.choice([None, 0, 1, 1, 2, 3]),
            "owner": rng.choice([None, *USERS]),
            "size": rng.randrange(5),
            "weight": rng.choice([0.5, 2]),
        }
        fields["code"] = rng.choice([None, *"abcdefgh"])
        return {name: fields[name] for name in rng.sample(sorted(fields), rng.randrange(1, 6))}

    def write(self) -> None:
        rng, bench = self.rng, self.bench
        key, body, draw = rng.choice(KEYS), msgspec.json.encode(self.fields()), rng.random()
        if draw < 0.45:
            bench.do(Action.PATCH, key, body, TRUSTED)
        elif draw < 0.6:
            bench.do(Action.DELETE, key)
        elif draw < 0.65:
            bench.do(Action.REPLACE, key, body, TRUSTED)
        else:
            items = [{"id": k, **self.fields()} for k in rng.sample(KEYS, rng.randrange(1, 5))]
            for item in items:
                bench.do(Action.CREATE, "", msgspec.json.encode(item), TRUSTED)
        if rng.random() < 0.3:
            self.state.tables.tidy()
        if rng.random() < 0.5:
            self.state.evict(0, 3)

    def pairs(self, asked: list[tuple[str, str]], sort: str) -> list[tuple[str, str]]:
        rng = self.rng
        pairs = [*asked, ("take", str(rng.choice([0, 1, 3, 50])))]
        if sort:
            pairs.append(("sort", sort))
        if rng.random() < 0.3:
            pairs.append(("skip", str(rng.randrange(6))))
        if rng.random() < 0.2:
            pairs.append(("after", rng.choice(KEYS)))
        if rng.random() < 0.2:
            pairs.append(("fields", "folder,sent"))
        return pairs

    def ask(self, *, disturbed: bool) -> None:
        """Ask both, in the same words; `disturbed` by writes while the answer is worked out."""
        filters, sort, access = self.rng.choice(self.questions)
        is_count = self.rng.random() < 0.1
        pairs = filters if is_count else self.pairs(filters, sort)
        asked = Asked(access, tuple(pairs), is_count)
        given = self.answer(asked, self.write if disturbed else None)
        if given.seq in (0, self.state.seq):
            assert given._replace(seq=0) == self.worked_out(asked), asked
            assert given.status != 200 or self.answer(asked)._replace(seq=0) == given._replace(
                seq=0
            )

    def answer(self, asked: Asked, write: Any = None) -> Read:
        read = self.lists.find(asked)
        if read is not None:
            return read
        try:
            return finished(self.lists.work(asked, self.lists.query(asked)), write)
        except LithairError as error:
            return Read(error.status, problem_of(error))

    def worked_out(self, asked: Asked) -> Read:
        """Give the answer that owes nothing to what was asked before."""
        queries = self.state.views[asked.access].queries
        list_bytes_max = None if asked.is_count else LIST_BYTES_MAX
        try:
            query = queries.read(asked.pairs, for_count=asked.is_count)
            work = ListWork(self.state, query, asked.access, list_bytes_max)
            return finished(work)._replace(seq=0)
        except LithairError as error:
            return Read(error.status, problem_of(error))

    def check_sums(self) -> None:
        lists, kept = self.lists.kept, self.lists.selections
        assert kept.bytes == sum(each.bytes for each in kept) <= selection.BYTES_MAX
        assert lists.bytes <= kept_lists.BYTES_MAX
        sections = list(self.state.tables.sections)
        assert sum(each.uses for each in sections) == len(lists) + len(kept)


def finished(work: Work, write: Any = None) -> Read:
    while (read := work.step()) is None:
        if write is not None:
            write()
    return read


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every bound so small that it is reached in a short history."""
    for module, name, value in [
        (projection, "DEAD_SLOTS_MIN", 4),
        (order, "NARROW_SLOTS", 4),
        (order, "SPARE", 2),
        (section, "RECENT_MAX", 6),
        (section, "RECENT_WHOLE_MAX", 9),
        (selection, "WRITE_WORK", 2000),
        (scan, "SLICE_SLOTS", 3),
        (scan, "SLICE_TOLD", 5),
        (scan, "SLICE_COLD", 2),
        (selection, "SELECTED_MAX", 12),
        (selection, "BYTES_MAX", 12_000),
        (kept_lists, "BYTES_MAX", 24_000),
    ]:
        monkeypatch.setattr(module, name, value)


@pytest.mark.usefixtures("small")
def test_lists_of_random_histories_are_as_if_nothing_was_kept() -> None:
    again = 0
    for seed in range(HISTORIES):
        history = History(seed)
        for _ in range(STEPS):
            if history.rng.random() < 0.4:
                history.write()
            else:
                history.ask(disturbed=history.rng.random() < 0.2)
        history.check_sums()
        again += len(history.lists.selections)
    assert again > HISTORIES, "selections are kept at all"


def filled(count: int) -> tuple[MailBench, ModelLists]:
    bench = MailBench(Retention())
    items = [{"id": str(n), "folder": FOLDERS[n % 2], "sent": n % 97} for n in range(count)]
    bench.do(Action.BULK, body=msgspec.json.encode(items), access=TRUSTED)
    return bench, ModelLists(bench.state, LIST_BYTES_MAX)


def listed(lists: ModelLists, *pairs: tuple[str, str]) -> tuple[dict[str, Any], int]:
    """Give a list's answer and in how many steps it was worked out."""
    asked = Asked(TRUSTED, pairs, is_count=False)
    read, steps = lists.find(asked), 0
    if read is None:
        work = lists.work(asked, lists.query(asked))
        while read is None:
            read, steps = work.step(), steps + 1
    return msgspec.json.decode(read.body), steps


def test_after_a_write_only_what_was_written_is_looked_at_again() -> None:
    bench, lists = filled(5000)
    question = ("folder", "in"), ("code", "null"), ("sort", "-sent"), ("take", "3")
    first, steps = listed(lists, *question)
    assert (first["total"], steps > 1) == (2500, True)
    assert listed(lists, *question) == (first, 0)
    bench.do(Action.PATCH, "1", '{"sent": 500}')
    assert listed(lists, *question) == (first, 0), "what is out is of no concern"
    bench.do(Action.PATCH, "40", '{"sent": 500}')
    bench.do(Action.PATCH, str(first["data"][0]["id"]), '{"folder": "out"}')
    second, steps = listed(lists, *question)
    assert (second["total"], steps) == (2499, 1)
    wanted = ["40", *(item["id"] for item in first["data"][1:])]
    assert [item["id"] for item in second["data"]] == wanted
    behind, steps = listed(lists, *question, ("after", wanted[0]))
    assert ([item["id"] for item in behind["data"][:2]], steps) == (wanted[1:], 1)


def test_it_follows_write_by_write_as_long_as_it_is_asked() -> None:
    bench, lists = filled(6000)
    question = ("folder", "in"), ("code", "null"), ("sort", "sent"), ("take", "1")
    listed(lists, *question)
    for number in range(2 * section.RECENT_MAX):
        bench.do(Action.PATCH, str(2 * number), msgspec.json.encode({"sent": -1 - number}))
        page, steps = listed(lists, *question)
        assert (page["data"][0]["id"], steps) == (str(2 * number), 1)


def test_of_two_values_the_rarer_one_says_what_concerns_an_answer() -> None:
    bench, lists = filled(100)
    bench.do(Action.PATCH, "40", '{"code": "a"}')
    question = ("folder", "in"), ("code", "a"), ("sort", "sent")
    first, _ = listed(lists, *question)
    bench.do(Action.PATCH, "42", '{"sent": 7}')
    assert listed(lists, *question) == (first, 0)
    bench.do(Action.PATCH, "40", '{"sent": 7}')
    assert listed(lists, *question)[0]["data"][0]["sent"] == 7


def test_after_many_writes_it_is_worked_out_anew() -> None:
    bench, lists = filled(5000)
    question = ("folder", "in"), ("code", "null"), ("sort", "sent"), ("take", "3")
    listed(lists, *question)
    for number in range(section.RECENT_MAX + 1):
        bench.do(Action.PATCH, str(2 * number), '{"sent": -1}')
    second, steps = listed(lists, *question)
    assert steps > 1
    assert [item["id"] for item in second["data"]] == ["0", "2", "4"]


def test_what_is_selected_is_counted_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    _, lists = filled(3000)
    monkeypatch.setattr(selection, "BYTES_MAX", 100_000)
    for number in range(97):
        listed(lists, ("sent", f"!{number}"), ("folder", "in"), ("sort", "sent"), ("take", "1"))
    kept = lists.selections
    assert kept.bytes == sum(each.bytes for each in kept) <= 100_000
    assert kept.bytes > 80_000
    assert all(each.bytes > sys.getsizeof(each.slots) > 8 * 1400 for each in kept)


@pytest.mark.parametrize("retained", [Retention(), Retention(count=0)])
def test_a_list_leaves_nothing_that_only_a_search_for_cycles_would_free(
    retained: Retention,
) -> None:
    """What such a search is told to pass over in the meantime (`upkeep`) would stay for ever."""
    bench = MailBench(retained)
    for number in range(20):
        bench.do(Action.CREATE, "", msgspec.json.encode({"id": str(number), "owner": "ann"}))
    bench.state.evict(0, 20)
    lists = ModelLists(bench.state, LIST_BYTES_MAX)

    def ask(take: int) -> None:
        for filters, sort, access in product(FILTERS, SORTS, ACCESSES):
            pairs = (*filters, ("sort", sort), ("take", str(take)))
            asked = Asked(access, pairs, is_count=False)
            try:
                finished(lists.work(asked, lists.query(asked)))
            except LithairError:
                continue

    ask(1)
    gc.collect()
    ask(2)
    assert gc.collect() == 0


def test_many_tests_count_for_what_they_cost() -> None:
    _, lists = filled(10)
    for number in range(40):
        tests = [("sent", f"!{1000 + 60 * number + test}") for test in range(60)]
        asked = Asked(TRUSTED, (("folder", "~none"), *tests), is_count=False)
        finished(lists.work(asked, lists.query(asked)))
    assert len(lists.selections) == 40
    assert lists.selections.bytes > 40 * 60 * 400
