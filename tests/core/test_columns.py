"""Reading many items' values at once gives what reading them one by one gives."""

import datetime as dt
import enum

import msgspec

from lithair.core.kept import Kept
from lithair.core.schema import schema_of
from lithair.core.shape import Reader
from lithair.core.tables import path_of
from lithair.fields import Indexed, Pinned, Unique
from lithair.model import Model


class Mood(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Entry(Model):
    text: Indexed[str]
    at: Indexed[dt.datetime | None] = None
    mood: Indexed[Mood] = Mood.LOW
    mixed: Pinned[int | str | None] = None
    code: Unique[int | None] = None
    body: str = ""


ENTRIES = [
    Entry(id="a", text="", at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), mixed=3, code=1),
    Entry(id='"b"', text='a "quote", a comma', mood=Mood.HIGH, mixed="three", body="[,]"),
    Entry(id="ü", text="\u2028é\n", at=dt.datetime(1, 1, 1), code=-(1 << 60)),  # noqa: DTZ001
]


def test_columns_of_hot_and_of_evicted_items_are_their_values_one_by_one() -> None:
    schema = schema_of(Entry)
    kept = Kept(schema)
    fields = [f for f in schema.fields if f.pinned or f.indexed or f.unique or f.primary_key]
    paths = [path_of(field) for field in fields]
    payloads = [msgspec.json.encode(entry) for entry in ENTRIES]
    cells = [kept.cell(payload) for payload in payloads]
    keys = [entry.id for entry in ENTRIES]
    hot, warm = Reader(paths), kept.reader(paths)
    rows = [hot.read(payload) for payload in payloads]
    assert [warm.read(cell, key) for cell, key in zip(cells, keys, strict=True)] == rows
    columns = [list(column) for column in zip(*rows, strict=True)]
    assert hot.read_columns(payloads) == columns
    assert warm.read_columns(cells, keys) == columns
    assert hot.read_columns([]) == warm.read_columns([], []) == [[] for _ in paths]
