"""Supervision: what the supervisor has to do next, as a pure state machine.

Owns the set of supervised processes. Law: events go in (`started`, `heard`, `exited`, ...), `tick`
returns what to do; nothing here starts, signals or waits. Time is an argument (milliseconds,
monotonic).

    start order: models, gateways, then workers and listeners once every model serves or has failed
    stop order:  gateways, then workers and listeners, then models; 10 s each at most, then killed
    one for one: a process that dies is started again alone (`core.restart`)
    the end:     asked to stop -> 0; every gateway failed -> 1; every model locked by another -> 5
"""

import enum
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from lithair.core.restart import RestartLimit
from lithair.core.supervised import (
    GATEWAY,
    LISTENER,
    MODEL,
    STOP_MAX_MS,
    WORKER,
    State,
    Supervised,
)
from lithair.phase import FAILED, SERVING

START_ORDER: Final = (MODEL, GATEWAY, WORKER, LISTENER)
STOP_ORDER: Final = ((GATEWAY,), (WORKER, LISTENER), (MODEL,))
AFTER_MODELS: Final = (WORKER, LISTENER)  # they ask models, first of all

LOCKED_STATUS: Final = 5
ECHO_MS: Final = 200  # wrappers pass on a signal that the whole group got: that is no second one
OVERSLEPT_MS: Final = (
    2_000  # ticks come every 0.25 s; a longer gap means that we did not run ourselves
)


class Role(NamedTuple):
    """A process that has to run: its kind, its name, and another name people may use for it."""

    kind: str
    name: str
    alias: str = ""


class Start(NamedTuple):
    process: Supervised


class AskStop(NamedTuple):
    process: Supervised


class Kill(NamedTuple):
    process: Supervised
    why: str


Action = Start | AskStop | Kill


class Weight(enum.Enum):
    """How much a note matters."""

    DETAIL = "debug"
    NEWS = "info"
    BAD = "warning"


class Note(NamedTuple):
    """Something to log."""

    process: str
    sentence: str
    weight: Weight


