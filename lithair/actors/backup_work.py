"""Backup work: a model process copies its own log, beside everything else that it does.

Law: one copy at a time, in a thread of its own; the loop takes the request and brings the answer,
and waits for neither. The process may end in the middle of one: what it has copied is then in a
directory without a manifest, which is no backup.
"""

import logging
import os
import queue
import threading
import time
from functools import partial
from typing import NamedTuple

import msgspec

from lithair.actors.model_reads import convert
from lithair.actors.upkeep import Answer
from lithair.core.as_of import rfc3339
from lithair.core.problem import Refusal, problem_body
from lithair.core.reads import Read
from lithair.errors import LithairError, StorageFull
from lithair.storage.backup import back_up
from lithair.storage.backup_manifest import ModelBackup
from lithair.storage.event_log import EventLog
from lithair.storage.files import Files
from lithair.wire.messages import ReadRequest
from lithair.wire.protocol import TRUSTED

log = logging.getLogger(__name__)


class Subject(NamedTuple):
    """Whose log it is: the model's name, and its class's."""

    name: str
    class_name: str


class BackupWork:
    """Copies one model's log when it is asked to."""

    def __init__(self, files: Files, event_log: EventLog, subject: Subject) -> None:
        self._files = files
        self._log = event_log
        self._subject = subject
        self._answer: Answer | None = None  # of the copy that is under way
        self._done: queue.SimpleQueue[Read] = queue.SimpleQueue()
        self._speaking = threading.Lock()  # around `_is_closed` and the descriptor it is about
        self._is_closed = False
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        return self._wake_fd

    def close(self) -> None:
        """Let go of a copy that is under way; nobody waits for its answer any more."""
        with self._speaking:
            self._is_closed = True
            os.close(self._wake_fd)

    def request(self, request: ReadRequest, answer: Answer) -> None:
        """Begin a copy into the directory that is asked for; raises LithairError."""
        directory = convert(request.argument, str)
        if request.access != TRUSTED or not os.path.isabs(directory):
            raise Refusal(400, f"{directory!r} is no absolute path of a directory")
        if self._answer is not None:
            raise Refusal(409, f"A backup of {self._subject.name} is being made; wait for its end")
        if self._log.is_read_only:
            raise StorageFull(
                f"{self._subject.name} was opened on a full disk and can't be backed up before it"
                " has been made ready: make room, it tries again each second"
            )
        self._answer = answer
        copy = partial(self._copy, directory)
        threading.Thread(target=copy, name="backup", daemon=True).start()

    def turn(self, now_ms: int) -> bool:
        """Bring the answer of a copy that has ended."""
        if self._done.empty():
            return False
        read = self._done.get_nowait()
        os.eventfd_read(self._wake_fd)
        answer, self._answer = self._answer, None
        assert answer is not None, "a copy that nobody asked for has ended"
        answer(read)
        return False

    def _copy(self, directory: str) -> None:
        read = self._outcome(directory)
        with self._speaking:
            if not self._is_closed:
                os.eventfd_write(self._wake_fd, 1)  # first: who finds it can read the descriptor
                self._done.put(read)

    def _outcome(self, directory: str) -> Read:
        begun_s = time.monotonic()
        cut_time = rfc3339(time.time_ns() // 1_000_000)
        try:
            taken = back_up(self._files, self._log.view, directory)
        except LithairError as error:
            log.error("the log was not backed up: %s", error)
            return Read(error.status, problem_body(error.status, str(error)))
        except Exception as error:  # a mistake of ours costs this backup, not the process
            log.exception("the log was not backed up")
            what = f"{directory}: the backup failed: {type(error).__name__}: {error}"
            return Read(500, problem_body(500, what))
        name, class_name = self._subject
        folder = os.path.basename(directory)
        made = ModelBackup(name, class_name, folder, taken.cut, cut_time, taken.files)
        took_s = time.monotonic() - begun_s
        log.info("backed up to event %d in %s, in %.1f s", taken.cut, directory, took_s)
        return Read(200, msgspec.json.encode(made))
