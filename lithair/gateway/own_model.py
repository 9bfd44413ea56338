"""The gateway's way to one of Lithair's own models.

Law: asked in the server's own name, from the gateway's loop alone; a model that is known to have
failed is not asked.
"""

import asyncio
from typing import Any, Final, Generic, TypeVar

from lithair.client.calls import Call, Calls
from lithair.core.problem import problem_body
from lithair.model import Model
from lithair.phase import FAILED, STARTING
from lithair.transport.loop_driver import LoopDriver
from lithair.transport.sockets import model_endpoint, monotonic_ms
from lithair.wire.messages import Reply
from lithair.wire.protocol import TRUSTED

T = TypeVar("T", bound=Model)
R = TypeVar("R")

FAILURE: Final = "What this needs has failed and is not served for now"


class OwnModel(Generic[T]):
    """Carries out the `calls` of one model; `asyncio` is the caller's."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        run_dir: str,
        name: str,
        model: type[T],
        timeout_s: float,
    ) -> None:
        self.calls: Calls[T] = Calls(model)
        self.name = name
        self.run_dir = run_dir
        self.phase = STARTING
        self._loop = loop
        self._link = LoopDriver(loop, model_endpoint(run_dir, name))
        self._timeout_ms = max(1, int(timeout_s * 1000))

    @property
    def epoch(self) -> bytes:
        """Give the name of the process's present life; empty before it was first heard of."""
        return self._link.client.epoch

    def enter(self, phase: str) -> None:
        """Take what the supervisor says; what waits for a model that failed is refused at once."""
        has_failed = phase == FAILED != self.phase
        self.phase = phase
        if has_failed:
            self._link.refuse_all(503, FAILURE)

    async def do(self, call: Call[R]) -> R:
        """Carry out a call; raises the error of a refusal."""
        return call.result(await self.ask(call))

    def ask(self, call: Call[Any]) -> "asyncio.Future[Reply]":
        """Send a call; gives the reply as it came, a refusal's too."""
        told: asyncio.Future[Reply] = self._loop.create_future()
        if self.phase == FAILED:
            told.set_result(Reply(0, 503, problem_body(503, FAILURE)))
            return told

        def on_reply(reply: Reply) -> None:
            if not told.done():
                told.set_result(reply)

        deadline_ms = monotonic_ms() + self._timeout_ms
        if call.write is not None:
            self._link.ask_write(call.verb, deadline_ms, TRUSTED, call.write, on_reply)
        else:
            self._link.ask_read(call.verb, deadline_ms, TRUSTED, call.argument, on_reply)
        return told

    def close(self) -> None:
        """Close the link; what still waits is answered 503."""
        self._link.close()
