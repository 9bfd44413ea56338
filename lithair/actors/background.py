"""Background: a server in a process of its own, for a test or a script.

Owns `Server`. Law: entering waits until the server is ready, leaving waits until it is gone; when
the process that entered dies, the server does too.
"""

import logging
import os
import select
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeVar

from lithair.actors.background_supervisor import BackgroundSpec
from lithair.actors.channel import Message, Over, Ready, open_channel
from lithair.actors.child_process import command_line
from lithair.actors.plan import Plan, plan_of
from lithair.actors.spawned import Spawned, start_interpreter
from lithair.declaration import Declaration, pack
from lithair.errors import LithairError, LockedByOther
from lithair.model import Model
from lithair.process import EXIT_LOCKED
from lithair.storage.memory_file import write_memory_file

if TYPE_CHECKING:
    from lithair.client import Client
    from lithair.client.handle import Handle

M = TypeVar("M", bound=Model)

START_MAX_S: Final = 600.0  # a replay may be long; a start that hangs has to end all the same
STOP_MAX_S: Final = 40.0  # gateways, workers and models have 10 s each

log = logging.getLogger(__name__)


class Server:
    """A running server: `with app.running() as server: ... server.url`."""

    def __init__(self, declaration: Declaration) -> None:
        self._plan: Plan = plan_of(declaration)
        self._packed = pack(declaration)
        self._process: Spawned | None = None
        self._client: Client | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:41235`."""
        if not self._url:
            raise LithairError("the server does not run: use `with app.running() as server:`")
        return self._url

    @property
    def run_dir(self) -> str:
        """Its run directory, for `lithair.connect(run_dir)`."""
        return self._plan.run_dir

    @property
    def pid(self) -> int:
        """The supervisor's process id; 0 when it does not run."""
        return 0 if self._process is None else self._process.pid

    def handle(self, model: type[M]) -> "Handle[M]":
        """Return a handle of a model; it is closed when the server stops."""
        from lithair.client import connect

        if self._client is None:
            self._client = connect(self.run_dir)
        return self._client.model(model)

    def start(self) -> "Server":
        """Start it and wait until every model is replayed, or has failed, and HTTP is answered.

        LithairError when that does not come, or when every model has failed; LockedByOther when its
        run directory or all of its data directories are in use. What the processes log goes to
        stderr.
        """
        if self._process is not None:
            raise LithairError("the server runs already")
        self._process = self._spawn()
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop it in order and wait until it is gone; does nothing when it does not run."""
        process, self._process, self._url = self._process, None, ""
        if self._client is not None:
            self._client.close()
            self._client = None
        if process is None:
            return
        process.ask_stop()
        if process.wait(STOP_MAX_S) is None:
            log.warning("the server did not stop within %.0f s and was killed", STOP_MAX_S)
            process.kill()
            process.wait(STOP_MAX_S)
        process.close()

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _spawn(self) -> Spawned:
        channel, theirs = open_channel()
        declaration_fd = write_memory_file(self._packed)
        try:
            spec = BackgroundSpec(
                plan=self._plan,
                parent_pid=os.getpid(),
                is_bound=threading.current_thread() is threading.main_thread(),
                channel_fd=theirs.fileno(),
                declaration_fd=declaration_fd,
            )
            arguments = command_line("lithair.actors.background_supervisor", spec)
            popen = start_interpreter(arguments, (theirs.fileno(), declaration_fd))
        except BaseException:
            channel.close()
            raise
        finally:
            theirs.close()
            os.close(declaration_fd)
        return Spawned(popen, channel)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_MAX_S
        message = self._next_message(deadline)
        if isinstance(message, Ready) and not message.every_model_failed:
            self._url = message.url
            for failure in message.failures:
                log.warning("%s", failure)
            return
        if isinstance(message, Ready):
            raise LithairError("; ".join(message.failures))
        if isinstance(message, Over):
            sentence = "; ".join(message.sentences) or "the server has stopped"
            raise (LockedByOther if message.exit_status == EXIT_LOCKED else LithairError)(sentence)
        raise LithairError("the server's supervisor ended without a word; see stderr")

    def _next_message(self, deadline: float) -> Message | None:
        """Wait for the first message; None when the other process has ended."""
        assert self._process is not None
        channel = self._process.channel
        poll = select.poll()
        poll.register(channel.fileno(), select.POLLIN)
        while time.monotonic() < deadline:
            poll.poll(1000)
            messages = channel.receive()
            if messages:
                return messages[0]
            if channel.is_closed:
                return None
        raise LithairError(f"the server was not ready within {START_MAX_S:.0f} s")
