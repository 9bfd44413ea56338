"""The ways to the models' processes, and what the supervisor says of them.

Owns one link per model, Lithair's own included, shared by all requests of this gateway. Law: what
the supervisor said last holds until it says something else.
"""

import asyncio
from typing import Any, Final, TypeVar, cast

from lithair.client.aio import AsyncHandle
from lithair.client.connection import TIMEOUT_S_MAX, Connection
from lithair.client.directory import set_own_server
from lithair.declaration import Declaration
from lithair.errors import LithairError
from lithair.gateway.model_site import ModelSite
from lithair.gateway.own_model import OwnModel
from lithair.gateway.roles import roles_of
from lithair.model import Model
from lithair.phase import STARTING
from lithair.transport.control_asker import LoopControl
from lithair.transport.loop_driver import LoopDriver
from lithair.transport.sockets import model_endpoint

M = TypeVar("M", bound=Model)

OWN_SHARE: Final = 0.8  # of a request's time, so that there is some left to say what was wrong
LOOK_INTERVAL_S: Final = 0.25  # how late a gateway may learn that a model has failed
ANSWER_TIME_S: Final = 1.0  # the supervisor answers at once; past this it is gone


class Links:
    """Every model of a declaration, by its path."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, declaration: Declaration, run_dir: str
    ) -> None:
        set_own_server(run_dir)
        timeout_s = declaration.settings.timeout_s
        self._drivers: list[LoopDriver] = []
        self._by_name: dict[str, ModelSite] = {}
        for model in declaration.models:
            driver = LoopDriver(loop, model_endpoint(run_dir, model.name))
            self._drivers.append(driver)
            site = ModelSite(model.name, model.path, driver, timeout_s)
            site.roles = roles_of(model)
            self._by_name[model.name] = site
        self.models = {model.path: model for model in self._by_name.values()}
        self._class_names = {model.class_name for model in declaration.models}
        self._own: dict[str, OwnModel[Any]] = {}
        self._phases: dict[str, str] = {}
        self._loop = loop
        self._run_dir = run_dir
        self._timeout_s = timeout_s
        self._control = LoopControl(run_dir)
        # Of users' routes; opens nothing by itself.
        self._handles = Connection(run_dir, min(timeout_s, TIMEOUT_S_MAX))
        has_models = bool(declaration.models or declaration.internal_models)
        self._asking: asyncio.Task[None] | None = None
        self._looking = loop.create_task(self._look_on()) if has_models else None

    def phase(self, name: str) -> str:
        """Tell what a model, one of Lithair's own included, is doing."""
        return self._phases.get(name, STARTING)

    def handle(self, model: type[Model]) -> AsyncHandle[Any]:
        """Give a handle for a user's route; it reads and writes ungated."""
        if model.__name__ not in self._class_names:
            raise LithairError(
                f"request.model({model.__name__}): the application has no such model"
            )
        return AsyncHandle(model, connection=self._handles)

    def own(self, name: str, model: type[M]) -> OwnModel[M]:
        """Give the way to one of Lithair's own models, the same one each time."""
        known: OwnModel[M] | None = self._own.get(name)
        if known is None:
            timeout_s = self._timeout_s * OWN_SHARE
            known = OwnModel(self._loop, self._run_dir, name, model, timeout_s)
            self._own[name] = known
        return known

    async def close(self) -> None:
        """Close every link; what still waits is answered 503."""
        tasks = [task for task in (self._looking, self._asking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for driver in self._drivers:
            driver.close()
        for own in self._own.values():
            own.close()
        self._handles.close()

    async def look(self) -> None:
        """Ask the supervisor what the models are doing; who asks meanwhile waits for the same."""
        if self._asking is None:
            self._asking = self._loop.create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        await asyncio.shield(self._asking)

    def _asked(self, _task: "asyncio.Task[None]") -> None:
        self._asking = None

    async def _ask(self) -> None:
        answer = await self._control.ask({"ask": "where"}, ANSWER_TIME_S)
        if answer is not None:  # else nothing new is known; its death ends this process
            self._take(answer)

    async def _look_on(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_INTERVAL_S)

    def _take(self, answer: dict[str, object]) -> None:
        models = answer.get("models")
        if not isinstance(models, list | tuple):
            return
        for entry in cast("list[object]", models):
            if not isinstance(entry, dict):
                continue
            said = cast("dict[str, object]", entry)
            name = str(said.get("name"))
            site = self._by_name.get(name) or self._own.get(name)
            phase = said.get("phase")
            if not isinstance(phase, str):
                continue
            self._phases[name] = phase
            if site is not None:
                site.enter(phase)
