"""Supervisor: starts, watches and stops all processes of one server.

Owns the listening sockets, the run directory, the control socket and every child. Law: it decides
nothing (`core.supervision` does) and never waits but in one place, `_wait`; whatever ends it, its
children end too.

    wake-ups := pid descriptors | channels | control socket | signals | "please stop" descriptor
"""

import logging
import os
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Final, Protocol

from setproctitle import setproctitle

from lithair import logs
from lithair.actors.announcement import Announcement
from lithair.actors.channel import Beat, Erred, GaveUp, Signalled, Told
from lithair.actors.child_process import ChildSpec
from lithair.actors.control import Control
from lithair.actors.listening_sockets import ListeningSockets, url_of
from lithair.actors.plan import Plan, ProcessPlan, plan_of
from lithair.actors.spawned import Spawned, spawn
from lithair.actors.systemd import Watchdog, notify
from lithair.core.restart import RestartLimit
from lithair.core.supervised import GATEWAY, State, Supervised
from lithair.core.supervision import AskStop, Kill, Role, Start, Supervision
from lithair.declaration import Declaration, pack
from lithair.errors import LithairError, LockedByOther
from lithair.logs import LEVELS
from lithair.phase import FAILED
from lithair.process import EXIT_FAILED, EXIT_LOCKED
from lithair.storage.memory_file import write_memory_file
from lithair.storage.run_dir import RunDir
from lithair.transport.control_socket import ControlServer

