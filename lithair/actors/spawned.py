"""Spawned: one running child, seen from the supervisor.

Owns the process, its pid descriptor and our end of its channel. Law: started by exec from the main
thread only (the kernel's parent-death signal fires when that *thread* ends); nothing here waits.
"""

import os
import signal
import subprocess
from collections.abc import Iterable
from typing import Final

import msgspec

from lithair.actors.channel import AskedToStop, Channel, open_channel
from lithair.actors.child_process import ChildSpec, command_line

HIDDEN_VARIABLES: Final = ("NOTIFY_SOCKET",)  # systemd listens to the supervisor alone


class Spawned:
    """A child that was started."""

    def __init__(self, popen: "subprocess.Popen[bytes]", channel: Channel) -> None:
        self._popen = popen
        self.channel = channel
        self.pid = popen.pid
        self.pid_fd = os.pidfd_open(popen.pid)

    def ask_stop(self) -> None:
        """Ask for an ordered stop."""
        self.channel.send(AskedToStop())

    def kill(self) -> None:
        """End it now."""
        self._popen.kill()

    def exit_status(self) -> int | None:
        """The exit status, minus the signal when one ended it; None while it runs."""
        return self._popen.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end; None when it has not come in time."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Give the descriptors back, after it has exited."""
        os.close(self.pid_fd)
        self.channel.close()


def spawn(spec: ChildSpec) -> Spawned:
    """Start a child; its `channel_fd` is filled in here. OSError when the system has no room."""
    channel, theirs = open_channel()
    try:
        spec = msgspec.structs.replace(spec, channel_fd=theirs.fileno())
        descriptors = (theirs.fileno(), spec.declaration_fd, *spec.listen_fds)
        popen = start_interpreter(command_line("lithair.actors.child_process", spec), descriptors)
    except BaseException:
        channel.close()
        raise
    finally:
        theirs.close()
    return Spawned(popen, channel)


def start_interpreter(
    arguments: list[str], descriptors: Iterable[int]
) -> "subprocess.Popen[bytes]":
    """Exec an interpreter that inherits `descriptors`, standard output and error."""
    environ = {name: text for name, text in os.environ.items() if name not in HIDDEN_VARIABLES}
    # Ctrl-C must not reach the child before it has come to ignore it; the mask survives exec.
    terminal_signals = {signal.SIGINT, signal.SIGHUP}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, terminal_signals)
    try:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            pass_fds=tuple(descriptors),
            close_fds=True,
            env=environ,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
