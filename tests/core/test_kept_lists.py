"""What was answered is answered again, until something that it tells of is written."""

import sys

import msgspec
import pytest

from lithair.core.command import TRUSTED, Action
from lithair.core.grants import Grants
from lithair.core.kept_lists import (
    ANSWER_BYTES_MAX,
    BYTES_MAX,
    QUESTION_CHARACTERS_MAX,
    Asked,
    KeptLists,
)
from lithair.core.reads import Read
from tests.core.films import Bench

RED = Asked(TRUSTED, (("genre", "red"), ("take", "20")), is_count=False)
ANY = Asked(TRUSTED, (("rating", ">3"),), is_count=False)


class Shelf:
    """Answers kept of a model with one red and one blue item."""

    def __init__(self) -> None:
        self.bench = Bench()
        for genre in ("red", "blue"):
            self.bench.do(Action.CREATE, body=msgspec.json.encode({"id": genre, "genre": genre}))
        self.kept = KeptLists(self.bench.state.tables)

    def keep(self, asked: Asked, read: Read | None = None) -> Read:
        """Keep an answer as one that was just made; gives it as it is to come back."""
        state = self.bench.state
        read = read or Read(200, b"some", seq=state.seq)
        query = state.views[TRUSTED].queries.read(asked.pairs, for_count=asked.is_count)
        self.kept.keep(asked, query, read, state.seq)
        return read._replace(seq=0)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_an_answer_is_given_again_until_what_it_tells_of_is_written(shelf: Shelf) -> None:
    assert shelf.kept.find(RED) is None
    red, any_of_all = shelf.keep(RED), shelf.keep(ANY)
    assert (shelf.kept.find(RED), shelf.kept.find(ANY)) == (red, any_of_all)
    shelf.bench.do(Action.PATCH, "blue", '{"rating": 9}')
    assert (shelf.kept.find(RED), shelf.kept.find(ANY)) == (red, None)
    shelf.bench.do(Action.PATCH, "red", '{"rating": 9}')
    assert shelf.kept.find(RED) is None


@pytest.mark.parametrize(
    ("action", "key", "body"),
    [
        (Action.CREATE, "", '{"genre": "red"}'),
        (Action.DELETE, "red", ""),
        (Action.PATCH, "red", '{"genre": "blue"}'),
        (Action.PATCH, "blue", '{"genre": "red"}'),
        (Action.REPLACE, "red", '{"genre": "red", "stock": 3}'),
    ],
)
def test_what_comes_and_goes_is_noticed(shelf: Shelf, action: Action, key: str, body: str) -> None:
    shelf.keep(RED)
    assert shelf.bench.do(action, key, body).status < 300
    assert shelf.kept.find(RED) is None


def test_an_answer_behind_an_item_ends_with_any_write(shelf: Shelf) -> None:
    """That item may be of another section, and be moved or deleted."""
    behind = RED._replace(pairs=(("genre", "red"), ("after", "blue")))
    shelf.keep(behind)
    shelf.bench.do(Action.PATCH, "blue", '{"rating": 9}')
    assert shelf.kept.find(behind) is None


def test_a_question_stays_understood(shelf: Shelf) -> None:
    assert shelf.kept.query(RED) is None
    shelf.keep(RED)
    shelf.bench.do(Action.DELETE, "red")
    query = shelf.kept.query(RED)
    assert query is not None
    assert (query.take, query.filters[0].operands) == (20, ("red",))


@pytest.mark.parametrize(
    "other",
    [
        RED._replace(access='{"role": 1}'),
        RED._replace(pairs=(("take", "20"), ("genre", "red"))),
        RED._replace(is_count=True),
    ],
)
def test_another_question_has_another_answer(shelf: Shelf, other: Asked) -> None:
    shelf.keep(RED)
    assert shelf.kept.find(other) is None


@pytest.mark.parametrize(
    "read",
    [
        Read(404, b"{}", seq=2),
        Read(200, b"of before", seq=1),  # a write came while the list was made
        Read(200, b"x" * (ANSWER_BYTES_MAX + 1), seq=2),
    ],
)
def test_what_may_not_be_true_or_is_long_is_not_kept(shelf: Shelf, read: Read) -> None:
    assert shelf.bench.state.seq == 2
    shelf.keep(RED, read)
    assert shelf.kept.find(RED) is None


def test_an_answer_of_a_time_to_come_is_not_kept(shelf: Shelf) -> None:
    to_come = RED._replace(pairs=(("genre", "red"), ("as_of", "2999-01-01T00:00:00Z")))
    shelf.keep(to_come)
    assert shelf.kept.find(to_come) is None


def test_a_long_question_is_not_kept_and_the_words_of_a_short_one_count(shelf: Shelf) -> None:
    long = RED._replace(pairs=(("genre", "x" * (QUESTION_CHARACTERS_MAX + 1)),))
    shelf.keep(long)
    assert shelf.kept.find(long) is None
    asked = [
        RED._replace(pairs=(("genre", f"{number:0{QUESTION_CHARACTERS_MAX - 6}}"),))
        for number in range(2 * BYTES_MAX // QUESTION_CHARACTERS_MAX)
    ]
    for each in asked:
        shelf.keep(each)
    held = sum(shelf.kept.find(each) is not None for each in asked)
    assert 0 < held * QUESTION_CHARACTERS_MAX < BYTES_MAX
    assert len(list(shelf.bench.state.tables.sections)) == held


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(shelf: Shelf) -> None:
    body = b"x" * ANSWER_BYTES_MAX
    count = 10 * BYTES_MAX // ANSWER_BYTES_MAX
    questions = [RED._replace(pairs=(("skip", str(number)),)) for number in range(count)]
    for asked in questions:
        shelf.keep(asked, Read(200, body))
        assert shelf.kept.find(asked) is not None
    held = [asked for asked in questions if shelf.kept.find(asked) is not None]
    assert 0 < len(held) * ANSWER_BYTES_MAX <= BYTES_MAX
    assert held == questions[-len(held) :]
    assert shelf.kept.bytes <= BYTES_MAX


def test_many_short_values_to_compare_with_count_for_what_they_cost(shelf: Shelf) -> None:
    """A question of 2,000 characters holds 400 numbers, which take ten times as much."""
    for first in range(200):
        numbers = ",".join(str(1000 + first + number) for number in range(400))
        shelf.keep(RED._replace(pairs=(("year", f"[{numbers}]"),)))
    numbers_bytes = 400 * sys.getsizeof(1000) + sys.getsizeof(frozenset(range(400)))
    assert 0 < len(shelf.kept) * numbers_bytes < BYTES_MAX


def test_the_words_of_who_asks_count_too(shelf: Shelf) -> None:
    shelf.keep(RED)
    before = shelf.kept.bytes
    shelf.keep(ANY)
    pairs = (("genre", "red"), ("take", "20"))
    access = Grants(unreadable=("stock",) * 200).access
    query = shelf.bench.state.views[TRUSTED].queries.read(pairs)
    of_any = shelf.kept.bytes
    shelf.kept.keep(Asked(access, pairs, is_count=False), query, Read(200, b"some"), 2)
    assert shelf.kept.bytes - of_any >= before + len(access)
