"""The process of an errand: carries out one task at low priority, and says how it went.

Law: it dies with the process that started it; whatever happens, its last word is said, or its end
says it. Everything it needs comes in its parcel. Progress is said by the thread that does the work,
after each MiB or block at the latest: silence means that it hangs.
"""

import functools
import logging
import os
import signal
import time
from typing import TYPE_CHECKING, Final

import msgspec
from setproctitle import setproctitle

from lithair import logs
from lithair.actors.child_process import die_with_parent, ignore_terminal_signals
from lithair.actors.errand import (
    LENGTH,
    CompactTask,
    Done,
    ErrandSpec,
    Failed,
    Parcel,
    PastListTask,
    Progress,
    PurgeTask,
    Task,
    Word,
)
from lithair.actors.errand_pace import Report, at_leisure, give_way
from lithair.actors.past_list import answer_past_list
from lithair.core.kept import Kept
from lithair.core.schema import schema_of
from lithair.core.upgrade import upgrade_from
from lithair.declaration import ModelDeclaration, unpack
from lithair.errors import LithairError
from lithair.process import EXIT_DONE, EXIT_FAILED
from lithair.storage.files import OsFiles
from lithair.storage.memory_file import read_memory_file
from lithair.storage.purge import purge_files

if TYPE_CHECKING:
    from lithair.storage.compaction import PresentForm

PROGRESS_S: Final = 0.25  # between two words on the way; people look no more often

log = logging.getLogger(__name__)


def main(text: str) -> int:
    """Carry out the errand that `text` describes; ends the process."""
    spec = msgspec.json.decode(text, type=ErrandSpec)
    die_with_parent(spec.parent_pid)
    ignore_terminal_signals()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody listens: nobody needs the result
    give_way()
    setproctitle(f"lithair: {spec.title}")
    logs.configure(spec.log_level, spec.title)
    for descriptor in (spec.parcel_fd, spec.report_fd):
        os.set_inheritable(descriptor, False)
    last = _carry_out(spec)
    say(spec.report_fd, last)
    logging.shutdown()
    # At once: a model process waits for the end, and there is nothing to be put in order.
    os._exit(EXIT_DONE if isinstance(last, Done) else EXIT_FAILED)


def _carry_out(spec: ErrandSpec) -> Done | Failed:
    from lithair import app

    app.IN_CHILD = True
    report = _reporter(spec.report_fd)
    try:
        report(0, 0)
        parcel = msgspec.msgpack.decode(read_memory_file(spec.parcel_fd), type=Parcel)
        declaration = unpack(parcel.packed)
        model = declaration.model_of_process(parcel.model)
        report(0, 0)
        return Done(_result(model, parcel.task, report))
    except LithairError as error:
        return Failed(str(error), error.status)
    except Exception as error:  # the outermost loop of a process: whatever ends it is told
        log.exception("the errand failed")
        return Failed(f"{type(error).__name__}: {error}")


def say(descriptor: int, word: Word) -> None:
    """Write a word into the pipe, however long it takes to be read."""
    data = msgspec.msgpack.encode(word)
    view = memoryview(LENGTH.pack(len(data)) + data)
    while view:
        view = view[os.write(descriptor, view) :]


def _reporter(descriptor: int) -> Report:
    next_s = 0.0

    def report(done: int, total: int) -> None:
        nonlocal next_s
        now_s = time.monotonic()
        if now_s >= next_s:
            next_s = now_s + PROGRESS_S
            say(descriptor, Progress(done, total))

    return report


def present_form(model: ModelDeclaration) -> "PresentForm":
    """Give what the declaration says of the form in which items are stored now."""
    from lithair.storage.compaction import PresentForm

    schema = schema_of(model.handler.model)
    kept = Kept(schema)
    upgrade_for = functools.partial(upgrade_from, schema, model.migrations)
    return PresentForm(
        schema.name, schema.fingerprint, schema.description, kept.wires, kept.cell, upgrade_for
    )


def _result(model: ModelDeclaration, task: Task, report: Report) -> bytes:
    match task:
        case CompactTask():
            return _compact(model, task, report)
        case PastListTask():
            return answer_past_list(OsFiles(), model, task, report)
        case PurgeTask():
            found = purge_files(OsFiles(), task.directory, task.plan, report)
            return msgspec.json.encode(found)


def _compact(model: ModelDeclaration, task: CompactTask, report: Report) -> bytes:
    from lithair.storage.compaction import compact

    form = present_form(model)

    def merge(report: Report) -> bytes:
        return compact(OsFiles(), task.directory, task.plan, form, report).encode()

    return at_leisure(merge, report)
