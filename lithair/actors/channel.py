"""Channel: the pair of sockets between the supervisor and one child, and what is said over it.

Owns both ends. Law: a message is one SEQPACKET datagram; no end ever waits for the other. A closed
channel is a sign of its own: the other process is gone.

    child -> supervisor := Beat | Told | GaveUp | Erred | Signalled | Ready | Over  msgpack, tagged
    supervisor -> child := AskedToStop
"""

import socket
from typing import Final

import msgspec

MESSAGE_BYTES_MAX: Final = 65_536  # a datagram; sentences are cut long before
SENTENCE_MAX: Final = 8_000  # keeps a message well below the datagram's bound
MESSAGES_AT_ONCE: Final = 64  # one talkative child must not hold up the others


class Beat(msgspec.Struct, tag_field="is", tag="beat", frozen=True):
    """How the child fares: every half second, and whenever its phase changes."""

    phase: str
    detail: str
    progress: int
    pending: bool


class Told(msgspec.Struct, tag_field="is", tag="told", frozen=True):
    """A child's figures, for whoever asks the supervisor for all of them."""

    figures: dict[str, object]


class GaveUp(msgspec.Struct, tag_field="is", tag="gave up", frozen=True):
    """The child ends, and a restart would not help."""

    sentence: str
    exit_status: int


class Erred(msgspec.Struct, tag_field="is", tag="erred", frozen=True):
    """The child ends by an error that nobody caught; the traceback is in its log."""

    sentence: str


class Signalled(msgspec.Struct, tag_field="is", tag="signalled", frozen=True):
    """The child got a SIGTERM that is not ours; whether it stops is the supervisor's decision."""


class Ready(msgspec.Struct, tag_field="is", tag="ready", frozen=True):
    """From a supervisor in the background: everything is replayed or has failed, and listens."""

    url: str
    failures: list[str]
    every_model_failed: bool


class Over(msgspec.Struct, tag_field="is", tag="over", frozen=True):
    """From a supervisor in the background: it has stopped, and why."""

    exit_status: int
    sentences: list[str]


class AskedToStop(msgspec.Struct, tag_field="is", tag="stop", frozen=True):
    """Stop in order."""


Message = Beat | Told | GaveUp | Erred | Signalled | Ready | Over | AskedToStop

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


class Channel:
    """One end."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self.is_closed = False

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: Message) -> bool:
        """Hand a message to the kernel; False when the other end is gone or does not read."""
        try:
            self._socket.send(_encoder.encode(message))
        except (BlockingIOError, ConnectionError):
            return False
        return True

    def receive(self) -> list[Message]:
        """Return what has come, without waiting; sets `is_closed` when the other end is gone."""
        messages: list[Message] = []
        while len(messages) < MESSAGES_AT_ONCE and not self.is_closed:
            try:
                data = self._socket.recv(MESSAGE_BYTES_MAX)
            except BlockingIOError:
                break
            except ConnectionError:
                data = b""
            if not data:
                self.is_closed = True
                break
            try:
                messages.append(_decoder.decode(data))
            except msgspec.DecodeError:
                continue  # a user's program may have written to a descriptor that is not its own
        return messages

    def close(self) -> None:
        self.is_closed = True
        self._socket.close()


def open_channel() -> tuple[Channel, socket.socket]:
    """Make a channel: our end, and the socket to hand down."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(ours), theirs


def inherited_channel(descriptor: int) -> Channel:
    """Take over the end that was handed down to this process."""
    return Channel(socket.socket(fileno=descriptor))
