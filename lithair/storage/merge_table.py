"""The merge table: which record is each item's last, over a snapshot and the segments after it.

Law: no bodies are held. A live item costs its key and some 40 bytes; the table is in creation
order, an item that was deleted and made again stands at the end. What is remembered of answers
follows the rules of `lithair.core.idempotency`, event for event.
"""

import struct
from array import array
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Final, NamedTuple

from lithair.core.event import ERASED, EventKind, Position
from lithair.core.frame import FRAME_HEAD_BYTES
from lithair.core.idempotency import COMMANDS_MAX, Keyed, KeyMemory
from lithair.core.record import (
    KEYED,
    KEYED_FLAG,
    KIND_MAX,
    KNOWN_FLAGS,
    NO_COMMAND,
    RECORD_BYTES_MIN,
    unknown_record,
)
from lithair.core.snapshot import GraveBlock, ItemBlock, RememberedBlock
from lithair.storage.merge_room import Volume

DELETE: Final = int(EventKind.DELETE)

# Of records that are kept for commands alone: what one client may have in flight; past that a few
# large items, written again and again, would take their space many thousand times.
COMMAND_BYTES_MAX: Final = 16 << 20
# An answer that never came is asked for again at once; ten minutes are patience with a client that
# was stopped meanwhile. What is older would only keep a small log from getting smaller.
COMMAND_MS_MAX: Final = 10 * 60_000

_FRAME: Final = struct.Struct("<24xQI")  # of a frame's head: first_seq n
_RECORD: Final = struct.Struct("<4xIQ8xBBH16s12x")  # len seq kind flags key_len command_id
_TIME: Final = struct.Struct("<q")
_TIME_AT: Final = 16  # of a record
assert _FRAME.size == FRAME_HEAD_BYTES, "frame := … first_seq n"
assert _RECORD.size == RECORD_BYTES_MIN, "record := crc len seq time_ms kind flags …"


# Where a record lies, as one number: that of its file above, its offset in it below. So they sort
# as the records lie. Room for 16 TiB of snapshot and a million segments.
FILE_SHIFT: Final = 44
OFFSET_MASK: Final = (1 << FILE_SHIFT) - 1
FIRST_SEGMENT: Final = 1 << FILE_SHIFT  # below it: in the snapshot


class RememberedEvent(NamedTuple):
    """An event that may be needed to answer a repeated command or request."""

    seq: int
    time_ms: int
    where: int
    length: int
    command_id: bytes
    key_hash: bytes
    body_hash: bytes


class Rows(NamedTuple):
    """Some live items in creation order, column by column: their last records, and their homes."""

    keys: list[str]
    seqs: list[int]
    wheres: list[int]
    lengths: list[int]
    segments: list[int]
    offsets: list[int]


class Memory:
    """The events that are remembered at the cut, gathered in order and thinned out on the way."""

    THIN_MIN: Final = 1 << 16  # events between two thinnings, at least

    def __init__(self, cut: int, now_ms: int) -> None:
        self.commands_after = cut - COMMANDS_MAX  # as a replay does it
        self._now_ms = now_ms
        self._events: list[RememberedEvent] = []
        self._keys = KeyMemory()
        self._thin_at = self.THIN_MIN

    def add(self, event: RememberedEvent) -> None:
        if event.key_hash:
            self._keys.add(event.key_hash, Keyed(event.body_hash, event.seq, event.time_ms))
        self._events.append(event)
        if len(self._events) >= self._thin_at:
            self._events = self.kept()
            self._thin_at = max(2 * len(self._events), self.THIN_MIN)

    def _commands(self) -> set[bytes]:
        """Give the ids of the newest commands."""
        ids: set[bytes] = set()
        size = 0
        for event in reversed(self._events):
            size += event.length
            if event.seq <= self.commands_after or size > COMMAND_BYTES_MAX:
                break
            if self._now_ms - event.time_ms > COMMAND_MS_MAX:
                break
            ids.add(event.command_id)
        ids.discard(b"")
        return ids

    def kept(self) -> list[RememberedEvent]:
        """Give the events of remembered commands, ascending; all events of a bulk, or none."""
        events, keys = self._events, self._keys
        ids = self._commands()
        commands = {e.seq: e.command_id for e in events if e.key_hash}
        now_ms = max(self._now_ms, events[-1].time_ms) if events else self._now_ms

        def is_kept(event: RememberedEvent) -> bool:
            if event.command_id in ids:
                return True
            keyed = keys.find(event.key_hash, now_ms) if event.key_hash else None
            if keyed is None:
                return False
            return keyed.seq == event.seq or bool(
                event.command_id and commands.get(keyed.seq) == event.command_id
            )

        return [event for event in events if is_kept(event)]