class Supervision:
    """All processes of one server. `version` changes whenever something worth telling has."""

    def __init__(self, roles: Sequence[Role], limit: RestartLimit, now_ms: int) -> None:
        self.processes = [
            Supervised(role.kind, role.name, role.alias, limit)
            for kind in START_ORDER
            for role in roles
            if role.kind == kind
        ]
        self.version = 1
        self.notes: list[Note] = []
        self.why_ending = ""
        self.exit_status = 0
        self.is_stopping = False
        self.is_ready = False
        self._at_once = False
        self._stop_asked_ms = 0
        self._ticked_ms = now_ms
        self._asked: set[Supervised] = set()

    # events

    def started(self, process: Supervised, pid: int, now_ms: int) -> None:
        process.started(pid, now_ms)
        self.version += 1

    def not_started(self, process: Supervised, sentence: str, now_ms: int) -> None:
        told, is_bad = process.not_started(sentence, now_ms)
        self._note(process, told, Weight.BAD if is_bad else Weight.NEWS)

    def heard(self, process: Supervised, said: tuple[str, str, int, bool], now_ms: int) -> None:
        """`said`: phase, detail, progress, pending."""
        before = process.phase
        process.heard(*said, now_ms)
        if process.phase != before:
            weight = Weight.NEWS if process.phase == SERVING else Weight.DETAIL
            self._note(process, process.phase + (f": {said[1]}" if said[1] else ""), weight)

    def exited(self, process: Supervised, status: int, how: str, now_ms: int) -> None:
        if self.is_stopping:
            self._ended_while_stopping(process, status, how, now_ms)
            return
        sentence, is_bad = process.exited(status, how, now_ms)
        self._note(process, sentence, Weight.BAD if is_bad else Weight.NEWS)

    def ask_stop(self, why: str, now_ms: int) -> None:
        """Begin the ordered stop; asked a second time, stop at once."""
        if not self.is_stopping:
            self._stop_asked_ms = now_ms
            self._begin_stop(why, 0)
        elif now_ms - self._stop_asked_ms >= ECHO_MS:
            self._at_once = True

    def ask_restart(self, name: str, now_ms: int) -> str | None:
        """Restart every process called `name`; returns a sentence when that can't be done."""
        if self.is_stopping:
            return "the server is stopping"
        named = [process for process in self.processes if name in (process.name, process.alias)]
        if not named:
            known = ", ".join(process.name for process in self.processes)
            return f"no process is called {name!r}; there are: {known}"
        for process in named:
            if process.is_alive:
                process.ask_end(now_ms)
            else:
                process.start_afresh(now_ms)
            self._note(process, "restart asked for", Weight.NEWS)
        return None

    # decisions

    def tick(self, now_ms: int) -> list[Action]:
        """What has to be done now."""
        self._forgive_own_sleep(now_ms)
        self._look_for_an_end()
        actions: list[Action] = []
        if self.is_stopping:
            actions.extend(self._stop(now_ms))
        else:
            self._look_for_readiness()
            self._heed_signals(now_ms)
            actions.extend(self._restart_asked())
            actions.extend(Start(process) for process in self._due(now_ms))
        actions.extend(self._kill_overdue(now_ms))
        return actions

    @property
    def is_over(self) -> bool:
        """Whether the server has stopped altogether."""
        return self.is_stopping and not any(process.is_alive for process in self.processes)

    def of_kind(self, kind: str) -> list[Supervised]:
        return [process for process in self.processes if process.kind == kind]

    def next_ms(self, now_ms: int, at_most_ms: int) -> int:
        """How long `tick` may wait, if nothing happens before."""
        due = [
            process.start_at_ms - now_ms
            for process in self.processes
            if process.state in (State.WAITING, State.FAILED)
        ]
        return max(0, min([at_most_ms, *(wait for wait in due if wait > 0)]))

    # inside

    def _due(self, now_ms: int) -> Iterator[Supervised]:
        models_settled = all(process.is_settled for process in self.of_kind(MODEL))
        for process in self.processes:
            is_early = process.kind in AFTER_MODELS and not process.starts and not models_settled
            if process.is_due(now_ms) and not is_early:
                yield process

    def _heed_signals(self, now_ms: int) -> None:
        for process in self.processes:
            if process.is_signalled_alone(now_ms):
                process.ask_end(now_ms)
                self._note(process, "received SIGTERM; stopping it", Weight.NEWS)

    def _restart_asked(self) -> Iterator[Action]:
        for process in self.processes:
            if process.state is not State.ENDING:
                self._asked.discard(process)
            elif process not in self._asked:
                self._asked.add(process)
                yield self._end_of(process)

    def _end_of(self, process: Supervised) -> Action:
        """A process that has only just begun holds nothing and does not listen yet: end it."""
        if process.is_starting:
            return self._kill(process, "asked to stop while it was starting")
        return AskStop(process)

    def _kill(self, process: Supervised, why: str) -> Kill:
        process.kill_reason = why
        return Kill(process, why)

    def _kill_overdue(self, now_ms: int) -> Iterator[Action]:
        for process in self.processes:
            if process.is_alive and (why := process.verdict(now_ms)) is not None:
                self._note(process, f"killed: {why}", Weight.BAD)
                yield self._kill(process, why)

    def _begin_stop(self, why: str, exit_status: int) -> None:
        self.is_stopping = True
        self.why_ending = why
        self.exit_status = exit_status
        self._asked.clear()
        self.version += 1

    def _stop(self, now_ms: int) -> Iterator[Action]:
        for process in self.processes:
            if not process.is_alive and process.state is not State.DONE:
                process.end("stopped", now_ms)
        if self._at_once:
            for process in self.processes:
                if process.is_alive and not process.kill_reason:
                    yield self._kill(process, "asked to stop at once")
            return
        for kinds in STOP_ORDER:
            alive = [one for kind in kinds for one in self.of_kind(kind) if one.is_alive]
            for process in alive:
                if process not in self._asked:
                    self._asked.add(process)
                    process.kill_at_ms = now_ms + STOP_MAX_MS
                    yield self._end_of(process)
            if alive:
                return

    def _ended_while_stopping(
        self, process: Supervised, status: int, how: str, now_ms: int
    ) -> None:
        was_asked = process in self._asked
        process.end("stopped", now_ms)
        if status == 0 or process.kill_reason:
            self._note(process, "stopped", Weight.DETAIL)
        else:
            when = "while stopping" if was_asked else "before it was asked to stop"
            self._note(process, f"{how} {when}", Weight.BAD)

    def _forgive_own_sleep(self, now_ms: int) -> None:
        gap_ms = now_ms - self._ticked_ms
        if gap_ms > OVERSLEPT_MS:
            for process in self.processes:
                process.forgive(gap_ms)
        self._ticked_ms = now_ms

    def _look_for_readiness(self) -> None:
        if self.is_ready:
            return
        gateways = self.of_kind(GATEWAY)
        models = self.of_kind(MODEL)
        has_gateway = not gateways or any(process.phase == SERVING for process in gateways)
        self.is_ready = has_gateway and all(process.is_settled for process in models)

    def _look_for_an_end(self) -> None:
        if self.is_stopping:
            return
        gateways = self.of_kind(GATEWAY)
        models = [model for model in self.of_kind(MODEL) if not model.is_internal]
        if gateways and all(process.phase == FAILED for process in gateways):
            self._begin_stop(f"every gateway has failed: {gateways[0].detail}", 1)
        elif models and all(_is_locked(process) for process in models):
            self._begin_stop(models[0].detail, LOCKED_STATUS)

    def _note(self, process: Supervised, sentence: str, weight: Weight) -> None:
        self.version += 1
        self.notes.append(Note(process.title, sentence, weight))


def _is_locked(process: Supervised) -> bool:
    return (
        process.phase == FAILED
        and process.failed_status == LOCKED_STATUS
        and not process.has_served
    )
