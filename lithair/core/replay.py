"""Replay: records of the log become the state again, at opening.

Law: the state after a replay equals the one that committing the same events gave. Indexes are
built once at the end: what came and went costs them nothing.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Final

import msgspec

from lithair.core.event import EventKind, Position
from lithair.core.idempotency import COMMANDS_MAX, Keyed
from lithair.core.model_state import ModelState, Upgrade
from lithair.core.schema import FieldInfo, Schema, differences
from lithair.core.tables import BrokenUnique
from lithair.errors import SchemaChanged

DELETE: Final = int(EventKind.DELETE)
CREATE: Final = int(EventKind.CREATE)

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
            schema = self._state.schema
            found = differences(description, schema.description)
            if found:
                raise SchemaChanged(
                    f"The log of {schema.name} was written with other fields: {'; '.join(found)}."
                    " Give back what was there, or move the data directory away"
                )
            self._upgrades[fingerprint] = self._state.upgrade = make_upgrade(schema)
        return self._upgrades[fingerprint]

    def take(
        self,
        records: Iterable[RecordFields],
        segment: int,
        base_offset: int,
        upgrade: Upgrade | None,
    ) -> None:
        """Apply the records of one frame. The hot loop of opening: a million in a few seconds."""
        state = self._state
        projection, graves, keys = state.tables.projection, state.graves, state.keys
        slots, commands, remembered_from = projection.slots, state.commands, self._remembered_from
        segments, offsets, lengths = projection.segments, projection.offsets, projection.lengths
        seq, time_ms = state.seq, state.time_ms
        for record in records:
            at, length, seq, time_ms, kind, _, key, stored, command_id = record[:9]
            key_hash = record[11]
            slot = slots.get(key)
            if kind == DELETE:
                assert slot is not None, f"event {seq} deletes {key!r}, which is not there"
                projection.remove(slot)
                graves.dig(key, Position(segment, base_offset + at))
            else:
                payload = stored if upgrade is None else upgrade(stored, time_ms)
                if slot is None:
                    slot = projection.insert(key, payload, seq, time_ms)
                    graves.remove(key)
                else:
                    projection.update(slot, payload, seq, time_ms)
                segments[slot] = segment
                offsets[slot] = base_offset + at
                lengths[slot] = length
            if seq > remembered_from:
                commands.add(command_id, seq)
            if key_hash:
                keys.add(key_hash, Keyed(record[12], seq, time_ms))
        state.seq, state.time_ms = seq, time_ms

    def finish(self) -> None:
        """Build what rests on all records; raises `SchemaChanged` for a broken `Unique`."""
        state = self._state
        if state.tables.projection.wants_rebuild:
            state.tables.projection.rebuild()
        try:
            state.tables.fill_indexes()
        except BrokenUnique as error:
            raise SchemaChanged(
                f"{state.schema.name}.{error.field} is Unique now, but {error}."
                " Take the marker away, change the data, and put it back"
            ) from None


def make_upgrade(schema: Schema) -> Upgrade:
    """Make what adds the fields that a declaration has gained to a record of that time (ms).

    A Created or Updated field was not there to be filled in: the record's own time is.
    """
    fields = msgspec.defstruct(
        "Upgraded",
        [(f.name, msgspec.Raw | msgspec.UnsetType, _default(f)) for f in schema.fields],
        rename={f.name: f.wire for f in schema.fields},
    )
    decode, encode = msgspec.json.Decoder(fields).decode, msgspec.json.Encoder().encode
    filled_in = [f.name for f in schema.fields if f.created or f.updated]

    def upgrade(payload: bytes, time_ms: int) -> bytes:
        item = decode(payload)
        for name in filled_in:
            if getattr(item, name) is msgspec.UNSET:
                time = dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC)
                setattr(item, name, msgspec.Raw(encode(time)))
        return encode(item)

    return upgrade


def _default(field: FieldInfo) -> object:
    """Give what stands for a field that an old record lacks."""
    return msgspec.UNSET if field.default_json is None else msgspec.Raw(field.default_json)
