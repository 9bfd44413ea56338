"""A model that is followed: its real state, lists and events, with a feed that comes when it likes.

Stands in for the model's process and for the gateway's feed of it, and knows what every past was.
"""

import asyncio
import random
from collections.abc import Callable

import msgspec

from lithair.actors.model_jobs import ListWork
from lithair.core import reads
from lithair.core.command import TRUSTED, Action
from lithair.core.event import EventKind
from lithair.core.problem import Refusal, problem_of
from lithair.core.reads import Read
from lithair.gateway.streams.cut import Cut
from lithair.gateway.streams.cut_source import Onlooker, Taker
from lithair.gateway.streams.selection import Selection
from lithair.transport.pending import Asked
from lithair.wire.messages import FeedEvent, Filters, Reply
from lithair.wire.protocol import Verb
from tests.core.films import LIST_BYTES_MAX
from tests.core.products import Shop

TURNS_MAX = 100_000  # of the loop
USERS = ("ada", "ben", None)


class Followed:
    """Products; each question is asked amid writes, and events come late."""

    def __init__(self, chance: random.Random, keys: int) -> None:
        self.shop = Shop()
        self.chance = chance
        self.keys = [f"p{number}" for number in range(keys)]
        self.pasts: list[dict[str, bytes]] = [{}]  # at each seq
        self.writes_a_question = 4
        self.is_late = True  # the feed, when somebody begins to follow it
        self.refuses = 0.0  # of all questions, how many
        self.asked: list[tuple[Verb, Asked]] = []
        self._takers: dict[Taker, int] = {}  # up to which events were given to each

    # What happens to it

    def put(self, key: str, **fields: object) -> None:
        item = {"owner": self.chance.choice(USERS), "cost": self.chance.randrange(4), **fields}
        body = msgspec.json.encode({"id": key, **item})
        assert self.shop.do(Action.UPSERT_AT, key, body, TRUSTED).status == 200
        self._note()

    def delete(self, key: str) -> None:
        assert self.shop.do(Action.ERASE, key, b"", TRUSTED).status == 200
        self._note()

    def write(self) -> None:
        """Create, change, delete or create again something."""
        key = self.chance.choice(self.keys)
        if key in self.pasts[-1] and self.chance.random() < 0.6:
            self.delete(key)
            if self.chance.random() < 0.3:
                self.put(key)
        else:
            self.put(key)

    def _note(self) -> None:
        for event in self.shop.events[len(self.pasts) - 1 :]:
            past = dict(self.pasts[-1])
            past.pop(event.key, None)
            if event.kind != EventKind.DELETE:
                past[event.key] = event.payload
            self.pasts.append(past)

    def write_some(self) -> None:
        for _ in range(self.chance.randrange(self.writes_a_question + 1)):
            self.write()

    # The source's side

    key_wire = "id"

    @property
    def followers(self) -> int:
        return len(self._takers)

    def attach(self, taker: Taker) -> int:
        now = len(self.shop.events)
        seq = self.chance.randint(0, now) if self.is_late else now
        self._takers[taker] = seq
        return seq

    def detach(self, taker: Taker) -> None:
        del self._takers[taker]

    async def ask(self, verb: Verb, argument: Asked, access: str) -> Reply:
        self.asked.append((verb, argument))
        self.write_some()
        self.give_some()
        await asyncio.sleep(0)
        try:
            if self.chance.random() < self.refuses:
                raise Refusal(503, "not now")
            read = await self._answer(verb, argument, access)
        except Refusal as refusal:
            read = Read(refusal.status, problem_of(refusal))
        seq = read.seq or self.shop.state.seq
        self.after_answer(read.body)
        self.give_some()
        asyncio.get_running_loop().call_soon(self.give_all)
        return Reply(1, read.status, read.body, seq, read.item_seq, read.key)

    async def _answer(self, verb: Verb, argument: Asked, access: str) -> Read:
        state = self.shop.state
        if verb is Verb.GET:
            return reads.get(state, msgspec.convert(argument, str), access)
        assert verb is Verb.LIST
        pairs = msgspec.convert(argument, list[tuple[str, str]])
        work = ListWork(state, state.views[access].queries.read(pairs), access, LIST_BYTES_MAX)
        while (read := work.step()) is None:
            self.write_some()
        return read

    def after_answer(self, body: bytes) -> None:
        """Do what happens while an answer is on its way."""
        self.write_some()

    def give_some(self) -> None:
        self._give(self.chance.randint(0, 3))

    def give_all(self) -> None:
        self._give(len(self.shop.events))

    def lose(self) -> None:
        for taker in self._takers:
            taker.lose()

    def _give(self, count: int) -> None:
        for taker, given in self._takers.items():
            events = self.shop.events[given : given + count]
            told = [FeedEvent(e.seq, e.time_ms, e.kind, e.key, e.payload, e.before) for e in events]
            if told:
                self._takers[taker] = told[-1].seq
                taker.take(told, told[-1].seq)

    # What an onlooker has to see

    def selection(self, access: str, filters: Filters = (), item_key: str = "") -> Selection:
        return Selection("products", self.shop.state.views[access], access, filters, item_key)

    def seen_at(self, seq: int, onlooker: Onlooker) -> list[bytes]:
        """Give what an onlooker saw at a seq, as its events, sorted."""
        found: list[bytes] = []
        for key, payload in self.pasts[seq].items():
            shown = onlooker.see(payload)
            if shown is not None and onlooker.item_key in ("", key):
                found.append(onlooker.encode_snapshot(shown))
        return sorted(found)


async def read_all(cut: Cut) -> list[bytes]:
    """Read a cut from its beginning to its end, and give its events."""
    told: list[bytes] = []
    cursor: int | None = 0
    while cursor is not None:
        data, cursor = await cut.read(cursor)
        assert data or cursor is None
        told.append(data)
    events = b"".join(told).split(b"\n\n")
    assert events.pop() == b""
    return [event + b"\n\n" for event in events]


async def until(look: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    for _ in range(TURNS_MAX):
        if look():
            return
        await asyncio.sleep(0)
    raise AssertionError(f"it is not so after {TURNS_MAX} turns of the loop")
