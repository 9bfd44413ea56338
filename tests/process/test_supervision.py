"""What the supervisor decides, without a process: order, failures, ends, nobody forgotten."""

import signal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lithair.core.restart import RETRY_FAILED_MS, RestartLimit
from lithair.core.supervised import FAMILY_SIGNAL_MS, STOP_MAX_MS, State, Supervised
from lithair.core.supervision import ECHO_MS, Action, AskStop, Kill, Role, Start, Supervision

LIMIT = RestartLimit(2, 30_000)
MODELS = (Role("model", "films", "Film"), Role("model", "mails", "Mail"))
GATEWAYS = (Role("gateway", "gateway-0", "gateway"), Role("gateway", "gateway-1", "gateway"))
WORKERS = (Role("worker", "importer"),)


class Bench:
    """A supervision whose actions are carried out at once, in a world that obeys."""

    def __init__(self, *roles: Role) -> None:
        self.supervision = Supervision(roles, LIMIT, 0)
        self.now = 0
        self.pids = 100
        self.log: list[str] = []

    def tick(self, after_ms: int = 0) -> list[str]:
        self.now += after_ms
        done = [self._perform(action) for action in self.supervision.tick(self.now)]
        self.log += done
        return done

    def _perform(self, action: Action) -> str:
        process = action.process
        match action:
            case Start():
                self.pids += 1
                self.supervision.started(process, self.pids, self.now)
                return f"start {process.name}"
            case AskStop():
                return f"ask {process.name}"
            case Kill():
                return f"kill {process.name}"

    def named(self, name: str) -> Supervised:
        return next(one for one in self.supervision.processes if one.name == name)

    def says(self, name: str, phase: str) -> None:
        self.supervision.heard(self.named(name), (phase, "", 0, False), self.now)

    def exits(self, name: str, status: int = 0) -> None:
        self.supervision.exited(self.named(name), status, f"status {status}", self.now)

    def fails(self, name: str, exit_status: int) -> None:
        self.named(name).gave_up("said why", exit_status)
        self.exits(name, exit_status)

    def all_serve(self) -> None:
        self.tick()
        for process in self.supervision.processes:
            if process.kind != "worker":
                self.says(process.name, "serving")
        self.tick()
        for process in self.supervision.of_kind("worker"):
            self.says(process.name, "serving")
        self.tick()


def test_models_start_first_then_gateways_and_workers_once_all_models_serve() -> None:
    bench = Bench(*WORKERS, *GATEWAYS, *MODELS)
    assert bench.tick() == [
        "start films", "start mails", "start gateway-0", "start gateway-1",
    ]  # fmt: skip
    bench.says("films", "serving")
    assert bench.tick() == []
    bench.says("mails", "serving")
    assert bench.tick() == ["start importer"]


def test_a_worker_does_not_wait_for_a_model_that_has_failed() -> None:
    bench = Bench(*MODELS, *WORKERS)
    bench.tick()
    bench.says("films", "serving")
    bench.fails("mails", 3)
    assert bench.tick() == ["start importer"]


def test_the_server_is_ready_when_models_are_settled_and_a_gateway_serves() -> None:
    bench = Bench(*MODELS, *GATEWAYS)
    bench.tick()
    bench.says("films", "serving")
    bench.says("gateway-0", "serving")
    bench.says("mails", "replaying")
    bench.tick()
    assert not bench.supervision.is_ready
    bench.fails("mails", 3)
    bench.tick()
    assert bench.supervision.is_ready


def test_the_stop_goes_from_the_outside_in() -> None:
    bench = Bench(*MODELS, *GATEWAYS, *WORKERS)
    bench.all_serve()
    bench.supervision.ask_stop("SIGTERM", bench.now)
    assert bench.tick() == ["ask gateway-0", "ask gateway-1"]
    bench.exits("gateway-1")
    assert bench.tick() == []
    bench.exits("gateway-0")
    assert bench.tick() == ["ask importer"]
    bench.exits("importer")
    assert bench.tick() == ["ask films", "ask mails"]
    bench.exits("films")
    bench.exits("mails")
    bench.tick()
    assert bench.supervision.is_over
    assert bench.supervision.exit_status == 0


def test_what_does_not_stop_in_time_is_killed_and_the_stop_goes_on() -> None:
    bench = Bench(*MODELS[:1], *GATEWAYS[:1])
    bench.all_serve()
    bench.supervision.ask_stop("SIGTERM", bench.now)
    bench.tick()
    assert bench.tick(STOP_MAX_MS - 1) == []
    assert bench.tick(1) == ["kill gateway-0"]
    assert bench.tick(1) == []
    bench.exits("gateway-0", -9)
    assert bench.tick() == ["ask films"]


