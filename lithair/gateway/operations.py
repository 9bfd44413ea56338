"""The pages for whoever operates the server: /health, /ready, /info.

Owns what they say. Law: they answer from what this gateway knows, at once, whatever the models are
doing. Only where that is "not ready", which may be a quarter of a second old, the supervisor is
asked first.

    /health := {"status": "ok"}
    /ready  := {"ready": bool, "failed": [name, ...], "models": {name: phase}}       200, or 503
    /info   := {"name": "lithair", "version", "uptime_s", "models": [{"name", "path", "phase"}]}
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Final

import msgspec

from lithair.gateway.answers import JSON, RETRY_AFTER_S
from lithair.gateway.problem_handler import ProblemHandler, end
from lithair.phase import FAILED, SERVING

_encode = msgspec.json.Encoder().encode


class Operations:
    """What is known of the models, and since when this gateway runs."""

    def __init__(
        self,
        paths: Mapping[str, str],
        own: Iterable[str],
        phase: Callable[[str], str],
        look: Callable[[], Awaitable[None]],
    ) -> None:
        self._paths = dict(paths)  # a model's name -> its path
        self._names = (*paths, *own)  # Lithair's own models included
        self._phase = phase
        self.look = look  # asks the supervisor what the models are doing now
        self._started_s = time.monotonic()
        self._version = version("lithair")

    def readiness(self) -> tuple[bool, dict[str, object]]:
        """Tell whether every model has been replayed or has failed."""
        phases = {name: self._phase(name) for name in self._names}
        failed = [name for name, phase in phases.items() if phase == FAILED]
        is_ready = all(phase in (SERVING, FAILED) for phase in phases.values())
        return is_ready, {"ready": is_ready, "failed": failed, "models": phases}

    def info(self) -> dict[str, object]:
        """Tell what runs here."""
        return {
            "name": "lithair",
            "version": self._version,
            "uptime_s": round(time.monotonic() - self._started_s, 3),
            "models": [
                {"name": name, "path": path, "phase": self._phase(name)}
                for name, path in self._paths.items()
            ],
        }


class OperationsHandler(ProblemHandler):
    """A page whose answer is JSON that is never kept."""

    def initialize(self, operations: Operations) -> None:
        """Take what the page tells about."""
        self._operations = operations

    async def page(self) -> object:
        """Say what the page says; the status may be set as well."""
        raise NotImplementedError

    async def get(self) -> None:
        """Answer GET."""
        self.set_header("Content-Type", JSON)
        self.set_header("Cache-Control", "no-store")
        end(self, _encode(await self.page()))

    head = get


class HealthHandler(OperationsHandler):
    """The gateway is alive."""

    async def page(self) -> object:
        """Say so."""
        return {"status": "ok"}


class ReadyHandler(OperationsHandler):
    """Every model has been replayed, or has failed."""

    async def page(self) -> object:
        """Say which have."""
        is_ready, page = self._operations.readiness()
        if not is_ready:
            await self._operations.look()
            is_ready, page = self._operations.readiness()
        if not is_ready:
            self.set_status(503)
            self.set_header("Retry-After", str(RETRY_AFTER_S))
        return page


class InfoHandler(OperationsHandler):
    """What runs here."""

    async def page(self) -> object:
        """Say it."""
        return self._operations.info()


_HANDLERS: Final[dict[str, type[OperationsHandler]]] = {
    "/health": HealthHandler,
    "/ready": ReadyHandler,
    "/info": InfoHandler,
}


def built_in_places() -> Iterable[tuple[str, type[OperationsHandler]]]:
    """List the pages with their handlers."""
    return _HANDLERS.items()
