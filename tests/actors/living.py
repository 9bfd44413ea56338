"""A model that lives: its state over a real log on a simulated disk, and what it was at each event.

Owns the truth that tests of the past compare with: plain dicts, one for each seq.
"""

import itertools
import random

import msgspec

from lithair.actors.errand_process import present_form
from lithair.actors.item_past import HistoryWork, PastItemWork, check_as_of
from lithair.actors.log_loading import load
from lithair.actors.past_list import past_list
from lithair.actors.time_travel import Bounds, PastQuestion, past_task
from lithair.core.command import PUBLIC, TRUSTED, Action, Command
from lithair.core.event import EventKind
from lithair.core.model_state import EVERYTHING, ModelState
from lithair.core.problem import Refusal
from lithair.core.reads import Read
from lithair.declaration import ModelDeclaration
from lithair.declaration.packing import Part
from lithair.handler import ModelHandler
from lithair.model import Model
from lithair.retention import Retention
from lithair.storage.compaction import CompactionPlan, compact
from lithair.storage.event_log import EventLog, LogOptions, LogStamp
from lithair.storage.snapshot import Snapshot
from tests.core.films import LIST_BYTES_MAX, NOW_MS, Film
from tests.support.simulated_files import SimulatedFiles

DIRECTORY = "/data/films"
KEYS = "abcdef"

Item = tuple[int, bytes]  # seq of its last event, and its JSON


def nothing_done(_done: int, _total: int) -> None:
    """Report nothing."""


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]


class Living:
    """One model, driven as its process drives it; `pasts[seq]` is what it was after that event."""

    def __init__(self, segment_bytes_max: int = 1 << 20, retention: Retention = EVERYTHING) -> None:
        self.files = SimulatedFiles()
        self.now_ms = NOW_MS
        self.pasts: list[dict[str, Item]] = [{}]
        self.times: list[int] = [0]  # of each seq
        self.facts: dict[str, list[int]] = {}  # the seqs of each item's events
        self._numbers = itertools.count(1)
        self._options = LogOptions(segment_bytes_max=segment_bytes_max, lock_wait_s=0)
        self.declare(Film, retention)
        self.open()

    def declare(self, model: type[Model], retention: Retention = EVERYTHING) -> None:
        """Change the declaration; it counts from the next `open` on."""
        part = Part(model.__name__.encode(), ModelHandler(model, "unused"))
        self.model = ModelDeclaration("films", "Film", "/films", DIRECTORY, retention, part)

    def open(self) -> None:
        """Begin a life of its process, from what the disk holds."""
        self.state = ModelState(self.model.handler, 1000, self.model.retention)
        schema = self.state.schema
        stamp = LogStamp(schema.name, schema.fingerprint, schema.description)
        self.log = EventLog.open(self.files, DIRECTORY, stamp, self._options, self.now_ms)
        load(self.log, self.state, self.now_ms, lambda: None)

    def compact(self, *, keep_history: bool = False) -> None:
        """Do what a model process does to compact its log."""
        cut = self.log.seal()
        keep_history = keep_history or self.log.has_archive
        plan = CompactionPlan(cut, self.now_ms, keep_history)
        name = compact(self.files, DIRECTORY, plan, present_form(self.model), nothing_done)
        parity = self.log.stage(name)
        snapshot = Snapshot.open(self.files, DIRECTORY, name)
        for block in snapshot.items():
            self.state.adopt(block, parity, 0, len(block.keys))
        snapshot.close()
        for path in self.log.install(keep_history=keep_history):
            self.files.remove(path)
        if not keep_history:
            self.state.forget_graves(cut)

    def do(self, action: Action, key: str = "", body: bytes = b"") -> int:
        """Carry out one command; gives its status."""
        command = Command(
            action=action,
            command_id=next(self._numbers).to_bytes(16, "big"),
            key=key,
            body=body,
        )
        plan = self.state.decide([command], self.now_ms, lambda: "unused")
        placed = self.log.append(plan.events).placed if plan.events else []
        for event in plan.events:
            past = dict(self.pasts[-1])
            if event.kind == EventKind.DELETE:
                del past[event.key]
            else:
                past[event.key] = (event.seq, event.payload)
            self.pasts.append(past)
            self.times.append(event.time_ms)
            self.facts.setdefault(event.key, []).append(event.seq)
        (answer,) = self.state.answers(plan)
        self.state.commit(plan, placed)
        while self.state.evict(self.now_ms, 10):
            pass
        return answer.status

    def write(self, rng: random.Random, commands: int) -> None:
        """Write at random: some create, change, delete and create again what there was."""
        for number in range(commands):
            self.now_ms += rng.choice((0, 0, 1, 7))
            key = rng.choice(KEYS)
            title = f'"{number}"' if rng.random() < 0.5 else "null"
            body = f'{{"id":"{key}","title":{title},"year":{rng.randrange(5)},"stock":{number}}}'
            if rng.random() < 0.25:
                self.do(Action.ERASE, key)
            else:
                self.do(Action.UPSERT_AT, key, body.encode())

    def item(self, key: str, *pairs: tuple[str, str], access: str = TRUSTED) -> Read:
        """Ask for an item as it was, as a request does; raises LithairError."""
        query = self.state.views[access].queries.read_item(pairs)
        assert query.as_of is not None
        check_as_of(query.as_of, self.state, self.log)
        work = PastItemWork(self.state, self.log, key, query, access)
        while (read := work.step()) is None:
            pass
        return read

    def item_at(self, key: str, as_of: str) -> Item | None:
        try:
            read = self.item(key, ("as_of", as_of))
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            return None
        return read.item_seq, read.body

    def page(self, *pairs: tuple[str, str], is_count: bool = False) -> Read:
        """Ask for a list as it was, as a request does; raises LithairError."""
        query = self.state.views[TRUSTED].queries.read(pairs, for_count=is_count)
        assert query.as_of is not None
        check_as_of(query.as_of, self.state, self.log)
        bounds = Bounds(1000, LIST_BYTES_MAX)
        question = PastQuestion(b"", 1, 0, TRUSTED, pairs, query.as_of, is_count)
        task = past_task(question, self.state, self.log, bounds)
        return past_list(self.files, self.model, task, nothing_done)

    def items_at(self, as_of: str) -> list[bytes]:
        """Give the items that a list shows as they were, in order."""
        body = self.page(("as_of", as_of)).body
        return [bytes(raw) for raw in msgspec.json.decode(body, type=_Page).data]

    def history(self, key: str, access: str = PUBLIC) -> list[dict[str, object]]:
        """Give an item's history; raises Refusal 404 when there is none."""
        work = HistoryWork(self.state, self.log, key, access)
        while (read := work.step()) is None:
            pass
        return msgspec.json.decode(read.body, type=list[dict[str, object]])
