"""Real processes that are killed under a client's requests."""

import signal
from pathlib import Path

import psutil
import pytest

from lithair.transport.request_client import ALIVE_MS
from lithair.transport.sockets import monotonic_ms
from tests.transport.asking import Asking, ModelProcess, greet, run_until, settle


@pytest.mark.usefixtures("no_leaks")
def test_a_write_logged_before_the_kill_happens_exactly_once(tmp_path: Path) -> None:
    """The process dies between its log and its answer; the next one answers by command id."""
    with ModelProcess(tmp_path) as model, Asking(model.endpoint) as asking:
        asking.put("before", {"n": 1})
        settle(asking)
        asking.put("last words", {"log and die": 1})
        asking.put("behind them", {"n": 2})
        run_until(lambda: model.process.poll() is not None, "the death", asking)
        model.wait()
        asking.put("while it is dead")
        model.start_again()
        settle(asking)
        assert asking.order == ["before", "last words", "behind them", "while it is dead"]
        assert {reply.status for reply in asking.replies.values()} == {201}
        logged = (tmp_path / "things.memory").read_text(encoding="utf-8").splitlines()
        assert len(logged) == 4


@pytest.mark.usefixtures("no_leaks")
def test_requests_in_great_numbers_survive_a_kill_in_their_order(tmp_path: Path) -> None:
    with ModelProcess(tmp_path) as model, Asking(model.endpoint) as asking:
        greet(asking)
        labels = [f"item-{number}" for number in range(3000)]
        for label in labels:
            asking.put(label)
        run_until(lambda: asking.order, "the first answers", asking)
        model.kill()
        model.start_again()
        settle(asking)
        assert asking.order == labels
        assert {reply.status for reply in asking.replies.values()} == {201}
        logged = (tmp_path / "things.memory").read_text(encoding="utf-8").splitlines()
        assert len(logged) == len(labels)


@pytest.mark.usefixtures("no_leaks")
def test_a_request_that_kills_its_process_twice_is_500_and_the_others_live(
    tmp_path: Path,
) -> None:
    with ModelProcess(tmp_path) as model, Asking(model.endpoint) as asking:
        asking.put("poison", {"die": 1})
        for _ in range(2):
            run_until(lambda: model.process.poll() is not None, "a death", asking)
            model.wait()
            model.start_again()
        asking.put("innocent")
        settle(asking)
        assert asking.status("poison") == 500
        assert asking.status("innocent") == 201
        assert model.process.poll() is None


@pytest.mark.usefixtures("no_leaks")
def test_a_stopped_process_counts_as_gone_and_answers_when_it_goes_on(tmp_path: Path) -> None:
    with ModelProcess(tmp_path) as model, Asking(model.endpoint) as asking:
        greet(asking)
        model.process.send_signal(signal.SIGSTOP)
        stopped = psutil.Process(model.process.pid)
        run_until(lambda: stopped.status() == psutil.STATUS_STOPPED, "the stop")
        asking.get("waits")
        asking.get("gives up", within_ms=ALIVE_MS // 2)
        run_until(lambda: "gives up" in asking.replies, "the deadline", asking)
        assert asking.status("gives up") == 504  # not silent for long enough to be called gone
        run_until(lambda: not asking.client.is_alive(monotonic_ms()), "no life", asking)
        asking.get("gives up too", within_ms=10)
        run_until(lambda: "gives up too" in asking.replies, "the deadline", asking)
        assert asking.status("gives up too") == 503
        model.process.send_signal(signal.SIGCONT)
        settle(asking)
        assert asking.status("waits") == 404
