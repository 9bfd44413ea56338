"""A model process: owns one model's log and projection, and answers for it.

Law: nothing is served before the whole log was replayed and checked. A log that is damaged, locked
or of another declaration ends the process with a sentence; it never serves a part of it.
"""

import gc
import logging
import os
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Final, cast

from lithair.accounts import USERS
from lithair.actors import heap
from lithair.actors.backup_work import BackupWork, Subject
from lithair.actors.changes import Changes
from lithair.actors.cleanup import (
    TOKENS_INTERVAL_MS,
    Cleanup,
    session_gone_ms,
    token_gone_ms,
)
from lithair.actors.compaction import Compaction, Tools
from lithair.actors.errand import CompactTask, PurgeTask, Runs, Task, start_errand
from lithair.actors.errand_thread import ErrandThread
from lithair.actors.listener_watch import ListenerWatch
from lithair.actors.log_loading import load
from lithair.actors.log_writer import LogWriter
from lithair.actors.login_attempts import LoginAttempts
from lithair.actors.model_loop import ModelLoop
from lithair.actors.model_reads import Limits
from lithair.actors.purges import Purges
from lithair.actors.references import References
from lithair.actors.time_travel import Bounds, TimeTravel
from lithair.api_tokens import TOKENS
from lithair.config import Settings
from lithair.core.model_state import ModelState
from lithair.declaration import CompactionDeclaration, ModelDeclaration
from lithair.errors import DamagedLog, LithairError, LockedByOther
from lithair.internal import SESSIONS
from lithair.process import EXIT_DAMAGED, EXIT_FAILED, EXIT_LOCKED, REPLAYING, SERVING, Child
from lithair.storage.event_log import Durability, EventLog, LogOptions, LogStamp
from lithair.storage.files import Files, OsFiles
from lithair.storage.memory_files import MemoryFiles
from lithair.transport.feed import FeedServer
from lithair.transport.request_client import RequestClient
from lithair.transport.request_server import RequestServer
from lithair.transport.sockets import feed_endpoint, model_endpoint
from lithair.wire.protocol import EPOCH_BYTES, Verb

# What Lithair itself keeps has no past that anybody asks for, and changes all the time.
INTERNAL_COMPACTION: Final = CompactionDeclaration(events=1000, every_s=60.0)
MEMORY_DIRECTORY: Final = "/memory"  # where a log lies on a disk that is in RAM

log = logging.getLogger(__name__)

TITLES: Final[dict[type[Task], str]] = {CompactTask: "compaction", PurgeTask: "purge"}


def run(child: Child) -> None:
    """Serve the model that the child is named after, until it is told to stop."""
    heap.grow_in_place()
    model = child.declaration.model_of_process(child.name)
    if model.data_dir:
        serve(child, OsFiles())
    else:
        files = MemoryFiles()
        serve(child, files, partial(ErrandThread, files, model))


def serve(child: Child, files: Files, start_upkeep: Callable[[Task], Runs] | None = None) -> None:
    """The same over any disk; on another one than the system's, something else has to merge."""
    model = child.declaration.model_of_process(child.name)
    settings = child.declaration.settings
    state = ModelState(model.handler, settings.max_take, model.retention)
    state.migrations = model.migrations
    event_log = _open(child, model, state, files)
    writer = LogWriter(event_log, settings.durability)
    with ExitStack() as stack:
        epoch = secrets.token_bytes(EPOCH_BYTES)
        server = RequestServer(epoch)
        stack.callback(server.close)
        feed = FeedServer(feed_endpoint(child.run_dir, model.name), epoch)
        stack.callback(feed.close)
        server.bind(model_endpoint(child.run_dir, model.name))
        loop = ModelLoop(child, state, event_log, server, writer, Limits(settings.max_list_bytes))
        loop.publish_to(feed)
        if any(field.ref is not None for field in state.schema.fields):
            references = _references(child, loop)
            stack.callback(references.close)
            loop.watch_references(references)
        backups = BackupWork(files, event_log, Subject(model.name, model.class_name))
        stack.callback(backups.close)
        loop.upkeep.serve(Verb.BACKUP, backups.request)
        loop.tend(backups)
        changes = Changes(state, event_log)
        stack.callback(changes.close)
        loop.upkeep.serve(Verb.CHANGES, changes.ask)
        loop.tend(changes)
        start = start_upkeep or _starter(child)
        listeners = _listeners(child, (files, model.data_dir), state.seq, loop, stack)
        tools = Tools(event_log, writer, files, start, loop.jobs, listeners)
        _compact_and_purge(_compaction(child, model), state, tools, loop, stack)
        if model.name in (SESSIONS, TOKENS):
            _clean_up(child, state, loop, stack)
        elif model.name == USERS:
            _count_logins(child, state, loop, stack)
        past = _time_travel(child, model, state, event_log, loop)
        stack.callback(past.close)
        loop.look_back_with(past)
        writer.start()
        child.phase(SERVING)
        loop.run()  # raises when a sync has failed: the log stays as it is, nothing is answered
    writer.close()
    event_log.close()


