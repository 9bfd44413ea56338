"""Errands that are done in a thread of the test, over any disk, and that a test can hold up."""

import os
import threading
from collections.abc import Callable

import msgspec

from lithair.actors.errand import CompactTask, Done, Failed, Progress, PurgeTask, Task
from lithair.actors.errand_process import present_form
from lithair.declaration import ModelDeclaration
from lithair.errors import LithairError
from lithair.storage.compaction import compact
from lithair.storage.files import Files
from lithair.storage.purge import purge_files


class ThreadErrand:
    """What `Errand` is to the model process, without a process."""

    def __init__(self, act: Callable[[], bytes]) -> None:
        self.progress = Progress(0, 0)
        self._act = act
        self._word: Done | Failed | None = None
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        return self._wake_fd

    def poll(self) -> Done | Failed | None:
        return self._word

    def kill(self) -> None:
        if self._wake_fd >= 0:
            self._thread.join(10)
            os.close(self._wake_fd)
            self._wake_fd = -1

    def _run(self) -> None:
        try:
            self._word = Done(self._act())
        except LithairError as error:
            self._word = Failed(str(error), error.status)
        os.eventfd_write(self._wake_fd, 1)


class Errands:
    """Starts errands over a disk; while `go` is not set they wait."""

    def __init__(self, files: Files, model: ModelDeclaration) -> None:
        self.go = threading.Event()
        self.go.set()
        self.tasks: list[Task] = []
        self._files = files
        self._model = model

    def start(self, task: Task) -> ThreadErrand:
        self.tasks.append(task)

        def act() -> bytes:
            assert self.go.wait(10)
            if isinstance(task, PurgeTask):
                found = purge_files(
                    self._files, task.directory, task.plan, lambda _done, _all: None
                )
                return msgspec.json.encode(found)
            assert isinstance(task, CompactTask)
            form = present_form(self._model)
            return compact(
                self._files, task.directory, task.plan, form, lambda _done, _all: None
            ).encode()

        return ThreadErrand(act)
