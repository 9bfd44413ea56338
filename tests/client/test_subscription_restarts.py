"""Subscriptions over deaths of the model's process, restarts of the server, and compactions."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from lithair import Client, Handle, connect
from lithair.aio import connect as connect_async
from lithair.client import Event, Subscription
from lithair.errors import Dropped, ModelUnavailable
from lithair.phase import FAILED, SERVING
from lithair.transport.control_socket import ControlClient
from lithair.transport.sockets import SOCKET_PATH_BYTES_MAX
from tests.client.library import Reader, Tally, kill, library, mirror, pid_of
from tests.support.leaks import no_process_left
from tests.support.waiting import wait_until

KILLS = 6
BETWEEN_KILLS = 10  # events of each writer
WRITERS = 2


@pytest.fixture(scope="module")
def many_deaths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the run directory of a server whose models may die as often as they like."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LT_RESTART_LIMIT", "100000/30s")
        app = library(tmp_path_factory.mktemp("library"), Tally)
        with no_process_left(), app.running() as server:
            yield server.run_dir


@pytest.fixture
def lithair(many_deaths: str) -> Iterator[Client]:
    with connect(many_deaths) as client:
        yield client


class Following:
    """A model's items as a subscriber knows them, and the end of what it waits for."""

    def __init__(self) -> None:
        self.items: dict[str, int] = {}
        self.seqs: list[int] = []

    def take(self, event: Event[Tally]) -> bool:
        """Take an event in; tells whether it is the last one."""
        self.seqs.append(event.seq)
        if event.operation in ("delete", "leave"):
            del self.items[event.id]
        else:
            self.items[event.id] = event.item.n
        return event.id == "end"


def follow(events: Subscription[Tally]) -> Following:
    with events:
        following = Following()
        for event in events:
            if following.take(event):
                break
        return following


def follow_async(run_dir: str, ready: threading.Event) -> Following:
    async def run() -> Following:
        following = Following()
        async with (
            connect_async(run_dir) as client,
            client.model(Tally).subscribe() as events,
        ):
            ready.set()
            async for event in events:
                if following.take(event):
                    break
        return following

    return asyncio.run(run())


def write_through_deaths(handle: Handle[Tally], run_dir: str) -> None:
    """Write from threads while the process is killed, each time after some events."""
    written = [0] * WRITERS
    is_over = threading.Event()

    def write(writer: int) -> None:
        while not is_over.is_set():
            n = written[writer]
            handle.apply_replicated_item(Tally(id=f"w{writer}-{n % 7}", n=n))
            if n % 5 == 4:
                handle.apply_replicated_delete(f"w{writer}-{n % 7}")
            written[writer] = n + 1

    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write, writer) for writer in range(WRITERS)]
        try:
            for _ in range(KILLS):
                goal = min(written) + BETWEEN_KILLS
                wait_until(lambda goal=goal: min(written) >= goal, "the writers")  # type: ignore[misc]
                kill(run_dir, "tallys")
        finally:
            is_over.set()
        for each in writing:
            each.result()
    handle.apply_replicated_item(Tally(id="end", n=1_000_000))


def test_subscribers_miss_and_repeat_nothing_over_deaths(lithair: Client) -> None:
    handle = lithair.model(Tally)
    handle.apply_replicated_delete("end")
    start = handle.stats().seq
    evens = {"n": "!1"}
    ready = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        all_events = pool.submit(follow, handle.subscribe())
        matching = pool.submit(follow, handle.subscribe(filters={"n": ">=20"}))
        most = pool.submit(follow, handle.subscribe(filters=evens))
        by_loop = pool.submit(follow_async, lithair.run_dir, ready)
        assert ready.wait(30)
        write_through_deaths(handle, lithair.run_dir)
        followed = all_events.result(), by_loop.result(), matching.result(), most.result()
    end = handle.stats().seq
    items = {item.id: item.n for item in handle.iterate()}
    assert followed[0].items == followed[1].items == items
    for following in followed[:2]:
        assert following.seqs == list(range(start + 1, end + 1))
    assert followed[2].items == {key: n for key, n in items.items() if n >= 20}
    assert followed[3].items == {key: n for key, n in items.items() if n != 1}
    for following in followed[2:]:
        assert following.seqs == sorted(set(following.seqs))


def test_a_slow_subscriber_gets_what_the_feed_has_dropped(lithair: Client) -> None:
    """More than both ends of the feed keep is written before it reads its first event."""
    handle = lithair.model(Tally)
    with handle.subscribe() as events:
        start = events.seq
        assert start is not None
        for n in range(300):
            handle.apply_replicated_item(Tally(id="slow", n=n))
        came = [next(events) for _ in range(300)]
    assert [event.item.n for event in came] == list(range(300))
    assert [event.seq for event in came] == list(range(start + 1, start + 301))


