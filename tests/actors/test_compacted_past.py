"""The past of a log that was compacted: all of it where history is kept, else from the cut on."""

import random
from collections.abc import Callable

import pytest

from lithair.actors.item_past import HistoryWork, PastItemWork
from lithair.actors.model_jobs import Work
from lithair.core.as_of import rfc3339
from lithair.core.command import TRUSTED, Action
from lithair.core.problem import Refusal
from lithair.core.reads import Read
from lithair.errors import Dropped
from lithair.model import Model
from lithair.retention import Retention
from tests.actors.living import KEYS, Living
from tests.support.simulated_files import SimulatedFiles

FEW = Retention(count=2)
EVERY = Retention()


def lived(seed: int, retention: Retention, *, keep_history: bool) -> Living:
    """Give a model that was written to, and compacted twice in between."""
    rng = random.Random(seed)
    living = Living(segment_bytes_max=2000, retention=retention)
    for _ in range(2):
        living.write(rng, 30)
        living.compact(keep_history=keep_history)
    living.write(rng, 20)
    return living


def assert_dropped(living: Living, as_of: str) -> None:
    cut = living.log.cut
    asks: list[Callable[[], Read]] = [
        lambda: living.item("a", ("as_of", as_of)),
        lambda: living.page(("as_of", as_of)),
        lambda: living.page(("as_of", as_of), is_count=True),
    ]
    for ask in asks:
        with pytest.raises(Dropped) as dropped:
            ask()
        assert (dropped.value.oldest, dropped.value.oldest_ms) == (cut, living.times[cut])


def assert_past(living: Living, oldest: int) -> None:
    """Compare each item and the list with what was, at each event and each time of an event."""
    for seq, past in enumerate(living.pasts):
        if seq < oldest:
            assert_dropped(living, str(seq))
            continue
        for key in KEYS:
            assert living.item_at(key, str(seq)) == past.get(key), (key, seq)
        assert living.items_at(str(seq)) == [payload for _, payload in past.values()], seq
    for time_ms in {*living.times[1:], living.times[-1] + 1}:
        last = max(seq for seq, at in enumerate(living.times) if at <= time_ms)
        if time_ms < living.times[oldest]:
            assert_dropped(living, rfc3339(time_ms))
            continue
        past = living.pasts[last]
        for key in KEYS:
            assert living.item_at(key, rfc3339(time_ms)) == past.get(key), (key, time_ms)
        assert living.items_at(rfc3339(time_ms)) == [payload for _, payload in past.values()]


def assert_histories(living: Living, cut: int) -> None:
    """Compare each history with what happened to the item; at the cut, its last event is left."""
    at_cut = living.pasts[cut]
    for key in KEYS:
        expected = [seq for seq in living.facts.get(key, []) if seq > cut]
        if key in at_cut:
            expected.insert(0, at_cut[key][0])
        try:
            found = [entry["seq"] for entry in living.history(key)]
        except Refusal:
            found = []
        assert found == expected, key


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("retention", [EVERY, FEW], ids=["hot", "evicted"])
def test_from_the_cut_on_everything_is_what_it_was(seed: int, retention: Retention) -> None:
    living = lived(seed, retention, keep_history=False)
    cut = living.log.cut
    for _ in range(2):
        assert_past(living, cut)
        assert_histories(living, cut)
        living.log.close()
        living.open()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("retention", [EVERY, FEW], ids=["hot", "evicted"])
def test_where_history_is_kept_nothing_is_dropped(seed: int, retention: Retention) -> None:
    living = lived(seed, retention, keep_history=True)
    assert living.log.cut > 0
    for _ in range(2):
        assert_past(living, 0)
        assert_histories(living, 0)
        living.log.close()
        living.open()


@pytest.mark.parametrize("seed", range(2))
def test_history_that_is_kept_too_late_does_not_reach_back(seed: int) -> None:
    """An archive that does not begin with the first event can't tell what was before the cut."""
    rng = random.Random(seed)
    living = Living(segment_bytes_max=2000)
    living.write(rng, 30)
    living.compact(keep_history=False)
    living.write(rng, 30)
    living.compact(keep_history=True)
    living.write(rng, 10)
    assert_past(living, living.log.cut)


def test_a_compaction_beside_a_walk_makes_it_dropped_never_wrong() -> None:
    living = Living()
    for number in range(100):
        living.do(Action.UPSERT_AT, "a", b'{"id":"a","stock":%d}' % number)
    query = living.state.views[TRUSTED].queries.read_item([("as_of", "3")])
    works: list[Work] = [
        PastItemWork(living.state, living.log, "a", query, TRUSTED),
        HistoryWork(living.state, living.log, "a", TRUSTED),
    ]
    assert [work.step() for work in works] == [None, None]
    living.compact()
    with pytest.raises(Dropped) as dropped:
        works[0].step()
    assert dropped.value.oldest == 100
    read = works[1].step()
    assert read is not None
    assert read.body.count(b'"seq"') == 32


