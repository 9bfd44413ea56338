"""Reloading: `lithair run --reload`, which starts a server again whenever its source changes.

Owns one child at a time, an ordinary `lithair run`, and the looking at files. Law: the child is
stopped in order before the next is started; while a changed file is not Python, the server that
runs is left alone; the child ends with this process, however that ends.

Files are looked at four times a second: 2 ms for 1,000 files. That needs no library and no limit
of the kernel's, and works where changes are not told: on shares, in mounts of containers.
"""

import os
import select
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Final

import click

from lithair.config import option_of
from lithair.errors import Mistakes
from lithair.process import EXIT_DONE, EXIT_FAILED
from lithair.storage.places import is_file
from lithair.storage.sources import look_at_sources, read_source

LOOK_S: Final = 0.25
SETTLE_S: Final = 0.05  # an editor writes in several steps: go on when two looks are the same
STOP_S_MAX: Final = 45.0  # gateways, workers and models have 10 s each
NAMES_SHOWN_MAX: Final = 3
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run_again_and_again(target: str, command_line: Mapping[str, str]) -> int:
    """Run `lithair run TARGET` anew at each change of the project's source, until a signal."""
    place = target.partition(":")[0]
    is_path = place.endswith(".py") or os.sep in place
    if is_path and not is_file(place):
        raise Mistakes([f"there is no file {os.path.abspath(place)}."])
    directory = os.path.dirname(os.path.abspath(place)) if is_path else os.getcwd()
    command = [sys.executable, "-P", "-m", "lithair", "run", target]
    command += [f"{option_of(name)}={text}" for name, text in command_line.items()]
    command.append(f"--with-parent={os.getpid()}")
    return Reloader(command, directory).run()


class Reloader:
    """Keeps one server running, of the newest source that is Python."""

    def __init__(self, command: list[str], directory: str) -> None:
        self._command = command
        self._directory = directory
        self._seen = look_at_sources(directory)
        self._broken: dict[str, str] = {}  # changed files that are not Python, and why
        self._child: subprocess.Popen[bytes] | None = None
        self._is_stopping = False

    def run(self) -> int:
        """Run until a signal, or until the server was asked to stop; return its exit status."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        _say(f"looking for changes of .py files in {self._directory}")
        status = EXIT_DONE
        while not self._is_stopping:
            child = self._start()
            if not self._wait_for_change(child):
                self._is_stopping = True
            elif child.poll() is None:
                child.terminate()
            status = _ended(child)
        return status if status >= 0 else EXIT_FAILED

    def _start(self) -> "subprocess.Popen[bytes]":
        # In a process group of its own Ctrl-C does not reach it: one signal comes once, from us.
        self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, process_group=0)
        if self._is_stopping:  # the signal came before there was a child to pass it on to
            self._child.terminate()
        return self._child

    def _wait_for_change(self, child: "subprocess.Popen[bytes]") -> bool:
        """Wait; True when the source has changed, False when all is to end."""
        has_told_end = False
        while not self._is_stopping:
            status = child.poll()
            if status == EXIT_DONE:
                return False
            if status is not None and not has_told_end:
                has_told_end = True
                _say(f"it has ended with exit status {status}; waiting for a change")
            if self._has_changed(is_running=status is None):
                return True
            _pause(child if status is None else None)
        return False

    def _has_changed(self, *, is_running: bool) -> bool:
        """Tell whether files changed, and all that ever did are Python."""
        changed = self._changes()
        for path in changed:
            sentence = _what_is_wrong(path)
            if sentence is None:
                self._broken.pop(path, None)
            else:
                self._broken[path] = sentence
        if not changed:
            return False
        if self._broken:
            goes_on = "the server goes on as it was; " if is_running else ""
            _say("\n".join([*self._broken.values(), f"{goes_on}waiting for a change"]))
            return False
        _say(f"{_names(changed, self._directory)} changed: starting again")
        return True

    def _changes(self) -> list[str]:
        """Give the files that changed since the last look, once they do so no more."""
        found = look_at_sources(self._directory)
        if found == self._seen:
            return []
        while not self._is_stopping:
            time.sleep(SETTLE_S)
            before, found = found, look_at_sources(self._directory)
            if before == found:
                break
        both = {*self._seen, *found}
        changed = sorted(path for path in both if self._seen.get(path) != found.get(path))
        self._seen = found
        return changed

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Pass it on as SIGTERM; at a second one the server stops at once."""
        self._is_stopping = True
        if self._child is not None and self._child.returncode is None:
            self._child.terminate()


def _pause(child: "subprocess.Popen[bytes] | None") -> None:
    """Let time pass; the end of the child ends it."""
    if child is None:
        time.sleep(LOOK_S)
        return
    pid_fd = os.pidfd_open(child.pid)
    try:
        poll = select.poll()
        poll.register(pid_fd, select.POLLIN)
        poll.poll(LOOK_S * 1000)
    finally:
        os.close(pid_fd)


def _ended(child: "subprocess.Popen[bytes]") -> int:
    try:
        return child.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        _say(f"the server did not stop within {STOP_S_MAX:.0f} s and is killed")
        child.kill()
        return child.wait()


def _what_is_wrong(path: str) -> str | None:
    """Say why a file is not Python; None when it is, or is gone."""
    source = read_source(path)
    if source is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # told when it is run
            compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return "".join(traceback.format_exception_only(error)).rstrip()
    return None


def _names(paths: Sequence[str], directory: str) -> str:
    names = [os.path.relpath(path, directory) for path in paths[:NAMES_SHOWN_MAX]]
    more = len(paths) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _say(sentence: str) -> None:
    click.echo(f"reload: {sentence}", err=True)
