"""Replay: records of the log become the state again, at opening.

Law: the state after a replay equals the one that committing the same events gave. Indexes are
built once at the end: what came and went costs them nothing.
"""

from collections.abc import Iterable
from typing import Final

from lithair.core.event import ERASED, EventKind, Position
from lithair.core.idempotency import COMMANDS_MAX, Keyed
from lithair.core.kept import NOTHING_KEPT
from lithair.core.model_state import ModelState
from lithair.core.snapshot import GraveBlock, ItemBlock, RememberedBlock
from lithair.core.tables import BrokenUnique
from lithair.core.upgrade import BadItem, Upgrade, not_migrated, upgrade_from
from lithair.errors import SchemaChanged

DELETE: Final = int(EventKind.DELETE)
EVICT_ROWS: Final = 1 << 16

# (offset in buffer, length, seq, time_ms, kind, flags, key, payload, command_id, prev segment,
#  prev offset, key_hash, body_hash, status)
RecordFields = tuple[int, int, int, int, int, int, str, bytes, bytes, int, int, bytes, bytes, int]


class Replay:
    """Feeds a log's records, up to `last_seq`, to a state that is still empty; then `finish` it."""

    def __init__(self, state: ModelState, last_seq: int) -> None:
        self._state = state
        self._remembered_from = last_seq - COMMANDS_MAX
        self._upgrades: dict[bytes, Upgrade | None] = {state.schema.fingerprint: None}

    def upgrade_for(self, fingerprint: bytes, description: bytes) -> Upgrade | None:
        """Give what brings payloads of an older declaration to this one; raises `SchemaChanged`."""
        if fingerprint not in self._upgrades:
            state = self._state
            upgrade = upgrade_from(state.schema, state.migrations, fingerprint, description)
            self._upgrades[fingerprint] = upgrade
            if upgrade is not None:
                state.upgrades[fingerprint] = upgrade
        return self._upgrades[fingerprint]

    def take_items(self, block: ItemBlock) -> None:
        """Take in items of a snapshot, all evicted."""
        self._state.tables.projection.insert_warm(
            block.keys,
            block.cells or [NOTHING_KEPT] * len(block.keys),
            (
                block.seqs,
                block.times,
                block.segments,
                block.offsets,
                block.places,
                block.lengths,
            ),
        )

    def take_remembered(self, block: RememberedBlock) -> None:
        """Take in what a snapshot remembers of commands and keyed writes."""
        commands, keys, remembered_from = (
            self._state.commands,
            self._state.keys,
            self._remembered_from,
        )
        rows = zip(
            block.seqs,
            block.times,
            block.command_ids,
            block.key_hashes,
            block.body_hashes,
            strict=True,
        )
        for seq, time_ms, command_id, key_hash, body_hash in rows:
            if seq > remembered_from:
                commands.add(command_id, seq)
            if key_hash:
                keys.add(key_hash, Keyed(body_hash, seq, time_ms))

    def take_graves(self, block: GraveBlock) -> None:
        """Take in where the last records of items lie that were deleted before a snapshot."""
        rows = zip(block.keys, block.segments, block.offsets, strict=True)
        for key, segment, offset in rows:
            self._state.graves.dig(key, Position(segment, offset))

    def begin_after(self, seq: int, time_ms: int) -> None:
        """Go on with the events after a snapshot's cut."""
        self._state.seq, self._state.time_ms = seq, time_ms

    def take(
        self,
        records: Iterable[RecordFields],
        segment: int,
        base_offset: int,
        upgrade: Upgrade | None,
    ) -> None:
        """Apply the records of some frames. The hot loop of opening: a million in a few seconds.

        What is over a count or a budget is evicted on the way: a log that is far larger than the
        memory can be opened. Ages are looked at when all was read.
        """
        state = self._state
        projection, graves, keys = state.tables.projection, state.graves, state.keys
        slots, commands, remembered_from = projection.slots, state.commands, self._remembered_from
        segments, offsets, lengths = projection.segments, projection.offsets, projection.lengths
        places, queue = projection.places, state.tables.eviction
        seq, time_ms = state.seq, state.time_ms
        for record in records:
            at, length, seq, time_ms, kind, _, key, stored, command_id = record[:9]
            key_hash = record[11]
            slot = slots.get(key)
            if kind >= DELETE:
                if kind == ERASED:
                    continue
                assert slot is not None, f"event {seq} deletes {key!r}, which is not there"
                projection.remove(slot)
                graves.dig(key, Position(segment, base_offset + at))
            else:
                payload = stored if upgrade is None else _present(upgrade, record)
                if slot is None:
                    slot = projection.insert(key, payload, seq, time_ms)
                    graves.remove(key)
                else:
                    projection.update(slot, payload, seq, time_ms)
                segments[slot] = segment
                offsets[slot] = base_offset + at
                places[slot] = 0
                lengths[slot] = length
                if queue is not None:
                    queue.written(seq, slot)
            if seq > remembered_from:
                commands.add(command_id, seq)
            if key_hash:
                keys.add(key_hash, Keyed(record[12], seq, time_ms))
        state.seq, state.time_ms = seq, time_ms
        while state.evict(0, EVICT_ROWS):
            pass

    def finish(self) -> None:
        """Build what rests on all records; raises `SchemaChanged` for a broken `Unique`."""
        state = self._state
        if state.tables.projection.wants_rebuild:
            state.tables.projection.rebuild()
        if state.tables.eviction is not None:
            state.tables.eviction.refill()
        try:
            state.tables.fill_indexes()
        except BrokenUnique as error:
            raise SchemaChanged(
                f"{state.schema.name}.{error.field} is Unique now, but {error}."
                " Take the marker away, change the data, and put it back"
            ) from None


def _present(upgrade: Upgrade, record: RecordFields) -> bytes:
    """Give a record's item in the present form; raises `SchemaChanged` naming the event."""
    seq, time_ms, key, stored = record[2], record[3], record[6], record[7]
    try:
        return upgrade(stored, time_ms, key)
    except BadItem as error:
        raise not_migrated(seq, key, error) from error
