"""Subscriptions: every event once, in order, as it happens, over any restart."""

import asyncio
import contextlib
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lithair import Client, Handle, connect
from lithair.aio import connect as connect_async
from lithair.client import Event, Subscription
from lithair.errors import LithairError, ValidationFailed
from tests.client.library import Book, Reader, Tally
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from lithair.actors.background import Server


def taken(events: Iterator[Event[Tally]], count: int) -> list[Event[Tally]]:
    return [next(events) for _ in range(count)]


def told(event: Event[Tally]) -> tuple[str, str, int]:
    return event.operation, event.id, event.item.n


def last_seq(handle: Handle[Tally]) -> int:
    return handle.stats().seq


def test_it_gives_what_happens_after_subscribe_has_returned(tallies: Handle[Tally]) -> None:
    tallies.create(Tally(id="before"))
    with tallies.subscribe() as events:
        start = last_seq(tallies)
        assert events.seq == start
        tallies.create(Tally(id="a", n=1))
        tallies.patch("a", {"n": 2})
        tallies.delete("a")
        tallies.apply_replicated_items([Tally(id="b"), Tally(id="c")])
        came = taken(events, 5)
        assert [told(event) for event in came] == [
            ("create", "a", 1), ("update", "a", 2), ("delete", "a", 2),
            ("create", "b", 0), ("create", "c", 0),
        ]  # fmt: skip
        assert [event.seq for event in came] == list(range(start + 1, start + 6))
        assert events.seq == start + 5
    assert {event.model for event in came} == {"tallys"}
    entry = tallies.history("a")[0]
    assert (entry.seq, entry.timestamp) == (came[0].seq, came[0].timestamp)


def test_since_gives_what_happened_before_then_goes_on(tallies: Handle[Tally]) -> None:
    start = last_seq(tallies)
    tallies.bulk_create(Tally(id=f"k{n}", n=n) for n in range(1500))
    with tallies.subscribe(since=start) as events:
        assert [event.item.n for event in taken(events, 1500)] == list(range(1500))
        tallies.create(Tally(id="new"))
        assert next(events).id == "new"
    with tallies.subscribe(since=start + 1499) as events:
        assert [event.id for event in taken(events, 2)] == ["k1499", "new"]


def test_with_filters_an_item_that_stops_matching_leaves(tallies: Handle[Tally]) -> None:
    start = last_seq(tallies)
    with tallies.subscribe(filters={"n": [">=10", "<20"]}) as events:
        for n in (1, 10, 11, 30, 31, 12):
            tallies.apply_replicated_item(Tally(id="a", n=n))
        tallies.create(Tally(id="never", n=99))
        tallies.delete("never")
        tallies.delete("a")
        expected = [
            ("update", "a", 10), ("update", "a", 11), ("leave", "a", 30), ("update", "a", 12),
            ("delete", "a", 12),
        ]  # fmt: skip
        assert [told(event) for event in taken(events, 5)] == expected
        assert events.seq == last_seq(tallies)
    with tallies.subscribe(start, {"n": [">=10", "<20"]}) as events:
        assert [told(event) for event in taken(events, 5)] == expected


def test_a_handle_by_name_gives_dicts(client: Client, tallies: Handle[Tally]) -> None:
    with client.model("tallys").subscribe(filters={"n": "1"}) as events:
        tallies.create(Tally(id="a", n=1))
        assert next(events).item == {"id": "a", "n": 1}


def test_names_of_python_filter_and_hidden_fields_are_seen(books: Handle[Book]) -> None:
    with books.subscribe(filters={"from_": "me"}) as events:
        books.create(Book(id="1", title="t", from_="you"))
        books.create(Book(id="2", title="t", from_="me", secret="s"))
        assert next(events).item == Book(id="2", title="t", from_="me", secret="s")


def test_an_item_without_the_field_id_has_an_id(readers: Handle[Reader]) -> None:
    with readers.subscribe() as events:
        readers.create(Reader(handle="ada"))
        assert next(events).id == "ada"


def test_mistakes_are_said_with_the_first_event_or_before(tallies: Handle[Tally]) -> None:
    beyond = last_seq(tallies) + 1
    with pytest.raises(ValidationFailed, match="beyond the log's end"):
        next(tallies.subscribe(since=beyond))
    with pytest.raises(ValidationFailed, match="nowhere"):
        next(tallies.subscribe(filters={"nowhere": 1}))
    with pytest.raises(ValidationFailed, match="-1 is no seq"):
        tallies.subscribe(since=-1)
    with pytest.raises(ValidationFailed, match="no field"):
        tallies.subscribe(filters={"sort": "n"})
    with pytest.raises(TypeError, match="give a seq"):
        tallies.subscribe(since="1")  # type: ignore[arg-type]