TICK_MS: Final = 250  # liveness is judged in seconds; an idle supervisor costs nothing to speak of
LEAVE_AFTER_KILL_S: Final = 3.0  # a process the kernel can't end must not keep the supervisor

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Who is told how the server fares: a terminal, or the process that runs it."""

    def ready(self, supervision: Supervision, url: str) -> None: ...

    def over(self, exit_status: int, sentences: list[str]) -> None: ...


def run(declaration: Declaration) -> int:
    """Run a server in this process until a signal ends it; returns the exit status."""
    if threading.current_thread() is not threading.main_thread():
        raise LithairError("serve() has to be called in the main thread; elsewhere use running()")
    plan = plan_of(declaration)
    packed = pack(declaration)
    setproctitle("lithair: supervisor")
    logs.configure(plan.log_level, "supervisor")
    return Supervisor(plan, packed, Announcement(plan)).run()


class Supervisor:
    """One server. `stop_fd` becomes readable when it has to stop, beside the usual signals."""

    def __init__(
        self, plan: Plan, packed: bytes, observer: Observer, stop_fd: int | None = None
    ) -> None:
        self._plan = plan
        self._packed = packed
        self._observer = observer
        self._stop_fd = stop_fd
        self._selector = selectors.DefaultSelector()
        self._children: dict[Supervised, Spawned] = {}
        self._signals: list[int] = []
        self._killed_at_s = 0.0
        limit = RestartLimit(plan.restart_deaths, plan.restart_window_ms)
        roles = [Role(process.kind, process.name, process.alias) for process in plan.processes]
        self._supervision = Supervision(roles, limit, now_ms())
        self._plans = dict(
            zip(self._supervision.processes, _in_start_order(self._supervision, plan), strict=True)
        )

    def run(self) -> int:
        """Run until the end; returns the exit status. Never raises for the world's mistakes."""
        try:
            with ExitStack() as stack:
                self._open(stack)
                self._loop()
        except (LithairError, OSError) as error:
            log.error("%s", error)
            status = EXIT_LOCKED if isinstance(error, LockedByOther) else EXIT_FAILED
            self._observer.over(status, [str(error)])
            return status
        ending = self._supervision
        (log.info if ending.exit_status == 0 else log.error)("stopped: %s", ending.why_ending)
        self._observer.over(ending.exit_status, [ending.why_ending])
        return ending.exit_status

    def _open(self, stack: ExitStack) -> None:
        """Take what the server needs, in the order in which refusals are most useful."""
        plan = self._plan
        stack.callback(self._selector.close)
        run_dir = RunDir.open(plan.run_dir)
        stack.callback(run_dir.close)
        if plan.makes_admin_token:
            run_dir.make_admin_token()
        gateways = len(plan.of_kind(GATEWAY))
        self._listening = ListeningSockets(plan.host, plan.port, gateways)
        stack.callback(self._listening.close)
        self._declaration_fd = write_memory_file(self._packed)
        stack.callback(os.close, self._declaration_fd)
        self._url = url_of(plan.host, self._listening.port, plan.has_tls)
        self._control = Control(plan, self._supervision, self._url)
        self._control_socket = ControlServer(plan.run_dir)
        stack.callback(self._control_socket.close)
        stack.callback(self._end_children)
        self._watch(self._control_socket.fileno(), _nothing)  # served in every turn of the loop
        stack.enter_context(self._signal_handlers())
        if self._stop_fd is not None:
            self._watch(self._stop_fd, self._on_stop_fd)
        for notice in plan.notices:
            log.warning("%s", notice)

    def _loop(self) -> None:
        has_told_ready = has_told_stop = False
        watchdog = Watchdog(os.environ, os.getpid())
        while True:
            watchdog.turn(now_ms())
            self._take_signals()
            self._perform()
            self._log_notes()
            supervision = self._supervision
            if supervision.is_ready and not has_told_ready:
                has_told_ready = True
                notify("READY=1")
                self._observer.ready(supervision, self._url)
            if supervision.is_stopping and not has_told_stop:
                has_told_stop = True
                notify("STOPPING=1")
                log.info("stopping: %s", supervision.why_ending)
                self._listening.close()
            if supervision.is_over or self._is_left_alone():
                return
            self._wait()

    def _wait(self) -> None:
        wait_s = self._supervision.next_ms(now_ms(), TICK_MS) / 1000
        if self._control_socket.has_pending():  # its descriptor is edge-triggered
            wait_s = 0.0
        for key, _events in self._selector.select(wait_s):
            key.data()
        for peer, request in self._control_socket.receive():
            self._control_socket.send(peer, self._control.answer(request, now_ms()))

    def _perform(self) -> None:
        for action in self._supervision.tick(now_ms()):
            match action:
                case Start(process):
                    self._start(process)
                case AskStop(process):
                    self._children[process].ask_stop()
                case Kill(process):
                    self._children[process].kill()
                    self._killed_at_s = time.monotonic()

    def _is_left_alone(self) -> bool:
        """Whether all that keeps us are killed children that the kernel has not ended yet."""
        if not self._supervision.is_stopping:
            return False
        is_late = time.monotonic() - self._killed_at_s > LEAVE_AFTER_KILL_S
        return is_late and all(process.kill_reason for process in self._children)

    # one child

    def _start(self, process: Supervised) -> None:
        try:
            child = spawn(self._spec(process))
        except (OSError, LithairError) as error:
            self._supervision.not_started(process, f"can't be started: {error}", now_ms())
            return
        self._children[process] = child
        self._watch(child.channel.fileno(), lambda: self._hear(process, child))
        self._watch(child.pid_fd, lambda: self._reap(process, child))
        self._supervision.started(process, child.pid, now_ms())
        log.debug("%s: started, pid %d", process.title, child.pid)

    def _spec(self, process: Supervised) -> ChildSpec:
        listen_fds: tuple[int, ...] = ()
        if process.kind == GATEWAY:
            listen_fds = (self._listening.descriptor(self._gateway_number(process)),)
        return ChildSpec(
            kind=process.kind,
            name=process.name,
            title=process.title,
            entry=self._plans[process].entry,
            run_dir=self._plan.run_dir,
            parent_pid=os.getpid(),
            channel_fd=-1,
            declaration_fd=self._declaration_fd,
            listen_fds=listen_fds,
            log_level=self._plan.log_level,
            restarts=process.starts,
        )

    def _hear(self, process: Supervised, child: Spawned) -> bool:
        """Take in what a child said; False when there was nothing."""
        if self._children.get(process) is not child:
            return False  # it was reaped in this very turn
        messages = child.channel.receive()
        for message in messages:
            match message:
                case Beat(phase, detail, progress, pending):
                    said = (phase, detail, progress, pending)
                    self._supervision.heard(process, said, now_ms())
                case Told(figures):
                    self._control.told(process, figures)
                case GaveUp(sentence, exit_status):
                    process.gave_up(sentence, exit_status)
                case Erred(sentence):
                    process.erred(sentence)
                case Signalled():
                    process.signalled(now_ms())
                case _:
                    log.warning("%s: said what only others say: %r", process.title, message)
        if child.channel.is_closed:  # its end comes by the pid descriptor
            self._forget(child.channel.fileno())
        return bool(messages)

    def _reap(self, process: Supervised, child: Spawned) -> None:
        status = child.exit_status()
        if status is None:
            return
        while self._hear(process, child):
            pass  # its last words; they are all there
        self._forget(child.channel.fileno())
        self._forget(child.pid_fd)
        child.close()
        del self._children[process]
        self._supervision.exited(process, status, in_words(status), now_ms())
        if process.kind == GATEWAY and process.state is State.FAILED:
            self._listening.close_one(self._gateway_number(process))

    def _gateway_number(self, process: Supervised) -> int:
        return self._supervision.of_kind(GATEWAY).index(process)

    def _end_children(self) -> None:
        """Leave nobody behind, whatever the reason for leaving."""
        for child in self._children.values():
            child.kill()
        for child in self._children.values():
            child.wait(LEAVE_AFTER_KILL_S)
            child.close()
        self._children.clear()

    # wake-ups

    def _watch(self, descriptor: int, callback: Callable[[], object]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, callback)

    def _forget(self, descriptor: int) -> None:
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def _on_stop_fd(self) -> None:
        assert self._stop_fd is not None
        self._forget(self._stop_fd)
        self._supervision.ask_stop("asked to by the process that runs it", now_ms())

    def _take_signals(self) -> None:
        while self._signals:
            name = signal.Signals(self._signals.pop(0)).name
            self._supervision.ask_stop(f"received {name}", now_ms())

    @contextmanager
    def _signal_handlers(self) -> Generator[None]:
        """Take signals as requests to stop: of the terminal's only where there may be one.

        A SIGHUP that is ignored (nohup) stays so.
        """
        receiving, sending = socket.socketpair()
        receiving.setblocking(False)
        sending.setblocking(False)

        def on_signal(number: int, _frame: FrameType | None) -> None:
            self._signals.append(number)

        numbers = [signal.SIGTERM]
        if self._stop_fd is None:
            numbers.append(signal.SIGINT)
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
                numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, on_signal) for number in numbers}
        wakeup_before = signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
        self._watch(receiving.fileno(), lambda: _drain(receiving))
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            receiving.close()
            sending.close()

    def _log_notes(self) -> None:
        for note in self._supervision.notes:
            log.log(LEVELS[note.weight.value], "%s: %s", note.process, note.sentence)
        self._supervision.notes.clear()


def now_ms() -> int:
    """The clock of supervision: monotonic, and it stands still while the machine sleeps."""
    return time.monotonic_ns() // 1_000_000


def in_words(status: int) -> str:
    """Say how a process ended."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def failures_of(supervision: Supervision) -> list[str]:
    """A sentence for each process that has failed."""
    return [
        f"{process.title}: {process.detail}"
        for process in supervision.processes
        if process.phase == FAILED
    ]


def _in_start_order(supervision: Supervision, plan: Plan) -> list[ProcessPlan]:
    by_title = {(process.kind, process.name): process for process in plan.processes}
    return [by_title[process.kind, process.name] for process in supervision.processes]


def _drain(receiving: socket.socket) -> None:
    try:
        while receiving.recv(64):
            pass
    except BlockingIOError:
        pass


def _nothing() -> None:
    """The control socket's descriptor only wakes the loop: it is edge-triggered."""
