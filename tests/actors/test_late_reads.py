"""Reads of evicted items that are not in the page cache: exact, and nobody else waits for them."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lithair import Lithair, Model, Owner, Pinned, retention
from lithair.core.figures import ModelFigures
from lithair.core.grants import Grants
from lithair.transport.sockets import monotonic_ms
from lithair.wire.messages import Argument, Reply
from lithair.wire.protocol import Verb
from tests.actors.serving import Served
from tests.support.simulated_files import SimulatedFiles
from tests.support.waiting import wait_until

ITEMS = 40


@retention(memory=1)
class Letter(Model):
    to: Pinned[str] = ""
    text: str = ""
    writer: Owner[str | None] = None


class _Page(msgspec.Struct):
    data: list[dict[str, object]]


@pytest.fixture
def disk() -> SimulatedFiles:
    return SimulatedFiles()


@pytest.fixture
def served(disk: SimulatedFiles, tmp_path: Path) -> Iterator[Served]:
    """Give a model whose last item alone is whole in RAM, on a disk that fetches nothing ahead."""
    app = Lithair().with_model(Letter, "/data", "/api/letters")
    served = Served(app, "letters", tmp_path, disk)
    for number in range(ITEMS):
        served.write(Verb.CREATE, letter(number))
    wait_until(lambda: figures(served).hot_count == 1, "all but one are evicted")
    disk.is_at_hand = False
    yield served
    served.stop()


def letter(number: int) -> dict[str, object]:
    writer = f"writer{number % 2}"
    return {"id": f"l{number}", "to": f"reader{number}", "text": f"text {number}", "writer": writer}


def figures(served: Served) -> ModelFigures:
    return msgspec.json.decode(served.ask(Verb.STATS).body, type=ModelFigures)


def ask_together(served: Served, arguments: list[Argument]) -> list[list[Reply]]:
    """Ask for items with one message; gives for each the list that its answer will be in."""
    answers: list[list[Reply]] = [[] for _ in arguments]
    for argument, replies in zip(arguments, answers, strict=True):
        deadline_ms = monotonic_ms() + 30_000
        served.client.ask_read(Verb.GET, deadline_ms, served.access, argument, replies.append)
    return answers


def wait_for(served: Served, answers: list[list[Reply]]) -> None:
    def look() -> bool:
        served.client.flush(monotonic_ms())
        served.client.tick(monotonic_ms())
        return all(answers)

    wait_until(look, "the answers")


def test_hot_items_are_answered_before_the_disk_is_waited_for(
    disk: SimulatedFiles, served: Served
) -> None:
    let_read, waiting = threading.Event(), threading.Event()

    def hold(_path: str) -> None:
        waiting.set()
        assert let_read.wait(10)

    disk.watch_reads = hold
    cold, hot, none = ask_together(served, ["l0", f"l{ITEMS - 1}", "nowhere"])
    wait_for(served, [hot, none])
    assert waiting.wait(10)
    assert not cold
    assert (hot[0].status, none[0].status) == (200, 404)
    let_read.set()
    wait_for(served, [cold])
    assert msgspec.json.decode(cold[0].body) == letter(0)


def test_many_of_them_at_once_are_all_exact_whoever_asks(
    disk: SimulatedFiles, served: Served
) -> None:
    rng = random.Random(6)
    numbers = [rng.randrange(ITEMS) for _ in range(200)]
    for is_at_hand in (False, True):
        disk.is_at_hand = is_at_hand
        whole = ask_together(served, [f"l{number}" for number in numbers])
        some = ask_together(
            served, [(f"l{number}", (("fields", "text,to"),)) for number in numbers]
        )
        then = ask_together(served, [("l5", (("as_of", str(seq)),)) for seq in (6, ITEMS)])
        wait_for(served, whole + some + then)
        assert [msgspec.json.decode(reply.body) for (reply,) in then] == [letter(5)] * 2
        for number, (reply,), (part,) in zip(numbers, whole, some, strict=True):
            told = letter(number)
            assert msgspec.json.decode(reply.body) == told
            assert (reply.status, reply.item_seq, reply.key) == (200, number + 1, told["id"])
            del told["writer"]
            assert msgspec.json.decode(part.body) == told
    served.access = Grants(user="writer1", own=True).access
    mine = ask_together(served, [f"l{number}" for number in range(ITEMS)])
    wait_for(served, mine)
    assert [reply.status for (reply,) in mine] == [404, 200] * (ITEMS // 2)


def test_a_list_is_the_same_whether_its_items_are_at_hand_or_not(
    disk: SimulatedFiles, served: Served
) -> None:
    def listed(*pairs: tuple[str, str]) -> list[dict[str, object]]:
        reply = served.ask(Verb.LIST, (("take", "100"), *pairs))
        return msgspec.json.decode(reply.body, type=_Page).data

    disk.is_at_hand = False
    assert listed() == [letter(number) for number in range(ITEMS)]
    disk.is_at_hand = True
    assert listed(("skip", "1")) == [letter(number) for number in range(1, ITEMS)]


@pytest.mark.parametrize("is_at_hand", [False, True])
def test_a_damaged_record_is_refused_and_the_others_are_answered(
    disk: SimulatedFiles, served: Served, is_at_hand: bool, caplog: pytest.LogCaptureFixture
) -> None:
    (path,) = (path for path in disk.names_cached if path.endswith(".raftlog"))
    inode = disk.names_cached[path]
    inode.cached = inode.cached.replace(b"text 3", b"text E", 1)
    disk.is_at_hand = is_at_hand
    answers = ask_together(served, ["l2", "l3", "l4"])
    wait_for(served, answers)
    assert [reply.status for (reply,) in answers] == [200, 500, 200]
    assert path.encode() not in answers[1][0].body
    assert "checksum" in caplog.text
    assert path in caplog.text


def test_a_late_read_is_counted_once(served: Served) -> None:
    before = figures(served).counters.reads
    served.ask(Verb.GET, "l1")
    served.ask(Verb.GET, f"l{ITEMS - 1}")
    assert figures(served).counters.reads == before + 2
