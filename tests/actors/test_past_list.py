"""Lists of the past, over a real log: what a list would have answered then, and nothing else."""

import random

import msgspec
import pytest

from lithair.core.as_of import rfc3339
from lithair.core.command import Action
from lithair.core.problem import Refusal
from lithair.errors import DamagedLog, Dropped
from lithair.storage.segment import segment_names
from tests.actors.living import DIRECTORY, KEYS, Living
from tests.core.films import decoded

SEEDS = range(5)


def shown(living: Living, seq: int) -> list[bytes]:
    """Give the items that were there after an event, in creation order."""
    return [payload for _, payload in living.pasts[seq].values()]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_list_is_what_it_was_at_every_event(seed: int) -> None:
    living = Living(segment_bytes_max=2000)
    living.write(random.Random(seed), 60)
    for seq in range(len(living.pasts)):
        assert living.items_at(str(seq)) == shown(living, seq), seq


@pytest.mark.parametrize("seed", SEEDS)
def test_a_list_is_what_it_was_at_every_time(seed: int) -> None:
    living = Living(segment_bytes_max=2000)
    living.write(random.Random(seed), 30)
    for time_ms in range(living.times[1] - 1, living.times[-1] + 2):
        last = max(seq for seq, at in enumerate(living.times) if at <= time_ms)
        assert living.items_at(rfc3339(time_ms)) == shown(living, last), time_ms


def test_filters_sort_paging_fields_and_counts_are_those_of_lists() -> None:
    living = Living()
    for number, key in enumerate(KEYS):
        body = b'{"id":"%b","title":"%b","year":%d}' % (key.encode(), key.encode(), number % 3)
        living.do(Action.CREATE, body=body)
    then = ("as_of", str(living.state.seq))
    for key in KEYS:
        living.do(Action.DELETE, key)
    page = decoded(living.page(then, ("year", ">0"), ("sort", "-year"), ("fields", "year")).body)
    assert page["data"] == [
        {"id": "c", "year": 2},
        {"id": "f", "year": 2},
        {"id": "b", "year": 1},
        {"id": "e", "year": 1},
    ]
    page = decoded(living.page(then, ("after", "b"), ("skip", "1"), ("take", "2")).body)
    assert [item["id"] for item in msgspec.convert(page["data"], list[dict[str, object]])] == [
        "d",
        "e",
    ]
    assert (page["total"], page["has_more"]) == (6, True)
    assert living.page(then, ("title", "=c"), is_count=True).body == b'{"count":1}'
    with pytest.raises(Refusal) as refused:
        living.page(then, ("after", "nobody"))
    assert refused.value.status == 400


def test_what_is_unique_now_need_not_have_been() -> None:
    """The past is shown as it was, whatever the present declaration would not let happen."""
    living = Living()
    living.do(Action.CREATE, body=b'{"id":"a","title":"same"}')
    living.do(Action.CREATE, body=b'{"id":"b"}')
    living.state.tables.leave_out_indexes()
    living.do(Action.PATCH, "b", b'{"title":"same"}')
    assert len(living.items_at("3")) == 2


def test_files_that_were_taken_away_are_dropped_and_damage_is_found() -> None:
    living = Living(segment_bytes_max=2000)
    living.write(random.Random(1), 60)
    names = segment_names(living.files, DIRECTORY)
    last = str(living.state.seq)
    damaged = living.files.with_bytes(
        f"{DIRECTORY}/{names[1]}",
        flipped(living, f"{DIRECTORY}/{names[1]}"),
    )
    whole, living.files = living.files, damaged
    with pytest.raises(DamagedLog):
        living.items_at(last)
    living.files = whole
    living.files.remove(f"{DIRECTORY}/{names[1]}")
    with pytest.raises(Dropped):
        living.items_at(last)
    assert living.items_at("1") == shown(living, 1)


def flipped(living: Living, path: str) -> bytes:
    """Give a file's bytes with one of them changed, about in the middle."""
    file = living.files.open(path)
    data = bytearray(file.read(file.size(), 0))
    data[len(data) // 2] ^= 1
    return bytes(data)