def test_the_oldest_entry_of_a_history_that_was_dropped_before_has_no_changes() -> None:
    living = Living()
    living.do(Action.CREATE, body=b'{"id":"a","stock":1}')
    living.do(Action.PATCH, "a", b'{"stock":2}')
    living.compact()
    living.do(Action.PATCH, "a", b'{"stock":3}')
    entries = living.history("a")
    assert [(entry["seq"], entry["operation"]) for entry in entries] == [
        (2, "update"),
        (3, "update"),
    ]
    assert [entry["changes"] for entry in entries] == [{}, {"stock": {"old": 2, "new": 3}}]


def film_of_before() -> type[Model]:
    class Film(Model):
        stock: int = 0

    return Film


def film_of_today() -> type[Model]:
    class Film(Model):
        stock: int = 0
        maker: str = "unknown"

    return Film


def test_the_past_has_the_present_form_also_where_only_the_archive_holds_it() -> None:
    """No record of the older form is left in what an opening reads."""
    living = Living()
    living.log.close()
    living.files = SimulatedFiles()
    living.declare(film_of_before())
    living.open()
    living.do(Action.CREATE, body=b'{"id":"a","stock":1}')
    living.do(Action.PATCH, "a", b'{"stock":2}')
    living.log.close()
    living.declare(film_of_today())
    living.open()
    living.do(Action.PATCH, "a", b'{"stock":3}')
    living.compact(keep_history=True)
    living.log.close()
    living.open()
    old = b'{"id":"a","stock":1,"maker":"unknown"}'
    assert living.item_at("a", "1") == (1, old)
    assert living.items_at("1") == [old]
    entries = living.history("a")
    assert [entry["item"] for entry in entries] == [
        {"id": "a", "stock": stock, "maker": "unknown"} for stock in (1, 2, 3)
    ]


def test_an_archive_with_a_gap_is_dropped_not_damaged() -> None:
    living = lived(1, EVERY, keep_history=True)
    archived = living.log.view().archive
    assert archived is not None
    assert len(archived) > 3
    living.files.remove(archived[1])
    with pytest.raises(Dropped):
        living.items_at(str(living.log.cut - 1))


def test_a_deleted_item_whose_records_are_missing_in_the_archive_is_gone_not_unknown() -> None:
    """And from the cut on, where the snapshot says that it was not there, it is not found."""
    living = Living()
    living.do(Action.CREATE, body=b'{"id":"other"}')
    living.compact(keep_history=True)
    living.do(Action.CREATE, body=b'{"id":"a","stock":1}')
    living.do(Action.DELETE, "a")
    living.compact()
    living.do(Action.CREATE, body=b'{"id":"b"}')
    cut, view = living.log.cut, living.log.view()
    assert view.archive is not None
    living.files.remove(view.archive[1])
    for as_of in ("2", rfc3339(living.times[cut] - 1)):
        with pytest.raises(Dropped) as dropped:
            living.item("a", ("as_of", as_of))
        assert (dropped.value.oldest, dropped.value.oldest_ms) == (cut, living.times[cut])
    for as_of in (str(cut), str(cut + 1)):
        assert living.item_at("a", as_of) is None
    assert living.item_at("other", "2") == living.pasts[2]["other"]
    with pytest.raises(Refusal) as refused:
        living.history("a")
    assert refused.value.status == 404


def test_an_item_made_again_is_known_back_to_where_its_records_are_missing() -> None:
    living = Living()
    living.do(Action.CREATE, body=b'{"id":"a","stock":1}')
    living.compact(keep_history=True)
    living.do(Action.PATCH, "a", b'{"stock":2}')
    living.compact()
    living.do(Action.PATCH, "a", b'{"stock":3}')
    living.do(Action.DELETE, "a")
    living.compact()
    living.do(Action.CREATE, body=b'{"id":"a","stock":4}')
    view = living.log.view()
    assert view.archive is not None
    living.files.remove(view.archive[1])
    for as_of in ("1", "2"):
        with pytest.raises(Dropped) as dropped:
            living.item("a", ("as_of", as_of))
        assert (dropped.value.oldest, dropped.value.oldest_ms) == (3, living.times[3])
    for seq in (3, 4, 5):
        assert living.item_at("a", str(seq)) == living.pasts[seq].get("a")
    assert [entry["seq"] for entry in living.history("a")] == [3, 4, 5]


def test_a_compaction_beside_a_walk_to_a_deleted_item_makes_it_dropped() -> None:
    living = Living()
    living.do(Action.CREATE, body=b'{"id":"a"}')
    living.do(Action.DELETE, "a")
    query = living.state.views[TRUSTED].queries.read_item([("as_of", "1")])
    grave = living.state.graves.find("a")
    assert grave is not None
    living.compact()
    living.state.graves.dig("a", grave)  # as it is until the graves are forgotten
    with pytest.raises(Dropped) as dropped:
        PastItemWork(living.state, living.log, "a", query, TRUSTED).step()
    assert dropped.value.oldest == 2
