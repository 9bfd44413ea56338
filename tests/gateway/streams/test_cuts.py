"""Cuts: what a reader is given is what was there at one event, whatever was written meanwhile."""

import asyncio
import errno
import random
import tracemalloc

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lithair.core.command import PUBLIC, TRUSTED
from lithair.gateway.answers import Problem
from lithair.gateway.streams import cut_gathering
from lithair.gateway.streams.cut import Cut
from lithair.gateway.streams.cut_gathering import Gathering, Measure
from lithair.gateway.streams.cuts import GATHERED_MAX, Cuts
from lithair.gateway.streams.selection import Selection
from lithair.storage.spool import RAM_BYTES_MAX, Spools
from lithair.wire.messages import Filters
from lithair.wire.protocol import Verb
from tests.core.products import CLERK, own
from tests.gateway.streams.followed import Followed, read_all, until
from tests.support.simulated_files import Failure, SimulatedFiles

DIRECTORY = "/run/lithair"
SHORT_PAGES = Measure(page_bytes=600, first_take=1, take_max=4, sifted_bytes_max=2000)
EVERYBODY = (TRUSTED, PUBLIC, CLERK, own("ada"))
FILTERS: tuple[Filters, ...] = ((), (("name", "thing"),), (("price", ">0"), ("owner", "!null")))


def spools() -> Spools:
    files = SimulatedFiles()
    files.make_directory(DIRECTORY)
    return Spools(DIRECTORY, files)


async def gather(model: Followed, selection: Selection, measure: Measure = SHORT_PAGES) -> Cut:
    return await Gathering(model, selection, spools().open(), measure).run()


async def check(model: Followed, selection: Selection, measure: Measure = SHORT_PAGES) -> None:
    """Gather a cut amid writes, and compare it with what was there."""
    cut = await gather(model, selection, measure)
    assert sorted(await read_all(cut)) == model.seen_at(cut.seq, selection)
    assert sorted(await read_all(cut)) == model.seen_at(cut.seq, selection), "as often as one likes"
    cut.release()


@settings(max_examples=150)
@given(st.randoms(use_true_random=False), st.integers(0, 40), st.sampled_from(EVERYBODY), st.data())
def test_a_cut_is_the_state_at_its_seq(
    chance: random.Random, keys: int, access: str, data: st.DataObject
) -> None:
    """Under writes, deletes and the same ids again, for everybody, with and without filters."""
    model = Followed(chance, keys + 1)
    for _ in range(chance.randint(0, 80)):
        model.write()
    model.refuses = data.draw(st.sampled_from((0.0, 0.2)))
    model.writes_a_question = data.draw(st.integers(0, 4))
    selection = model.selection(access, data.draw(st.sampled_from(FILTERS)))
    asyncio.run(check(model, selection))


@given(st.randoms(use_true_random=False), st.sampled_from((PUBLIC, own("ada"))))
def test_a_cut_of_one_item_is_that_item_at_its_seq(chance: random.Random, access: str) -> None:
    model = Followed(chance, 3)
    for _ in range(chance.randint(0, 9)):
        model.write()
    asyncio.run(check(model, model.selection(access, (), "p1")))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut_gathering, "ASK_AGAIN_S", 0.0)


def filled(items: int, writes_a_question: int = 0) -> Followed:
    model = Followed(random.Random(7), items)
    for key in model.keys:
        model.put(key)
    model.writes_a_question = writes_a_question
    return model


def ids_in(body: bytes) -> list[str]:
    """Give the ids of the items in an answer to LIST; none in a refusal."""
    page = msgspec.json.decode(body, type=dict[str, object])
    return [
        str(item["id"]) for item in msgspec.convert(page.get("data", []), list[dict[str, object]])
    ]


def test_an_item_to_go_on_behind_that_comes_back_at_the_end_skips_nothing() -> None:
    """It is deleted and created again while the page is on its way, or before the next is asked."""
    for tells_at_once in (True, False):
        model = filled(30)
        answers = 0

        def meddle(body: bytes, model: Followed = model, at_once: bool = tells_at_once) -> None:
            nonlocal answers
            answers += 1
            for key in ids_in(body)[-1:] if answers < 20 else ():
                model.delete(key)
                model.put(key)
            if at_once:
                model.give_all()

        model.after_answer = meddle  # type: ignore[method-assign]
        asyncio.run(check(model, model.selection(PUBLIC)))
        assert answers > 9


@pytest.mark.parametrize("pages_back", [0, 1, 2])
def test_when_nothing_is_left_to_go_on_behind_the_walk_goes_back(pages_back: int) -> None:
    """Of the newest two pages all is gone, and of some before them what they were left by.

    Nothing is told twice, nothing left out.
    """
    model = filled(60)
    pages: list[list[str]] = []

    def meddle(body: bytes) -> None:
        pages.append(ids_in(body))
        if len(pages) == 6:
            left_by = [page[-1] for page in pages[4 - pages_back : 4]]
            for key in (*pages[5], *pages[4], *left_by):
                model.delete(key)
        model.give_all()

    model.after_answer = meddle  # type: ignore[method-assign]
    asyncio.run(check(model, model.selection(PUBLIC)))
    follows = model.keys[model.keys.index(pages[5][-1]) + 1]
    assert pages[6][0] == (pages[4 - pages_back][0] if pages_back else follows)


