"""Upgrades: what brings an item that was stored under an older declaration to the present form.

Owns which way is taken: the migration that starts from the record's fingerprint, else the chain of
migrations from its version, else the defaults of the fields that are new, where nothing but those
differs. Law: an upgrade depends on the record alone, so every reading of it gives the same bytes;
what a migration returns is checked before anyone sees it.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import msgspec

from lithair.core.event import Event
from lithair.core.schema import FieldInfo, Schema, described_version, differences
from lithair.errors import SchemaChanged
from lithair.migration import Migration, name_of

# (an item's JSON, its record's time, its id) -> its JSON in the present form. Raises BadItem.
Upgrade = Callable[[bytes, int, str], bytes]

TEXT_CHARACTERS_MAX: Final = 200  # of a migration's own error in our sentence


class BadItem(ValueError):
    """A migration failed at an item, or made something of it that is none; says how."""


def upgrade_from(
    schema: Schema, migrations: Sequence[Migration], fingerprint: bytes, description: bytes
) -> Upgrade | None:
    """Give what brings items of that declaration to the present form; None: they have it.

    Raises SchemaChanged when there is no way: fields differ, and no migration starts there.
    """
    if fingerprint == schema.fingerprint:
        return None
    steps = _steps(schema, migrations, fingerprint, description)
    if not steps:
        found = differences(description, schema.description)
        if found:
            raise SchemaChanged(_no_way(schema, found, fingerprint, description))
        return _completion(schema)
    return _migration(schema, steps)


def upgraded(upgrade: Upgrade, event: Event) -> bytes:
    """Give the item of an event in the present form; raises SchemaChanged naming the event."""
    try:
        return upgrade(event.payload, event.time_ms, event.key)
    except BadItem as error:
        raise not_migrated(event.seq, event.key, error) from error


def not_migrated(seq: int, key: str, error: BadItem) -> SchemaChanged:
    """Say which event could not be brought to the present form, and why."""
    return SchemaChanged(f"Event {seq}, the item {key!r}, can't be migrated: {error}")


def _steps(
    schema: Schema, migrations: Sequence[Migration], fingerprint: bytes, description: bytes
) -> list[Migration]:
    """Give the migrations to be carried out one after another; none when none starts there."""
    for migration in migrations:
        if migration.from_fingerprint == fingerprint:
            return [migration]
    by_version = {m.from_version: m for m in migrations if m.from_version}
    steps = [by_version.get(v) for v in range(described_version(description), schema.version)]
    return [step for step in steps if step] if None not in steps else []


def _no_way(schema: Schema, found: list[str], fingerprint: bytes, description: bytes) -> str:
    version = described_version(description)
    by_version = f" or from_version={version}" if version < schema.version else ""
    return (
        f"The log of {schema.name} was written with other fields (version {version}, fingerprint"
        f" {fingerprint.hex()}): {'; '.join(found)}. Give back what was there, or write a"
        f' migration: @migrate({schema.name}, from_fingerprint="{fingerprint.hex()}"){by_version}'
    )


def _completion(schema: Schema) -> Upgrade:
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

    def complete(payload: bytes, time_ms: int, _key: str) -> bytes:
        item = decode(payload)
        for name in filled_in:
            if getattr(item, name) is msgspec.UNSET:
                time = dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC)
                setattr(item, name, msgspec.Raw(encode(time)))
        return encode(item)

    return complete


def _default(field: FieldInfo) -> object:
    """Give what stands for a field that an old record lacks."""
    return msgspec.UNSET if field.default_json is None else msgspec.Raw(field.default_json)


def _migration(schema: Schema, steps: list[Migration]) -> Upgrade:
    """Make what carries out migrations, then fills in what they left to defaults."""
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    encode = msgspec.json.Encoder().encode
    complete, check = _completion(schema), _check(schema, name_of(steps[-1].func))

    def migrate(payload: bytes, time_ms: int, key: str) -> bytes:
        item: object = decode(payload)
        for step in steps:
            item = _carried_out(step, item)
        try:
            encoded = encode(item)
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            name = name_of(steps[-1].func)
            raise BadItem(f"{name} returned what can't be written as JSON: {error}") from error
        check(encoded, key)
        return complete(encoded, time_ms, key)

    return migrate


def _carried_out(step: Migration, item: object) -> object:
    name, func = name_of(step.func), cast("Callable[[object], object]", step.func)
    try:
        found = func(item)
    except (Exception, SystemExit) as error:  # the user's own code: it may raise anything
        why = f"{type(error).__name__}: {error}"[:TEXT_CHARACTERS_MAX]
        raise BadItem(f"{name} ({step.origin}) raised {why}") from error
    if not isinstance(found, dict):
        raise BadItem(
            f"{name} ({step.origin}) returned {type(found).__name__}; return the item as a dict"
        )
    return cast("object", found)


def _check(schema: Schema, name: str) -> Callable[[bytes, str], None]:
    """Make what refuses a migrated item that could not have been stored.

    As lenient as reading is: constraints may be broken, types may not.
    """
    fields = msgspec.defstruct(
        "Migrated",
        [(f.name, _hint(f), msgspec.UNSET) for f in schema.fields],
        rename={f.name: f.wire for f in schema.fields},
        forbid_unknown_fields=True,
    )
    decode = msgspec.json.Decoder(fields).decode
    required = [f for f in schema.fields if f.required]

    def check(encoded: bytes, key: str) -> None:
        try:
            item = decode(encoded)
        except msgspec.ValidationError as error:
            raise BadItem(
                f"{name} returned an item that is none of {schema.name}: {error}"
            ) from error
        for field in required:
            if getattr(item, field.name) is msgspec.UNSET:
                raise BadItem(f'{name} returned an item without "{field.wire}"')
        found = getattr(item, schema.key.name)
        if found != key:
            shown = "no id" if found is msgspec.UNSET else f'"{schema.key.wire}" = {found!r}'
            raise BadItem(f"{name} returned an item with {shown}; the id never changes")

    return check


def _hint(field: FieldInfo) -> object:
    hint: Any = field.base
    if field.nullable:
        hint = hint | None
    return hint | msgspec.UnsetType
