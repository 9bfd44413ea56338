"""All figures of a server, gathered for one scrape, and the page that gives them: /metrics.

Owns the asking: every model's process at once, and the supervisor for what processes cost and what
the gateways have counted. Law: it takes a second at most, whoever does not answer; a model that
does not is told as down. Scrapes that come meanwhile get the answer to the one under way, so asking
often costs no process more than asking in turn.

A gateway's own counters come from the supervisor as well, some half a second old: whichever gateway
is scraped, a counter never goes back.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

import msgspec

from lithair.core.figures import ModelFigures
from lithair.gateway.answers import Problem
from lithair.gateway.metrics import TEXT_FORMAT, Gathered, SupervisorFigures, render
from lithair.gateway.model_site import ModelSite
from lithair.gateway.problem_handler import ProblemHandler, end, write_prepared
from lithair.gateway.tokens import require_token
from lithair.transport.control_asker import LoopControl
from lithair.wire.protocol import Verb

METRICS_PATH: Final = "/metrics"
ANSWER_TIME_S: Final = 0.9  # of models and of the supervisor; the rest of the second is for us

_decode_model = msgspec.json.Decoder(ModelFigures).decode
_log = logging.getLogger("lithair.http")


class Figures:
    """Gathers the figures of all processes of this gateway's server."""

    def __init__(self, models: Iterable[ModelSite], run_dir: str) -> None:
        self._models = list(models)
        self._control = LoopControl(run_dir)
        self._gathering: asyncio.Task[Gathered] | None = None

    async def text(self) -> bytes:
        """Give all figures in Prometheus' text format."""
        return render(await self.gathered())

    async def gathered(self) -> Gathered:
        """Give all figures."""
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._gather())
            self._gathering.add_done_callback(self._gathered)
        return await asyncio.shield(self._gathering)

    def _gathered(self, _task: "asyncio.Task[Gathered]") -> None:
        self._gathering = None

    async def _gather(self) -> Gathered:
        supervisor, models = await asyncio.gather(
            self._ask_supervisor(),
            asyncio.gather(*(self._ask_model(model) for model in self._models)),
        )
        named = zip(self._models, models, strict=True)
        return Gathered({model.name: figures for model, figures in named}, supervisor)

    async def _ask_model(self, model: ModelSite) -> ModelFigures | None:
        reply = await model.tell(Verb.STATS, timeout_s=ANSWER_TIME_S)
        if reply.status != 200:
            return None
        try:
            return _decode_model(reply.body)
        except msgspec.DecodeError as error:
            _log.error("the figures of %s are not understood: %s", model.name, error)
            return None

    async def _ask_supervisor(self) -> SupervisorFigures:
        answer = await self._control.ask({"ask": "figures"}, ANSWER_TIME_S)
        if answer is None:
            return SupervisorFigures()
        try:
            return msgspec.convert(answer, SupervisorFigures)
        except msgspec.ValidationError as error:
            _log.error("the supervisor's figures are not understood: %s", error)
            return SupervisorFigures()


class MetricsHandler(ProblemHandler):
    """All figures, for Prometheus."""

    def initialize(self, figures: Figures, token: str | None) -> None:
        """Take where they come from, and the token that is asked for, if one is."""
        self._figures = figures
        self._token = token

    async def get(self) -> None:
        """Answer GET."""
        if self._token is not None:
            try:
                require_token(self.request.headers, self._token)
            except Problem as problem:
                write_prepared(self, problem.prepared())
                return
        text = await self._figures.text()
        self.set_header("Content-Type", TEXT_FORMAT)
        self.set_header("Cache-Control", "no-store")
        end(self, text)

    head = get
