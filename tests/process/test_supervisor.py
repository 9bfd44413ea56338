"""The real supervisor over small real processes: real signals, real deaths, nobody left behind."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from tests.process.fake_server import FakeServer, plan, wait_until_gone
from tests.support.waiting import wait_until


def test_everything_starts_is_shown_and_stops_with_status_0(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "serve-films", "answer-0", "once-import")) as server:
        server.wait_for("serve-films", phase="serving", restarts=0)
        server.wait_for("answer-0", phase="serving")
        server.wait_for("once-import", phase="stopped", detail="finished")
        where = server.ask(ask="where")
        assert [model["name"] for model in where["models"]] == ["serve-films"]
        assert where["url"].startswith("http://127.0.0.1:")
        family = server.living()
        status, _ = server.end(signal.SIGTERM)
        assert status == 0
        wait_until_gone(family, timeout_s=0.1)
        assert os.listdir(server.plan.run_dir) == ["lock"]


def test_a_killed_process_is_restarted_alone_and_at_once(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "serve-a", "serve-b")) as server:
        before = server.wait_for_all()
        os.kill(before["serve-a"]["pid"], signal.SIGKILL)
        after = server.wait_for("serve-a", phase="serving", restarts=1)
        assert after["pid"] != before["serve-a"]["pid"]
        assert server.status()["serve-b"]["pid"] == before["serve-b"]["pid"]


def test_a_stopped_process_is_killed_for_its_silence_and_restarted(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "serve-a")) as server:
        before = server.wait_for_all()["serve-a"]["pid"]
        os.kill(before, signal.SIGSTOP)
        after = server.wait_for("serve-a", phase="serving", restarts=1)
        assert after["pid"] != before


def test_sigterm_to_a_child_ends_it_in_order_and_it_is_started_again(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "serve-a")) as server:
        os.kill(server.wait_for_all()["serve-a"]["pid"], signal.SIGTERM)
        server.wait_for("serve-a", phase="serving", restarts=1)
        _, logged = server.end()
        assert "stopped as asked; starting again" in logged


def test_sigterm_to_the_whole_family_stops_it_from_the_outside_in(tmp_path: Path) -> None:
    """As `timeout`, or systemd without KillMode=mixed, sends it."""
    with FakeServer(plan(tmp_path, "serve-a", "answer-0", log_level="debug")) as server:
        for process in server.wait_for_all().values():
            os.kill(process["pid"], signal.SIGTERM)
        status, logged = server.end(signal.SIGTERM)
        assert status == 0
        gateway, model = (
            logged.index(f"{name}: stopped") for name in ("answer-0", "model serve-a")
        )
        assert gateway < model
        assert "starting again" not in logged


def test_children_ignore_what_ctrl_c_sends_to_the_whole_group(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "serve-a")) as server:
        pid = server.wait_for_all()["serve-a"]["pid"]
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGHUP)
        assert server.ask(ask="restart", name="serve-a") == {"ok": True}
        server.wait_for("serve-a", phase="serving", restarts=1)
        status, logged = server.end(signal.SIGINT)
        assert status == 0
        assert "killed by" not in logged


def test_a_crash_loop_ends_in_failure_with_the_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "dies-a", "serve-b", restart_deaths=2)) as server:
        server.wait_for("dies-a", phase="failed", restarts=2, detail="ValueError: boom")
        server.wait_for("serve-b", phase="serving", restarts=0)
        assert server.ask(ask="restart", name="dies-a") == {"ok": True}
        server.wait_for("dies-a", phase="failed", restarts=5)


def test_damage_fails_at_once_with_its_sentence(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "damaged-a", "serve-b")) as server:
        failed = server.wait_for("damaged-a", phase="failed")
        assert (failed["restarts"], failed["detail"]) == (0, "log damaged at offset 7")


def test_when_every_model_is_locked_the_exit_status_is_5(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "locked-a", "locked-b", "answer-0")) as server:
        status, logged = server.wait()
        assert status == 5
        assert "locked by another" in logged


def test_when_every_gateway_has_failed_the_exit_status_is_1(tmp_path: Path) -> None:
    failing = plan(tmp_path, "serve-a", "dies-0", "dies-1", restart_deaths=1)
    gateways = [process for process in failing.processes if process.name.startswith("dies")]
    as_gateways = tuple(type(one)("gateway", one.name, one.entry) for one in gateways)
    failing = type(failing)((failing.processes[0], *as_gateways), failing.run_dir, restart_deaths=1)
    with FakeServer(failing) as server:
        status, logged = server.wait()
        assert status == 1
        assert "every gateway has failed: ValueError: boom" in logged


def test_what_ignores_its_stop_is_killed_by_the_second_signal(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "deaf-a")) as server:
        server.wait_for_all()
        server.process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        wait_until(lambda: time.monotonic() - asked > 0.3, "a second signal to be no echo")
        status, _ = server.end(signal.SIGTERM, timeout_s=5)
        assert status == 0


def test_what_ignores_its_stop_is_killed_after_10_seconds(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "deaf-a")) as server:
        server.wait_for_all()
        status, logged = server.end(signal.SIGTERM)
        assert status == 0
        assert "did not stop within 10 s" in logged


def test_the_supervisors_death_takes_all_of_them_with_it_and_a_new_start_works(
    tmp_path: Path,
) -> None:
    made = plan(tmp_path, "serve-a", "slow-b", "deaf-c", "answer-0")
    with FakeServer(made) as server:
        server.wait_for("deaf-c", phase="serving")
        server.wait_for("slow-b", phase="replaying")
        server.wait_for("answer-0", phase="serving")
        family = server.living()
        assert len(family) == 4
        server.process.kill()
        wait_until_gone(family)
        with FakeServer(made) as again:
            again.wait_for("serve-a", phase="serving")


def test_a_supervisor_killed_while_children_are_born_leaves_none(tmp_path: Path) -> None:
    """At every moment of the start: each child is either bound already or sees its parent gone."""
    made = plan(tmp_path, *(f"serve-{number}" for number in range(4)))
    for children in range(1, 5):
        with FakeServer(made) as server:
            wait_until(lambda: len(server.living()) >= children, "a child", 20)  # noqa: B023
            family = server.living()
            server.process.kill()
            wait_until_gone(family)


def test_a_gateways_restart_refuses_no_connection(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "answer-0")) as server:
        server.wait_for_all()
        pids = {server.connect()}
        for _ in range(5):
            os.kill(max(pids), signal.SIGKILL)
            answered = server.connect()  # waits in the kernel's queue until the new one is there
            assert answered not in pids
            pids = {answered}


def test_a_failed_gateways_share_goes_to_the_others(tmp_path: Path) -> None:
    """Its socket is closed, or connections would wait in it for ever."""
    made = plan(tmp_path, "answer-0", "answer-1", restart_deaths=1)
    with FakeServer(made) as server:
        failing = server.wait_for_all()["answer-1"]["pid"]
        os.kill(failing, signal.SIGKILL)
        failing = server.wait_for("answer-1", phase="serving", restarts=1)["pid"]
        os.kill(failing, signal.SIGKILL)
        server.wait_for("answer-1", phase="failed")
        left = server.status()["answer-0"]["pid"]
        assert {server.connect() for _ in range(40)} == {left}
        server.ask(ask="restart", name="answer-1")
        server.wait_for("answer-1", phase="serving")
        wait_until(lambda: server.connect() != left, "the gateway that is back to answer", 20)


def test_two_servers_of_one_run_directory_are_refused_with_status_5(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "serve-a")) as server:
        server.wait_for_all()
        with FakeServer(plan(tmp_path, "serve-a")) as second:
            status, logged = second.wait()
        assert status == 5
        assert f"process {server.process.pid}" in logged
        server.wait_for("serve-a", phase="serving", restarts=0)


def test_a_port_in_use_is_refused_though_both_would_share_it(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path / "one", "answer-0")) as server:
        server.wait_for_all()
        port = int(str(server.ask(ask="where")["url"]).rpartition(":")[2])
        with FakeServer(plan(tmp_path / "two", "answer-0", port=port)) as second:
            status, logged = second.wait()
        assert status == 1
        assert f"can't listen on 127.0.0.1 port {port}: Address already in use" in logged


def test_systemd_is_told_when_all_models_are_replayed_and_when_the_server_stops(
    tmp_path: Path,
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with FakeServer(plan(tmp_path, "slow-a", "serve-b", "answer-0"), environ) as server:
            server.wait_for("serve-b", phase="serving")
            server.wait_for("answer-0", phase="serving")
            with pytest.raises(BlockingIOError):
                manager.recv(64)
            (Path(server.plan.run_dir) / "go").touch()
            server.wait_for("slow-a", phase="serving")
            manager.settimeout(5)
            assert manager.recv(64) == b"READY=1"
            status, _ = server.end()
            assert status == 0
            assert manager.recv(64) == b"STOPPING=1"


def is_silent(manager: socket.socket) -> bool:
    """Tell whether nothing is said for as long as the socket waits."""
    try:
        manager.recv(64)
    except TimeoutError:
        return True
    return False


def test_systemd_is_told_that_the_server_lives_as_long_as_it_does(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        with FakeServer(plan(tmp_path, "serve-a", "answer-0"), environ) as server:
            while manager.recv(64) != b"READY=1":
                pass
            assert [manager.recv(64) for _ in range(2)] == [b"WATCHDOG=1"] * 2
            server.process.send_signal(signal.SIGSTOP)  # one that hangs is silent
            manager.settimeout(0.8)
            wait_until(lambda: is_silent(manager), "the server to say nothing")
            server.process.send_signal(signal.SIGCONT)
            manager.settimeout(30)
            assert manager.recv(64) == b"WATCHDOG=1"
            assert server.end()[0] == 0


def test_the_log_is_json_lines_where_there_is_no_terminal(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "serve-a", "dies-b", restart_deaths=1)) as server:
        server.wait_for("dies-b", phase="failed")
        _, logged = server.end()
    entries = [json.loads(line) for line in logged.splitlines()]
    assert {"supervisor", "model dies-b"} <= {entry["process"] for entry in entries}
    assert any("ValueError: boom" in entry.get("exception", "") for entry in entries)


def test_processes_carry_their_names_where_people_look_for_them(tmp_path: Path) -> None:
    with FakeServer(plan(tmp_path, "serve-films", "answer-0")) as server:
        processes = server.wait_for_all()
        titles = [psutil.Process(one["pid"]).cmdline()[0] for one in processes.values()]
        assert titles == ["lithair: model serve-films", "lithair: answer-0"]
