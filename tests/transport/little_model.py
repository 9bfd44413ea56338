"""A model process in miniature: a real RequestServer with a dict behind it.

Stands in for `lithair.actors.model_process` where only the wire is tested: it keeps its items and
the command ids it has carried out in `Memory`, which outlives a server. Run as
`python -m tests.transport.little_model RUN_DIR NAME` it is a process that can be killed, whose
memory is a file, as a log would be; its bodies tell it what to do: `{"die": ...}` ends it,
`{"log and die": ...}` ends it the first time after it was carried out, `{"wait": ...}` is never
answered.
"""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from lithair.core.problem import problem_body
from lithair.transport.request_server import RequestServer
from lithair.transport.sockets import Waiter, model_endpoint
from lithair.wire.messages import ReadRequest, Reply, Request, WriteRequest
from lithair.wire.protocol import Verb

MESSAGES = 256


@dataclass
class Memory:
    """What a log would keep; with a path, over the death of the process."""

    path: Path | None = None
    items: dict[str, bytes] = field(default_factory=dict[str, bytes])
    carried_out: dict[bytes, int] = field(default_factory=dict[bytes, int])
    keys: list[str] = field(default_factory=list[str])  # of all that was carried out, in order

    def __post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                command_id, key, body = json.loads(line)
                self._take(bytes.fromhex(command_id), key, body.encode())

    @property
    def seq(self) -> int:
        return len(self.keys)

    def carry_out(self, command_id: bytes, key: str, body: bytes) -> None:
        self._take(command_id, key, body)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as log:
                log.write(json.dumps([command_id.hex(), key, body.decode()]) + "\n")

    def _take(self, command_id: bytes, key: str, body: bytes) -> None:
        self.keys.append(key)
        self.carried_out[command_id] = self.seq
        self.items[key] = body


class LittleModel:
    """Answers at once, in order; `is_silent` makes it stop answering, `died` tells it should."""

    def __init__(self, endpoint: str, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()
        self.server = RequestServer(os.urandom(16))
        self.server.bind(endpoint)
        self.is_silent = False
        self.died = False
        self.received: list[Request] = []
        self.batches: list[int] = []  # how many requests each message had
        self.waiter = Waiter()
        self.waiter.watch(self.server.socket)

    def turn(self, timeout_ms: int = 0) -> int:
        """Answer what has arrived; give how many requests it was."""
        if not self.server.has_pending():
            self.waiter.wait(timeout_ms)
        count = 0
        for peer, requests in self.server.receive(MESSAGES):
            replies: list[Reply] = []
            self.batches.append(len(requests))
            for request in requests:
                count += 1
                self.received.append(request)
                reply = self.answer(request)
                if self.died:
                    return count
                if reply is not None and not self.is_silent:
                    replies.append(reply)
            if replies:
                self.server.send(peer, replies)
        return count

    def asked(self, verb: Verb) -> list[Request]:
        """Give the requests of one verb that were received."""
        return [request for request in self.received if request.verb == verb]

    @property
    def writes(self) -> list[WriteRequest]:
        return [request for request in self.received if isinstance(request, WriteRequest)]

    def answer(self, request: Request) -> Reply | None:
        if isinstance(request, WriteRequest):
            return self._write(request)
        return self._read(request)

    def close(self) -> None:
        self.server.close()

    def _read(self, request: ReadRequest) -> Reply | None:
        memory = self.memory
        if request.verb == Verb.GET:
            item = memory.items.get(str(request.argument))
            if item is None:
                return Reply(request.request_id, 404, problem_body(404, "No such item"), memory.seq)
            return Reply(request.request_id, 200, item, memory.seq, 1, str(request.argument))
        if request.verb == Verb.LIST:
            page = b"[" + b",".join(memory.items.values()) + b"]"
            return Reply(request.request_id, 200, page, memory.seq)
        if request.verb == Verb.CANCEL:
            return None
        return Reply(request.request_id, 200, json.dumps({"seq": memory.seq}).encode(), memory.seq)

    def _write(self, request: WriteRequest) -> Reply | None:
        memory = self.memory
        if b'"wait"' in request.body:
            return None
        if b'"die"' in request.body:
            self.died = True
            return None
        if request.command_id not in memory.carried_out:
            memory.carry_out(request.command_id, request.key, request.body)
            self.died = b'"log and die"' in request.body
        seq = memory.carried_out[request.command_id]
        return Reply(request.request_id, 201, request.body, memory.seq, seq, request.key)


def main() -> None:
    run_dir, name = sys.argv[1:3]
    memory = Memory(Path(run_dir, f"{name}.memory"))
    model = LittleModel(model_endpoint(run_dir, name), memory)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not model.died:
        model.turn(1000)
    os._exit(9)


if __name__ == "__main__":
    main()
