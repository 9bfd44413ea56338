"""A model that lives: its state over a real log on a simulated disk, and what it was at each event.

Owns the truth that tests of the past compare with: plain dicts, one for each seq.
"""

import itertools
import random

import msgspec

from lithair.actors.item_past import HistoryWork, PastItemWork, check_as_of
from lithair.core.command import PUBLIC, TRUSTED, Action, Command
from lithair.core.event import Event, EventKind
from lithair.core.model_state import ModelState
from lithair.core.problem import Refusal
from lithair.core.reads import Read
from lithair.handler import ModelHandler
from lithair.storage.event_log import EventLog, LogOptions, LogStamp
from tests.core.films import NOW_MS, Film
from tests.support.simulated_files import SimulatedFiles

DIRECTORY = "/data/films"
KEYS = "abcdef"

Item = tuple[int, bytes]  # seq of its last event, and its JSON


class Living:
    """One model, driven as its process drives it; `pasts[seq]` is what it was after that event."""

    def __init__(self, segment_bytes_max: int = 1 << 20) -> None:
        self.files = SimulatedFiles()
        self.now_ms = NOW_MS
        self.pasts: list[dict[str, Item]] = [{}]
        self.times: list[int] = [0]  # of each seq
        self.facts: dict[str, list[Event]] = {}
        self._numbers = itertools.count(1)
        self._options = LogOptions(segment_bytes_max=segment_bytes_max, lock_wait_s=0)
        self.state = ModelState(ModelHandler(Film, "unused"), take_max=1000)
        self.log = self._opened()

    def _opened(self) -> EventLog:
        schema = self.state.schema
        stamp = LogStamp(schema.name, schema.fingerprint, schema.description)
        log = EventLog.open(self.files, DIRECTORY, stamp, self._options, self.now_ms)
        for _ in log.replay():
            pass
        self.state.read_item = log.read_item
        return log

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
            self.facts.setdefault(event.key, []).append(event)
        return self.state.commit(plan, placed)[0].status

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

    def history(self, key: str, access: str = PUBLIC) -> list[dict[str, object]]:
        """Give an item's history; raises Refusal 404 when there is none."""
        work = HistoryWork(self.state, self.log, key, access)
        while (read := work.step()) is None:
            pass
        return msgspec.json.decode(read.body, type=list[dict[str, object]])