def test_asked_twice_it_stops_at_once() -> None:
    bench = Bench(*MODELS, *GATEWAYS)
    bench.all_serve()
    bench.supervision.ask_stop("SIGINT", bench.now)
    bench.tick(ECHO_MS - 1)
    bench.supervision.ask_stop("SIGINT", bench.now)  # what a wrapper passes on is no second one
    assert bench.tick(1) == []
    bench.supervision.ask_stop("SIGINT", bench.now)
    assert bench.tick() == [
        "kill films", "kill mails", "kill gateway-0", "kill gateway-1",
    ]  # fmt: skip
    assert bench.tick() == []


def test_a_process_that_is_still_starting_is_not_asked_but_ended() -> None:
    bench = Bench(*MODELS[:1])
    bench.tick()
    bench.supervision.ask_stop("SIGTERM", bench.now)
    assert bench.tick() == ["kill films"]


def test_one_process_dies_and_only_that_one_is_started_again() -> None:
    bench = Bench(*MODELS, *GATEWAYS)
    bench.all_serve()
    bench.exits("films", -signal.SIGKILL)
    assert bench.tick() == ["start films"]
    assert bench.named("films").restarts == 1


def test_a_process_past_its_limit_fails_and_is_tried_every_minute_shown_as_failed() -> None:
    bench = Bench(*MODELS)
    bench.all_serve()
    for _ in range(LIMIT.deaths):
        bench.exits("films", 1)
        assert bench.tick(1000) == ["start films"]
    bench.exits("films", 1)
    assert bench.named("films").phase == "failed"
    assert bench.tick(RETRY_FAILED_MS - 1) == []
    assert bench.tick(1) == ["start films"]
    bench.says("films", "replaying")
    assert bench.named("films").phase == "failed"
    bench.says("films", "serving")
    assert bench.named("films").phase == "serving"


def test_a_process_that_gives_up_fails_at_once_and_comes_back_on_request() -> None:
    bench = Bench(*MODELS)
    bench.all_serve()
    bench.fails("mails", 3)
    assert bench.named("mails").phase == "failed"
    assert bench.named("mails").detail == "said why"
    assert bench.supervision.ask_restart("Mail", bench.now) is None
    assert bench.tick() == ["start mails"]
    assert bench.named("mails").phase == "starting"


def test_a_restart_on_request_stops_in_order_and_counts_as_no_death() -> None:
    bench = Bench(*MODELS)
    bench.all_serve()
    for _ in range(10):
        assert bench.supervision.ask_restart("films", bench.now) is None
        assert bench.tick() == ["ask films"]
        assert bench.tick() == []
        bench.exits("films", 0)
        assert bench.tick() == ["start films"]
        bench.says("films", "serving")
        bench.tick()


def test_a_restart_on_request_that_hangs_is_killed() -> None:
    bench = Bench(*MODELS)
    bench.all_serve()
    bench.supervision.ask_restart("films", bench.now)
    bench.tick()
    assert bench.tick(STOP_MAX_MS) == ["kill films"]
    bench.exits("films", -9)
    assert bench.tick() == ["start films"]


def test_a_signal_to_one_process_restarts_it_and_one_to_all_stops_in_order() -> None:
    bench = Bench(*MODELS[:1], *GATEWAYS[:1])
    bench.all_serve()
    bench.named("films").signalled(bench.now)
    assert bench.tick(FAMILY_SIGNAL_MS - 1) == []
    assert bench.tick(1) == ["ask films"]
    bench.exits("films")
    assert bench.tick() == ["start films"]
    bench.says("films", "serving")
    for name in ("films", "gateway-0"):
        bench.named(name).signalled(bench.now)
    bench.supervision.ask_stop("SIGTERM", bench.now)
    assert bench.tick(FAMILY_SIGNAL_MS) == ["ask gateway-0"]


def test_asking_for_an_unknown_process_names_those_there_are() -> None:
    bench = Bench(*MODELS)
    problem = bench.supervision.ask_restart("flims", 0)
    assert problem is not None
    assert "films, mails" in problem


def test_when_every_gateway_has_failed_the_server_ends_with_status_1() -> None:
    bench = Bench(*MODELS[:1], *GATEWAYS)
    bench.all_serve()
    bench.fails("gateway-0", 1)
    assert bench.tick() == []
    bench.fails("gateway-1", 1)
    assert bench.tick() == ["ask films"]
    bench.exits("films")
    bench.tick()
    assert bench.supervision.is_over
    assert bench.supervision.exit_status == 1


