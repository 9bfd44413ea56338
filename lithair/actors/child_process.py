"""Child process: how every supervised process begins and ends.

Owns the bootstrap. Law: a child is a new interpreter, never a fork; it dies with its supervisor;
its first words come before the user's code is imported; whatever ends it is reported and logged.

    argv := -P -c BOOT sys-path(JSON) spec(JSON)

The declaration lies in an inherited memory file, the channel is an inherited socket.
"""

import ctypes
import importlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Final, cast

import msgspec
from setproctitle import setproctitle

from lithair import logs
from lithair.actors.channel import inherited_channel
from lithair.actors.heartbeat import Heartbeat
from lithair.phase import FINISHED, STOPPING
from lithair.process import EXIT_DONE, EXIT_FAILED, Child
from lithair.storage.memory_file import read_memory_file

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h

# The child finds its modules where its parent found them, whatever lies in the present directory.
BOOT: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    " from {module} import main; sys.exit(main(sys.argv[2]))"
)

log = logging.getLogger(__name__)


class ChildSpec(msgspec.Struct, frozen=True):
    """What a child is told on its command line. No secrets: other users can read it."""

    kind: str
    name: str
    title: str
    entry: str
    run_dir: str
    parent_pid: int
    channel_fd: int
    declaration_fd: int
    listen_fds: tuple[int, ...]
    log_level: str
    restarts: int = 0


def command_line(module: str, spec: msgspec.Struct) -> list[str]:
    """How to start `module.main` in a new interpreter like this one."""
    present = os.getcwd()
    sys_path = json.dumps([entry or present for entry in sys.path])
    boot = BOOT.format(module=module)
    text = msgspec.json.encode(spec).decode()
    return [sys.executable, *_interpreter_flags(), "-P", "-c", boot, sys_path, text]


def _interpreter_flags() -> list[str]:
    flags = ["-O"] * sys.flags.optimize
    if sys.flags.dev_mode:
        flags += ["-X", "dev"]
    if sys.flags.ignore_environment:
        flags.append("-E")
    if sys.flags.no_user_site:
        flags.append("-s")
    return flags + [f"-W{option}" for option in sys.warnoptions]


def main(text: str) -> int:
    """Be the child that `text` describes; returns the exit status."""
    spec = msgspec.json.decode(text, type=ChildSpec)
    die_with_parent(spec.parent_pid)
    ignore_terminal_signals()
    setproctitle(f"lithair: {spec.title}")
    logs.configure(spec.log_level, spec.title)
    for descriptor in (spec.channel_fd, spec.declaration_fd, *spec.listen_fds):
        os.set_inheritable(descriptor, False)  # not for programs that the user's code starts
    heartbeat = Heartbeat(inherited_channel(spec.channel_fd), spec.parent_pid)
    heartbeat.start()
    try:
        _run(spec, heartbeat)
        status = EXIT_DONE
    except SystemExit as ending:
        status = _status_of(ending)
    except BaseException as error:  # the outermost loop of a process: whatever ends it is told
        log.exception("ended by an error that nobody caught")
        heartbeat.erred(f"{type(error).__name__}: {error}")
        status = EXIT_FAILED
    if heartbeat.present_phase != FINISHED:
        heartbeat.phase(STOPPING, "")
    logging.shutdown()
    return status


def die_with_parent(parent_pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send a signal to this process when the thread that started it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:  # it died before the line above
        os._exit(EXIT_FAILED)


def ignore_terminal_signals() -> None:
    """Leave Ctrl-C and the terminal's end to the supervisor: they reach the whole group."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGHUP})


def _run(spec: ChildSpec, heartbeat: Heartbeat) -> None:
    # Imported here, so that a slow machine hears of the child before it has loaded everything.
    from lithair import app
    from lithair.declaration import unpack

    app.IN_CHILD = True
    app.RUN_DIR = spec.run_dir
    declaration = unpack(read_memory_file(spec.declaration_fd))
    child = Child(spec.kind, spec.name, declaration, spec.run_dir, spec.listen_fds, heartbeat)
    child.restarts = spec.restarts
    signal.signal(signal.SIGTERM, heartbeat.on_sigterm)
    heartbeat.watch(child)
    entry = importlib.import_module(spec.entry)
    run = cast("Callable[[Child], None]", entry.run)  # the one thing every entry point has
    run(child)


def _status_of(ending: SystemExit) -> int:
    code = ending.code
    if code is None:
        return EXIT_DONE
    if isinstance(code, int):
        return code
    log.error("%s", code)
    return EXIT_FAILED
