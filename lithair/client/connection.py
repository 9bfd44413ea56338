"""Connections: carry out calls, over one thread for all handles of the process.

Law: a call waits no longer than its time-out. What a connection has opened, `close` closes. A child
that was forked has a thread and links of its own: none of its parent's can be used in it.
"""

import math
import os
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Protocol, TypeVar, cast

from lithair.client.calls import Call
from lithair.client.directory import ModelLink, run_dir_of
from lithair.core.problem import problem_body
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
TIMEOUT_S_MAX: Final = 7 * 86_400.0  # a call that waits longer is forgotten, not patient

CLOSED: Final = "this connection is closed"

_driver = ThreadDriver()


def _drive_anew() -> None:
    global _driver
    _driver = ThreadDriver()


os.register_at_fork(after_in_child=_drive_anew)


class Attached(Protocol):
    """What ends with the connection that it belongs to."""

    def cut_off(self) -> None: ...


class Connection:
    """The links to the models of one server; `run_dir` is settled when the first call is made."""

    def __init__(self, run_dir: RunDir = None, timeout_s: float = TIMEOUT_S) -> None:
        if not (math.isfinite(timeout_s) and 0 < timeout_s <= TIMEOUT_S_MAX):
            raise ValueError(
                f"timeout={timeout_s!r}: give the seconds that a call may take,"
                f" at most {TIMEOUT_S_MAX:.0f}"
            )
        if run_dir and not callable(run_dir):
            run_dir = os.path.abspath(run_dir)  # whatever the process changes to later
        self._asked_run_dir = run_dir
        self._settled_run_dir = ""
        self._timeout_s = timeout_s
        self._driver = _driver
        self._links: dict[str, ModelLink] = {}  # only in the driver's thread
        self._attached: weakref.WeakSet[Attached] = weakref.WeakSet()
        self._is_closed = False
        self._is_used = False

    def __reduce__(self) -> tuple[object, ...]:
        return Connection, (self.run_dir, self._timeout_s)

    @property
    def run_dir(self) -> str:
        if self._settled_run_dir:
            return self._settled_run_dir
        asked = self._asked_run_dir
        return run_dir_of(asked() if callable(asked) else asked)

    def start(self, model: str, call: Call[R]) -> "Future[Reply]":
        """Send a call; the future gives the reply, a refusal's too."""
        if self._is_closed:
            raise LithairError(CLOSED)
        self._begin()
        future: Future[Reply] = Future()
        deadline_ms = monotonic_ms() + int(self._timeout_s * 1000)

        def answered(reply: Reply) -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(reply)

        def send() -> None:
            if self._is_closed:
                answered(Reply(0, 503, problem_body(503, CLOSED), 0))
                return
            requests = self._link(model).requests
            if call.write is not None:
                requests.ask_write(call.verb, deadline_ms, TRUSTED, call.write, answered)
            else:
                requests.ask_read(call.verb, deadline_ms, TRUSTED, call.argument, answered)

        self._driver.submit(send)
        return future

    def wait(self, model: str, call: Call[R]) -> R:
        """Carry out a call and wait for its answer."""
        return call.result(self.reply(model, self.start(model, call)))

    def reply(self, model: str, future: "Future[Reply]") -> Reply:
        """Wait for the reply to a call that was started."""
        try:
            return future.result(self._timeout_s + PATIENCE_S)
        except TimeoutError:
            raise CallTimeout(f"{model}: no answer within {self._timeout_s:g} s") from None

    def is_server_silent(self, model: str) -> bool:
        """Tell whether, when it was last looked for, there was no server at all."""
        link = self._links.get(model)
        return link is not None and link.is_server_silent

    def attach(self, part: Attached) -> None:
        """End this, too, when the connection is closed."""
        self._attached.add(part)

    def close(self) -> None:
        """Close every link; calls that still wait are refused."""
        if self._is_closed:
            return
        self._is_closed = True
        for part in list(self._attached):
            part.cut_off()
        if not self._is_used or self._driver is not _driver:
            return
        closed: Future[None] = Future()

        def close() -> None:
            for link in self._links.values():
                self._driver.dismiss(link)
                link.close()
            self._links.clear()
            closed.set_result(None)

        self._driver.submit(close)
        try:
            closed.result(CLOSE_S_MAX)
        except TimeoutError:
            pass  # the interpreter is about to end, and its thread has: so do the links

    def _begin(self) -> None:
        if self._driver is not _driver:  # forked: the parent's links stay the parent's
            self._driver = _driver
            self._links = {}
        if not self._settled_run_dir:
            self._settled_run_dir = self.run_dir
        self._is_used = True

    def _link(self, model: str) -> ModelLink:
        link = self._links.get(model)
        if link is None:
            run_dir = self._settled_run_dir
            made = self._driver.admit(lambda seat: ModelLink(run_dir, model, seat))
            link = self._links[model] = cast(ModelLink, made)
        return link