def _starter(child: Child) -> Callable[[Task], Runs]:
    def start(task: Task) -> Runs:
        title = f"{TITLES.get(type(task), 'errand')} of {child.name}"
        return start_errand(child.declaration, child.name, title, task)

    return start


def _listeners(
    child: Child, place: tuple[Files, str], seq: int, loop: ModelLoop, stack: ExitStack
) -> ListenerWatch | None:
    """Make the cursors of the model's listeners; None when it has none."""
    files, directory = place
    declared = [one for one in child.declaration.listeners if one.model == child.name]
    if not declared:
        return None
    watch = ListenerWatch(files, directory, declared, seq)
    stack.callback(watch.close)
    loop.tend(watch)
    loop.figures.listeners = watch.handled
    return watch


def _compaction(child: Child, model: ModelDeclaration) -> CompactionDeclaration | None:
    return INTERNAL_COMPACTION if model.is_internal else child.declaration.compaction


def _clean_up(child: Child, state: ModelState, loop: ModelLoop, stack: ExitStack) -> None:
    sessions = child.declaration.sessions
    assert sessions is not None, "a store of sessions or tokens without sessions"
    if child.name == SESSIONS:
        cleanup = Cleanup(state, loop.resume, sessions.cleanup_ms, session_gone_ms)
    else:
        cleanup = Cleanup(state, loop.resume, TOKENS_INTERVAL_MS, token_gone_ms)
    stack.callback(cleanup.close)
    loop.tend(cleanup)


def _count_logins(child: Child, state: ModelState, loop: ModelLoop, stack: ExitStack) -> None:
    attempts = LoginAttempts()
    stack.callback(attempts.close)
    loop.upkeep.serve(Verb.ATTEMPT, attempts.ask)
    loop.upkeep.serve(Verb.SETTLE, attempts.settle)
    loop.tend(attempts)
    if not state.tables.projection.slots:
        is_default = child.run_dir == os.path.abspath(Settings().run_dir)
        where = "" if is_default else f" --run-dir {child.run_dir}"
        log.info("there are no users yet; make one: lithair users add NAME --role ROLE%s", where)


def _compact_and_purge(
    automatic: CompactionDeclaration | None,
    state: ModelState,
    tools: Tools,
    loop: ModelLoop,
    stack: ExitStack,
) -> None:
    compaction = Compaction(state, tools, automatic)
    stack.callback(compaction.close)
    loop.upkeep.serve(Verb.COMPACT, compaction.serve)
    loop.tend(compaction)
    loop.figures.compaction = lambda: compaction.figures
    purges = Purges(state, tools, compaction)
    stack.callback(purges.close)
    loop.upkeep.serve(Verb.PURGE, purges.serve)
    loop.tend(purges)


def _time_travel(
    child: Child,
    model: ModelDeclaration,
    state: ModelState,
    event_log: EventLog,
    loop: ModelLoop,
) -> TimeTravel:
    bounds = Bounds(child.declaration.settings.max_take, child.declaration.settings.max_list_bytes)
    start = partial(start_errand, child.declaration, model.name, f"past {model.name}")
    return TimeTravel(state, event_log, bounds, start, loop.answer_past)


def _references(child: Child, loop: ModelLoop) -> References:
    names = {model.class_name: model.name for model in child.declaration.models}

    def connect(class_name: str) -> RequestClient:
        return RequestClient(model_endpoint(child.run_dir, names[class_name]))

    return References(connect, loop.resume, loop.refuse)


def _open(child: Child, model: ModelDeclaration, state: ModelState, files: Files) -> EventLog:
    """Open and replay the log; ends the process with a sentence where that can't be done."""
    schema = state.schema
    stamp = LogStamp(schema.name, schema.fingerprint, schema.description)
    durability = cast(Durability, child.declaration.settings.durability)  # checked by config
    options = LogOptions(durability=durability)
    now_ms = time.time_ns() // 1_000_000
    try:
        directory = model.data_dir or MEMORY_DIRECTORY
        event_log = EventLog.open(files, directory, stamp, options, now_ms)
        child.phase(REPLAYING)
        load(event_log, state, now_ms, child.count_progress)
        gc.freeze()  # a look for cycles needn't go through a million items that stay
        heap.give_back()
    except DamagedLog as error:
        child.fail(str(error), EXIT_DAMAGED)
    except LockedByOther as error:
        child.fail(str(error), EXIT_LOCKED)
    except LithairError as error:
        child.fail(str(error), EXIT_FAILED)
    return event_log