class MergeTable:
    """Filled by the parts of a snapshot and by frames, in log order; then read once."""

    def __init__(self, memory: Memory, *, keeps_graves: bool, purged: Collection[str]) -> None:
        self.time_ms = 0  # of the last event
        self._graves: dict[str, Position] | None = {} if keeps_graves else None
        self._memory = memory
        # Events of purged items up to these are dropped: an item that was made anew stays.
        self.purged_up_to = dict.fromkeys(purged, 0)
        self._rows: dict[str, int] = {}  # a dict is in order of insertion: that of creation
        self._free: list[int] = []
        # An item of the snapshot has its number there in `_wheres`, and what it needs besides here.
        self._wheres = array("Q")
        self._lengths = array("I")
        self._seqs = array("Q")
        self._places = array("Q")
        self._segments = array("Q")
        self._offsets = array("I")
        self._first_seqs = [0]  # of each file; the snapshot's is none

    # Of the snapshot before

    def take_items(self, block: ItemBlock) -> None:
        """Take items of the snapshot that is replaced; before any frame."""
        first, end = len(self._wheres), len(self._wheres) + len(block.keys)
        self._rows.update(zip(block.keys, range(first, end), strict=True))
        self._wheres.extend(range(first, end))
        self._lengths.extend(block.lengths)
        self._seqs.extend(block.seqs)
        self._places.extend(block.places)
        self._segments.extend(block.segments)
        self._offsets.extend(block.offsets)

    def end_snapshot(self, cut: int) -> None:
        """Say that all of the snapshot's items were taken: what is not live there was deleted."""
        for key in self.purged_up_to:
            if key not in self._rows:
                self.purged_up_to[key] = cut

    def take_remembered(self, block: RememberedBlock) -> None:
        for row in zip(
            block.seqs,
            block.times,
            block.places,
            block.lengths,
            block.command_ids,
            block.key_hashes,
            block.body_hashes,
            strict=True,
        ):
            self._memory.add(RememberedEvent(*row))

    def take_graves(self, block: GraveBlock) -> None:
        if self._graves is None:
            return
        for key, segment, offset in zip(block.keys, block.segments, block.offsets, strict=True):
            self._graves[key] = Position(segment, offset)

    # Of the segments after it

    def begin_segment(self, first_seq: int) -> int:
        """Go on with a segment; gives what its records' offsets are added to."""
        self._first_seqs.append(first_seq)
        return len(self._first_seqs) - 1 << FILE_SHIFT

    def take_frames(self, buffer: bytes, end: int, base: int) -> None:
        """Take whole, checked frames; their buffer lies at `base`, of the segment begun last.

        Raises UnknownFormat. The hot loop of a compaction, with local names: bench/merge.py.
        """
        unpack, unpack_frame, head_bytes = _RECORD.unpack_from, _FRAME.unpack_from, FRAME_HEAD_BYTES
        fixed_bytes, keyed_bytes, keyed_flag = RECORD_BYTES_MIN, KEYED.size, KEYED_FLAG
        known_flags, no_command, free = KNOWN_FLAGS, NO_COMMAND, self._free
        rows, purged, commands_after = self._rows, self.purged_up_to, self._memory.commands_after
        wheres, lengths, seqs, graves = self._wheres, self._lengths, self._seqs, self._graves
        at = offset = 0
        while offset < end:
            frame_seq, n = unpack_frame(buffer, offset)
            is_recent = frame_seq + n - 1 > commands_after  # a bulk is remembered whole
            offset += head_bytes
            for _ in range(n):
                length, seq, kind, flags, key_len, command = unpack(buffer, offset)
                if not 0 < kind <= KIND_MAX or flags & ~known_flags:
                    raise unknown_record(seq, kind, flags)
                key_at = offset + fixed_bytes
                if flags & keyed_flag:
                    key_at += keyed_bytes
                at, offset = offset, offset + length
                if kind == ERASED:
                    continue
                key = buffer[key_at : key_at + key_len].decode()
                row = rows.get(key)
                if kind == DELETE:
                    assert row is not None, f"event {seq} deletes {key!r}, which is not there"
                    free.append(rows.pop(key))
                    if graves is not None:
                        graves[key] = self._position(base + at)
                    if key in purged:
                        purged[key] = seq
                elif row is not None or free:
                    if row is None:
                        rows[key] = row = free.pop()
                    wheres[row] = base + at
                    lengths[row] = length
                    seqs[row] = seq
                else:
                    rows[key] = len(seqs)
                    wheres.append(base + at)
                    lengths.append(length)
                    seqs.append(seq)
                if graves and kind != DELETE:
                    graves.pop(key, None)
                if (is_recent and command != no_command) or flags & keyed_flag:
                    self._remember(buffer, at, base + at)
        (self.time_ms,) = _TIME.unpack_from(buffer, at + _TIME_AT)

    def _position(self, where: int) -> Position:
        return Position(self._first_seqs[where >> FILE_SHIFT], where & OFFSET_MASK)

    def _remember(self, buffer: bytes, at: int, where: int) -> None:
        length, seq, _, flags, _, command = _RECORD.unpack_from(buffer, at)
        (time_ms,) = _TIME.unpack_from(buffer, at + _TIME_AT)
        key_hash = body_hash = b""
        if flags & KEYED_FLAG:
            key_hash, body_hash, _ = KEYED.unpack_from(buffer, at + RECORD_BYTES_MIN)
        command_id = b"" if command == NO_COMMAND else command
        self._memory.add(
            RememberedEvent(seq, time_ms, where, length, command_id, key_hash, body_hash)
        )

    # What came of it

    def items(self, rows_max: int, bytes_max: int) -> Iterator[Rows]:
        """Give the live items in creation order, so many at a time; one at least."""
        pairs = iter(self._rows.items())
        while chunk := list(islice(pairs, rows_max)):
            keys, rows = [key for key, _ in chunk], [row for _, row in chunk]
            lengths = self._lengths
            begin = size = 0
            for at, row in enumerate(rows):
                if size + lengths[row] > bytes_max and at > begin:
                    yield self._rows_of(keys[begin:at], rows[begin:at])
                    begin, size = at, 0
                size += lengths[row]
            yield self._rows_of(keys[begin:], rows[begin:])

    def _rows_of(self, keys: list[str], rows: list[int]) -> Rows:
        places, segments, offsets = self._places, self._segments, self._offsets
        first_seqs, limit, shift, mask = self._first_seqs, FIRST_SEGMENT, FILE_SHIFT, OFFSET_MASK
        wheres, lengths, seqs = self._wheres, self._lengths, self._seqs
        found = [wheres[row] for row in rows]
        return Rows(
            keys,
            [seqs[row] for row in rows],
            [places[where] if where < limit else where for where in found],
            [lengths[row] for row in rows],
            [segments[w] if w < limit else first_seqs[w >> shift] for w in found],
            [offsets[w] if w < limit else w & mask for w in found],
        )

    def graves(self) -> Iterator[tuple[str, Position]]:
        """Give the deleted items; none unless graves are kept."""
        for key, position in (self._graves or {}).items():
            if key not in self.purged_up_to:
                yield key, position

    def remembered(self) -> list[RememberedEvent]:
        """Give the events whose answers are remembered, ascending."""
        return self._memory.kept()

    def volume(self, remembered: list[RememberedEvent]) -> Volume:
        """Count what there is to write, with these remembered events."""
        rows, lengths, seqs = self._rows, self._lengths, self._seqs
        alone = {event.seq for event in remembered}
        alone.difference_update(seqs[row] for row in rows.values())
        graves = self._graves or {}
        return Volume(
            len(rows),
            sum(len(key.encode()) for key in rows),
            sum(lengths[row] for row in rows.values())
            + sum(event.length for event in remembered if event.seq in alone),
            len(remembered),
            len(graves),
            sum(len(key.encode()) for key in graves),
        )