def test_when_every_model_is_locked_the_start_ends_with_status_5() -> None:
    bench = Bench(*MODELS)
    bench.tick()
    bench.fails("films", 5)
    bench.tick()
    assert not bench.supervision.is_stopping
    bench.fails("mails", 5)
    bench.tick()
    assert bench.supervision.is_over
    assert bench.supervision.exit_status == 5


@pytest.mark.parametrize("status", [1, 3])
def test_models_that_fail_for_other_reasons_leave_the_server_running(status: int) -> None:
    bench = Bench(*MODELS)
    bench.tick()
    bench.fails("films", 5)
    bench.fails("mails", status)
    bench.tick()
    assert not bench.supervision.is_stopping


def test_a_worker_that_returns_is_finished_and_one_that_only_ends_is_started_again() -> None:
    bench = Bench(*WORKERS)
    bench.tick()
    bench.says("importer", "serving")
    bench.exits("importer", 0)
    assert bench.tick() == ["start importer"]
    bench.says("importer", "finished")
    bench.exits("importer", 0)
    assert bench.tick(RETRY_FAILED_MS * 2) == []
    assert bench.named("importer").detail == "finished"


def test_a_silent_process_is_killed_once_and_then_started_again() -> None:
    bench = Bench(*MODELS[:1])
    bench.all_serve()
    kills = [line for _ in range(20) for line in bench.tick(500)]
    assert kills == ["kill films"]
    bench.exits("films", -9)
    assert bench.tick() == ["start films"]
    assert "silent" in bench.named("films").detail or bench.named("films").phase == "starting"


def test_a_supervisor_that_was_stopped_itself_holds_it_against_nobody() -> None:
    bench = Bench(*MODELS)
    bench.all_serve()
    assert bench.tick(3_600_000) == []


class Chaos(RuleBasedStateMachine):
    """Whatever happens in whatever order: nobody is forgotten, and a stop comes to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(*MODELS, *GATEWAYS, *WORKERS)
        self.bench.tick()

    def alive(self) -> list[Supervised]:
        return [one for one in self.bench.supervision.processes if one.is_alive]

    @rule(ms=st.integers(0, 3_000))
    def time_passes(self, ms: int) -> None:
        self.bench.tick(ms)

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), phase=st.sampled_from(["replaying", "serving", "finished"]))
    def one_speaks(self, data: st.DataObject, phase: str) -> None:
        self.bench.says(data.draw(st.sampled_from(self.alive())).name, phase)

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), status=st.sampled_from([-9, 0, 1]))
    def one_dies(self, data: st.DataObject, status: int) -> None:
        self.bench.exits(data.draw(st.sampled_from(self.alive())).name, status)

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), status=st.sampled_from([1, 3, 5]))
    def one_gives_up(self, data: st.DataObject, status: int) -> None:
        self.bench.fails(data.draw(st.sampled_from(self.alive())).name, status)

    @rule(name=st.sampled_from(["films", "Mail", "gateway", "importer"]))
    def somebody_asks_for_a_restart(self, name: str) -> None:
        problem = self.bench.supervision.ask_restart(name, self.bench.now)
        assert (problem is not None) == self.bench.supervision.is_stopping

    @rule()
    def a_signal_arrives(self) -> None:
        self.bench.supervision.ask_stop("SIGTERM", self.bench.now)

    @invariant()
    def a_living_process_has_a_pid_and_no_other_has(self) -> None:
        for process in self.bench.supervision.processes:
            assert (process.pid != 0) == process.is_alive

    @invariant()
    def whoever_is_not_alive_has_a_time_to_start_or_is_done(self) -> None:
        self.bench.tick()
        for process in self.bench.supervision.processes:
            waits = process.state in (State.WAITING, State.FAILED)
            assert process.is_alive or waits or process.state is State.DONE
            if waits and not self.bench.supervision.is_stopping:
                assert process.start_at_ms - self.bench.now <= RETRY_FAILED_MS

    def teardown(self) -> None:
        self.bench.supervision.ask_stop("the end", self.bench.now)
        for _ in range(100):
            self.bench.tick(1_000)
            for process in self.alive():
                if process.kill_reason:
                    self.bench.exits(process.name, -9)
        assert self.bench.supervision.is_over


TestChaos = Chaos.TestCase
TestChaos.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
