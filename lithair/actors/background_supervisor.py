"""Background supervisor: the process behind `app.running()`.

Owns its bootstrap. Law: it lives no longer than the process that started it, and than its channel;
Ctrl-C is that process's business. It never imports the user's code.

    argv := -P -c BOOT sys-path(JSON) BackgroundSpec(JSON)
"""

import os
import signal
from typing import Final

import msgspec
from setproctitle import setproctitle

from lithair import logs
from lithair.actors.channel import SENTENCE_MAX, Channel, Over, Ready, inherited_channel
from lithair.actors.child_process import die_with_parent, ignore_terminal_signals
from lithair.actors.plan import Plan
from lithair.actors.supervisor import Supervisor, failures_of
from lithair.core.supervised import MODEL
from lithair.core.supervision import Supervision
from lithair.phase import FAILED
from lithair.storage.memory_file import read_memory_file

FAILURES_TOLD_MAX: Final = 5  # what fits into one message, and what anybody reads


class BackgroundSpec(msgspec.Struct, frozen=True):
    """What the process is told. `is_bound`: the thread that starts it is a main thread."""

    plan: Plan
    parent_pid: int
    is_bound: bool
    channel_fd: int
    declaration_fd: int


class ChannelObserver:
    """Tells the process that waits for the server how it went."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def ready(self, supervision: Supervision, url: str) -> None:
        models = [model for model in supervision.of_kind(MODEL) if not model.is_internal]
        has_failed = bool(models) and all(model.phase == FAILED for model in models)
        self._channel.send(Ready(url, _short(failures_of(supervision)), has_failed))

    def over(self, exit_status: int, sentences: list[str]) -> None:
        self._channel.send(Over(exit_status, _short(sentences)))


def main(text: str) -> int:
    """Supervise the server that `text` describes; returns the exit status."""
    spec = msgspec.json.decode(text, type=BackgroundSpec)
    ignore_terminal_signals()
    if spec.is_bound:
        die_with_parent(spec.parent_pid, signal.SIGTERM)
    for descriptor in (spec.channel_fd, spec.declaration_fd):
        os.set_inheritable(descriptor, False)
    setproctitle("lithair: supervisor")
    logs.configure(spec.plan.log_level, "supervisor")
    channel = inherited_channel(spec.channel_fd)
    packed = read_memory_file(spec.declaration_fd)
    # The channel is readable when the other side asks to stop, and when it is gone.
    return Supervisor(spec.plan, packed, ChannelObserver(channel), channel.fileno()).run()


def _short(sentences: list[str]) -> list[str]:
    each = SENTENCE_MAX // FAILURES_TOLD_MAX
    return [sentence[:each] for sentence in sentences[:FAILURES_TOLD_MAX]]
