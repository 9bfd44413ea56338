"""A stored model: calls carried out on a model's directory, while no process has it.

Law: as for the process itself: the directory is locked, nothing is answered before the whole log
was replayed and checked, and a write is answered when it is on the disk.
"""

import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TypeVar

from lithair.actors.log_loading import load
from lithair.actors.model_loop import ACTIONS, new_id
from lithair.client.calls import Call
from lithair.core import reads
from lithair.core.command import Command
from lithair.core.model_state import ModelState
from lithair.core.problem import problem_of
from lithair.errors import LithairError, LockedByOther
from lithair.handler import ModelHandler
from lithair.model import Model
from lithair.storage.event_log import EventLog, LogOptions, LogStamp
from lithair.storage.files import OsFiles
from lithair.wire.messages import Reply
from lithair.wire.protocol import TRUSTED, Verb

R = TypeVar("R")


class StoredModel:
    """One model's directory, from entering to leaving; made when it is not there.

    Raises LockedByOther while a server has it, DamagedLog, SchemaChanged (another model's).
    """

    def __init__(self, model: type[Model], directory: str, take_max: int) -> None:
        self._state = ModelState(ModelHandler(model, directory), take_max)
        schema = self._state.schema
        stamp = LogStamp(schema.name, schema.fingerprint, schema.description)
        now_ms = _now_ms()
        try:
            self._log = EventLog.open(OsFiles(), directory, stamp, LogOptions(), now_ms)
        except LockedByOther as error:
            raise LockedByOther(
                f"{directory} is in use, by a server or another command: stop that one, or ask the"
                " server: leave --data-dir out, and name its run directory unless it is ./.lithair"
            ) from error
        load(self._log, self._state, now_ms, _no_progress)

    def __enter__(self) -> "StoredModel":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        place: TracebackType | None,
    ) -> None:
        self._log.close()

    def items(self) -> list[bytes]:
        """Give all items as JSON, in creation order."""
        state = self._state
        return [state.payload(slot) for slot in state.tables.projection.slots.values()]

    def do(self, call: Call[R]) -> R:
        """Carry out a write, or a GET of a whole item; raises the error of a refusal."""
        if call.write is None:
            assert call.verb is Verb.GET, call.verb
            return call.result(self._answered(partial(self._get, str(call.argument))))
        write = call.write
        command = Command(
            ACTIONS[call.verb], write.command_id, write.key, write.body, TRUSTED, write.if_match
        )
        return call.result(self._answered(partial(self._write, command)))

    def _answered(self, act: Callable[[], Reply]) -> Reply:
        try:
            return act()
        except LithairError as error:
            return Reply(0, error.status, problem_of(error))

    def _get(self, key: str) -> Reply:
        read = reads.get(self._state, key, TRUSTED)
        return Reply(0, read.status, read.body, self._state.seq, read.item_seq, read.key)

    def _write(self, command: Command) -> Reply:
        plan = self._state.decide([command], _now_ms(), new_id)
        placed = self._log.append(plan.events).placed if plan.events else []
        (answer,) = self._state.answers(plan)
        self._state.commit(plan, placed)
        return Reply(0, answer.status, answer.body, self._state.seq, answer.item_seq, answer.key)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _no_progress() -> None:
    pass
