"""A request client that a test drives by hand, what it was answered, and a clock to turn."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lithair.transport.pending import Asked
from lithair.transport.request_client import RequestClient
from lithair.transport.sockets import Socket, model_endpoint, monotonic_ms
from lithair.wire.messages import Reply, Write
from lithair.wire.protocol import TRUSTED, Verb
from tests.support.waiting import wait_until
from tests.transport.little_model import LittleModel


class Clock:
    """Stands still until a test turns it."""

    def __init__(self, now_ms: int = 100_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


class Asking:
    """Asks under labels; `replies` has the answers by label, `order` the labels as answered."""

    def __init__(self, endpoint: str = "", clock: Callable[[], int] = monotonic_ms) -> None:
        self.client = RequestClient(endpoint)
        self.clock = clock
        self.replies: dict[str, Reply] = {}
        self.order: list[str] = []

    def __enter__(self) -> "Asking":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def read(self, label: str, verb: Verb, argument: Asked = None, *, within_ms: int = 0) -> int:
        deadline_ms = self.clock() + within_ms if within_ms else 0
        return self.client.ask_read(verb, deadline_ms, TRUSTED, argument, self._keep(label))

    def get(self, label: str, *, within_ms: int = 0) -> int:
        """Ask for the item whose key is the label."""
        return self.read(label, Verb.GET, label, within_ms=within_ms)

    def put(self, label: str, body: object = None, *, within_ms: int = 0) -> int:
        """Write an item whose key is the label."""
        return self.write(label, json.dumps(body).encode(), within_ms=within_ms)

    def write(self, label: str, body: bytes, *, within_ms: int = 0) -> int:
        deadline_ms = self.clock() + within_ms if within_ms else 0
        write = Write(secrets.token_bytes(16), label, body)
        return self.client.ask_write(Verb.CREATE, deadline_ms, TRUSTED, write, self._keep(label))

    def status(self, label: str) -> int:
        return self.replies[label].status

    def problem(self, label: str) -> str:
        """Give the sentence of a refusal."""
        problem = json.loads(self.replies[label].body)
        assert problem["status"] == self.status(label) >= 400
        return str(problem["detail"])

    def turn(self) -> None:
        now_ms = self.clock()
        self.client.receive(now_ms)
        self.client.flush(now_ms)
        self.client.tick(now_ms)

    def _keep(self, label: str) -> Callable[[Reply], None]:
        def keep(reply: Reply) -> None:
            assert label not in self.replies, f"{label} is answered twice"
            self.replies[label] = reply
            self.order.append(label)

        return keep


def run_until(look: Callable[[], object], what: str, *turning: Asking | LittleModel) -> None:
    """Turn clients and models until `look` gives something true."""

    def turn() -> bool:
        for one in turning:
            one.turn()
        return bool(look())

    wait_until(turn, what)


def settle(asking: Asking, *models: LittleModel) -> None:
    """Turn until everything that was asked is answered."""
    run_until(lambda: asking.client.is_idle, "all answers", asking, *models)


def greet(asking: Asking, *models: LittleModel) -> None:
    """Turn until the model's process has answered on the present connection."""
    run_until(lambda: asking.client.is_greeted, "the greeting", asking, *models)


def take(socket: Socket, turn: Callable[[], object] = lambda: None) -> bytes:
    """Receive one message from a plain socket, turning the other end meanwhile."""

    def look() -> bool:
        turn()
        return bool(socket.poll(0))

    wait_until(look, "a message")
    return socket.recv()


class ModelProcess:
    """A little model in a process of its own; leaving it kills it."""

    def __init__(self, run_dir: Path, name: str = "things") -> None:
        self.endpoint = model_endpoint(str(run_dir), name)
        self._command = [
            sys.executable, "-m", "tests.transport.little_model", str(run_dir), name,
        ]  # fmt: skip
        self.process = self._started()

    def __enter__(self) -> "ModelProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait until it has died by itself; give its exit status."""
        status = self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status

    def start_again(self) -> None:
        self.process = self._started()

    def _started(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process
