"""Records: one event as bytes.

Owns the layout of a record. Law: the record's own crc lets a single positioned read be checked
alone, without the frame around it; nothing that fails it is ever returned as an event.

    record   := crc:u32 len:u32 seq:u64 time_ms:u64 kind:u8 flags:u8 key_len:u16 command_id:16
                prev_segment:u64 prev_offset:u32 [keyed] key:key_len payload [authored]
    keyed    := key_hash:16 body_hash:16 status:u16
    authored := author:author_len author_len:u16

Integers are little-endian. `crc` is zlib's CRC-32 of everything that follows it within the record;
`len` counts the whole record. `keyed` is there when bit 7 of `flags` is set, `authored`, which is
read from the record's end, when bit 6 is. A `command_id` of zeros and a `prev_segment` of 0 mean
none. `key` and `author` are UTF-8; what lies between key and author is the payload.
A record of kind 4 was erased (core/erasure.py): it keeps its place, seq and time.
"""

import struct
from collections.abc import Callable
from typing import Final
from zlib import crc32

from lithair.core.event import ERASED, Event, EventKind, Flags, Position
from lithair.errors import UnknownFormat

# crc len seq time_ms kind flags key_len command_id prev_segment prev_offset
FIXED: Final = struct.Struct("<IIQQBBH16sQI")
_CHECKED: Final = struct.Struct("<IQQBBH16sQI")  # FIXED without the crc
KEYED: Final = struct.Struct("<16s16sH")
AUTHOR_LEN: Final = struct.Struct("<H")
_CRC: Final = struct.Struct("<I")
_CRC_AND_LEN: Final = struct.Struct("<II")

_FLAGS_AND_KEY: Final = struct.Struct("<BH")
_FLAGS_AT: Final = 25  # of FIXED: behind crc len seq time_ms kind

RECORD_BYTES_MIN: Final = FIXED.size
RECORD_BYTES_MAX: Final = 1 << 29  # what a frame can hold at most
NO_COMMAND: Final = bytes(16)
_NOWHERE: Final = (0, 0)
KIND_MAX: Final = ERASED
KEYED_FLAG: Final = 0x80
AUTHORED_FLAG: Final = 0x40
KNOWN_FLAGS: Final = KEYED_FLAG | AUTHORED_FLAG | Flags.BULK | Flags.REPLICATED

_OF_PAYLOAD: Final = struct.Struct("<IIQ8xBBH")  # of FIXED: crc len seq ... kind flags key_len
_LEAVES_ITEM: Final = (int(EventKind.CREATE), int(EventKind.UPDATE))
_NOT_PAYLOAD_LAST: Final = ~(KNOWN_FLAGS & ~AUTHORED_FLAG)  # an author follows, or who knows what

# Place, home segment, home offset, length, fingerprint -> that record, unchecked, if it is at hand.
ReadAtHand = Callable[[int, int, int, int, bytes], bytes | bytearray | None]


class BadRecord(ValueError):
    """These bytes are not a record as it was written; the message says in what."""


def unknown_record(seq: int, kind: int, flags: int) -> UnknownFormat:
    """Say that a record, though intact, means something that this version does not know."""
    what = f"kind {kind}" if not 1 <= kind <= KIND_MAX else f"flags {flags:#04x}"
    return UnknownFormat(
        f"event {seq} has {what}, which this version of Lithair does not know;"
        " use the version that wrote it"
    )


def encode_record(event: Event, prev: Position | None) -> bytes:
    """Give the record of `event`, whose item's previous record lies at `prev`.

    Once for each write: what most events do not have costs them a look each, and no more.
    """
    key, rest, flags = event.key.encode(), event.payload, event.flags
    key_len = len(key)
    if event.key_hash:
        flags |= KEYED_FLAG
        key = KEYED.pack(event.key_hash, event.body_hash, event.status) + key
    if event.author:
        flags |= AUTHORED_FLAG
        author = event.author.encode()
        rest += author + AUTHOR_LEN.pack(len(author))
    assert not flags & ~KNOWN_FLAGS, f"flags {event.flags:#x} have no meaning in a record"
    segment, offset = prev or _NOWHERE
    length = RECORD_BYTES_MIN + len(key) + len(rest)
    assert length <= RECORD_BYTES_MAX, f"a record of {length} bytes: the caller bounds payloads"
    command_id = event.command_id
    fixed = _CHECKED.pack(
        length, event.seq, event.time_ms, event.kind, flags, key_len, command_id, segment, offset
    )
    checked = fixed + key + rest
    return _CRC.pack(crc32(checked)) + checked


