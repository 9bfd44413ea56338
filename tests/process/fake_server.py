"""A real supervisor over fake processes, started and watched by a test."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import psutil

from lithair import Lithair, logs
from lithair.actors.announcement import Announcement
from lithair.actors.plan import Plan, ProcessPlan
from lithair.actors.supervisor import Supervisor
from lithair.declaration import pack
from lithair.transport.control_socket import ControlClient
from tests.support.waiting import wait_until

ENTRY = "tests.process.fake_process"
KINDS = {"answer": "gateway", "once": "worker"}
GONE_MAX_S = 2.0  # what the contract gives children after their supervisor's death


def plan(run_dir: Path, *names: str, **settings: Any) -> Plan:
    """Plan one process per name; its first word says what it does and so of what kind it is."""
    processes = tuple(
        ProcessPlan(KINDS.get(name.partition("-")[0], "model"), name, ENTRY) for name in names
    )
    return Plan(processes, str(run_dir / "run"), **settings)


def wait_until_gone(family: set[psutil.Process], timeout_s: float = GONE_MAX_S) -> None:
    """Wait until these processes are dead; a zombie that awaits its parent is."""
    wait_until(lambda: not any(map(_lives, family)), f"{family} to be gone", timeout_s)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class FakeServer:
    """A supervisor in a process of its own. Leaving kills whatever is left of it."""

    def __init__(self, plan: Plan, environ: Mapping[str, str] | None = None) -> None:
        self.plan = plan
        arguments = [sys.executable, "-m", "tests.process.fake_server"]
        self.process = subprocess.Popen(
            [*arguments, msgspec.json.encode(plan).decode()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environ or {})},
            text=True,
        )
        self._family: set[psutil.Process] = set()

    def __enter__(self) -> "FakeServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._family |= self.living()
        self.process.kill()
        self.process.communicate()
        try:
            wait_until_gone(self._family)
        finally:
            for one in filter(_lives, self._family):
                one.kill()

    def ask(self, **request: object) -> dict[str, Any]:
        with ControlClient(self.plan.run_dir) as client:
            return client.ask(request, 5.0) or {}

    def status(self) -> dict[str, dict[str, Any]]:
        """Give the processes by name; nothing while no server answers."""
        if not os.path.exists(os.path.join(self.plan.run_dir, "control")):
            return {}
        processes: list[dict[str, Any]] = self.ask(ask="status").get("processes", [])
        return {process["name"]: process for process in processes}

    def wait_for(self, name: str, **wanted: object) -> dict[str, Any]:
        """Wait until a process's status has these values."""

        def look() -> dict[str, Any] | None:
            process = self.status().get(name, {})
            fits = all(process.get(key) == value for key, value in wanted.items())
            return process if process and fits else None

        return wait_until(look, f"{name} to be {wanted}", 20)

    def wait_for_all(self, phase: str = "serving") -> dict[str, dict[str, Any]]:
        for process in self.plan.processes:
            self.wait_for(process.name, phase=phase)
        return self.status()

    def living(self) -> set[psutil.Process]:
        try:
            return set(psutil.Process(self.process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return set()

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 20.0) -> tuple[int, str]:
        """Send a signal and wait for the end; give the exit status and what was logged."""
        self._family |= self.living()
        self.process.send_signal(number)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = 20.0) -> tuple[int, str]:
        _, logged = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, logged

    def connect(self) -> int:
        """Connect as a client does, and give the pid of the gateway that answered."""
        port = int(str(self.ask(ask="where")["url"]).rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            return int(client.recv(64))


def main() -> int:
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    logs.configure(plan.log_level, "supervisor")
    declaration = Lithair().with_route("GET", "/", nothing).declaration({}, {})
    return Supervisor(plan, pack(declaration), Announcement(plan)).run()


async def nothing(_request: object) -> None:
    """A route, because an application needs something to serve."""


if __name__ == "__main__":
    sys.exit(main())
