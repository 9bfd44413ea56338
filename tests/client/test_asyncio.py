"""The asyncio twin: every method once, many at once, and calls that are given up."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from msgspec.structs import replace

from lithair import Conflict, LithairError, NotFound, PreconditionFailed
from lithair.aio import AsyncClient, AsyncHandle, connect
from lithair.client import Client, Handle
from tests.client.library import Book

Story = Callable[[AsyncHandle[Book]], Coroutine[None, None, None]]


def play(client: Client, story: Story) -> None:
    """Run a story with a handle of its own."""

    async def run() -> None:
        async with connect(client.run_dir) as lithair:
            await story(lithair.model(Book))

    asyncio.run(run())


def test_every_read_is_that_of_its_sync_twin(client: Client, books: Handle[Book]) -> None:
    """Pages, fields, counts, histories, figures and events are equal."""
    made = books.bulk_create([Book(title=f"{n}", year=n, from_="x") for n in range(3)])

    async def story(handle: AsyncHandle[Book]) -> None:
        assert await handle.get(made[0].id) == made[0]
        assert await handle.get("nothing") is None
        assert await handle.list({"from_": "x"}, sort="-year", skip=1, take=1) == books.list(
            {"from_": "x"}, sort="-year", skip=1, take=1
        )
        assert (await handle.list(fields=["year"])).data == books.list(fields=["year"]).data
        assert await handle.count({"year": ">0"}) == 2
        assert [book async for book in handle.iterate()] == made
        assert await handle.history(made[0].id) == books.history(made[0].id)
        stats = books.stats()
        assert replace(await handle.stats(), process=stats.process) == stats  # RAM grows meanwhile
        since = books.history(made[0].id)[0].seq - 1
        async with handle.subscribe(since) as events:
            with books.subscribe(since) as theirs:
                assert [await anext(events) for _ in made] == [next(theirs) for _ in made]

    play(client, story)


def test_every_write_is_that_of_its_sync_twin(client: Client, books: Handle[Book]) -> None:
    """With the same results and the same errors."""

    async def story(handle: AsyncHandle[Book]) -> None:
        made = await handle.create(Book(title="Emma"))
        with pytest.raises(Conflict):
            await handle.create(made)
        assert (await handle.patch(made.id, {"year": 1815})).year == 1815
        with pytest.raises(PreconditionFailed):
            await handle.replace(made.id, made, if_seq=1)
        assert await handle.replace(made.id, made) == made
        await handle.delete(made.id)
        with pytest.raises(NotFound):
            await handle.delete(made.id)
        two = await handle.bulk_create([Book(title="a"), Book(title="b")])
        await handle.apply_replicated_item(two[0])
        assert await handle.apply_replicated_items(two) == 2
        await handle.apply_replicated_update("c", Book(title="c"))
        assert await handle.apply_replicated_delete("c") is True
        assert await handle.apply_replicated_delete("c") is False
        assert books.list().data == two

    play(client, story)


def test_models_by_name_give_dicts(client: Client, books: Handle[Book]) -> None:
    """As with the sync handle."""
    made = books.create(Book(title="Emma"))

    async def run() -> None:
        async with connect(client.run_dir) as lithair:
            found = await lithair.model("Book").get(made.id)
            assert found is not None
            assert found["title"] == "Emma"

    asyncio.run(run())


def test_many_calls_at_once_are_answered_each(client: Client, books: Handle[Book]) -> None:
    """Every one with its own item."""

    async def story(handle: AsyncHandle[Book]) -> None:
        made = await asyncio.gather(*(handle.create(Book(title="x", year=n)) for n in range(300)))
        assert [book.year for book in made] == list(range(300))
        assert await handle.count() == 300

    play(client, story)


def test_a_call_that_is_cancelled_leaves_the_others_and_the_next(
    client: Client, books: Handle[Book]
) -> None:
    """The handle stays usable, and what was not cancelled is answered."""

    async def story(handle: AsyncHandle[Book]) -> None:
        calls = [asyncio.create_task(handle.create(Book(title=f"{n}"))) for n in range(100)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
        assert all(isinstance(result, Book) for result in results[1::2])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(handle.count(), 0)
        assert 50 <= await handle.count() <= 100

    play(client, story)


def test_a_client_may_serve_one_loop_after_another(client: Client, books: Handle[Book]) -> None:
    """Nothing in it belongs to an event loop."""
    lithair = AsyncClient(client.run_dir)
    handle = lithair.model(Book)
    for n in range(3):
        assert asyncio.run(handle.count()) == n
        asyncio.run(handle.create(Book(title="x")))
    asyncio.run(lithair.close())
    with pytest.raises(LithairError, match="closed"):
        asyncio.run(handle.count())


def test_the_loop_goes_on_while_a_call_waits(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A server that is not there blocks nobody else, and closing refuses the call."""

    async def run() -> None:
        lithair = connect(tmp_path_factory.mktemp("empty"))
        waiting = asyncio.create_task(lithair.model(Book).count())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        await lithair.close()
        with pytest.raises(LithairError, match="closed"):
            await waiting

    asyncio.run(run())