def record_length(buffer: bytes, offset: int) -> int:
    """Give the length that the record at `offset` claims; it is checked only by decoding it."""
    length: int = _CRC_AND_LEN.unpack_from(buffer, offset)[1]
    return length


def payload_in(buffer: bytes, offset: int) -> bytes:
    """Give the payload of the record at `offset`, which was checked."""
    flags, key_len = _FLAGS_AND_KEY.unpack_from(buffer, offset + _FLAGS_AT)
    keyed = KEYED.size if flags & KEYED_FLAG else 0
    stop = offset + record_length(buffer, offset)
    if flags & AUTHORED_FLAG:
        stop = author_at(buffer, stop)
    return buffer[offset + RECORD_BYTES_MIN + keyed + key_len : stop]


def payload_of(buffer: bytes | bytearray, seq: int, key: str) -> bytes | None:
    """Give the item in the one record that `buffer` is: that of `key`, of event `seq`.

    None for anything else than a whole, intact record of these which leaves an item and names no
    author; `decode_record` says what it is. A third of its time: this is for reading evicted items.
    """
    length = len(buffer)
    if length < RECORD_BYTES_MIN:
        return None
    crc, said, found_seq, kind, flags, key_len = _OF_PAYLOAD.unpack_from(buffer)
    name = key.encode()
    at = RECORD_BYTES_MIN + (KEYED.size if flags & KEYED_FLAG else 0)
    if found_seq != seq or said != length or kind not in _LEAVES_ITEM or flags & _NOT_PAYLOAD_LAST:
        return None
    if key_len != len(name) or not buffer.startswith(name, at):
        return None
    view = memoryview(buffer)
    return bytes(view[at + key_len :]) if crc32(view[4:]) == crc else None


def author_at(buffer: bytes, stop: int) -> int:
    """Give where the author of an authored record begins, which ends at `stop`."""
    begin = stop - AUTHOR_LEN.size
    (length,) = AUTHOR_LEN.unpack_from(buffer, begin)
    return begin - int(length)


def check_record(buffer: bytes, offset: int) -> int:
    """Check the record at `offset` by its own crc and give its length; raise BadRecord."""
    held = len(buffer) - offset
    if held < RECORD_BYTES_MIN:
        raise BadRecord(f"a record needs {RECORD_BYTES_MIN} bytes, there are {held}")
    crc, length = _CRC_AND_LEN.unpack_from(buffer, offset)
    if not RECORD_BYTES_MIN <= length <= held:
        raise BadRecord(f"a record of {length} bytes, where {held} are")
    found = crc32(memoryview(buffer)[offset + 4 : offset + length])
    if found != crc:
        raise BadRecord(f"the record's checksum is {found:08x}, {crc:08x} was written")
    return int(length)


def decode_record(buffer: bytes, offset: int) -> Event:
    """Give the event of the record at `offset`, checked; raise BadRecord or UnknownFormat."""
    length = check_record(buffer, offset)
    _, _, seq, time_ms, kind, flags, key_len, command_id, segment, prev_offset = FIXED.unpack_from(
        buffer, offset
    )
    if not 1 <= kind <= KIND_MAX or flags & ~KNOWN_FLAGS:
        raise unknown_record(seq, kind, flags)
    at = offset + RECORD_BYTES_MIN
    key_hash = body_hash = b""
    status = 0
    if flags & KEYED_FLAG:
        if length < RECORD_BYTES_MIN + KEYED.size:
            raise BadRecord(f"a keyed record of {length} bytes")
        key_hash, body_hash, status = KEYED.unpack_from(buffer, at)
        at += KEYED.size
    if at + key_len > offset + length:
        raise BadRecord(f"a key of {key_len} bytes in a record of {length}")
    stop, author = offset + length, b""
    if flags & AUTHORED_FLAG:
        stop = author_at(buffer, stop)
        if stop < at + key_len:
            raise BadRecord(f"an author that begins at {stop}, before the payload")
        author = buffer[stop : offset + length - AUTHOR_LEN.size]
    try:
        key = str(buffer[at : at + key_len], "utf-8")
        author_name = str(author, "utf-8")
    except UnicodeDecodeError as error:
        raise BadRecord(f"key or author of event {seq} is not UTF-8: {error}") from error
    return Event(
        seq=seq,
        time_ms=time_ms,
        kind=kind,
        key=key,
        payload=bytes(buffer[at + key_len : stop]),
        command_id=b"" if command_id == NO_COMMAND else command_id,
        flags=flags & ~(KEYED_FLAG | AUTHORED_FLAG),
        prev=Position(segment, prev_offset) if segment else None,
        key_hash=key_hash,
        body_hash=body_hash,
        status=status,
        author=author_name,
    )
