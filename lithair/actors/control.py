"""Control: what the supervisor answers to those who may enter the run directory.

Owns the answers of the control socket. Law: an answer is made from the state as it is now, at once;
nothing that is asked can make the supervisor wait.

    where   -> {"version", "url", "models": [{"name", "class_name", "path", "directory", "endpoint",
               "phase", "pid"}]}
    status  -> {"pid", "version", "started", "url", "processes": [{"name", "kind", "pid", "phase",
               "restarts", "since_s", "detail"}]}
    figures -> {"processes": [{"name", "kind", "pid", "restarts", "cpu_seconds", "rss_bytes"}],
               "gateways": {name: what that gateway told last},
               "listeners": {name: {"model", "failures", "dead_letters"}}}
    restart -> {"ok": true} | {"error": sentence}          with "name"
    stop    -> {"ok": true}
"""

import datetime as dt
import os
from collections.abc import Callable, Mapping
from typing import Final

import lithair
from lithair.actors.plan import Plan
from lithair.actors.process_figures import FamilyCost
from lithair.core.supervised import GATEWAY, LISTENER, MODEL, Supervised
from lithair.core.supervision import Supervision
from lithair.transport.sockets import model_endpoint

SUPERVISOR: Final = "supervisor"  # its name and kind among the processes of `figures`

Reply = dict[str, object]


class Control:
    """Answers requests about one supervision."""

    def __init__(self, plan: Plan, supervision: Supervision, url: str) -> None:
        self._supervision = supervision
        self._url = url
        self._run_dir = plan.run_dir
        self._models = {model.name: model for model in plan.of_kind(MODEL)}
        self._started = dt.datetime.now(dt.UTC)
        self._costs = FamilyCost()
        self._told: dict[str, dict[str, Reply]] = {GATEWAY: {}, LISTENER: {}}
        self._answers: dict[str, Callable[[Mapping[str, object], int], Reply]] = {
            "where": self._where,
            "status": self._status,
            "figures": self._figures,
            "restart": self._restart,
            "stop": self._stop,
        }

    def answer(self, request: Mapping[str, object], now_ms: int) -> Reply:
        """Answer one request; anything unknown is answered with an error."""
        asked = request.get("ask")
        answer = self._answers.get(asked) if isinstance(asked, str) else None
        if answer is None:
            return {"error": f"{asked!r} can't be asked; what can be: {', '.join(self._answers)}"}
        return answer(request, now_ms)

    def _where(self, _request: Mapping[str, object], _now_ms: int) -> Reply:
        models: list[Reply] = [
            {
                "name": process.name,
                "class_name": process.alias,
                "path": self._models[process.name].path,
                "directory": self._models[process.name].directory,
                "endpoint": model_endpoint(self._run_dir, process.name),
                "phase": process.phase,
                "pid": process.pid or None,
            }
            for process in self._supervision.of_kind(MODEL)
        ]
        return {"version": self._supervision.version, "models": models, "url": self._url}

    def _status(self, _request: Mapping[str, object], now_ms: int) -> Reply:
        processes: list[Reply] = [
            {
                "name": process.name,
                "kind": process.kind,
                "pid": process.pid or None,
                "phase": process.phase,
                "restarts": process.restarts,
                "since_s": round((now_ms - process.since_ms) / 1000, 1),
                "detail": process.detail,
            }
            for process in self._supervision.processes
        ]
        return {
            "pid": os.getpid(),
            "version": lithair.__version__,
            "started": self._started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "url": self._url,
            "processes": processes,
        }

    def told(self, process: Supervised, figures: Reply) -> None:
        """Take in what a process tells; what it told last holds until it tells something else."""
        if process.kind in self._told:
            self._told[process.kind][process.name] = figures

    def _figures(self, _request: Mapping[str, object], now_ms: int) -> Reply:
        processes = self._supervision.processes
        own_pid = os.getpid()
        costs = self._costs.read([own_pid, *(one.pid for one in processes if one.pid)], now_ms)
        rows = [(SUPERVISOR, SUPERVISOR, own_pid, 0)]
        rows += [(one.name, one.kind, one.pid, one.restarts) for one in processes]
        listed: list[Reply] = []
        for name, kind, pid, restarts in rows:
            cost = costs.get(pid)
            listed.append(
                {
                    "name": name,
                    "kind": kind,
                    "pid": pid or None,
                    "restarts": restarts,
                    "cpu_seconds": cost.cpu_seconds if cost else None,
                    "rss_bytes": cost.rss_bytes if cost else None,
                }
            )
        return {
            "processes": listed,
            "gateways": self._told[GATEWAY],
            "listeners": self._told[LISTENER],
        }

    def _restart(self, request: Mapping[str, object], now_ms: int) -> Reply:
        name = request.get("name")
        if not isinstance(name, str):
            return {"error": "restart needs the name of a process"}
        problem = self._supervision.ask_restart(name, now_ms)
        return {"ok": True} if problem is None else {"error": problem}

    def _stop(self, _request: Mapping[str, object], now_ms: int) -> Reply:
        if not self._supervision.is_stopping:  # only a second *signal* stops at once
            self._supervision.ask_stop("asked to over the control socket", now_ms)
        return {"ok": True}
