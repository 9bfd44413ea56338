"""A model as its process runs it, in one thread and over a simulated disk: state, log, compaction.

Beside it stands a plain dict that every command is applied to as well, by rules of its own.
"""

import contextlib
import itertools
from typing import Annotated, Any, Final

import msgspec

from lithair.actors.log_loading import load
from lithair.core import reads
from lithair.core.command import TRUSTED, Action, Answer, Command
from lithair.core.event import Slot
from lithair.core.kept import is_hot
from lithair.core.model_state import ModelState
from lithair.core.page import Page
from lithair.core.scan import Scan
from lithair.core.schema import schema_of
from lithair.core.upgrade import Upgrade, upgrade_from
from lithair.fields import Indexed, Pinned, Unique
from lithair.handler import ModelHandler
from lithair.model import Model
from lithair.retention import Retention
from lithair.storage.compaction import CompactionPlan, PresentForm, compact
from lithair.storage.event_log import EventLog, LogOptions, LogStamp
from lithair.storage.snapshot import Snapshot
from tests.support.simulated_files import SimulatedFiles

DIRECTORY: Final = "/data/notes"
LIST_BYTES_MAX: Final = 1 << 24
Item = dict[str, Any]


class Note(Model):
    title: Pinned[str]
    code: Unique[str | None] = None
    size: Indexed[int | None] = None
    weight: float = 0.5
    body: str = ""
    tags: Annotated[list[str], msgspec.Meta(max_length=9)] = []


SCHEMA: Final = schema_of(Note)
STAMP: Final = LogStamp(SCHEMA.name, SCHEMA.fingerprint, SCHEMA.description)
HANDLER: Final = ModelHandler(Note, "unused")
DEFAULTS: Final[Item] = {"code": None, "size": None, "weight": 0.5, "body": "", "tags": []}
_ids = itertools.count(1)


def present_form_of(fingerprint: bytes, description: bytes) -> Upgrade | None:
    return upgrade_from(SCHEMA, (), fingerprint, description)


