"""Heartbeat: the thread in every child that speaks with the supervisor.

Owns the child's end of the channel. Law: a beat at least every half second whatever the main
thread does; a request to stop is passed on at once; a process whose supervisor is gone ends.
"""

import logging
import os
import select
import signal
import threading
from types import FrameType
from typing import Final

from lithair.actors.channel import (
    SENTENCE_MAX,
    AskedToStop,
    Beat,
    Channel,
    Erred,
    GaveUp,
    Signalled,
    Told,
)
from lithair.phase import STARTING
from lithair.process import EXIT_FAILED, Child

BEAT_MS: Final = 500  # ten beats before silence counts as hanging

log = logging.getLogger(__name__)


class Heartbeat:
    """Tells the supervisor how this process fares; the `Reporter` of a real `Child`."""

    def __init__(self, channel: Channel, parent_pid: int) -> None:
        self._channel = channel
        self._parent_pid = parent_pid
        self._child: Child | None = None
        self._told: dict[str, object] = {}
        self.present_phase = STARTING
        self._detail = ""
        # Held from reading the phase to having sent it, else an old phase may arrive after a new
        # one. Re-entrant: a signal may leave the main thread in the midst of it.
        self._speaking = threading.RLock()

    def start(self) -> None:
        """Begin to beat, before anything that may take long."""
        self._beat()
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def watch(self, child: Child) -> None:
        """Report this child's progress from now on, and pass requests to stop on to it."""
        self._child = child

    def phase(self, phase: str, detail: str) -> None:
        with self._speaking:
            self.present_phase, self._detail = phase, detail
            self._beat()

    def gave_up(self, sentence: str, exit_status: int) -> None:
        self._channel.send(GaveUp(sentence[:SENTENCE_MAX], exit_status))

    def erred(self, sentence: str) -> None:
        self._channel.send(Erred(sentence[:SENTENCE_MAX]))

    def on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        """Take a SIGTERM: our own wakes the main thread; any other is passed up.

        A service manager may signal the whole family at once. The models must not stop before the
        gateways have drained, so a child that is signalled from outside asks its supervisor.
        """
        child = self._child
        if child is None or not child.stopping:
            self._channel.send(Signalled())
        elif child.on_leave is not None:
            child.on_leave()

    def _beat(self) -> None:
        with self._speaking:
            child = self._child
            if child is None:
                beat = Beat(self.present_phase, self._detail, 0, False)
            else:
                beat = Beat(self.present_phase, child.detail, child.progress, child.pending)
            self._channel.send(beat)

    def _tell(self) -> None:
        """Tell the figures, when there are some and they have changed."""
        child = self._child
        if child is None or child.figures is None:
            return
        figures = child.figures()
        if figures != self._told and self._channel.send(Told(figures)):
            self._told = figures

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        asked = False
        while True:
            poll.poll(BEAT_MS)
            for message in self._channel.receive():
                asked = asked or isinstance(message, AskedToStop)
            if self._channel.is_closed or os.getppid() != self._parent_pid:
                os._exit(EXIT_FAILED)  # nothing is lost: what was acknowledged is on the disk
            if asked and self._child is not None:
                asked = False
                self._child.stop()
                # wakes a main thread that waits in a system call, and lets a worker unwind
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
            self._beat()
            self._tell()
