"""What a model process tells of itself: every figure is what has happened, no more and no less."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lithair import Lithair, Model, Pinned, retention
from lithair.core.figures import ModelFigures
from lithair.wire.protocol import Verb
from tests.actors.serving import Served
from tests.support.simulated_files import SimulatedFiles
from tests.support.waiting import wait_until

KEPT_HOT = 2


@retention(memory=KEPT_HOT)
class Letter(Model):
    subject: Pinned[str] = ""
    body: str = ""


@pytest.fixture
def disk() -> SimulatedFiles:
    return SimulatedFiles()


def letters(disk: SimulatedFiles, run_dir: Path) -> Served:
    app = Lithair().with_model(Letter, "/data", "/api/letters")
    return Served(app, "letters", run_dir, disk)


@pytest.fixture
def served(disk: SimulatedFiles, tmp_path: Path) -> Iterator[Served]:
    served = letters(disk, tmp_path)
    yield served
    served.stop()


def figures(served: Served) -> ModelFigures:
    return msgspec.json.decode(served.ask(Verb.STATS).body, type=ModelFigures)


def create(served: Served, *names: str) -> None:
    for name in names:
        served.write(Verb.CREATE, {"id": name, "subject": name, "body": f"body of {name}"})


def test_events_are_counted_by_kind_and_requests_by_whether_they_write(served: Served) -> None:
    create(served, "a", "b", "c")
    served.write(Verb.PATCH, {"body": "other"}, "a")
    served.write(Verb.DELETE, key="b")
    served.write(Verb.BULK, [{"subject": "d"}, {"subject": "e"}])
    assert served.write(Verb.PATCH, {"body": "none"}, "zzz").status == 404
    served.ask(Verb.GET, "a")
    served.ask(Verb.GET, "zzz")
    served.ask(Verb.COUNT, ())
    told = figures(served)
    assert told.counters.events == {"create": 5, "update": 1, "delete": 1}
    assert (told.counters.writes, told.counters.reads) == (7, 3)
    assert (told.seq, told.item_count) == (7, 4)


def test_asking_for_figures_changes_none_of_them(served: Served) -> None:
    create(served, "a")
    first, second = figures(served), figures(served)
    assert first.counters == second.counters


def test_each_batch_that_reached_the_disk_is_in_the_commit_histogram(served: Served) -> None:
    create(served, "a", "b", "c")  # each waits for its answer: three batches
    commits = figures(served).counters.commits
    assert sum(commits.counts) == 3
    assert commits.sum_s > 0


def test_bytes_of_the_log_are_those_on_the_disk(disk: SimulatedFiles, served: Served) -> None:
    create(served, "a", "b")
    files = [path for path in disk.names_cached if path.endswith((".raftlog", ".snapshot"))]
    size = sum(len(disk.names_cached[path].cached) for path in files)
    assert figures(served).raftlog_size_bytes == size


def test_items_are_hot_or_warm_and_ram_falls_when_they_become_warm(served: Served) -> None:
    create(served, *"abcde")
    wait_until(lambda: figures(served).hot_count == KEPT_HOT, "the others to be evicted")
    told = figures(served)
    assert (told.item_count, told.hot_count, told.warm_count) == (5, KEPT_HOT, 3)
    before = told.approx_ram_bytes
    served.write(Verb.DELETE, key="a")
    served.write(Verb.DELETE, key="e")
    told = figures(served)
    assert told.item_count == told.hot_count + told.warm_count == 3
    assert told.approx_ram_bytes < before


def test_a_cold_record_that_fails_its_check_is_counted_once_however_often_it_is_read(
    disk: SimulatedFiles, served: Served
) -> None:
    create(served, *"abcd")
    wait_until(lambda: figures(served).hot_count == KEPT_HOT, "the others to be evicted")
    assert figures(served).damaged == 0
    (inode,) = (inode for path, inode in disk.names_cached.items() if path.endswith(".raftlog"))
    for name in (b"a", b"b"):
        inode.cached = inode.cached.replace(b"body of " + name, b"boxy of " + name)
    for _ in range(3):
        assert served.ask(Verb.GET, "a").status == 500
    assert figures(served).damaged == 1
    assert served.ask(Verb.GET, "b").status == 500
    assert served.ask(Verb.GET, "d").status == 200
    assert figures(served).damaged == 2


def test_counters_begin_anew_with_the_process_and_what_is_stored_does_not(
    disk: SimulatedFiles, tmp_path: Path
) -> None:
    first = letters(disk, tmp_path)
    create(first, "a")
    before = figures(first)
    first.stop()
    again = letters(disk, tmp_path)
    after = figures(again)
    again.stop()
    assert after.counters.events == {"create": 0, "update": 0, "delete": 0}
    assert (after.seq, after.item_count) == (before.seq, before.item_count) == (1, 1)


def test_without_a_compaction_all_events_came_since_the_last(served: Served) -> None:
    create(served, "a", "b")
    told = figures(served)
    assert told.events_since_last_compaction == 2
    assert told.last_compaction_at is None
    assert (told.compactions, told.compaction_running) == (0, False)


def test_the_process_is_told_with_its_memory_and_its_share_of_a_core(served: Served) -> None:
    process = figures(served).process
    assert process.pid == os.getpid()
    assert process.rss_bytes > 1 << 20
    assert process.cpu_percent >= 0
    assert process.restarts == 0
    served.child.restarts = 4
    assert figures(served).process.restarts == 4
