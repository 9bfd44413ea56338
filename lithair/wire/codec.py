"""Messages <-> bytes. The format:

    message  := version:u8 msgpack                 version = PROTOCOL_VERSION
    refusal  := 0:u8 server_version:u8 client_version:u8
    requests := [acknowledged, [request*]]
    request  := [request_id, verb, deadline_ms, access, argument]
              | [request_id, verb, deadline_ms, access, command_id, key, body, if_match,
                 idempotency]
    replies  := [epoch, [[request_id, status, body, seq, item_seq, key]*]]
    events   := msgpack [[seq, time_ms, kind, key, payload]*]        the body of an EVENTS reply
    feed     := [epoch, seq, [[seq, time_ms, kind, key, payload, before]*]]
    changes  := msgpack [upto, [[seq, time_ms, kind, key, payload, before]*]]  of a CHANGES reply
    control  := [request_id, {text: value}]

Law: every byte string either decodes to values of exactly these types or raises `WireError`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Final, Protocol, TypeVar, cast

import msgpack
import msgspec
from msgspec import Meta

from lithair.wire.messages import (
    ChangesPage,
    ControlMessage,
    FeedBatch,
    FeedEvent,
    ReadRequest,
    Reply,
    ReplyBatch,
    Request,
    RequestBatch,
    WireEvent,
    WriteRequest,
)
from lithair.wire.protocol import (
    ACCESS,
    ACCESS_CHARACTERS_MAX,
    ARRAY_ITEMS_MAX,
    COMMAND_ID_BYTES,
    EPOCH_BYTES,
    GRANTS_MARK,
    IDEMPOTENCY_BYTES,
    MESSAGE_BYTES_MAX,
    PROTOCOL_VERSION,
    REFUSAL_MARK,
    REQUEST_ID_MAX,
    WRITES,
    ProtocolMismatch,
    Verb,
    WireError,
)

V = TypeVar("V")


class _Packer(Protocol):
    def pack(self, value: object, /) -> bytes: ...


class _Make(Protocol):
    def __call__(self, kind: type[V], fields: tuple[object, ...], /) -> V: ...


# msgpack says nothing of its types, and `tuple.__new__` (which makes a NamedTuple of checked fields
# three times faster than `_make`) too little: here they are said.
_new_packer: Callable[..., _Packer] = vars(msgpack)["Packer"]
_unpackb: Callable[..., object] = vars(msgpack)["unpackb"]
_make: _Make = vars(tuple)["__new__"]

READ_LENGTH: Final = len(ReadRequest._fields)
WRITE_LENGTH: Final = len(WriteRequest._fields)
EVENT_LENGTH: Final = len(WireEvent._fields)
FEED_LENGTH: Final = len(FeedBatch._fields)
FEED_EVENT_LENGTH: Final = len(FeedEvent._fields)
VERSION_BYTE: Final = bytes((PROTOCOL_VERSION,))
REFUSAL_LENGTH: Final = 3
# Replies, with their order and limits as `Reply` has them: a gateway reads nothing as often.
_Count = Annotated[int, Meta(ge=0)]
_Status = Annotated[int, Meta(ge=100, le=599)]
_Epoch = Annotated[bytes, Meta(min_length=EPOCH_BYTES, max_length=EPOCH_BYTES)]
_Reply = tuple[_Count, _Status, bytes, _Count, _Count, str]
_REPLIES: Final = msgspec.msgpack.Decoder(tuple[_Epoch, list[_Reply]])
# What unpackb raises on foreign bytes: ValueError covers its own errors and bad UTF-8; a map as
# a map's key is a TypeError; an array longer than memory holds, a MemoryError.
UNPACK_ERRORS: Final = (ValueError, TypeError, MemoryError, RecursionError, OverflowError)


def encode_requests(requests: Sequence[tuple[object, ...]], acknowledged: int = 0) -> bytes:
    """Encode requests, `ReadRequest` and `WriteRequest` or plain tuples in their order."""
    return VERSION_BYTE + _pack((acknowledged, requests))


def decode_requests(message: bytes) -> RequestBatch:
    acknowledged, items = _pair(_unpack(message), "requests")
    if type(acknowledged) is not int or not 0 <= acknowledged <= REQUEST_ID_MAX:
        raise WireError("requests: the acknowledged bytes are no number")
    if type(items) is not tuple:
        raise WireError("requests: no list of them")
    requests: list[Request] = []
    append = requests.append
    for fields in cast("tuple[tuple[object, ...], ...]", items):
        append(_request(fields))
    return RequestBatch(acknowledged, requests)


def encode_replies(epoch: bytes, replies: Sequence[Reply]) -> bytes:
    assert len(epoch) == EPOCH_BYTES, epoch
    return VERSION_BYTE + _pack((epoch, replies))


def decode_replies(message: bytes) -> ReplyBatch:
    _check_version(message)
    try:
        epoch, items = _REPLIES.decode(memoryview(message)[1:])
    except UNPACK_ERRORS as error:
        raise WireError(f"replies: no epoch, or no list of replies: {error}") from None
    return ReplyBatch(epoch, [_make(Reply, fields) for fields in items])


def encode_refusal(theirs: int) -> bytes:
    """Tell a peer of another version, in the one form that every version reads, both versions."""
    return bytes((REFUSAL_MARK, PROTOCOL_VERSION, theirs))


def encode_events(events: Iterable[WireEvent]) -> bytes:
    return _pack(tuple(events))


def decode_events(body: bytes) -> list[WireEvent]:
    items = _unpacked(body)
    if type(items) is not tuple:
        raise WireError("events: no list")
    events: list[WireEvent] = []
    for item in cast("tuple[object, ...]", items):
        fields = _fields(item, EVENT_LENGTH, "event")
        seq, time_ms, kind, key, payload = fields
        if not (_is_count(seq) and _is_count(time_ms) and _is_count(kind)):
            raise WireError("event: a number is missing")
        if type(key) is not str or type(payload) is not bytes:
            raise WireError("event: key or payload is missing")
        events.append(_make(WireEvent, fields))
    return events


def encode_feed(epoch: bytes, seq: int, events: Sequence[tuple[object, ...]]) -> bytes:
    """Encode a message of the feed; `events` are `FeedEvent` or plain tuples in their order."""
    assert len(epoch) == EPOCH_BYTES, epoch
    return VERSION_BYTE + _pack((epoch, seq, events))


def decode_feed(message: bytes) -> FeedBatch:
    epoch, seq, items = _fields(_unpack(message), FEED_LENGTH, "feed")
    if type(epoch) is not bytes or len(epoch) != EPOCH_BYTES or not _is_count(seq):
        raise WireError("feed: no epoch, or no seq")
    return FeedBatch(epoch, cast(int, seq), _feed_events(items))


def encode_changes(upto: int, events: Sequence[tuple[object, ...]]) -> bytes:
    """Encode the body of a CHANGES reply; `events` as in `encode_feed`."""
    return _pack((upto, events))


def decode_changes(body: bytes) -> ChangesPage:
    upto, items = _pair(_unpacked(body), "changes")
    if not _is_count(upto):
        raise WireError("changes: it is not said up to where")
    return ChangesPage(cast(int, upto), _feed_events(items))


def _feed_events(items: object) -> list[FeedEvent]:
    if type(items) is not tuple:
        raise WireError("events: no list")
    events: list[FeedEvent] = []
    for item in cast("tuple[object, ...]", items):
        fields = _fields(item, FEED_EVENT_LENGTH, "event")
        number, time_ms, kind, key, payload, before = fields
        if not (_is_count(number) and _is_count(time_ms) and _is_count(kind)):
            raise WireError("event: a number is missing")
        if type(key) is not str or type(payload) is not bytes or type(before) is not bytes:
            raise WireError("event: key or payload is missing")
        events.append(_make(FeedEvent, fields))
    return events


def encode_control(request_id: int, content: dict[str, object]) -> bytes:
    return VERSION_BYTE + _pack((request_id, content))


def decode_control(message: bytes) -> ControlMessage:
    request_id, content = _pair(_unpack(message), "control")
    if not _is_count(request_id) or type(content) is not dict:
        raise WireError("control: no request id, or no map")
    content = cast("dict[object, object]", content)
    if any(type(name) is not str for name in content):
        raise WireError("control: a name in the map is no text")
    return ControlMessage(cast(int, request_id), cast("dict[str, object]", content))


def _pack(value: object) -> bytes:
    try:
        return _new_packer(use_bin_type=True).pack(value)
    except (ValueError, OverflowError, TypeError) as error:
        raise WireError(f"this can't be sent: {error}") from None


def _unpack(message: bytes) -> object:
    _check_version(message)
    return _unpacked(memoryview(message)[1:])


def _check_version(message: bytes) -> None:
    if len(message) < 2:
        raise WireError("shorter than the shortest message")
    version = message[0]
    if version != PROTOCOL_VERSION:
        if version == REFUSAL_MARK and len(message) == REFUSAL_LENGTH:
            raise ProtocolMismatch(theirs=message[1])
        raise ProtocolMismatch(theirs=version)


def _unpacked(data: bytes | memoryview) -> object:
    try:
        return _unpackb(
            data,
            use_list=False,
            raw=False,
            strict_map_key=True,
            max_array_len=ARRAY_ITEMS_MAX,
            max_map_len=ARRAY_ITEMS_MAX,
            max_str_len=MESSAGE_BYTES_MAX,
            max_bin_len=MESSAGE_BYTES_MAX,
            max_ext_len=0,
        )
    except UNPACK_ERRORS as error:
        raise WireError(f"no msgpack: {type(error).__name__}") from None


def _pair(value: object, what: str) -> tuple[object, object]:
    fields = _fields(value, 2, what)
    return fields[0], fields[1]


def _fields(value: object, length: int, what: str) -> tuple[object, ...]:
    if type(value) is not tuple or len(cast("tuple[object, ...]", value)) != length:
        raise WireError(f"{what}: not a list of {length}")
    return cast("tuple[object, ...]", value)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= REQUEST_ID_MAX


def _request(fields: tuple[object, ...]) -> Request:
    if type(fields) is not tuple:
        raise WireError("request: no list")
    length = len(fields)
    if length == READ_LENGTH:
        request_id, verb, deadline_ms, access, argument = fields
        check = ARGUMENTS.get(verb) if type(verb) is int else None
        if check is None or not check(argument):
            raise WireError("request: an unknown verb, or no argument of that verb")
        request: Request = _make(ReadRequest, fields)
    elif length == WRITE_LENGTH:
        request_id, verb, deadline_ms, access, command_id, key, body, if_match, hashes = fields
        if type(verb) is not int or verb not in WRITES:
            raise WireError("request: an unknown verb, or no command")
        if (
            type(command_id) is not bytes
            or len(command_id) != COMMAND_ID_BYTES
            or type(key) is not str
            or type(body) is not bytes
            or type(hashes) is not bytes
            or (hashes and len(hashes) != IDEMPOTENCY_BYTES)
            or (if_match is not None and if_match is not True and not _are_counts(if_match))
        ):
            raise WireError("request: a part of its command is not what it must be")
        request = _make(WriteRequest, fields)
    else:
        raise WireError(f"request: a list of {length}")
    if (
        type(request_id) is not int
        or type(deadline_ms) is not int
        or not 0 <= request_id <= REQUEST_ID_MAX
        or not 0 <= deadline_ms <= REQUEST_ID_MAX
        or type(access) is not str
        or (access not in ACCESS and not _are_grants(access))
    ):
        raise WireError("request: its id, deadline or access is not what it must be")
    return request


def _are_grants(access: str) -> bool:
    """Tell whether an access can be that of a role; what it says is for who answers to read."""
    return access.startswith(GRANTS_MARK) and len(access) <= ACCESS_CHARACTERS_MAX


def _is_text(argument: object) -> bool:
    return type(argument) is str


def _is_nothing(argument: object) -> bool:
    return argument is None


def _are_texts(argument: object) -> bool:
    if type(argument) is not tuple:
        return False
    return all(type(text) is str for text in cast("tuple[object, ...]", argument))


def _are_counts(argument: object) -> bool:
    if type(argument) is not tuple:
        return False
    return all(_is_count(number) for number in cast("tuple[object, ...]", argument))


def _are_filters(argument: object) -> bool:
    if type(argument) is not tuple:
        return False
    for pair in cast("tuple[object, ...]", argument):
        if type(pair) is not tuple:
            return False
        fields = cast("tuple[object, ...]", pair)
        if len(fields) != 2 or type(fields[0]) is not str or type(fields[1]) is not str:
            return False
    return True


def _is_item(argument: object) -> bool:
    """Tell whether it is an id, or an id with what else is asked about that item."""
    if type(argument) is str:
        return True
    if type(argument) is not tuple or len(cast("tuple[object, ...]", argument)) != 2:
        return False
    key, pairs = cast("tuple[object, object]", argument)
    return type(key) is str and _are_filters(pairs)


def _are_two_texts(argument: object) -> bool:
    return _are_texts(argument) and len(cast("tuple[str, ...]", argument)) == 2


def _is_range(argument: object) -> bool:
    return _are_counts(argument) and len(cast("tuple[int, ...]", argument)) == 2


def _is_range_of_some(argument: object) -> bool:
    """Tell whether it is a range, with filters."""
    if type(argument) is not tuple or len(cast("tuple[object, ...]", argument)) != 3:
        return False
    since, events_max, pairs = cast("tuple[object, object, object]", argument)
    return _is_count(since) and _is_count(events_max) and _are_filters(pairs)


_ARGUMENTS: Final[dict[int, Callable[[object], bool]]] = {
    Verb.HELLO: _is_nothing,
    Verb.GET: _is_item,
    Verb.LIST: _are_filters,
    Verb.COUNT: _are_filters,
    Verb.RANDOM: _is_nothing,
    Verb.HISTORY: _is_text,
    Verb.EVENTS: _is_range,
    Verb.EXISTS: _are_texts,
    Verb.STATS: _is_nothing,
    Verb.CANCEL: _is_count,
    Verb.COMPACT: _are_filters,
    Verb.BACKUP: _is_text,
    Verb.PURGE: _is_text,
    Verb.ATTEMPT: _are_two_texts,
    Verb.SETTLE: _is_range,
    Verb.CHANGES: _is_range_of_some,
    Verb.DESCRIBE: _is_nothing,
}
ARGUMENTS: Final = {int(verb): check for verb, check in _ARGUMENTS.items()}  # found in one step