def test_what_was_compacted_away_is_dropped_and_a_present_subscription_goes_on(
    lithair: Client,
) -> None:
    handle = lithair.model(Tally)
    for n in range(3):
        handle.apply_replicated_item(Tally(id="old", n=n))
    with handle.subscribe(filters={"n": "<2"}) as matching, handle.subscribe() as events:
        cut = handle.compact().seq
        with handle.subscribe(since=cut - 1) as dropped, pytest.raises(Dropped) as caught:
            next(dropped)
        assert caught.value.oldest == cut
        with handle.subscribe(since=cut) as later:
            handle.apply_replicated_item(Tally(id="old", n=1))  # what was before: in the snapshot
            handle.apply_replicated_item(Tally(id="old", n=5))
            for each in (events, later):
                assert [(event.operation, event.item.n) for event in (next(each), next(each))] == [
                    ("update", 1), ("update", 5)
                ]  # fmt: skip
        came = [next(matching), next(matching)]
    assert [(event.operation, event.item.n) for event in came] == [("update", 1), ("leave", 5)]


def test_an_archive_is_followed_and_what_was_purged_of_it_is_passed_over(
    lithair: Client,
) -> None:
    handle = lithair.model(Tally)
    for key in ("kept", "gone"):
        handle.apply_replicated_item(Tally(id=key, n=1))
    start = handle.compact().seq
    handle.apply_replicated_items([Tally(id="gone", n=50), Tally(id="kept", n=60)])
    assert handle.compact(keep_history=True).seq == start + 2
    with handle.subscribe(start, {"n": "<2"}) as events:
        handle.apply_replicated_item(Tally(id="kept", n=0))
        came = [next(events) for _ in range(3)]
    assert [(e.operation, e.id) for e in came] == [
        ("leave", "gone"), ("leave", "kept"), ("update", "kept")  # told though it isn't known
    ]  # fmt: skip
    handle.purge("gone")
    with handle.subscribe(start) as events:
        assert [(e.seq, e.id) for e in (next(events), next(events))] == [
            (start + 2, "kept"), (start + 3, "kept")
        ]  # fmt: skip


def test_a_model_that_has_failed_is_waited_for(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch, no_process_left():
        patch.setenv("LT_RESTART_LIMIT", "1/600s")
        app = library(tmp_path, Tally)
        with app.running() as server, connect(server.run_dir) as client:
            handle = client.model(Tally)
            with handle.subscribe() as events, ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(next, events)
                wait_until(lambda: fail(server.run_dir, "tallys"), "the model to have failed")
                with pytest.raises(ModelUnavailable, match="failed"):
                    handle.count()
                with ControlClient(server.run_dir) as control:
                    control.ask({"ask": "restart", "name": "tallys"}, 10.0)
                wait_until(lambda: is_written(handle), "the model to serve again")
                assert waiting.result(60).id == "after"


def fail(run_dir: str, name: str) -> bool:
    """Kill a model's process once more, unless it has failed."""
    with ControlClient(run_dir) as client:
        answer = client.ask({"ask": "where"}, 5.0)
    assert answer is not None
    models: list[dict[str, object]] = answer["models"]  # type: ignore[assignment]
    if models[0]["phase"] == FAILED:
        return True
    if models[0]["phase"] == SERVING:
        kill(run_dir, name)
    return False


def is_written(handle: Handle[Tally]) -> bool:
    try:
        handle.apply_replicated_item(Tally(id="after"))
    except ModelUnavailable:
        return False
    return True


def test_a_worker_that_follows_a_model_stops_with_its_server(tmp_path: Path) -> None:
    app = library(tmp_path, Tally, Reader).with_worker(mirror, "mirror")
    with no_process_left(), app.running() as server:
        tallies, readers = server.handle(Tally), server.handle(Reader)
        for n in range(3):
            tallies.apply_replicated_item(Tally(id="a", n=n))
        wait_until(lambda: readers.get("a") == Reader(handle="a", name="2"), "the mirror")
        worker = psutil.Process(pid_of(server.run_dir, "mirror"))
        server.stop()
        assert not worker.is_running()


def test_the_server_may_restart_and_when_it_stays_away_the_subscriber_is_told(
    tmp_path: Path,
) -> None:
    """Also when the run directory is made afresh, and is so long that its sockets move."""
    app = library(tmp_path / ("d" * SOCKET_PATH_BYTES_MAX), Tally)
    with no_process_left(), app.running() as server, connect(server.run_dir) as client:
        patient = client.model(Tally).subscribe()
        with connect(server.run_dir, timeout=4) as other:
            hasty = other.model(Tally).subscribe()
            server.stop()
            with pytest.raises(ModelUnavailable, match="No server answers"):
                next(hasty)
            shutil.rmtree(server.run_dir)
            with app.running() as again, ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(next, patient)
                again.handle(Tally).create(Tally(id="later"))
                assert waiting.result(60).id == "later"
                assert next(hasty).id == "later"
                for n in range(3):
                    again.handle(Tally).apply_replicated_item(Tally(id="on", n=n))
                    assert [next(each).item.n for each in (patient, hasty)] == [n, n]
        patient.close()
