"""What travels between processes, as typed values: requests one way, replies the other.

Law: these are plain tuples in the order in which they stand on the wire (docs/wire.md), so that
encoding copies nothing. A reply's body is the very bytes that HTTP serves.
"""

from typing import Literal, NamedTuple

Filters = tuple[tuple[str, str], ...]  # name and value, as after `?` in a query, percent-decoded
Argument = (
    str
    | Filters
    | tuple[str, Filters]
    | tuple[str, ...]
    | tuple[int, int]
    | tuple[int, int, Filters]
    | int
    | None
)
IfMatch = Literal[True] | tuple[int, ...] | None  # `*`, or the seqs of the item that are accepted


class ReadRequest(NamedTuple):
    """A request without a command id: a read, or work on the model's own files.

    `argument` by verb: GET an id or `(id, pairs)`; HISTORY, PURGE an id; LIST, COUNT, COMPACT
    pairs; EVENTS `(since, max_events)`; EXISTS ids; CANCEL a request id; BACKUP a directory;
    ATTEMPT `(user, address)`; SETTLE `(attempt, failed)`; CHANGES `(since, max_events, pairs)`;
    else None. `deadline_ms` is on the monotonic clock, 0 for none.
    """

    request_id: int
    verb: int
    deadline_ms: int
    access: str
    argument: Argument


class WriteRequest(NamedTuple):
    """A command; sent again under the same `command_id` it is answered again, not done again.

    `key` is the item's id where the verb names one, `body` JSON. `idempotency` is empty or the
    32 bytes of the Idempotency-Key (hash of principal, method, path and key; hash of the body).
    """

    request_id: int
    verb: int
    deadline_ms: int
    access: str
    command_id: bytes
    key: str = ""
    body: bytes = b""
    if_match: IfMatch = None
    idempotency: bytes = b""


Request = ReadRequest | WriteRequest


class Write(NamedTuple):
    """What a command says beside verb, deadline and access; see `WriteRequest`."""

    command_id: bytes
    key: str = ""
    body: bytes = b""
    if_match: IfMatch = None
    idempotency: bytes = b""


class Reply(NamedTuple):
    """The answer to one request.

    `seq` is the model's committed seq, `item_seq` the item's last event (its ETag) or 0, `key` the
    item's id where there is one. From 400 on the body is a problem object (RFC 9457).
    """

    request_id: int
    status: int
    body: bytes
    seq: int = 0
    item_seq: int = 0
    key: str = ""


class WireEvent(NamedTuple):
    """One event in the body of an EVENTS reply; `payload` is the item's JSON."""

    seq: int
    time_ms: int
    kind: int
    key: str
    payload: bytes


class FeedEvent(NamedTuple):
    """One event of the feed: as `WireEvent`, and the item as it was before, b"" when it was not."""

    seq: int
    time_ms: int
    kind: int
    key: str
    payload: bytes
    before: bytes


class FeedBatch(NamedTuple):
    """One message of the feed: events that follow each other, and the model's committed seq."""

    epoch: bytes
    seq: int
    events: list[FeedEvent]


class ChangesPage(NamedTuple):
    """The body of a CHANGES reply: what is to be told of the events up to `upto`."""

    upto: int
    events: list[FeedEvent]


class RequestBatch(NamedTuple):
    """One message to a model process; `acknowledged`: bytes of replies read since the last one."""

    acknowledged: int
    requests: list[Request]


class ReplyBatch(NamedTuple):
    """One message from a model process, whose present life is called `epoch`."""

    epoch: bytes
    replies: list[Reply]


class ControlMessage(NamedTuple):
    """One request to, or answer from, the supervisor: a map of texts, numbers, lists and maps."""

    request_id: int
    content: dict[str, object]
