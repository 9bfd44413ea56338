"""Where things are: the run directory that a client means, and the model processes in it.

Law: a model is looked for by asking the supervisor until it is found or the caller's time is up, so
a handle may be used before the server is up. What the supervisor says for certain (there is no such
model, it has failed) ends the search at once.
"""

import os
from typing import Final, cast

from lithair.phase import FAILED
from lithair.transport.control_asker import ControlAsker
from lithair.transport.control_socket import Answer
from lithair.transport.request_client import RequestClient
from lithair.transport.sockets import model_endpoint
from lithair.transport.thread_driver import Seat

RUN_DIR_VARIABLE: Final = "LT_RUN_DIR"
RUN_DIR_DEFAULT: Final = ".lithair"
LOOK_MS: Final = 250  # how often the supervisor is asked while something waits
ANSWER_MS: Final = 1000  # the supervisor answers at once; past this it is not there


_of_own_server = ""  # in a worker or a gateway


def set_own_server(run_dir: str) -> None:
    """Say which server this process belongs to: `connect()` without an argument means it."""
    global _of_own_server
    _of_own_server = run_dir


def run_dir_of(run_dir: str | os.PathLike[str] | None) -> str:
    """Give the run directory: as asked, a child's own server's, LT_RUN_DIR, or `./.lithair`."""
    named = run_dir or _of_own_server or os.environ.get(RUN_DIR_VARIABLE)
    return os.path.abspath(named or RUN_DIR_DEFAULT)


class ModelLink:
    """The way to one model's process, found by the model's name or its class's.

    Lives in the thread of its driver; see `lithair.transport.thread_driver`.
    """

    def __init__(self, run_dir: str, name: str, seat: Seat) -> None:
        self.requests = RequestClient(driver=seat)
        self._no_server = (
            f"No server answers in {run_dir}: is it running? Start it with: lithair run app.py"
        )
        self.requests.unreachable = self._no_server
        self._run_dir = run_dir
        self._name = name
        self._control = ControlAsker(run_dir, seat)
        self._next_look_ms = 0
        self._is_server_silent = False  # when the supervisor was asked last

    @property
    def is_server_silent(self) -> bool:
        """Tell whether neither the process nor the supervisor answers."""
        return self._is_server_silent and not self.requests.is_greeted

    @property
    def is_idle(self) -> bool:
        return self.requests.is_idle

    def flush(self, now_ms: int) -> None:
        self._look(now_ms)
        self.requests.flush(now_ms)

    def receive(self, now_ms: int) -> None:
        self._control.receive(now_ms)
        self.requests.receive(now_ms)

    def tick(self, now_ms: int) -> None:
        self._control.tick(now_ms)
        self.requests.tick(now_ms)
        self._look(now_ms)

    def close(self) -> None:
        self._control.close()
        self.requests.close()

    def _look(self, now_ms: int) -> None:
        """Ask where the model is, while something waits that its process does not answer."""
        if self.requests.is_idle or self.requests.is_alive(now_ms) or not self._control.is_idle:
            return
        if now_ms >= self._next_look_ms:
            self._next_look_ms = now_ms + LOOK_MS
            self.requests.unreachable = self._no_server  # until it answers
            self._control.ask({"ask": "where"}, now_ms + ANSWER_MS, self._take)
            self._control.receive(now_ms)

    def _take(self, answer: Answer | None) -> None:
        self._is_server_silent = answer is None
        if answer is None:
            return
        models = cast("tuple[dict[str, object], ...]", answer.get("models") or ())
        for model in models:
            if self._name in (model.get("name"), model.get("class_name") or None):
                self._take_model(str(model.get("name")), model)
                return
        if "error" in answer:
            self.requests.refuse_all(503, str(answer["error"]))
            return
        named = [m for m in models if m.get("class_name")]
        known = ", ".join(f"{m.get('class_name')} ({m.get('name')})" for m in named) or "none"
        sentence = f"The server in {self._run_dir} has no model {self._name!r}; it has {known}"
        self.requests.refuse_all(400, sentence)

    def _take_model(self, name: str, model: dict[str, object]) -> None:
        phase = model.get("phase")
        self.requests.unreachable = (
            f"The model {name} of the server in {self._run_dir} did not answer in time: it is"
            f" {phase}. `lithair status` says more"
        )
        if phase == FAILED:
            why = (
                f"The model {name} has failed: run `lithair status`, then `lithair restart {name}`"
            )
            self.requests.refuse_all(503, why)
            return
        # A long run directory that was made afresh is reached by another endpoint.
        endpoint = model_endpoint(self._run_dir, name)
        if endpoint != self.requests.endpoint:
            self.requests.connect(endpoint)
