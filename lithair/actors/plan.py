"""Plan: what the supervisor has to run, without any of the user's code.

Owns the plain data that a supervisor works by; it can be sent as JSON and holds no secret, so the
supervisor of `app.running()` never imports the user's modules. Law: the plan follows from the
declaration and from nothing else.
"""

from typing import Final

import msgspec

from lithair.config import SETTINGS, text_of
from lithair.core.supervised import GATEWAY, LISTENER, MODEL, WORKER
from lithair.declaration import Declaration

MODEL_ENTRY: Final = "lithair.actors.model_process"
GATEWAY_ENTRY: Final = "lithair.gateway.server"
WORKER_ENTRY: Final = "lithair.actors.worker_process"
LISTENER_ENTRY: Final = "lithair.actors.listener_process"


class ProcessPlan(msgspec.Struct, frozen=True):
    """One process: `entry` is the module whose `run(child)` it calls.

    `path` is a model's URL path, `directory` where its log is: "" for none.
    """

    kind: str
    name: str
    entry: str
    alias: str = ""
    path: str = ""
    directory: str = ""


class SettingShown(msgspec.Struct, frozen=True):
    """A setting that is not at its default, and who said so."""

    name: str
    value: str
    origin: str


class Plan(msgspec.Struct, frozen=True):
    """Everything that a supervisor needs to know beside the packed declaration."""

    processes: tuple[ProcessPlan, ...]
    run_dir: str
    host: str = "127.0.0.1"
    port: int = 0
    has_tls: bool = False
    has_streams: bool = True
    has_docs: bool = False
    makes_admin_token: bool = False  # none was given
    dashboard_path: str | None = None  # does not end with "/"; None: no dashboard
    restart_deaths: int = 5
    restart_window_ms: int = 30_000
    log_level: str = "info"
    settings: tuple[SettingShown, ...] = ()
    notices: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> list[ProcessPlan]:
        return [process for process in self.processes if process.kind == kind]


def plan_of(declaration: Declaration) -> Plan:
    """Say what has to run for a declaration."""
    settings = declaration.settings
    models = [
        ProcessPlan(
            MODEL,
            model.name,
            MODEL_ENTRY,
            alias="" if model.is_internal else model.class_name,
            path=model.path,
            directory=model.data_dir,
        )
        for model in (*declaration.models, *declaration.internal_models)
    ]
    gateways = [
        ProcessPlan(GATEWAY, f"gateway-{number}", GATEWAY_ENTRY, alias="gateway")
        for number in range(settings.gateways)
    ]
    workers = [ProcessPlan(WORKER, worker.name, WORKER_ENTRY) for worker in declaration.workers]
    listeners = [
        ProcessPlan(LISTENER, listener.name, LISTENER_ENTRY) for listener in declaration.listeners
    ]
    return Plan(
        processes=(*models, *gateways, *workers, *listeners),
        run_dir=settings.run_dir,
        host=settings.host,
        port=settings.port,
        has_tls=settings.tls_cert is not None,
        has_streams=declaration.has_streams,
        has_docs=settings.docs == "on",
        makes_admin_token=settings.admin_token is None,
        dashboard_path=declaration.dashboard_path,
        restart_deaths=settings.restart_limit.count,
        restart_window_ms=max(1, int(settings.restart_limit.window_s * 1000)),
        log_level=settings.log_level,
        settings=_shown(declaration),
        notices=declaration.notices,
    )


def _shown(declaration: Declaration) -> tuple[SettingShown, ...]:
    """The settings to print: every one that is not a default, secrets without their value."""
    shown: list[SettingShown] = []
    for name, origin in declaration.origins.items():
        if name in SETTINGS and SETTINGS[name].is_secret:
            text = "(set)"
        else:
            text = text_of(name, getattr(declaration.settings, name))
        shown.append(SettingShown(name, text, origin))
    return tuple(shown)
