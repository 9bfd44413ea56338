"""What the supervisor tells of figures: what processes cost, and what its gateways told."""

import os
import signal
from pathlib import Path
from typing import Any

import psutil

from lithair.actors.control import Control
from lithair.actors.plan import Plan, ProcessPlan
from lithair.actors.process_figures import FamilyCost, OwnCost
from lithair.core.restart import RestartLimit
from lithair.core.supervised import GATEWAY, MODEL
from lithair.core.supervision import Role, Supervision
from tests.process.fake_server import FakeServer, plan
from tests.support.waiting import wait_until


def processes(server: FakeServer) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in server.ask(ask="figures")["processes"]}


def test_every_process_is_told_with_what_it_costs_the_supervisor_too(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "serve-a", "answer-0", "once-import")) as server:
        server.wait_for("once-import", phase="stopped")
        running = server.wait_for("serve-a", phase="serving")
        told = processes(server)
        assert list(told) == ["supervisor", "serve-a", "answer-0", "once-import"]
        assert told["supervisor"]["pid"] == server.process.pid
        assert told["serve-a"]["pid"] == running["pid"]
        assert [one["kind"] for one in told.values()] == [
            "supervisor",
            "model",
            "gateway",
            "worker",
        ]
        for name in ("supervisor", "serve-a", "answer-0"):
            assert told[name]["rss_bytes"] > 1 << 20
            assert told[name]["cpu_seconds"] > 0
        ended = told["once-import"]
        assert (ended["pid"], ended["cpu_seconds"], ended["rss_bytes"]) == (None, None, None)


def test_restarts_are_counted_by_the_supervisor(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "serve-a")) as server:
        os.kill(server.wait_for_all()["serve-a"]["pid"], signal.SIGKILL)
        server.wait_for("serve-a", phase="serving", restarts=1)
        assert processes(server)["serve-a"]["restarts"] == 1


def test_a_process_knows_how_many_lives_were_before_its_own(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "counts-a")) as server:
        for restarts in range(3):
            process = server.wait_for("counts-a", phase="serving", restarts=restarts)
            server.wait_for("counts-a", detail=f"{restarts} before")
            os.kill(process["pid"], signal.SIGKILL)


def test_what_a_gateway_told_last_holds_and_what_others_tell_is_not_kept() -> None:
    roles = [Role(MODEL, "a"), Role(GATEWAY, "gateway-0"), Role(GATEWAY, "gateway-1")]
    supervision = Supervision(roles, RestartLimit(5, 30_000), 0)
    made = Plan(tuple(ProcessPlan(role.kind, role.name, "") for role in roles), "/run")
    control = Control(made, supervision, "")
    model, first, second = supervision.processes
    control.told(model, {"statuses": {}})
    control.told(first, {"statuses": {"200": 1}})
    control.told(second, {"statuses": {"200": 5}})
    control.told(first, {"statuses": {"200": 2}})
    assert control.answer({"ask": "figures"}, 0)["gateways"] == {
        "gateway-0": {"statuses": {"200": 2}},
        "gateway-1": {"statuses": {"200": 5}},
    }


def test_asking_often_reads_what_processes_cost_only_now_and_then() -> None:
    cost = FamilyCost()
    first = cost.read([os.getpid()], 1000)
    assert cost.read([os.getpid()], 1001) is first
    assert cost.read([os.getpid()], 2000) is not first


def test_a_process_that_has_ended_is_left_out() -> None:
    gone = psutil.Popen(["true"])
    gone.wait()
    assert set(FamilyCost().read([os.getpid(), gone.pid], 0)) == {os.getpid()}


def test_the_share_of_a_core_follows_what_is_used() -> None:
    """Over a second of work at least: all of a core, less what others take of it."""
    cost = OwnCost()
    own = psutil.Process()

    def worked(seconds: float) -> bool:
        begun = own.cpu_times().user
        while own.cpu_times().user - begun < seconds:
            sum(range(10_000))
        return True

    cost.read()
    wait_until(lambda: worked(0.3) and cost.read()[0] > 10, "a share of a core", 20)
