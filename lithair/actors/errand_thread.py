"""Errands of a store that no other process can reach: done in a thread of the model process.

Law: the same tasks lead to the same results as in a process of their own. A thread can't be killed:
`kill` forgets it, and what it has left is removed when the next one ends or with the store.
"""

import logging
import os
import threading

import msgspec

from lithair.actors.errand import CompactTask, Done, Failed, Progress, PurgeTask, Task
from lithair.actors.errand_process import present_form
from lithair.declaration import ModelDeclaration
from lithair.errors import LithairError
from lithair.storage.compaction import compact
from lithair.storage.files import Files
from lithair.storage.purge import purge_files

log = logging.getLogger(__name__)


class ErrandThread:
    """What `Errand` is to the model process, over the files that it has itself."""

    def __init__(self, files: Files, model: ModelDeclaration, task: Task) -> None:
        self.progress = Progress(0, 0)
        self._files = files
        self._model = model
        self._task = task
        self._word: Done | Failed | None = None
        self._speaking = threading.Lock()  # around the descriptor, which `kill` gives back
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        threading.Thread(target=self._run, name="errand", daemon=True).start()

    def fileno(self) -> int:
        return self._wake_fd

    def poll(self) -> Done | Failed | None:
        return self._word

    def kill(self) -> None:
        with self._speaking:
            if self._wake_fd >= 0:
                os.close(self._wake_fd)
                self._wake_fd = -1

    def _run(self) -> None:
        word = self._outcome()
        with self._speaking:
            self._word = word
            if self._wake_fd >= 0:
                os.eventfd_write(self._wake_fd, 1)

    def _outcome(self) -> Done | Failed:
        try:
            return Done(self._result())
        except LithairError as error:
            return Failed(str(error), error.status)
        except Exception as error:  # a mistake of ours costs this errand, not the process
            log.exception("the errand failed")
            return Failed(f"{type(error).__name__}: {error}")

    def _result(self) -> bytes:
        task = self._task
        if isinstance(task, CompactTask):
            form = present_form(self._model)
            name = compact(self._files, task.directory, task.plan, form, self._report)
            return name.encode()
        if isinstance(task, PurgeTask):
            found = purge_files(self._files, task.directory, task.plan, self._report)
            return msgspec.json.encode(found)
        raise LithairError(
            "what is kept in memory has no past that could be looked into", status=400
        )

    def _report(self, done: int, total: int) -> None:
        self.progress = Progress(done, total)
