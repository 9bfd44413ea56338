"""An item's past: histories, and one item as it was, walked backwards over a real log."""

import random

import pytest

from lithair.core.as_of import rfc3339
from lithair.core.command import PUBLIC, TRUSTED, Action
from lithair.core.event import Position
from lithair.core.problem import Refusal
from lithair.core.reads import get
from lithair.retention import Retention
from tests.actors.living import KEYS, Living
from tests.core.films import decoded

SEEDS = range(5)


def assert_all_pasts(living: Living) -> None:
    """Compare what is told of each item at each seq with what it was."""
    for seq, past in enumerate(living.pasts):
        for key in KEYS:
            assert living.item_at(key, str(seq)) == past.get(key), (key, seq)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_item_is_what_it_was_at_every_event(seed: int) -> None:
    living = Living(segment_bytes_max=2000)
    living.write(random.Random(seed), 60)
    assert len(living.log.view().sealed) > 2
    assert_all_pasts(living)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_item_is_what_it_was_at_every_time(seed: int) -> None:
    living = Living()
    living.write(random.Random(seed), 40)
    for time_ms in range(living.times[1] - 1, living.times[-1] + 2):
        last = max(seq for seq, at in enumerate(living.times) if at <= time_ms)
        for key in KEYS:
            expected = living.pasts[last].get(key)
            assert living.item_at(key, rfc3339(time_ms)) == expected, (key, time_ms)


def test_the_future_is_the_present_and_no_seq_is_beyond_the_end() -> None:
    living = Living()
    living.do(Action.CREATE, body=b'{"id":"a"}')
    assert living.item_at("a", "2999-01-01T00:00:00Z") == living.pasts[1]["a"]
    assert living.item_at("a", "1999-01-01T00:00:00Z") is None
    for as_of in ("2", "18446744073709551615", "yesterday", "-1", ""):
        with pytest.raises(Refusal) as refused:
            living.item("a", ("as_of", as_of))
        assert refused.value.status == 400
        assert [error.field for error in refused.value.errors] == ["as_of"]


def test_an_item_as_it_was_has_the_fields_asked_for_and_no_hidden_ones() -> None:
    living = Living()
    living.do(Action.CREATE, body=b'{"id":"a","title":"old","secret":"x","year":1}')
    living.do(Action.PATCH, "a", b'{"title":"new"}')
    read = living.item("a", ("as_of", "1"), ("fields", "title,secret"))
    assert decoded(read.body) == {"id": "a", "title": "old", "secret": "x"}
    assert (read.item_seq, read.key) == (1, "a")
    assert "secret" not in decoded(living.item("a", ("as_of", "1"), access=PUBLIC).body)


def test_a_history_tells_all_of_an_item_even_over_its_deletion() -> None:
    living = Living()
    living.do(Action.CREATE, body=b'{"id": "a", "stock": 1}')
    living.do(Action.CREATE, body=b'{"id": "b"}')
    living.do(Action.PATCH, "a", b'{"stock": 5, "secret": "x", "year": 3}')
    living.do(Action.DELETE, "a")
    assert [e["operation"] for e in living.history("a")] == ["create", "update", "delete"]
    living.do(Action.CREATE, body=b'{"id": "a"}')
    entries = living.history("a")
    assert [e["seq"] for e in entries] == [1, 3, 4, 5]
    assert entries[1]["timestamp"] == "2023-11-14T22:13:20.000Z"
    assert entries[1]["changes"] == {"stock": {"old": 1, "new": 5}}
    assert entries[2]["changes"] == {"stock": {"old": 5, "new": None}}
    assert "secret" not in str(entries)
    assert "secret" in str(living.history("a", TRUSTED))


def test_a_past_of_nothing_is_not_found_even_when_hashes_meet() -> None:
    living = Living()
    living.do(Action.CREATE, body=b'{"id": "a"}')
    living.do(Action.DELETE, "a")
    grave = living.state.graves.find("a")
    assert grave is not None
    living.state.graves.dig("b", Position(*grave))
    for key in ("b", "c"):
        with pytest.raises(Refusal) as refused:
            living.history(key)
        assert refused.value.status == 404
        assert living.item_at(key, "1") is None


def test_a_past_of_many_records_takes_several_steps() -> None:
    living = Living()
    for number in range(100):
        living.do(Action.UPSERT_AT, "a", b'{"id":"a","stock":%d}' % number)
    assert living.item_at("a", "3") == living.pasts[3]["a"]
    assert len(living.history("a")) == 100


def test_some_fields_of_an_evicted_item_are_those_of_a_hot_one_and_kept_ones_need_no_disk() -> None:
    hot, cold = Living(), Living(retention=Retention(count=1))
    for living in (hot, cold):
        living.do(Action.CREATE, body=b'{"id":"a","title":"x","year":1,"stock":7,"secret":"s"}')
        living.do(Action.CREATE, body=b'{"id":"b"}')
    reads_done: list[Position] = []
    read_at_hand = cold.state.read_at_hand

    def counted(
        place: int, segment: int, offset: int, length: int, fingerprint: bytes
    ) -> bytes | bytearray | None:
        reads_done.append(Position(segment, offset))
        return read_at_hand(place, segment, offset, length, fingerprint)

    cold.state.read_at_hand = counted
    for wires, is_cold in (("year,title", False), ("", False), ("year,stock", True)):
        fields = frozenset(name for name in wires.split(",") if name)
        for access in (TRUSTED, PUBLIC):
            reads_done.clear()
            assert get(cold.state, "a", access, fields) == get(hot.state, "a", access, fields)
            assert bool(reads_done) == is_cold, wires
