"""Supervised: one process as the supervisor sees it, from its first start to its end.

Owns a process's state and what each event does to it. Law: pure; time is an argument (milliseconds,
monotonic).

    WAITING --start_at reached--> RUNNING --exited--> WAITING | FAILED | DONE
    RUNNING --restart asked--> ENDING --exited--> WAITING
    FAILED  --start_at reached--> RUNNING   (shown as failed until it serves again)
    any     --server stops--> DONE
"""

import enum
from typing import Final

from lithair.core.liveness import Liveness
from lithair.core.restart import Patience, RestartLimit, Restarts
from lithair.phase import FAILED, FINISHED, REPLAYING, SERVING, STARTING, STOPPED, STOPPING

MODEL: Final = "model"
GATEWAY: Final = "gateway"
WORKER: Final = "worker"
LISTENER: Final = "listener"

FAMILY_SIGNAL_MS: Final = 500  # a signal to a whole process group reaches the supervisor, too
STOP_MAX_MS: Final = 10_000  # what is in flight has 10 s; docs/processes.md says so


class State(enum.Enum):
    """What the supervisor intends with the process."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDING = "ending"
    FAILED = "failed"
    DONE = "done"


class Supervised:
    """One process and its history. `name` is shown; `alias` is another name that people may use."""

    def __init__(self, kind: str, name: str, alias: str, limit: RestartLimit) -> None:
        self.kind = kind
        self.name = name
        self.alias = alias
        self.state = State.WAITING
        self.start_at_ms = 0
        self.pid = 0
        self.starts = 0
        self.has_served = False
        self.detail = ""
        self.since_ms = 0
        self.failed_status = 0
        self.kill_reason = ""
        self.kill_at_ms = 0
        self.last_error = ""
        self._signalled_ms: int | None = None
        self._restarts = Patience() if kind == LISTENER else Restarts(limit)
        self._phase = STARTING
        self._serving_since_ms: int | None = None
        self._liveness = Liveness(0)
        self._gave_up: tuple[str, int] | None = None
        self._is_retry = False

    @property
    def title(self) -> str:
        """How the process names itself: "model emails", "gateway-0"."""
        return self.name if self.kind == GATEWAY else f"{self.kind} {self.name}"

    @property
    def is_internal(self) -> bool:
        """Whether it is Lithair's own, which no user has named."""
        return self.name.startswith("_")

    @property
    def is_alive(self) -> bool:
        return self.state in (State.RUNNING, State.ENDING)

    @property
    def phase(self) -> str:
        """The phase to show: a failed process that is being tried again still counts as failed."""
        if self.state is State.FAILED:
            return FAILED
        if self.state is State.DONE:
            return STOPPED
        if self.state is State.ENDING:
            return STOPPING
        if self._is_retry and self._phase in (STARTING, REPLAYING):
            return FAILED
        return self._phase

    @property
    def is_settled(self) -> bool:
        """Whether there is no more to wait for before the server counts as ready."""
        return self.phase in (SERVING, FINISHED, FAILED, STOPPED)

    @property
    def restarts(self) -> int:
        return max(0, self.starts - 1)

    @property
    def is_starting(self) -> bool:
        """Whether it has not yet come to the work it is there for."""
        return self._phase == STARTING

    def is_due(self, now_ms: int) -> bool:
        return self.state in (State.WAITING, State.FAILED) and now_ms >= self.start_at_ms

    def started(self, pid: int, now_ms: int) -> None:
        """The process exists; nothing was heard of it yet."""
        self._is_retry = self.state is State.FAILED
        self.state = State.RUNNING
        self.pid = pid
        self.starts += 1
        self.kill_reason = ""
        self.kill_at_ms = 0
        self._liveness = Liveness(now_ms)
        self._serving_since_ms = None
        self._gave_up = None
        self._signalled_ms = None
        self.last_error = ""
        self._enter(STARTING, "being tried again" if self._is_retry else "", now_ms)

    def heard(self, phase: str, detail: str, progress: int, pending: bool, now_ms: int) -> None:
        """Take in a heartbeat."""
        self._liveness.heard(phase, detail, progress, pending, now_ms)
        if progress and self.kind == LISTENER:
            self._restarts.forget()
        if phase == SERVING and self._serving_since_ms is None:
            self._serving_since_ms = now_ms
            self.has_served = True
            self.failed_status = 0
        self._enter(phase, detail, now_ms)

    def erred(self, sentence: str) -> None:
        """The process said what ends it, before it ended."""
        self.last_error = sentence

    def gave_up(self, sentence: str, exit_status: int) -> None:
        """The process says that a restart would not help."""
        self.last_error = sentence
        self._gave_up = (sentence, exit_status)

    def signalled(self, now_ms: int) -> None:
        """It got a SIGTERM from outside and waits for our decision."""
        self._signalled_ms = now_ms

    def is_signalled_alone(self, now_ms: int) -> bool:
        """Whether the signal was meant for it and not for the whole family."""
        since = self._signalled_ms
        is_ours = self.state is State.RUNNING and since is not None
        return is_ours and now_ms - (since or 0) >= FAMILY_SIGNAL_MS

    def ask_end(self, now_ms: int) -> None:
        """It was asked to stop, to be started again; it has until `kill_at_ms`."""
        self.state = State.ENDING
        self.kill_at_ms = now_ms + STOP_MAX_MS

    def start_afresh(self, now_ms: int) -> None:
        """Start it as soon as possible, with its whole budget of restarts."""
        self._restarts.forget()
        self.state = State.WAITING
        self.start_at_ms = now_ms
        self._enter(STARTING, "", now_ms)

    def end(self, detail: str, now_ms: int) -> None:
        """It will not be started again, except by request."""
        self.state = State.DONE
        self.pid = 0
        self._enter(STOPPED, detail, now_ms)

    def exited(self, status: int, how: str, now_ms: int) -> tuple[str, bool]:
        """Decide what follows from its end; returns a sentence to log, and whether it is bad news.

        `how` says in words what `status` says as a number.
        """
        self.pid = 0
        if self.state is State.ENDING:
            self.start_afresh(now_ms)
            return "stopped as asked; starting again", False
        if self._phase == FINISHED and status == 0:
            self.end("finished", now_ms)
            return "finished", False
        why = self._reason(status, how)
        if self._gave_up is not None:
            again = self._restarts.gave_up(now_ms)
            self.failed_status = self._gave_up[1]
        else:
            served_ms = 0 if self._serving_since_ms is None else now_ms - self._serving_since_ms
            again = self._restarts.died(now_ms, served_ms)
            self.failed_status = max(status, 0) or 1
        self.start_at_ms = again.at_ms
        delay_s = (again.at_ms - now_ms) / 1000
        if again.failed:
            self.state = State.FAILED
            self._enter(FAILED, why, now_ms)
            way_back = f"tried again in {delay_s:.0f} s or by `lithair restart {self.name}`"
            return f"{why}; failed, {way_back}, while the server runs", True
        self.state = State.WAITING
        self._enter(STARTING, why, now_ms)
        when = f"in {delay_s:.1f} s" if delay_s else "at once"
        return f"{why}; starting again {when}", True

    def not_started(self, sentence: str, now_ms: int) -> tuple[str, bool]:
        """The operating system refused to start it."""
        self.last_error = sentence
        self._gave_up = None
        self.state = State.RUNNING
        return self.exited(1, sentence, now_ms)

    def verdict(self, now_ms: int) -> str | None:
        """Why it has to be killed now, or None. Says so once."""
        if self.kill_reason:
            return None
        if self.kill_at_ms and now_ms >= self.kill_at_ms:
            return f"did not stop within {STOP_MAX_MS // 1000} s"
        if self.state is State.RUNNING and not self.kill_at_ms:
            return self._liveness.verdict(now_ms)
        return None

    def forgive(self, gap_ms: int) -> None:
        self._liveness.forgive(gap_ms)

    def _enter(self, phase: str, detail: str, now_ms: int) -> None:
        if phase != self._phase:
            self.since_ms = now_ms
        self._phase = phase
        self.detail = detail

    def _reason(self, status: int, how: str) -> str:
        if self._gave_up is not None:
            return self._gave_up[0]
        if self.kill_reason:
            return f"killed: {self.kill_reason}"
        if status > 0 and self.last_error:
            return self.last_error
        return how