def test_a_long_filtered_list_is_sifted_here_and_a_short_one_there() -> None:
    model = filled(60)
    few = model.selection(PUBLIC, (("id", "[p1,p50]"),))
    asyncio.run(check(model, few))
    assert all(("id", "[p1,p50]") in asked for asked in lists(model))
    model.asked.clear()
    many = model.selection(PUBLIC, (("name", "thing"),))
    asyncio.run(check(model, many))
    assert [("name", "thing") in asked for asked in lists(model)][:2] == [True, False]


def lists(model: Followed) -> list[list[tuple[str, str]]]:
    """Give the pairs of each list that was asked for."""
    assert all(verb is Verb.LIST for verb, _ in model.asked)
    return [msgspec.convert(pairs, list[tuple[str, str]]) for _, pairs in model.asked]


def test_a_model_that_refuses_for_ever_is_given_up() -> None:
    model = filled(3)
    model.refuses = 1.0
    for selection in (model.selection(PUBLIC), model.selection(PUBLIC, (), "p1")):
        with pytest.raises(Problem) as caught:
            asyncio.run(gather(model, selection))
        assert caught.value.status == 503


def test_a_log_that_was_exchanged_ends_what_is_being_made() -> None:
    model = filled(30)

    async def run() -> None:
        gathering = asyncio.create_task(gather(model, model.selection(PUBLIC)))
        await until(lambda: len(model.asked) >= 3)
        model.lose()
        with pytest.raises(Problem, match="exchanged"):
            await gathering

    asyncio.run(run())


def test_a_cut_that_is_as_long_as_you_like_takes_little_memory() -> None:
    model = Followed(random.Random(7), 3000)
    for key in model.keys:
        model.put(key, name="x" * 5000)
    model.is_late, model.writes_a_question = False, 0
    kept = Spools("/tmp")

    async def run() -> int:
        tracemalloc.start()
        cut = await Gathering(model, model.selection(PUBLIC), kept.open(), Measure()).run()
        assert kept.held_bytes > 14_000_000
        cursor: int | None = 0
        count = 0
        while cursor is not None:
            told, cursor = await cut.read(cursor)
            count += told.count(b"\n\n")
        assert count == len(model.keys)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        cut.release()
        return most

    assert asyncio.run(run()) < 3 * RAM_BYTES_MAX
    assert kept.held_bytes == 0


def test_a_disk_without_room_is_said_so_and_nothing_is_left() -> None:
    model = filled(10)
    for key in model.keys:
        model.put(key, name="x" * 300_000)
    for failure in (Failure(errno.ENOSPC, "write"), Failure(errno.EIO, "create")):
        files = SimulatedFiles(failures=[failure])
        files.make_directory(DIRECTORY)
        kept = Spools(DIRECTORY, files)
        with pytest.raises(Problem, match="no room"):
            asyncio.run(Gathering(model, model.selection(PUBLIC), kept.open()).run())
        assert kept.held_bytes == 0
        assert files.names(DIRECTORY) == []


def test_readers_of_one_audience_share_a_cut_while_it_is_fresh() -> None:
    model = filled(20)
    kept = spools()

    async def run() -> None:
        cuts = Cuts(model, kept)
        alike = [model.selection(PUBLIC) for _ in range(3)]
        first, second = await asyncio.gather(*map(cuts.open, alike[:2]))
        asked = len(model.asked)
        third = await cuts.open(alike[2])
        assert first is second is third
        assert len(model.asked) == asked
        cuts.forget()
        fourth = await cuts.open(alike[2])
        assert fourth is not first
        for cut in (first, second, third, fourth):
            assert sorted(await read_all(cut)) == model.seen_at(cut.seq, alike[0])
            cut.release()
        assert not first.hold()
        assert fourth.hold(), "it is kept while it is fresh"
        fourth.release()
        cuts.close()
        assert not fourth.hold()

    asyncio.run(run())


def test_who_goes_away_leaves_nothing_and_takes_nothing_from_the_others() -> None:
    model = filled(300, writes_a_question=2)  # three pages or more

    async def run() -> None:
        cuts = Cuts(model, spools())
        selection = model.selection(PUBLIC)
        gone, stays = (asyncio.create_task(cuts.open(selection)) for _ in range(2))
        await until(lambda: len(model.asked) >= 3)
        gone.cancel()
        cut = await stays
        assert sorted(await read_all(cut)) == model.seen_at(cut.seq, selection)
        cut.release()
        cuts.forget()
        alone = asyncio.create_task(cuts.open(selection))
        asked = len(model.asked)
        await until(lambda: len(model.asked) >= asked + 2)
        alone.cancel()
        await asyncio.wait([alone])
        await until(lambda: not model.followers)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_what_is_being_made_when_the_log_is_exchanged_is_refused() -> None:
    model = filled(300)

    async def run() -> None:
        cuts = Cuts(model, spools())
        asking = asyncio.create_task(cuts.open(model.selection(PUBLIC)))
        await until(lambda: len(model.asked) >= 2)
        cuts.forget()
        with pytest.raises(Problem, match="exchanged"):
            await asking

    asyncio.run(run())


def test_few_cuts_are_made_at_a_time() -> None:
    model = filled(20)
    most = 0

    async def run() -> None:
        cuts = Cuts(model, spools())
        selections = [model.selection(own(f"user{number}")) for number in range(8)]
        opening = [asyncio.create_task(cuts.open(selection)) for selection in selections]

        def look() -> bool:
            nonlocal most
            most = max(most, model.followers)
            return all(task.done() for task in opening)

        await until(look)
        for task in opening:
            (await task).release()
        cuts.close()

    asyncio.run(run())
    assert most == GATHERED_MAX
