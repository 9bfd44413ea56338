"""The admin API's pictures: models, and the server.

Owns their shapes; docs/admin.md has them. Law: they are made of what /metrics and `lithair status`
tell, at once: a model that does not answer holds none of them up, and is told without figures.
"""

import asyncio
from typing import Final

import msgspec

from lithair.core.as_of import parse_as_of, rfc3339
from lithair.core.figures import ModelFigures
from lithair.declaration import Declaration, ModelDeclaration
from lithair.gateway.admin import AdminRequest, answer
from lithair.gateway.admin_fields import bounds_told, declaration_told
from lithair.gateway.admin_routes import ModelStats
from lithair.gateway.admin_shapes import BOUNDS_S, durations_of
from lithair.gateway.answers import Prepared
from lithair.gateway.bearers import wall_ms
from lithair.gateway.figures import ANSWER_TIME_S, Figures
from lithair.gateway.gate import rule_of_model
from lithair.gateway.metrics import Gathered, SupervisorFigures
from lithair.gateway.model_site import ModelSite
from lithair.gateway.request_figures import GatewayFigures, StreamFigures
from lithair.phase import SERVING, STARTING
from lithair.storage.listener_book import Doing
from lithair.transport.control_asker import LoopControl

MODEL: Final = "model"
SUPERVISOR: Final = "supervisor"
LISTENER: Final = "listener"

_encode = msgspec.json.Encoder().encode


class ProcessStatus(msgspec.Struct, frozen=True):
    """A process, as the supervisor's `status` has it."""

    name: str = ""
    kind: str = ""
    pid: int | None = None
    phase: str = STARTING
    restarts: int = 0
    since_s: float = 0.0
    detail: str = ""


class Status(msgspec.Struct, frozen=True):
    """The supervisor's answer to `status`."""

    pid: int = 0
    version: str = ""
    started: str = ""
    url: str = ""
    processes: list[ProcessStatus] = []


class Overview:
    """Pictures of one server."""

    def __init__(self, declaration: Declaration, figures: Figures, run_dir: str) -> None:
        self._declaration = declaration
        self._figures = figures
        self._control = LoopControl(run_dir)
        self._asking: asyncio.Task[Status] | None = None
        self._fixed = {model.name: self._fixed_of(model) for model in declaration.models}
        self._described = {model.name: model for model in declaration.models}

    async def models(self, request: AdminRequest) -> Prepared:
        """Tell of all models."""
        status, gathered = await self._look()
        rows = [self._row(model, status, gathered) for model in request.models.all]
        return answer(200, _encode(_dated({"bounds_s": BOUNDS_S, "models": rows})))

    async def model(self, request: AdminRequest) -> Prepared:
        """Tell of one model, and how it is declared."""
        model = request.models.find(request.segments["name"])
        status, gathered = await self._look()
        row = self._row(model, status, gathered)
        declared = declaration_told(self._described[model.name])
        return answer(200, _encode(_dated({"bounds_s": BOUNDS_S, **row, **declared})))

    async def server(self, request: AdminRequest) -> Prepared:
        """Tell of the server and its processes."""
        status, gathered = await self._look()
        costs = {(row.kind, row.name): row for row in gathered.supervisor.processes}
        own = ProcessStatus(
            SUPERVISOR, SUPERVISOR, status.pid or None, SERVING, since_s=_age_s(status.started)
        )
        processes: list[dict[str, object]] = []
        for one in (own, *status.processes):
            cost = costs.get((one.kind, one.name))
            told: dict[str, object] = msgspec.structs.asdict(one)
            told["cpu_seconds"] = None if cost is None else cost.cpu_seconds
            told["rss_bytes"] = None if cost is None else cost.rss_bytes
            processes.append(told)
        declared = self._declaration
        page: dict[str, object] = {
            "version": status.version,
            "started": status.started,
            "url": status.url,
            "pid": status.pid,
            "bounds_s": BOUNDS_S,
            "has_sessions": declared.sessions is not None,
            "has_users": declared.has_users,
            "has_streams": declared.has_streams,
            "processes": processes,
            "gateways": _gateways(gathered.supervisor),
        }
        return answer(200, _encode(_dated(page)))

    async def listening(self) -> tuple[dict[str, Doing], dict[str, int]]:
        """Tell what the listeners' processes do, and how far each model is that answers."""
        status, gathered = await self._look()
        doing = {
            one.name: Doing(one.phase, one.detail)
            for one in status.processes
            if one.kind == LISTENER
        }
        seqs = {name: told.seq for name, told in gathered.models.items() if told is not None}
        return doing, seqs

    async def _look(self) -> tuple[Status, Gathered]:
        return await asyncio.gather(self._status(), self._figures.gathered())

    async def _status(self) -> Status:
        """Ask the supervisor; who asks meanwhile gets the same answer."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)

    def _asked(self, _task: "asyncio.Task[Status]") -> None:
        self._asking = None

    async def _ask(self) -> Status:
        told = await self._control.ask({"ask": "status"}, ANSWER_TIME_S)
        return Status() if told is None else msgspec.convert(told, Status)

    def _fixed_of(self, model: ModelDeclaration) -> dict[str, object]:
        """Give what does not change while the server runs."""
        return {
            "name": model.name,
            "class_name": model.class_name,
            "path": model.path,
            "rule": rule_of_model(self._declaration, model).value,
            "has_roles": model.roles is not None,
            "has_streams": self._declaration.has_streams,
        }

    def _row(self, model: ModelSite, status: Status, gathered: Gathered) -> dict[str, object]:
        named = (one for one in status.processes if (one.kind, one.name) == (MODEL, model.name))
        process = next(named, ProcessStatus(phase=model.phase))
        figures = gathered.models.get(model.name)
        return {
            **self._fixed[model.name],
            "phase": process.phase,
            "detail": process.detail,
            "since_s": process.since_s,
            "restarts": process.restarts,
            "pid": process.pid,
            "retention": bounds_told(self._described[model.name]),
            "stats": None
            if figures is None
            else msgspec.convert(figures, ModelStats, from_attributes=True),
            "counters": None if figures is None else _counters(figures),
            "streams": _streams(gathered.supervisor, model.name),
            "listeners": {} if figures is None else figures.listeners,
        }


def _counters(figures: ModelFigures) -> dict[str, object]:
    told = figures.counters
    return {
        "reads": told.reads,
        "writes": told.writes,
        "events": told.events,
        "commits": durations_of(told.commits),
    }


def _streams(supervisor: SupervisorFigures, model: str) -> StreamFigures:
    """Add up a model's streams over all gateways."""
    told = [one.streams.get(model, StreamFigures()) for one in supervisor.gateways.values()]
    return StreamFigures(
        sum(one.readers for one in told),
        sum(one.events for one in told),
        sum(one.lagged for one in told),
    )


def _gateways(supervisor: SupervisorFigures) -> list[dict[str, object]]:
    return [_gateway(name, told) for name, told in sorted(supervisor.gateways.items())]


def _gateway(name: str, told: GatewayFigures) -> dict[str, object]:
    return {
        "name": name,
        "connections": told.connections,
        "requests": told.statuses,
        "latencies": {method: durations_of(one) for method, one in told.latencies.items()},
    }


def _age_s(moment: str) -> float:
    """Tell how long ago something was; 0 where nobody said when."""
    return max(0.0, round((wall_ms() - parse_as_of(moment).time_ms) / 1000, 1)) if moment else 0.0


def _dated(page: dict[str, object]) -> dict[str, object]:
    return {"at": rfc3339(wall_ms()), **page}
