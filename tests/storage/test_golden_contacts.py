"""Logs of an older declaration, committed as they were written, are read with a migration."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lithair import Indexed, Model, Pinned, Unique
from lithair.actors.log_loading import load
from lithair.core.event import Event, Position
from lithair.core.model_state import EVERYTHING, ModelState
from lithair.core.schema import schema_of
from lithair.errors import SchemaChanged
from lithair.handler import ModelHandler
from lithair.migration import Migration
from lithair.retention import Retention
from lithair.storage.event_log import EventLog, LogOptions, LogStamp
from lithair.storage.files import OsFiles
from lithair.storage.verify import verify
from tests.storage.golden import make_contacts

GOLDEN = Path(__file__).parent / "golden"
FINGERPRINT = "cf8497d4444581279f5212c6c31f9246"
OPTIONS = LogOptions(lock_wait_s=0)
NOW_MS = make_contacts.TIME_MS + 100_000
Item = dict[str, Any]


class Town(msgspec.Struct):
    street: str
    zip: str


class Contact(Model, version=2):
    first: Pinned[str]
    last: str = ""
    email: Unique[str | None] = None
    born: Indexed[int | None] = None
    tags: list[str] = []
    address: Town | None = None


def split(old: Item) -> Item:
    first, _, last = old.pop("name").partition(" ")
    if old["address"]:
        old["address"]["zip"] = f"{old['address']['zip']:05}"
    return {
        **old,
        "first": first,
        "last": last,
        "born": old["born"] if old["born"] != 1970 else None,
    }


def items_of(state: ModelState) -> list[Item]:
    """Give all items in creation order, those that were evicted as well."""
    slots = state.tables.projection.slots.values()
    return [json.loads(state.payload(slot)) for slot in sorted(slots)]


def golden_copy(name: str, tmp_path: Path) -> str:
    shutil.copytree(GOLDEN / name, tmp_path / name)
    return str(tmp_path / name)


def walked(log: EventLog, position: Position | None) -> list[Event]:
    """Walk back from an item's last record, through the archive if need be."""
    found: list[Event] = []
    while position is not None:
        found.append(log.read(position))
        position = found[-1].prev
    return found


def opened(
    directory: str, *migrations: Migration, retention: Retention = EVERYTHING
) -> tuple[EventLog, ModelState]:
    schema = schema_of(Contact)
    stamp = LogStamp(schema.name, schema.fingerprint, schema.description)
    state = ModelState(ModelHandler(Contact, directory), 1000, retention)
    state.migrations = migrations
    log = EventLog.open(OsFiles(), directory, stamp, OPTIONS, NOW_MS)
    try:
        load(log, state, NOW_MS, lambda: None)
    except BaseException:
        log.close()
        raise
    return log, state


def contact(key: str, first: str, last: str, **more: object) -> Item:
    empty: Item = {"email": None, "born": None, "tags": [], "address": None}
    return {"id": key, "first": first, "last": last, **empty, **more}


ADA = contact("ada", "Ada", "Lovelace", email="ada@example.org", born=1821, tags=["maths"])
ALAN = contact("alan", "Alan", "Turing", email="alan@example.org", born=1912)
ZOE = contact("é-ß", "Zoë", "", tags=["a", "b"])
EDSGER = contact("edsger", "Edsger", "Dijkstra")
GRACE = contact("grace", "Grace", "Brewster Hopper")


def test_the_declaration_is_described_as_it_was() -> None:
    """Otherwise a log that was written before would be taken for one of another class."""
    assert make_contacts.SCHEMA.fingerprint.hex() == FINGERPRINT


BY_VERSION = Migration(split, 1)


@pytest.mark.parametrize(
    "migration",
    [BY_VERSION, Migration(split, from_fingerprint=bytes.fromhex(FINGERPRINT))],
    ids=["version", "fingerprint"],
)
def test_the_golden_log_is_read_with_a_migration(migration: Migration, tmp_path: Path) -> None:
    log, state = opened(golden_copy("contacts_1", tmp_path), migration)
    assert items_of(state) == [ADA, ALAN, ZOE, EDSGER, GRACE]
    assert state.seq == 16
    grace = state.last_position("grace")
    assert grace is not None
    history = [state.present(event) for event in walked(log, grace)]
    found: list[tuple[int, Item]] = [(e.kind, json.loads(e.payload)) for e in history]
    before = contact(
        "grace", "Grace", "Hopper", address={"street": "Main Street 1", "zip": "00007"}
    )
    assert found == [(1, GRACE), (3, before), (1, before)]
    log.close()


TONY = contact("tony", "Tony", "Hoare", born=1934)
LATER_ALAN = {**ALAN, "tags": ["machines"]}
COMPACTED = [ADA, LATER_ALAN, ZOE, GRACE, TONY]
PURGED = [LATER_ALAN, ZOE, GRACE, {**TONY, "tags": ["quick"]}]


@pytest.mark.parametrize(
    ("name", "items"), [("contacts_1_compacted", COMPACTED), ("contacts_1_purged", PURGED)]
)
@pytest.mark.parametrize("retained", [EVERYTHING, Retention(count=2)], ids=["all", "two"])
def test_the_golden_snapshots_are_read_with_a_migration(
    name: str, items: list[Item], retained: Retention, tmp_path: Path
) -> None:
    directory = golden_copy(name, tmp_path)
    log, state = opened(directory, BY_VERSION, retention=retained)
    assert items_of(state) == items
    assert log.snapshot is not None
    home = state.last_position("alan")
    assert home is not None
    kinds = [event.kind for event in walked(log, home)]
    assert kinds == [2, 2, 1]
    log.close()
    found = verify(OsFiles(), directory, lambda _done, _all: None)
    assert found.is_sound
    _, again = opened(directory, BY_VERSION)
    assert items_of(again) == items


def test_of_the_purged_item_nothing_is_in_the_golden_files(tmp_path: Path) -> None:
    """The canary of the purge: it is in the files from before."""
    before, after = GOLDEN / "contacts_1_compacted", GOLDEN / "contacts_1_purged"
    names = [path.relative_to(before) for path in before.glob("archive/*.raftlog")]
    assert any(b"Lovelace" in (before / name).read_bytes() for name in names)
    for path in after.rglob("*"):
        if path.is_file():
            assert b"Lovelace" not in path.read_bytes(), path
            assert b"ada" not in path.read_bytes(), path
    for name in names:
        assert (before / name).stat().st_size == (after / name).stat().st_size


def test_without_a_migration_it_is_said_what_to_write(tmp_path: Path) -> None:
    directory = golden_copy("contacts_1", tmp_path)
    with pytest.raises(SchemaChanged) as caught:
        opened(directory)
    sentence = str(caught.value)
    assert 'field "name" is gone (it was str)' in sentence
    assert 'field "address" was ' in sentence
    assert f'@migrate(Contact, from_fingerprint="{FINGERPRINT}") or from_version=1' in sentence


def test_the_golden_log_is_still_written_byte_for_byte(tmp_path: Path) -> None:
    make_contacts.make(str(tmp_path))
    written = {path.name: path.read_bytes() for path in tmp_path.glob("*.raftlog")}
    assert written == {path.name: path.read_bytes() for path in (GOLDEN / "contacts_1").iterdir()}
