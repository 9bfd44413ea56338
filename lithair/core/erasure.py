"""Erasure: records made unreadable, where everything around them stays in its place.

Owns what a purge leaves of a record. Law: every length and place stays, every checksum is right
for what is there then, and the last crc of a rewritten run is what it was: whatever continues the
chain behind it still does. So one file can be exchanged without a look at any other.

    erased  := crc:u32 len:u32 seq:u64 time_ms:u64 kind:u8=4 flags:u8=0 key_len:u16=0
               settling:u32 zeros

`settling` is zeros as well, but in the last erased record of a run: there its four bytes make the
frame's crc the one that the frame had. CRC-32 is linear, so they can be computed, and its
polynomial is primitive, so they always exist. With that, no record's own crc tells anything of
what was in it; four bytes per rewritten file do, mixed with all else that the file holds.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple
from zlib import crc32

from lithair.core.event import ERASED, Position
from lithair.core.frame import FRAME_HEAD_BYTES, Shift, frame_head, relink_frames
from lithair.core.record import FIXED, KEYED, KEYED_FLAG, RECORD_BYTES_MIN

CHECKED_FROM: Final = 8  # of a frame's bytes: behind its magic and its crc
CRC_BYTES: Final = 4
CRC_BITS: Final = 32
COMMAND_ID_BYTES: Final = 16
STAY: Final = Shift(Position(0, 0), Position(0, 0))


class Target(NamedTuple):
    """Whose records are to be erased: the id, and the last event that is meant.

    Later ones are of an item that was made anew under the same id.
    """

    key: bytes
    last_seq: int


def holds(frame: bytes, target: Target) -> bool:
    """Tell whether a frame has a record that is to be erased."""
    return any(True for _ in _records_of(frame, target))


def erase(frame: bytes, target: Target, prev_crc: int, settled_crc: int | None = None) -> bytes:
    """Give a frame without what the target's records held, continuing from `prev_crc`.

    With `settled_crc`, the crc of the frame as it was written, it has that one again: one of its
    records has to be the target's then.
    """
    parts = [frame[:FRAME_HEAD_BYTES]]
    end = FRAME_HEAD_BYTES
    last = -1
    for offset, length in _records_of(frame, target):
        parts += (frame[end:offset], _erased(frame[offset : offset + length]))
        last, end = offset, offset + length
    parts.append(frame[end:])
    found = relink_frames(b"".join(parts), prev_crc, STAY)
    if settled_crc is None:
        return found
    assert last >= 0, "only an erased record can settle a frame"
    return _settled(found, last, frame, settled_crc)


def _records_of(frame: bytes, target: Target) -> Iterator[tuple[int, int]]:
    """Yield where in a frame the records to be erased lie: (offset, length)."""
    key, last_seq = target
    offset = FRAME_HEAD_BYTES
    while offset < len(frame):
        _, length, seq, _, kind, flags, key_len = FIXED.unpack_from(frame, offset)[:7]
        at = offset + RECORD_BYTES_MIN + (KEYED.size if flags & KEYED_FLAG else 0)
        is_of_key = key_len == len(key) and frame[at : at + key_len] == key
        if is_of_key and kind != ERASED and seq <= last_seq:
            yield offset, length
        offset += length


def _erased(record: bytes, settling: int = 0) -> bytes:
    """Give what stands in the place of a record."""
    _, length, seq, time_ms = FIXED.unpack_from(record)[:4]
    command_id = settling.to_bytes(CRC_BYTES, "little").ljust(COMMAND_ID_BYTES, b"\0")
    fixed = FIXED.pack(0, length, seq, time_ms, ERASED, 0, 0, command_id, 0, 0)
    checked = fixed[CRC_BYTES:].ljust(length - CRC_BYTES, b"\0")
    return crc32(checked).to_bytes(CRC_BYTES, "little") + checked


def _settled(frame: bytes, offset: int, before: bytes, crc: int) -> bytes:
    """Give `frame` the crc that it had `before`, by the settling of the erased record at `offset`.

    Behind that record nothing differs, so it is enough that the crc up to its end is as it was.
    """
    end = offset + FIXED.unpack_from(frame, offset)[1]
    record = frame[offset:end]
    start = crc32(frame[CHECKED_FROM:offset])
    settling = _solved(
        lambda bits: crc32(_erased(record, bits), start), crc32(before[CHECKED_FROM:end])
    )
    settled = frame[:offset] + _erased(record, settling) + frame[end:]
    found = relink_frames(settled, frame_head(frame, 0).prev_crc, STAY)
    assert frame_head(found, 0).crc == crc, "the settling was computed for this frame"
    return found


def _solved(crc_of: Callable[[int], int], wanted: int) -> int:
    """Find the 32 bits for which an affine function over GF(2) gives what is wanted."""
    constant = crc_of(0)
    basis: dict[int, tuple[int, int]] = {}  # highest bit -> (a value, the bits that give it)
    for bit in range(CRC_BITS):
        value, bits = _reduced(basis, crc_of(1 << bit) ^ constant, 1 << bit)
        assert value, "CRC-32's polynomial is primitive: no two settlings give one crc"
        basis[value.bit_length()] = (value, bits)
    rest, bits = _reduced(basis, wanted ^ constant, 0)
    assert not rest, "32 independent values give every other"
    return bits


def _reduced(basis: dict[int, tuple[int, int]], value: int, bits: int) -> tuple[int, int]:
    """Take out of a value what the basis gives; gives the rest, and the bits that led there."""
    while value and (found := basis.get(value.bit_length())) is not None:
        value ^= found[0]
        bits ^= found[1]
    return value, bits
