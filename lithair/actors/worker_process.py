"""Worker process: runs one function of the user's with a connected client.

Owns the schedule. Law: without a schedule the function is called once; returning normally ends the
worker for good, and an error ends the process, which the supervisor starts again. On a schedule it
is called at the start and then every so often; an error is logged and the next call comes in time.
Asked to stop, the function is left by SystemExit, so that its `with` and `finally` are run.
"""

import logging
import select
import time
from collections.abc import Callable
from typing import Final

from lithair.client import connect
from lithair.client.directory import set_own_server
from lithair.declaration import WorkerDeclaration
from lithair.phase import FINISHED, SERVING
from lithair.process import EXIT_DONE, Child

WAIT_MAX_MS: Final = 60_000  # a schedule is looked at again at least this often

log = logging.getLogger(__name__)


def run(child: Child) -> None:
    """Be the worker that `child` names."""
    worker = _declaration_of(child)
    child.on_leave = _Leaving().leave
    if child.stopping:
        return
    func = worker.func
    set_own_server(child.run_dir)
    with connect(child.run_dir, timeout=child.declaration.settings.timeout_s) as lithair:
        child.phase(SERVING)
        if worker.every_s is None:
            _call_once(child, lambda: func(lithair))
        else:
            _call_on_schedule(child, lambda: func(lithair), worker.every_s)
    child.on_leave = None  # nothing is left to leave: no SystemExit while the interpreter ends


class _Leaving:
    """Leaves the user's function when the process has to stop, once."""

    def __init__(self) -> None:
        self._has_left = False

    def leave(self) -> None:
        if not self._has_left:
            self._has_left = True
            raise SystemExit(EXIT_DONE)


def _declaration_of(child: Child) -> WorkerDeclaration:
    for worker in child.declaration.workers:
        if worker.name == child.name:
            return worker
    raise LookupError(f"the declaration has no worker {child.name!r}")


def _call_once(child: Child, call: Callable[[], object]) -> None:
    try:
        call()
    except SystemExit as ending:  # sys.exit() in the user's function is a way to return
        if child.stopping or ending.code not in (None, EXIT_DONE):
            raise
    child.phase(FINISHED)


def _call_on_schedule(child: Child, call: Callable[[], object], every_s: float) -> None:
    due = time.monotonic()
    while not child.stopping:
        try:
            call()
            child.detail = ""
        except Exception as error:  # the loop of this process: the next call comes in time
            log.exception("the call failed; the next one comes in time")
            child.detail = f"the last call failed: {type(error).__name__}: {error}"
        child.progress += 1
        due = max(due + every_s, time.monotonic())  # what was missed is not made up for
        _wait_until(due, child)


def _wait_until(due: float, child: Child) -> None:
    poll = select.poll()
    poll.register(child.stop_fd, select.POLLIN)
    while not child.stopping and (left_s := due - time.monotonic()) > 0:
        poll.poll(min(left_s * 1000 + 1, WAIT_MAX_MS))
