"""Connections: carry out calls, over one thread for all handles of the process.

Law: a call waits no longer than its time-out. What a connection has opened, `close` closes.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar, cast

from lithair.client.calls import Call
from lithair.client.directory import ModelLink, run_dir_of
from lithair.errors import CallTimeout, LithairError
from lithair.transport.sockets import monotonic_ms
from lithair.transport.thread_driver import ThreadDriver
from lithair.wire.messages import Reply
from lithair.wire.protocol import TRUSTED

R = TypeVar("R")
RunDir = str | os.PathLike[str] | Callable[[], str] | None

TIMEOUT_S: Final = 30.0
PATIENCE_S: Final = 5.0  # past the time-out, for the thread to say so itself
CLOSE_S_MAX: Final = 1.0

_driver = ThreadDriver()


class Connection:
    """The links to the models of one server; `run_dir` is settled when the first call is made."""

    def __init__(self, run_dir: RunDir = None, timeout_s: float = TIMEOUT_S) -> None:
        if not timeout_s > 0:
            raise ValueError(f"timeout={timeout_s!r}: give the seconds that a call may take")
        self._asked_run_dir = run_dir
        self._timeout_s = timeout_s
        self._links: dict[str, ModelLink] = {}  # only in the driver's thread
        self._is_closed = False
        self._is_used = False

    @property
    def run_dir(self) -> str:
        asked = self._asked_run_dir
        return run_dir_of(asked() if callable(asked) else asked)

    def start(self, model: str, call: Call[R]) -> "Future[Reply]":
        """Send a call; the future gives the reply, a refusal's too."""
        if self._is_closed:
            raise LithairError("this connection is closed")
        self._is_used = True
        future: Future[Reply] = Future()
        deadline_ms = monotonic_ms() + int(self._timeout_s * 1000)
        run_dir = self.run_dir

        def answered(reply: Reply) -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(reply)

        def send() -> None:
            requests = self._link(run_dir, model).requests
            if call.write is not None:
                requests.ask_write(call.verb, deadline_ms, TRUSTED, call.write, answered)
            else:
                requests.ask_read(call.verb, deadline_ms, TRUSTED, call.argument, answered)

        _driver.submit(send)
        return future

    def wait(self, model: str, call: Call[R]) -> R:
        """Carry out a call and wait for its answer."""
        future = self.start(model, call)
        try:
            reply = future.result(self._timeout_s + PATIENCE_S)
        except TimeoutError:
            raise CallTimeout(f"{model}: no answer within {self._timeout_s:g} s") from None
        return call.result(reply)

    def close(self) -> None:
        """Close every link; calls that still wait are refused."""
        if self._is_closed:
            return
        self._is_closed = True
        if not self._is_used:
            return
        closed: Future[None] = Future()

        def close() -> None:
            for link in self._links.values():
                _driver.dismiss(link)
                link.close()
            self._links.clear()
            closed.set_result(None)

        _driver.submit(close)
        closed.result(CLOSE_S_MAX)

    def _link(self, run_dir: str, model: str) -> ModelLink:
        link = self._links.get(model)
        if link is None:
            made = _driver.admit(lambda seat: ModelLink(run_dir, model, seat))
            link = self._links[model] = cast(ModelLink, made)
        return link
