"""A list or a count of the past, in a process of its own: the state as it was, then the query.

Law: what is answered is what a list would have answered right after the last event that the point
includes, under the present declaration. Nothing is indexed: the state is looked through once.
"""

import logging
import time
from collections.abc import Callable

import msgspec

from lithair.actors.errand import PastListTask
from lithair.actors.log_loading import load
from lithair.actors.model_jobs import ListWork
from lithair.core.as_of import AsOf
from lithair.core.model_state import ModelState
from lithair.core.problem import problem_of
from lithair.core.reads import Read
from lithair.declaration import ModelDeclaration
from lithair.errors import DamagedLog, Dropped, LithairError
from lithair.storage.files import Files
from lithair.storage.log_reader import LogReader

Report = Callable[[int, int], None]

log = logging.getLogger(__name__)


class PastAnswer(msgspec.Struct, array_like=True, frozen=True):
    """What the query is answered with, a refusal too."""

    status: int
    body: bytes


def answer_past_list(
    files: Files, model: ModelDeclaration, task: PastListTask, report: Report
) -> bytes:
    """Carry out a task; gives an encoded `PastAnswer`. Raises Dropped: a file has gone."""
    try:
        read = past_list(files, model, task, report)
    except Dropped:
        raise
    except LithairError as error:
        if isinstance(error, DamagedLog):
            log.error("%s", error)
        return msgspec.msgpack.encode(PastAnswer(error.status, problem_of(error)))
    return msgspec.msgpack.encode(PastAnswer(read.status, read.body))


def past_list(files: Files, model: ModelDeclaration, task: PastListTask, report: Report) -> Read:
    """Answer the query as it would have been answered then."""
    state = ModelState(model.handler, task.take_max, model.retention)
    state.migrations = model.migrations
    state.tables.leave_out_indexes()
    reader = LogReader(files, task.paths)
    try:
        until = AsOf(task.paths.seq, task.time_ms)
        load(
            reader, state, time.time_ns() // 1_000_000, lambda: report(state.seq, until.seq), until
        )
        query = state.views[task.access].queries.read(task.pairs, for_count=task.is_count)
        list_bytes_max = None if task.is_count else task.list_bytes_max
        work = ListWork(state, query, task.access, list_bytes_max)
        while (read := work.step()) is None:
            report(state.seq, until.seq)
        return read
    finally:
        reader.close()