class Whole:
    """One life of a model's process."""

    def __init__(self, disk: SimulatedFiles, retention: Retention, now_ms: int) -> None:
        self.disk = disk
        self.now_ms = now_ms
        options = LogOptions(segment_bytes_max=2000, lock_wait_s=0)
        self.log = EventLog.open(disk, DIRECTORY, STAMP, options, now_ms)
        self.state = ModelState(HANDLER, 1000, retention)
        load(self.log, self.state, now_ms, lambda: None)
        self.keep()

    def run(self, *commands: Command) -> list[Answer]:
        """Carry out one batch: decide, append, commit."""
        plan = self.state.decide(commands, self.now_ms, lambda: f"id-{next(_ids)}")
        placed = self.log.append(plan.events).placed if plan.events else []
        answers = self.state.answers(plan)
        for at, outcome in enumerate(plan.outcomes):
            if outcome.repeat_of:
                events = self.log.command_events(outcome.repeat_of)
                shown = [self.state.present(event) for event in events]
                answers[at] = self.state.repeat(outcome.command, shown)
        self.state.commit(plan, placed)
        self.state.tables.tidy()
        return answers

    def keep(self) -> None:
        """Evict what is to be evicted by now."""
        while self.state.evict(self.now_ms, 3):
            pass

    def compact(self, *, keep_history: bool) -> None:
        """Merge everything so far into a snapshot, and read from it from now on."""
        cut = self.log.seal()
        if cut == self.log.cut:
            return
        kept = self.state.tables.kept
        form = PresentForm(
            SCHEMA.name,
            SCHEMA.fingerprint,
            SCHEMA.description,
            kept.wires,
            kept.cell,
            present_form_of,
        )
        plan = CompactionPlan(cut, self.now_ms, keep_history)
        name = compact(self.disk, DIRECTORY, plan, form, lambda _done, _of: None)
        self.adopt(name, self.log.stage(name))
        for path in self.log.install(keep_history=keep_history):
            self.disk.remove(path)
        if not keep_history:
            self.state.forget_graves(cut)

    def adopt(self, name: str, parity: int) -> None:
        with contextlib.closing(Snapshot.open(self.disk, DIRECTORY, name)) as staged:
            for block in staged.items():
                for start in range(0, len(block.keys), 7):
                    self.state.adopt(block, parity, start, 7)

    # What a caller sees

    def get(self, key: str) -> Item | None:
        if self.state.find(key) is None:
            return None
        return msgspec.json.decode(reads.get(self.state, key, TRUSTED).body, type=Item)

    def listed(self, *pairs: tuple[str, str]) -> tuple[list[Item], int]:
        """Give the items of a list, and their total."""
        query = self.state.views[TRUSTED].queries.read(pairs)
        scan = Scan(self.state.tables, self.state.payload, query)
        while (found := scan.advance()) is None:
            pass
        page = Page(self.state, found, query, TRUSTED, LIST_BYTES_MAX)
        while (read := page.advance()) is None:
            pass
        answer = msgspec.json.decode(read.body)
        return answer["data"], answer["total"]

    def count(self, *pairs: tuple[str, str]) -> int:
        query = self.state.views[TRUSTED].queries.read(pairs, for_count=True)
        scan = Scan(self.state.tables, self.state.payload, query)
        while (found := scan.advance()) is None:
            pass
        return found.total

    # What it is

    def content(self) -> list[tuple[object, ...]]:
        """Give everything that is known of each item, in creation order."""
        projection = self.state.tables.projection
        return [
            (
                key,
                self.state.payload(slot),
                projection.seqs[slot],
                projection.times[slot],
            )
            for key, slot in sorted(projection.slots.items(), key=lambda entry: entry[1])
        ]

    def indexes(self) -> list[object]:
        """Give what every index says, with keys instead of slots."""
        tables = self.state.tables
        keys = tables.projection.keys
        uniques = {w: {v: keys[s] for v, s in u.slots.items()} for w, u in tables.uniques.items()}
        ordered = {
            w: ([(v, keys[s]) for v, s in i.entries], [keys[s] for s in i.nulls])
            for w, i in tables.sorted.items()
        }
        return [uniques, ordered]

    def check_shape(self) -> None:
        """Each slot is hot, warm or dead; the sums are what they say they are."""
        projection = self.state.tables.projection
        cells = [cell for cell in projection.cells if cell is not None]
        hot = [cell for cell in cells if is_hot(cell)]
        live = [slot for slot, key in enumerate(projection.keys) if key is not None]
        assert sorted(projection.slots.values()) == live
        assert [s for s, cell in enumerate(projection.cells) if cell is not None] == live
        assert projection.hot_count == len(hot)
        assert projection.warm_count == len(cells) - len(hot)
        assert projection.hot_bytes == sum(map(len, hot))
        assert projection.warm_bytes == sum(map(len, cells)) - sum(map(len, hot))

    def hot_slots(self) -> list[Slot]:
        cells = self.state.tables.projection.cells
        return [Slot(s) for s, cell in enumerate(cells) if cell is not None and is_hot(cell)]


def command(action: Action, key: str = "", body: object = None) -> Command:
    """Make a command with an id of its own."""
    data = b"" if body is None else msgspec.json.encode(body)
    return Command(action=action, command_id=next(_ids).to_bytes(16, "big"), key=key, body=data)


class Expected:
    """The plain dict, and what each command does to it: gives the status to be answered."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    def is_taken(self, code: object, but: str) -> bool:
        return code is not None and any(
            item["code"] == code for key, item in self.items.items() if key != but
        )

    def create(self, item: Item) -> int:
        if item["id"] in self.items or self.is_taken(item.get("code"), ""):
            return 409
        self.items[item["id"]] = {**DEFAULTS, **item}
        return 201

    def replace(self, key: str, item: Item) -> int:
        if key not in self.items:
            return 404
        if self.is_taken(item.get("code"), key):
            return 409
        self.items[key] = {**DEFAULTS, **item, "id": key}
        return 200

    def patch(self, key: str, changes: Item) -> int:
        if key not in self.items:
            return 404
        if self.is_taken(changes.get("code"), key):
            return 409
        self.items[key] = {**self.items[key], **changes}
        return 200

    def delete(self, key: str) -> int:
        return 404 if self.items.pop(key, None) is None else 204

    def bulk(self, items: list[Item]) -> int:
        before = dict(self.items)
        for item in items:
            if self.create(item) != 201:
                self.items = before
                return 409
        return 201

    def listed(self, field: str, *, descending: bool) -> list[str]:
        """Give the ids sorted by a field: equals in creation order, null last."""
        present = [i for i in self.items.values() if i[field] is not None]
        nulls = [i["id"] for i in self.items.values() if i[field] is None]
        return [
            i["id"] for i in sorted(present, key=lambda i: i[field], reverse=descending)
        ] + nulls
