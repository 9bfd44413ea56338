"""Errand: one long task on a model's files, done by a process of its own.

Owns how it is started and what it says. Law: a new interpreter, at low priority; it changes nothing
that the model process has open, and dies with it. It says how far it is, and one last word. If it
makes no progress for a minute, because it hangs or its disk does, it has failed.

    parcel  := (packed declaration, model's name, task)              an inherited memory file
    report  := len:u32 word                                          an inherited pipe
    word    := Progress | Done | Failed                              MessagePack, tagged
"""

import os
import signal
import struct
import subprocess
import time
from typing import Final, Protocol

import msgspec

from lithair.actors.child_process import command_line
from lithair.actors.silence import SILENCE_S_MAX, Clock, Silence
from lithair.actors.spawned import start_interpreter
from lithair.core.compaction import CompactionPlan
from lithair.declaration import Declaration, pack
from lithair.errors import LithairError
from lithair.storage.log_reader import LogPaths
from lithair.storage.memory_file import write_memory_file
from lithair.storage.purge import PurgePlan

READ_BYTES: Final = 1 << 20  # a look at the pipe takes no more, so that a long result delays nobody
END_MAX_S: Final = 1.0  # a killed process is gone at once, unless its disk hangs
SILENT: Final = f"its process has made no progress for {SILENCE_S_MAX:.0f} s and was ended"
LENGTH: Final = struct.Struct("<I")


class CompactTask(msgspec.Struct, tag="compact", frozen=True):
    """Merge a log into a snapshot; the result is its name."""

    directory: str
    plan: CompactionPlan


class PastListTask(msgspec.Struct, tag="past_list", frozen=True):
    """List or count the items as they were; the result is a `past_list.PastAnswer`."""

    paths: LogPaths
    time_ms: int  # up to which events count, if they are not after `paths.seq`
    pairs: tuple[tuple[str, str], ...]  # of the query
    access: str
    is_count: bool
    take_max: int
    list_bytes_max: int


class PurgeTask(msgspec.Struct, tag="purge", frozen=True):
    """Erase an item from archive and torn tails; the result is a `purge.PurgedFiles`, as JSON."""

    directory: str
    plan: PurgePlan


Task = CompactTask | PastListTask | PurgeTask  # each with a tag of its own; see errand_process


class Progress(msgspec.Struct, tag="progress", frozen=True):
    """So much is done, of so much. Said by who does it, between two steps: it is also its pulse."""

    done: int
    total: int


class Done(msgspec.Struct, tag="done", frozen=True):
    """The task is done."""

    result: bytes


class Failed(msgspec.Struct, tag="failed", frozen=True):
    """The task is not done, and nothing is changed; `status` as of an HTTP answer."""

    sentence: str
    status: int = 500


Word = Progress | Done | Failed


class Parcel(msgspec.Struct, array_like=True, frozen=True):
    """What an errand's process is given."""

    packed: bytes
    model: str
    task: Task


class ErrandSpec(msgspec.Struct, frozen=True):
    """What it is told on its command line. No secrets: other users can read it."""

    title: str
    parent_pid: int
    parcel_fd: int
    report_fd: int
    log_level: str


class Runs(Protocol):
    """An errand under way, whoever does it."""

    progress: Progress

    def fileno(self) -> int:
        """Give what is readable when there is something to `poll` for."""
        ...

    def poll(self) -> Done | Failed | None:
        """Take what it has said; gives its last word once it has ended, or hangs.

        To be called several times a second, also when nothing is readable.
        """
        ...

    def kill(self) -> None:
        """End it now, and give everything back; also needed after its last word."""
        ...


class Errand:
    """An errand in a process of its own, seen from the model process."""

    def __init__(self, popen: "subprocess.Popen[bytes]", pipe: int, clock: Clock) -> None:
        self.progress = Progress(0, 0)
        self.pid = popen.pid
        self._popen = popen
        self._pipe = pipe
        self._buffer = bytearray()
        self._last: Done | Failed | None = None
        self._silence = Silence(clock)

    def fileno(self) -> int:
        return self._pipe

    def poll(self) -> Done | Failed | None:
        try:
            data = os.read(self._pipe, READ_BYTES)
        except BlockingIOError:
            return self._hung()
        self._buffer += data
        self._take_words()
        if data:
            self._silence.end()
            return None
        status = self._popen.poll()  # it has closed its end; that it has ended follows at once
        if status is None:
            return self._hung()
        return self._last or Failed(f"its process ended without a word, {in_words(status)}")

    def _hung(self) -> Failed | None:
        return Failed(SILENT, 503) if self._silence.is_too_long() else None

    def _take_words(self) -> None:
        buffer = self._buffer
        while len(buffer) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(buffer)[0]
            if len(buffer) < end:
                return
            word = _decode(buffer[LENGTH.size : end])
            del buffer[:end]
            if isinstance(word, Progress):
                self.progress = word
            else:
                self._last = word

    def kill(self) -> None:
        pipe, self._pipe = self._pipe, -1
        if pipe < 0:
            return
        self._popen.kill()
        try:
            self._popen.wait(END_MAX_S)
        except subprocess.TimeoutExpired:
            pass  # the kernel ends it when its disk answers
        os.close(pipe)


_decode = msgspec.msgpack.Decoder(Word).decode


def start_errand(
    declaration: Declaration, model: str, title: str, task: Task, clock: Clock = time.monotonic
) -> Errand:
    """Start a process for a task; raises LithairError when the system has no room for one.

    From the thread that runs the model's loop only: the errand dies when that thread ends.
    """
    parcel = msgspec.msgpack.encode(Parcel(pack(declaration), model, task))
    try:
        parcel_fd = write_memory_file(parcel)
        try:
            popen, pipe = _start(title, parcel_fd, declaration.settings.log_level)
            return Errand(popen, pipe, clock)
        finally:
            os.close(parcel_fd)
    except OSError as error:
        raise LithairError(f"no process for the {title} can be started: {error}") from error


def _start(title: str, parcel_fd: int, log_level: str) -> "tuple[subprocess.Popen[bytes], int]":
    ours, theirs = os.pipe()
    try:
        os.set_blocking(ours, False)
        spec = ErrandSpec(title, os.getpid(), parcel_fd, theirs, log_level)
        arguments = command_line("lithair.actors.errand_process", spec)
        popen = start_interpreter(arguments, (parcel_fd, theirs))
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return popen, ours


def in_words(status: int) -> str:
    """Say how a process ended."""
    if status < 0:
        try:
            return f"killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"killed by signal {-status}"
    return f"exit status {status}"
