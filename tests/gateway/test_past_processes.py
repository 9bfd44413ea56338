"""Lists of the past and their process: when it hangs, dies, or is waited for no more.

The process is stopped as soon as it is seen, so that it is under way for as long as a test wants.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from lithair import Dropped, connect
from lithair.actors.time_travel import WAITING_MAX
from tests.client.library import Tally, library, pid_of
from tests.gateway.harness import RawAnswer, RawConnection
from tests.support.leaks import no_process_left
from tests.support.waiting import wait_until

TALLIES = "/api/tallys"
TIMEOUT_S = 6


class Site:
    """A server of one model, and the errands of its process."""

    def __init__(self, url: str, run_dir: str) -> None:
        self.http = httpx2.Client(base_url=url)
        self.run_dir = run_dir
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._model = psutil.Process(pid_of(run_dir, "tallys"))

    def connect(self) -> RawConnection:
        return RawConnection.to(self._host, self._port)

    def ask_past(self) -> RawConnection:
        connection = self.connect()
        connection.send(f"GET {TALLIES}?as_of=2 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return connection

    def errands(self) -> list[psutil.Process]:
        """Give those that have come to name themselves; before, they are still being started."""
        found: list[psutil.Process] = []
        for child in self._model.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "lithair: past tallys" in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def stopped_errand(self) -> psutil.Process:
        """Wait for an errand and stop it where it is."""
        (errand,) = wait_until(self.errands, "an errand")
        errand.send_signal(signal.SIGSTOP)
        return errand


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    app = library(tmp_path, Tally).with_timeout(TIMEOUT_S)
    with no_process_left(), app.running() as server:
        site = Site(server.url, server.run_dir)
        with site.http:
            for number in range(3):
                answer = site.http.post(TALLIES, json={"id": str(number), "n": number})
                assert answer.status_code == 201, answer.text
            yield site


def total_of(answer: RawAnswer) -> int:
    assert answer.status == 200, answer
    return int(answer.body.partition(b'"total":')[2].partition(b",")[0])


def test_reads_and_writes_go_on_beside_it_and_what_waits_is_bounded(site: Site) -> None:
    first = site.ask_past()
    errand = site.stopped_errand()
    waiting = [site.ask_past() for _ in range(WAITING_MAX)]
    assert site.http.get(TALLIES).json()["total"] == 3
    assert site.http.post(TALLIES, json={"n": 9}).status_code == 201
    assert site.http.get(f"{TALLIES}/1", params={"as_of": 2}).json()["n"] == 1
    with site.ask_past() as one_more:
        refused = one_more.answer()
    assert (refused.status, refused.field("Retry-After")) == (503, "1")
    for connection in waiting[1:]:
        connection.sock.close()
    errand.kill()
    with first, waiting[0]:
        dead = first.answer()
        assert (dead.status, dead.field("Retry-After")) == (503, "1")
        assert b"looked into the past" in dead.body
        assert total_of(waiting[0].answer()) == 2
    wait_until(lambda: not site.errands(), "no errand to be left")


def test_one_that_takes_too_long_is_504_and_its_process_is_ended(site: Site) -> None:
    with site.ask_past() as connection:
        errand = site.stopped_errand()
        assert connection.answer().status == 504
    wait_until(lambda: not psutil.pid_exists(errand.pid), "the process to be ended")
    with site.ask_past() as connection:
        assert total_of(connection.answer()) == 2


def test_one_that_nobody_waits_for_is_ended(site: Site) -> None:
    with site.ask_past():
        errand = site.stopped_errand()
    wait_until(lambda: not psutil.pid_exists(errand.pid), "the process to be ended")


def test_it_dies_with_the_models_process(site: Site) -> None:
    with site.ask_past() as connection:
        errand = site.stopped_errand()
        os.kill(errand.ppid(), signal.SIGKILL)
        wait_until(lambda: not psutil.pid_exists(errand.pid), "the process to be ended")
        assert total_of(connection.answer()) == 2  # asked again, like every other request


def test_what_compaction_has_dropped_is_410_with_what_can_still_be_had(site: Site) -> None:
    """Over HTTP and by handles; the oldest point that is named works."""
    assert site.http.delete(f"{TALLIES}/0").status_code == 204
    with connect(site.run_dir) as lithair:
        tallies = lithair.model(Tally)
        cut = tallies.compact().seq
        tallies.patch("1", {"n": 7})
        for path in ("", "/count", "/1", "/0"):
            answer = site.http.get(TALLIES + path, params={"as_of": cut - 1})
            assert answer.status_code == 410, (path, answer.text)
            problem = answer.json()
            assert (problem["oldest_seq"], problem["title"]) == (cut, "Gone")
            assert f"event {cut}, {problem['oldest_time']}" in problem["detail"]
            for as_of in (problem["oldest_seq"], problem["oldest_time"]):
                then = site.http.get(TALLIES + path, params={"as_of": as_of})
                assert then.status_code == (404 if path == "/0" else 200), (path, then.text)
        assert site.http.get(f"{TALLIES}/1", params={"as_of": cut}).json()["n"] == 1
        assert [tally.n for tally in tallies.list(as_of=cut).data] == [1, 2]
        with pytest.raises(Dropped) as dropped:
            tallies.count(as_of=cut - 1)
        assert dropped.value.oldest == cut
        assert dropped.value.oldest_ms is not None
        assert [entry.item.n for entry in tallies.history("1")] == [1, 7]
        assert tallies.history("0") == []


def test_where_history_is_kept_everything_can_be_had(site: Site) -> None:
    assert site.http.delete(f"{TALLIES}/0").status_code == 204
    with connect(site.run_dir) as lithair:
        tallies = lithair.model(Tally)
        cut = tallies.compact(keep_history=True).seq
        tallies.patch("1", {"n": 7})
        for seq, expected in enumerate(([], [0], [0, 1], [0, 1, 2], [1, 2], [7, 2])):
            assert [tally.n for tally in tallies.list(as_of=seq).data] == expected
            assert tallies.count(as_of=seq) == len(expected)
        assert tallies.get("0", as_of=cut - 1) == Tally(id="0", n=0)
        assert tallies.get("1", as_of=2) == Tally(id="1", n=1)
        assert [entry.operation for entry in tallies.history("0")] == ["create", "delete"]
