"""Child: what a supervised process knows of itself, and how it tells how it fares.

Owns the type that the entry points `run(child: Child)` of model processes, gateways and workers are
written against. Law: the supervisor judges a process by what it says here and by nothing else:

    starting  -> the declaration is loaded, locks are taken           at most 120 s
    replaying -> `progress` counts up                                 at least once in 30 s
    serving   -> `progress` counts up while `pending` is true         at least once in 30 s
    `detail` is "syncing"                                             120 s instead of 30 s

The fields are read by a heartbeat thread every half second; only the process itself writes them.
"""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from lithair.phase import REPLAYING, SERVING, STARTING, STOPPING, SYNCING

if TYPE_CHECKING:
    from lithair.declaration import Declaration

__all__ = [
    "EXIT_DAMAGED",
    "EXIT_DONE",
    "EXIT_FAILED",
    "EXIT_LOCKED",
    "EXIT_MISUSE",
    "EXIT_UNREACHABLE",
    "REPLAYING",
    "SERVING",
    "STARTING",
    "STOPPING",
    "SYNCING",
    "Child",
    "Reporter",
]

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_MISUSE: Final = 2
EXIT_DAMAGED: Final = 3
EXIT_UNREACHABLE: Final = 4
EXIT_LOCKED: Final = 5


class Reporter(Protocol):
    """Where a child's words go: the channel to its supervisor, or a list in a test."""

    def phase(self, phase: str, detail: str) -> None: ...

    def gave_up(self, sentence: str, exit_status: int) -> None: ...


class Child:
    """A supervised process, seen from inside.

    `stop_fd` becomes readable when the process has to stop, and stays so: poll it, never read it.
    `pending` says that work waits; `progress` is counted up as work is done. `on_leave`, if set, is
    called in the main thread, wherever that is, when the process has to stop. `figures`, if set,
    is called by the heartbeat thread; what it gives is told when somebody asks for all figures.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        declaration: "Declaration",
        run_dir: str,
        listen_fds: Sequence[int],
        reporter: Reporter,
    ) -> None:
        self.kind = kind
        self.name = name
        self.declaration = declaration
        self.run_dir = run_dir
        self.listen_fds = list(listen_fds)
        self.progress = 0
        self.pending = False
        self.detail = ""
        self.stopping = False
        self.stop_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.on_leave: Callable[[], None] | None = None
        self.figures: Callable[[], dict[str, object]] | None = None
        self.restarts = 0  # how many lives of this process were before this one
        self._reporter = reporter

    def count_progress(self) -> None:
        """Say that another piece of work was done."""
        self.progress += 1

    def phase(self, phase: str, detail: str = "") -> None:
        """Say, at once, what the process is doing from now on."""
        self.detail = detail
        self._reporter.phase(phase, detail)

    def fail(self, sentence: str, exit_status: int) -> NoReturn:
        """End the process for a reason that a restart does not mend; main thread only.

        It is marked failed at once and tried again every 60 s or by `lithair restart NAME`.
        """
        self._reporter.gave_up(sentence, exit_status)
        raise SystemExit(exit_status)

    def stop(self) -> None:
        """Ask the process to stop: called by its bootstrap, on a signal or by the supervisor."""
        if not self.stopping:
            self.stopping = True
            os.eventfd_write(self.stop_fd, 1)