def test_another_thread_may_close_it(tallies: Handle[Tally]) -> None:
    events = tallies.subscribe()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(list, events)
        tallies.create(Tally(id="a"))
        wait_until(lambda: events.seq == last_seq(tallies), "the event")
        events.close()
        assert [event.id for event in waiting.result(10)] == ["a"]
    assert list(events) == []
    events.close()


def test_it_ends_with_its_connection(server: "Server") -> None:
    with ThreadPoolExecutor(1) as pool:
        with connect(server.run_dir) as client:
            waiting = pool.submit(next, client.model(Tally).subscribe())
        with pytest.raises(LithairError, match="closed"):
            waiting.result(10)
    with pytest.raises(LithairError, match="closed"):
        client.model(Tally).subscribe()


def test_nothing_stays_open(server: "Server", tallies: Handle[Tally]) -> None:
    """Descriptors of subscriptions go with them, closed or only forgotten."""
    tallies.subscribe().close()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        tallies.subscribe().close()
        tallies.subscribe(filters={"n": 1})
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before, "the descriptors to go")


def test_many_subscribers_hear_the_same_while_others_write(tallies: Handle[Tally]) -> None:
    """Writers in threads, slow and quick subscribers: the same events in the same order."""
    count, writers = 200, 3
    all_events = [tallies.subscribe() for _ in range(4)]

    def write(name: int) -> None:
        for n in range(count):
            tallies.apply_replicated_item(Tally(id=f"w{name}", n=n))

    def hear(events: Subscription[Tally]) -> list[tuple[int, str, int]]:
        return [(e.seq, e.id, e.item.n) for e in taken(events, count * writers)]

    with ThreadPoolExecutor(8) as pool:
        hearing = [pool.submit(hear, events) for events in all_events]
        for done in [pool.submit(write, name) for name in range(writers)]:
            done.result()
        heard = [each.result() for each in hearing]
    for events in all_events:
        events.close()
    assert heard[1:] == heard[:-1]
    for name in range(writers):
        assert [n for _, key, n in heard[0] if key == f"w{name}"] == list(range(count))


def hear_in_child(events: "Subscription[Tally]", say: "multiprocessing.Queue[list[str]]") -> None:
    say.put([event.id for event in taken(events, 2)])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_goes_on_by_itself(tallies: Handle[Tally]) -> None:
    context = multiprocessing.get_context("fork")
    say: multiprocessing.Queue[list[str]] = context.Queue()
    with tallies.subscribe() as events:
        tallies.create(Tally(id="a"))
        child = context.Process(target=hear_in_child, args=(events, say))
        child.start()
        tallies.create(Tally(id="b"))
        assert [event.id for event in taken(events, 2)] == ["a", "b"]
        assert say.get(timeout=30) == ["a", "b"]
        child.join(10)
        assert child.exitcode == 0
        tallies.create(Tally(id="c"))
        assert next(events).id == "c"


def test_asyncio_gives_the_same(server: "Server", tallies: Handle[Tally]) -> None:
    async def follow() -> None:
        async with connect_async(server.run_dir) as client:
            handle = client.model(Tally)
            events = handle.subscribe()  # from here on, for what this client writes
            await handle.create(Tally(id="a", n=1))
            assert told(await anext(events)) == ("create", "a", 1)
            start = events.seq
            await events.close()
            async with handle.subscribe(filters={"n": ">1"}) as matching:
                tallies.patch("a", {"n": 2})
                tallies.patch("a", {"n": 0})
                came = [told(await anext(matching)) for _ in range(2)]
                assert came == [("update", "a", 2), ("leave", "a", 0)]
            async with contextlib.aclosing(handle.subscribe(since=start)) as again:
                assert [told(await anext(again)) for _ in range(2)] == [
                    ("update", "a", 2), ("update", "a", 0)
                ]  # fmt: skip

    asyncio.run(follow())


def test_asyncio_waits_without_blocking_and_loses_nothing_by_time_outs(
    server: "Server", tallies: Handle[Tally]
) -> None:
    async def follow() -> None:
        async with connect_async(server.run_dir) as client:
            handle = client.model(Tally)
            events = await handle.subscribe()
            for n in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(events), 0.05)
                await handle.apply_replicated_item(Tally(id="a", n=n))
                assert (await anext(events)).item.n == n
            waiting = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="already"):
                await anext(events)
            await events.close()
            with pytest.raises(StopAsyncIteration):
                await waiting
            assert [event async for event in events] == []
            with pytest.raises(LithairError, match="closed"):
                _ = await events

    asyncio.run(follow())


def test_asyncio_ends_with_its_connection(server: "Server", tallies: Handle[Tally]) -> None:
    async def follow() -> None:
        client = connect_async(server.run_dir)
        events = await client.model(Tally).subscribe()
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(LithairError, match="closed"):
            await waiting

    asyncio.run(follow())
