"""Going through all items while others write."""

import asyncio
import tracemalloc
from collections.abc import Iterator

from lithair import Handle
from lithair.aio import connect
from lithair.client import Client
from tests.client.library import PAGE, Tally


def fill(tallies: Handle[Tally], count: int) -> None:
    tallies.bulk_create([Tally(id=f"t{n}", n=n) for n in range(count)])


def first_page(items: Iterator[Tally]) -> list[int]:
    return [next(items).n for _ in range(PAGE)]


def test_all_pages_are_given_in_order_of_creation(tallies: Handle[Tally]) -> None:
    """What is created meanwhile comes at the end; of nothing, nothing is given."""
    assert list(tallies.iterate()) == []
    fill(tallies, 2 * PAGE + 1)
    items = tallies.iterate()
    seen = first_page(items)
    tallies.create(Tally(n=-1))
    assert seen + [item.n for item in items] == [*range(2 * PAGE + 1), -1]


def test_an_exact_page_is_not_followed_by_another(tallies: Handle[Tally]) -> None:
    """The end is known from the page."""
    fill(tallies, PAGE)
    assert [item.n for item in tallies.iterate()] == list(range(PAGE))


def test_the_end_of_a_page_may_be_deleted_meanwhile(tallies: Handle[Tally]) -> None:
    """The walk goes on behind the nearest item in front that is left."""
    fill(tallies, PAGE + 10)
    items = tallies.iterate()
    assert first_page(items) == list(range(PAGE))
    for n in (PAGE - 1, PAGE - 2, PAGE - 50, PAGE + 3):
        tallies.delete(f"t{n}")
    assert [item.n - PAGE for item in items] == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_every_item_can_be_deleted_as_it_is_given(tallies: Handle[Tally]) -> None:
    """Whole pages are gone before the next one is fetched."""
    fill(tallies, 2 * PAGE + 5)
    seen: list[int] = []
    for item in tallies.iterate():
        seen.append(item.n)
        tallies.delete(item.id)
    assert seen == list(range(2 * PAGE + 5))
    assert tallies.count() == 0


def test_a_whole_page_may_be_deleted_while_those_in_front_of_it_stay(
    tallies: Handle[Tally],
) -> None:
    """The walk goes on where it was: nothing twice, nothing left out."""
    fill(tallies, 3 * PAGE)
    items = tallies.iterate()
    assert first_page(items) + first_page(items) == list(range(2 * PAGE))
    for n in range(PAGE, 2 * PAGE):
        tallies.delete(f"t{n}")
    assert [item.n for item in items] == list(range(2 * PAGE, 3 * PAGE))


def test_asyncio_walks_the_same_way(client: Client, tallies: Handle[Tally]) -> None:
    """Over pages, and over a page that is deleted meanwhile."""

    async def walk() -> list[int]:
        async with connect(client.run_dir) as lithair:
            handle = lithair.model(Tally)
            seen: list[int] = []
            async for item in handle.iterate():
                seen.append(item.n)
                if item.n < PAGE:
                    await handle.delete(item.id)
            return seen

    fill(tallies, PAGE + 5)
    assert asyncio.run(walk()) == list(range(PAGE + 5))


def peak_bytes_of_a_walk(tallies: Handle[Tally]) -> int:
    tracemalloc.start()
    try:
        for _ in tallies.iterate():
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_walk_holds_no_more_in_memory_the_more_items_there_are(tallies: Handle[Tally]) -> None:
    """Ten times the pages take not even twice the memory."""
    fill(tallies, 3 * PAGE)
    few = peak_bytes_of_a_walk(tallies)
    tallies.bulk_create([Tally() for _ in range(30 * PAGE)])
    assert peak_bytes_of_a_walk(tallies) < 2 * few
