"""The token cache: what a store last said of each token, and what its feed says since.

Law: an entry is what the store holds, or what it held less than `SILENT_S` ago. The feed tells of
every change; after a gap in it, or a new life of the store, nothing that was known counts, and
while it is silent nothing is answered from here. A key is never used twice, so a token that was
deleted stays deleted, in whatever order its answers and its events arrive.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, TypeVar

from lithair.core.event import EventKind
from lithair.internal import dies_ms
from lithair.wire.messages import FeedBatch, FeedEvent

W = TypeVar("W")

ENTRIES_MAX: Final = 100_000  # some 100 MB of sessions; one that fell out is asked for again
NOBODYS_MAX: Final = 10_000  # hashes; more would only help who sends made-up tokens
SILENT_S: Final = 1.0  # four beats of the feed
NEVER_MS: Final = 1 << 62


class Times(NamedTuple):
    """When a token was last used and when it dies, in milliseconds since 1970."""

    seen_ms: int
    expires_ms: int
    idle_ms: int | None = None  # how long it may lie unused
    touch_ms: int | None = None  # how long a use may go unsaid; None: for ever


class Entry(Generic[W]):
    """One token: its key (its hash), whose it is, and its times."""

    __slots__ = ("_times", "dies_ms", "key", "seen_ms", "seq", "touch_due_ms", "whose")

    def __init__(self, key: str, whose: W, seq: int, times: Times) -> None:
        self.key = key
        self.whose = whose
        self.seq = seq  # of the store, when this was so
        self._times = times
        self.seen_ms = 0
        self.dies_ms = 0  # from then on it is worth nothing
        self.touch_due_ms = 0  # from then on the store should hear of a use
        self.use(times.seen_ms)

    def use(self, now_ms: int) -> None:
        """It was used, and the store hears of it."""
        _, expires_ms, idle_ms, touch_ms = self._times
        self.seen_ms = now_ms
        self.dies_ms = dies_ms(now_ms, expires_ms, idle_ms)
        self.touch_due_ms = NEVER_MS if touch_ms is None else now_ms + touch_ms


EntryOf = Callable[[bytes, int], Entry[W]]  # of a record as it is stored, and the store's seq


class TokenCache(Generic[W]):
    """Owns the entries of one gateway; clocks are told, nothing here waits."""

    def __init__(self, entry_of: EntryOf[W]) -> None:
        self._entry_of = entry_of
        # Both oldest first; an ordinary dict is slow in giving up its first item again and again.
        self.entries: OrderedDict[str, Entry[W]] = OrderedDict()
        self._nobodys: OrderedDict[str, None] = OrderedDict()  # hashes of no token
        self._expected: set[str] = set()
        self.on_drop: Callable[[str], None] | None = None  # told of each token that has ended
        self._epoch = b""
        self._seq = 0  # the last that the feed told of
        self._joined = 0  # from this seq on it has told everything
        self.heard_s = -SILENT_S

    def is_followed(self, now_s: float) -> bool:
        """Tell whether the feed speaks, so that entries count."""
        return now_s - self.heard_s < SILENT_S

    def __len__(self) -> int:
        return len(self.entries)

    def get(self, key: str) -> Entry[W] | None:
        return self.entries.get(key)

    def is_nobodys(self, key: str) -> bool:
        """Tell whether there is certainly no such token, and never will be."""
        return key in self._nobodys

    def expect(self, key: str) -> None:
        """The store is being asked about a token: what the feed says of it must not be missed."""
        self._expected.add(key)

    def unexpect(self, key: str) -> None:
        """The store has answered, or has not."""
        self._expected.discard(key)

    def keep(self, entry: Entry[W], epoch: bytes) -> bool:
        """Take in what the store said in its life `epoch`; False when it has ended meanwhile."""
        key = entry.key
        if key in self._nobodys:
            return False
        known = self.entries.get(key)
        if known is not None and known.seq >= entry.seq:
            return True
        if epoch == self._epoch and entry.seq >= self._joined:
            self.entries[key] = entry
            _bound(self.entries, ENTRIES_MAX)
        return True

    def drop(self, key: str) -> None:
        """There is no such token, now and for ever."""
        self.entries.pop(key, None)
        self._nobodys[key] = None
        _bound(self._nobodys, NOBODYS_MAX)
        if self.on_drop is not None:
            self.on_drop(key)

    def take(self, batch: FeedBatch, now_s: float) -> None:
        """Follow what the feed tells."""
        first = batch.events[0].seq if batch.events else batch.seq + 1
        if batch.epoch != self._epoch or first != self._seq + 1:
            self.lose_track()
            self._epoch, self._joined = batch.epoch, batch.seq
        for event in batch.events:
            self._follow(event)
        self._seq = batch.seq
        self.heard_s = now_s

    def lose_track(self) -> None:
        """Nothing that was known counts any more."""
        self.entries.clear()
        self._nobodys.clear()
        self._epoch = b""
        self.heard_s = -SILENT_S

    def _follow(self, event: FeedEvent) -> None:
        if event.kind == EventKind.DELETE:
            self.drop(event.key)
            return
        known = self.entries.get(event.key)
        if known is None:
            is_wanted = event.key in self._expected
        else:
            is_wanted = event.seq > known.seq
        if is_wanted:
            self.entries[event.key] = self._entry_of(event.payload, event.seq)
            _bound(self.entries, ENTRIES_MAX)


def _bound(held: "OrderedDict[str, Any]", most: int) -> None:  # Any: whatever is held
    while len(held) > most:
        held.popitem(last=False)
