"""The token cache against a store whose answers and events arrive in any order."""

import random

import msgspec
import pytest

from lithair.core.event import EventKind
from lithair.gateway.identity import Identity
from lithair.gateway.sessions import entry_of, session_entry
from lithair.gateway.token_cache import (
    ENTRIES_MAX,
    NEVER_MS,
    NOBODYS_MAX,
    SILENT_S,
    Entry,
    TokenCache,
)
from lithair.internal import SessionRecord
from lithair.wire.messages import FeedBatch, FeedEvent

EPOCH = b"1" * 16
OTHER = b"2" * 16


def record(key: str, seen_ms: int = 0, idle_ms: int | None = None) -> SessionRecord:
    return SessionRecord(
        id=key,
        user_id="ada",
        role="Editor",
        data={"theme": "dark"},
        created_ms=0,
        seen_ms=seen_ms,
        expires_ms=1000,
        idle_ms=idle_ms,
    )


def event(seq: int, kind: EventKind, item: SessionRecord) -> FeedEvent:
    return FeedEvent(seq, 0, kind, item.id, msgspec.json.encode(item), b"")


def beat(seq: int, epoch: bytes = EPOCH) -> FeedBatch:
    return FeedBatch(epoch, seq, [])


def followed() -> TokenCache[Identity]:
    """Give a cache whose feed has just said that it is at event 5."""
    cache = TokenCache(entry_of)
    cache.take(beat(5), 0.0)
    return cache


def test_nothing_is_answered_before_the_feed_was_heard() -> None:
    cache = TokenCache(entry_of)
    assert not cache.is_followed(0.0)
    assert cache.keep(session_entry(record("a"), 5), EPOCH)
    assert cache.get("a") is None


def test_a_feed_that_is_silent_for_a_second_is_not_followed() -> None:
    cache = followed()
    assert cache.is_followed(SILENT_S - 0.01)
    assert not cache.is_followed(SILENT_S)
    cache.take(beat(5), 9.0)
    assert cache.is_followed(9.5)


def test_an_end_is_believed_before_the_answer_that_it_overtook() -> None:
    cache = followed()
    cache.take(FeedBatch(EPOCH, 6, [event(6, EventKind.DELETE, record("a"))]), 0.0)
    assert not cache.keep(session_entry(record("a"), 5), EPOCH)
    assert cache.get("a") is None
    assert cache.is_nobodys("a")


def test_an_answer_of_before_the_feed_began_is_not_kept() -> None:
    cache = followed()
    assert cache.keep(session_entry(record("a"), 4), EPOCH)
    assert cache.get("a") is None


@pytest.mark.parametrize("batch", [beat(7), beat(4), beat(5, OTHER)], ids=["gap", "back", "epoch"])
def test_after_a_gap_or_in_a_new_life_nothing_that_was_known_counts(batch: FeedBatch) -> None:
    cache = followed()
    cache.keep(session_entry(record("a"), 5), EPOCH)
    cache.drop("b")
    cache.take(beat(5), 0.0)
    assert cache.get("a") is not None
    cache.take(batch, 0.0)
    assert cache.get("a") is None
    assert not cache.is_nobodys("b")
    assert cache.is_followed(0.0)


def test_a_change_replaces_what_was_known_unless_that_is_newer() -> None:
    cache = followed()
    cache.keep(session_entry(record("a", seen_ms=3), 7), EPOCH)  # the answer came before its events
    older, newer = (record("a", seen_ms=seen_ms) for seen_ms in (2, 4))
    cache.take(FeedBatch(EPOCH, 6, [event(6, EventKind.UPDATE, older)]), 0.0)
    entry = cache.get("a")
    assert entry is not None
    assert entry.seen_ms == 3
    cache.take(FeedBatch(EPOCH, 8, [event(seq, EventKind.UPDATE, newer) for seq in (7, 8)]), 0.0)
    entry = cache.get("a")
    assert entry is not None
    assert entry.seen_ms == 4


def test_a_change_is_believed_before_the_answer_that_it_overtook() -> None:
    cache = followed()
    cache.expect("a")
    changed = record("a", seen_ms=3)
    cache.take(FeedBatch(EPOCH, 6, [event(6, EventKind.UPDATE, changed)]), 0.0)
    assert cache.keep(session_entry(record("a"), 5), EPOCH)
    cache.unexpect("a")
    entry = cache.get("a")
    assert entry is not None
    assert entry.seen_ms == 3


