"""Model processes in threads of a test, over any disk, and a client to ask them with."""

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from lithair.actors.errand import Runs, Task
from lithair.actors.model_process import serve
from lithair.app import Lithair
from lithair.errors import LithairError
from lithair.model import Model
from lithair.process import SERVING, Child
from lithair.storage.files import Files
from lithair.transport.request_client import RequestClient
from lithair.transport.sockets import model_endpoint, monotonic_ms
from lithair.wire.messages import Argument, Reply, Write
from lithair.wire.protocol import PUBLIC, Verb
from tests.support.waiting import wait_until


class Said:
    """What a child told its supervisor."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.sentences: list[tuple[str, int]] = []

    def phase(self, phase: str, detail: str) -> None:
        self.phases.append(phase)

    def gave_up(self, sentence: str, exit_status: int) -> None:
        self.sentences.append((sentence, exit_status))


class Served:
    """One model's process, as a thread; `ask` and `write` wait for the answer."""

    access = PUBLIC

    def __init__(
        self,
        app: Lithair,
        name: str,
        run_dir: Path,
        files: Files,
        start_upkeep: Callable[[Task], Runs] | None = None,
    ) -> None:
        self.said = Said()
        self.child = Child("model", name, app.declaration({}, {}), str(run_dir), [], self.said)
        self.ending: BaseException | None = None
        self._files = files
        self._start_upkeep = start_upkeep
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_until(lambda: SERVING in self.said.phases or not self._thread.is_alive(), "serving")
        self.client = RequestClient(model_endpoint(str(run_dir), name))
        self._commands = iter(range(1, 1 << 30))
        if self._thread.is_alive():
            self.ask(Verb.STATS)  # connected from here on

    def _run(self) -> None:
        try:
            serve(self.child, self._files, self._start_upkeep)
        except (LithairError, SystemExit) as error:  # what a process would end with
            self.ending = error

    def start(
        self, verb: Verb, asked: Argument | Write, timeout_s: float = 10
    ) -> Callable[[], Reply | None]:
        """Ask, and give what looks for the answer."""
        replies: list[Reply] = []
        deadline_ms = monotonic_ms() + int(timeout_s * 1000)
        if isinstance(asked, Write):
            self.client.ask_write(verb, deadline_ms, self.access, asked, replies.append)
        else:
            self.client.ask_read(verb, deadline_ms, self.access, asked, replies.append)

        def look() -> Reply | None:
            self.client.flush(monotonic_ms())
            self.client.tick(monotonic_ms())
            return replies[0] if replies else None

        look()
        return look

    def ask(self, verb: Verb, argument: Argument = None) -> Reply:
        return wait_until(self.start(verb, argument), f"the answer to {verb.name}")

    def command(self, body: object = None, key: str = "") -> Write:
        raw = b"" if body is None else msgspec.json.encode(body)
        return Write(next(self._commands).to_bytes(16, "big"), key, raw)

    def write(self, verb: Verb, body: object = None, key: str = "") -> Reply:
        return wait_until(self.start(verb, self.command(body, key)), f"the answer to {verb.name}")

    def stop(self) -> None:
        self.client.close()
        self.child.stop()
        self._thread.join(10)
        assert not self._thread.is_alive(), "the loop did not end"


class Note(Model):
    text: str = ""
