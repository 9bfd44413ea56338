"""The control socket: small questions to the supervisor, as maps. Both ends that wait.

A question is a map with "ask"; its answer is a map (docs/wire.md). Law: an asker never waits longer
than it said; what is no message costs the server a line in its log.
"""

import errno
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Final, NamedTuple

import zmq

from lithair.transport.sockets import (
    bind_router,
    connect_dealer,
    control_endpoint,
    is_readable,
    monotonic_ms,
    new_context,
)
from lithair.wire.codec import decode_control, encode_control, encode_refusal
from lithair.wire.protocol import ProtocolMismatch, WireError

log = logging.getLogger(__name__)

QUESTIONS_PER_TURN: Final = 256  # the supervisor has other work between them
CLOSE_MS_MAX: Final = 500  # the answer to `stop` leaves before the end
Question = Mapping[str, object]
Answer = dict[str, object]


class ControlPeer(NamedTuple):
    """Whom to answer, and which question."""

    routing_id: bytes
    request_id: int


class ControlServer:
    """The supervisor's end, bound at once; for a loop that polls `fileno` and then `receive`s."""

    def __init__(self, run_dir: str) -> None:
        self._context = new_context()
        self._socket = bind_router(control_endpoint(run_dir), self._context)

    def fileno(self) -> int:
        """Give an edge-triggered descriptor: `receive` in every turn, ready or not."""
        return int(self._socket.getsockopt(zmq.FD))

    def has_pending(self) -> bool:
        return is_readable(self._socket)

    def receive(self) -> list[tuple[ControlPeer, Answer]]:
        """Give the questions that have arrived, and whom to answer each."""
        questions: list[tuple[ControlPeer, Answer]] = []
        while len(questions) < QUESTIONS_PER_TURN and is_readable(self._socket):
            parts = self._socket.recv_multipart(zmq.NOBLOCK)
            try:
                if len(parts) != 2:
                    raise WireError(f"a message of {len(parts) - 1} parts")
                request_id, content = decode_control(parts[1])
            except ProtocolMismatch as error:
                log.warning("refused a question: %s", error)
                self._send(parts[0], encode_refusal(error.theirs))
            except WireError as error:
                log.warning("refused a question: %s", error)
            else:
                questions.append((ControlPeer(parts[0], request_id), content))
        return questions

    def send(self, peer: ControlPeer, answer: Question) -> None:
        """Answer a question; nothing happens when who asked is gone."""
        self._send(peer.routing_id, encode_control(peer.request_id, dict(answer)))

    def close(self) -> None:
        """Close, and wait shortly until the last answers have left."""
        self._socket.close(linger=CLOSE_MS_MAX)
        self._context.term()

    def _send(self, routing_id: bytes, message: bytes) -> None:
        try:
            self._socket.send_multipart((routing_id, message), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in (errno.EHOSTUNREACH, errno.EAGAIN):
                raise


class ControlClient:
    """The end of a command: asks, and waits for the answer."""

    def __init__(self, run_dir: str) -> None:
        self._run_dir = run_dir
        self._request_id = 0

    def ask(self, question: Question, timeout_s: float) -> Answer | None:
        """Ask the supervisor; None when nobody answers in time.

        Raises ProtocolMismatch when the server is of a release with another protocol.
        """
        deadline_ms = monotonic_ms() + int(timeout_s * 1000)
        try:
            endpoint = control_endpoint(self._run_dir)
        except FileNotFoundError:
            return None  # the run directory is not there
        self._request_id += 1
        socket = connect_dealer(endpoint)  # a new one: no late answer to an earlier question
        try:
            socket.send(encode_control(self._request_id, dict(question)), zmq.NOBLOCK)
            while (left_ms := deadline_ms - monotonic_ms()) > 0:
                if not socket.poll(left_ms):
                    break
                request_id, content = decode_control(socket.recv(zmq.NOBLOCK))
                if request_id == self._request_id:
                    return content
        finally:
            socket.close(linger=0)
        return None

    def close(self) -> None:
        """Nothing is kept open between questions."""

    def __enter__(self) -> "ControlClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