def test_what_is_kept_has_a_bound() -> None:
    cache = followed()
    one = record("a")
    for number in range(ENTRIES_MAX + 20_000):
        one.id = str(number)
        cache.keep(session_entry(one, 5), EPOCH)
    for number in range(NOBODYS_MAX + 10):
        cache.drop(f"x{number}")
    assert len(cache) == ENTRIES_MAX
    assert cache.get("19999") is None
    assert cache.get("20000") is not None
    assert not cache.is_nobodys("x9")
    assert cache.is_nobodys("x10")


def test_a_session_dies_when_it_expires_and_when_it_lay_unused() -> None:
    assert session_entry(record("a"), 1).dies_ms == 1000
    idle = session_entry(record("a", seen_ms=100, idle_ms=200), 1)
    assert idle.dies_ms == 300


def test_a_use_is_said_after_a_tenth_of_the_idle_time_or_a_minute() -> None:
    idle = session_entry(record("a", seen_ms=100, idle_ms=200), 1)
    assert idle.touch_due_ms == 120
    long = session_entry(record("a", idle_ms=86_400_000), 1)
    assert long.touch_due_ms == 60_000
    assert session_entry(record("a"), 1).touch_due_ms == NEVER_MS


class Play:
    """A store, its answers under way and its feed, which may lose messages, at random."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.cache = TokenCache(entry_of)
        self.epoch, self.seq, self.lives = EPOCH, 0, 1
        self.items: dict[str, SessionRecord] = {}
        self.ended: set[str] = set()
        self.answers: list[tuple[Entry[Identity], bytes]] = []  # under way
        self.feed: list[FeedBatch] = []  # under way
        self.states: dict[tuple[bytes, int], dict[str, int]] = {}  # what was so at each point
        self.heard: tuple[bytes, int] = (b"", 0)

    def write(self) -> None:
        known = list(self.items)
        self.seq += 1
        if not known or self.rng.random() < 0.4:
            item, kind = record(f"{self.lives}-{self.seq}", self.seq), EventKind.CREATE
            self.items[item.id] = item
        elif self.rng.random() < 0.5:
            item, kind = self.items[self.rng.choice(known)], EventKind.UPDATE
            item.seen_ms = self.seq
        else:
            item, kind = self.items.pop(self.rng.choice(known)), EventKind.DELETE
        self.feed.append(FeedBatch(self.epoch, self.seq, [event(self.seq, kind, item)]))
        self.remember()

    def remember(self) -> None:
        states = {key: item.seen_ms for key, item in self.items.items()}
        self.states[self.epoch, self.seq] = states

    def ask(self) -> None:
        if self.items:
            item = self.items[self.rng.choice(list(self.items))]
            self.cache.expect(item.id)
            self.answers.append((entry_of(msgspec.json.encode(item), self.seq), self.epoch))

    def answer(self) -> None:
        if self.answers:
            entry, epoch = self.answers.pop(self.rng.randrange(len(self.answers)))
            self.cache.keep(entry, epoch)
            key = entry.key
            if all(other.key != key for other, _ in self.answers):
                self.cache.unexpect(key)

    def hear(self) -> None:
        if self.feed:
            batch = self.feed.pop(0)
            self.heard = (batch.epoch, batch.seq)
            self.cache.take(batch, 0.0)

    def lose(self) -> None:
        if self.feed and self.rng.random() < 0.1:
            self.feed.pop(self.rng.randrange(len(self.feed)))

    def beat(self) -> None:
        self.remember()
        self.feed.append(beat(self.seq, self.epoch))

    def restart(self) -> None:
        if self.rng.random() < 0.02:
            self.lives += 1
            self.epoch = self.rng.randbytes(16)
            self.answers.clear()  # the connection they would have come by is closed
            self.beat()

    def check(self) -> None:
        """See that whatever the cache holds was so at the last event that it heard of, or later."""
        epoch, heard = self.heard
        for number in range(1, self.seq + 1):
            key = f"{self.lives}-{number}"
            entry = self.cache.get(key)
            if entry is None:
                continue
            assert entry.seq >= 1
            at = max(heard, entry.seq)
            known = self.states[epoch, at].get(key)
            assert known == entry.seen_ms, f"{key}: {entry.seen_ms} is known, {known} at {at}"


@pytest.mark.parametrize("seed", range(200))
def test_what_is_held_is_never_older_than_what_was_heard(seed: int) -> None:
    play = Play(seed)
    steps = (play.write, play.ask, play.answer, play.hear, play.lose, play.beat, play.restart)
    for _ in range(300):
        play.rng.choice(steps)()
        play.check()
