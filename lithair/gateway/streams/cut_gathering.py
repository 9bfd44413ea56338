"""Gathering a cut: a walk through the list of a model, and the events that come meanwhile.

    follow the events from T0; then page by page, each behind an item of the one before it; then
    wait until the events have come up to the seq of the last page: the cut is at that event

Law: each page is exact at its seq, which is T0 or later, and the list keeps the order of creation.
So an item that no event has changed since T0 is on just one page, or on none because it is not
there; and of one that has been changed, the last event tells all. That holds while the item to go
on behind stays where it was: when it was deleted, a page that went by it is thrown away (the same
id may have come back at the end of the list), and the walk goes on behind another one.
"""

import asyncio
import errno
import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol, cast

import msgspec

from lithair.core.event import EventKind
from lithair.gateway.answers import RETRY_AFTER_S, Problem
from lithair.gateway.streams.cut import BLOCK_BYTES, OF_PAGE, Cut, Entry
from lithair.gateway.streams.cut_source import CutSource, Onlooker
from lithair.storage.spool import Spool
from lithair.wire.messages import FeedEvent, Reply
from lithair.wire.protocol import PUBLIC, TRUSTED, Verb

TAKE_GROWTH: Final = 4  # items may be 2 MiB each; what they are like is known after a page
SETBACKS_MAX: Final = 64  # pages thrown away or refused; with more nothing can be read there
ASK_AGAIN_S: Final = 0.2  # after a refusal
PATIENCE_S: Final = 30.0  # for events that a page knows of; an idle feed speaks each 250 ms
UNWRITTEN_BYTES_MAX: Final = 32 << 20  # of changes; a bulk write is 12 MiB, and comes at once
PAGES_KNOWN_MAX: Final = 64  # that can be gone back to; past them the walk begins again
NO_PAGE: Final = 0  # the page's number of changes

BUSY: Final = "The present items can't be gathered now; try again"
NO_ROOM: Final = "There is no room to gather the present items in"
OTHER_LOG: Final = "The model's log was exchanged for another one; try again"

log = logging.getLogger("lithair.http")


class Measure(NamedTuple):
    """How a list is walked through.

    A page of what passes a filter costs the model's process a look at all items, where no index
    can tell; a page of everything costs what it holds. So where more than `sifted_bytes_max` are to
    come, sifting is done here, and after `sifted_pages_max` pages in any case.
    """

    page_bytes: int = 128 << 10  # wanted of a page: about a millisecond of the loop's time
    first_take: int = 32
    take_max: int = 1000
    sifted_bytes_max: int = 1 << 20
    sifted_pages_max: int = 16


MEASURE: Final = Measure()


class _Page(NamedTuple):
    """An answer to LIST, and the id of each item."""

    items: list[bytes]
    keys: list[str]
    total: int
    has_more: bool


class Gathering:
    """One cut in the making: `run` it once."""

    def __init__(
        self, source: CutSource, onlooker: Onlooker, spool: Spool, measure: Measure = MEASURE
    ) -> None:
        self._source = source
        self._onlooker = onlooker
        self._measure = measure
        self._cut = Cut(spool)
        self._tip = 0  # up to which events were taken
        self._moved = asyncio.Event()  # by another tip, or a failure
        self._failure = ""
        self._changes: list[Entry] = []  # that are not written yet
        self._changes_bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._read_page = _page_reader(source.key_wire)
        self._sifts_there = bool(onlooker.filters) or onlooker.access not in (TRUSTED, PUBLIC)
        self._sifted = 0  # items that were sifted there
        # What can be gone on behind -> its page: one item of each, any of the newest. The last one
        # is the best; whatever is behind it on its page is there no more.
        self._anchors: dict[str, int] = {}
        self._deleted: dict[str, int] = {}  # since a page was asked for: id -> seq
        self._pages = 0  # that hold
        self._take = measure.first_take
        self._setbacks = 0

    async def run(self) -> Cut:
        """Gather the cut; raises Problem 503. Whoever gets it has to release it."""
        try:
            self._tip = self._source.attach(self)
            try:
                await (self._take_item() if self._onlooker.item_key else self._walk())
            finally:
                self._source.detach(self)
            self._cut.seq = self._tip
            await self._write_rest()
        except BaseException as error:
            if self._writing is not None:
                self._writing.cancel()
                await asyncio.gather(self._writing, return_exceptions=True)
            self._cut.release()
            if isinstance(error, OSError):
                raise _no_room(error) from error
            raise
        return self._cut

    # The taker's side: what happens meanwhile

    def take(self, events: Sequence[FeedEvent], upto: int) -> None:
        """Note which items have changed, and what they are now."""
        only, marks = self._onlooker.item_key, self._cut.marks
        for event in events:
            if only and event.key != only:
                continue
            marks[event.key] = event.seq
            if event.kind == EventKind.DELETE:
                self._anchors.pop(event.key, None)
                self._deleted[event.key] = event.seq
            elif (shown := self._onlooker.see(event.payload)) is not None:
                told = self._onlooker.encode_snapshot(shown)
                self._changes.append(Entry(event.key, event.seq, told))
                self._changes_bytes += len(told)
        if self._changes_bytes >= BLOCK_BYTES and self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())
        if self._changes_bytes > UNWRITTEN_BYTES_MAX:
            self._failure = BUSY
        self._tip = upto
        self._moved.set()

    def lose(self) -> None:
        """The log is another one now: what was gathered is worth nothing."""
        self._failure = OTHER_LOG
        self._moved.set()

    # The walk

    async def _walk(self) -> None:
        while True:
            anchor = next(reversed(self._anchors), None)
            page_before = 0 if anchor is None else self._anchors[anchor]
            if page_before < self._pages:  # nothing is left of what could be gone on behind
                self._cut.drop_pages(page_before + 1)
                self._pages = page_before
            reply = await self._ask_page(anchor)
            if reply is None:
                continue
            if anchor is not None and self._deleted.get(anchor, reply.seq + 1) <= reply.seq:
                self._set_back()
            elif not await self._keep(self._read_page(reply.body), reply.seq):
                return

    async def _ask_page(self, anchor: str | None) -> Reply | None:
        """Ask for what is behind an item, and wait for the events that the answer knows of.

        None when it was refused: go on behind another one.
        """
        self._deleted.clear()
        pairs = [("take", str(self._take))]
        if anchor is not None:
            pairs.append(("after", anchor))
        if self._sifts_there:
            pairs += self._onlooker.filters
        access = self._onlooker.access if self._sifts_there else TRUSTED
        reply = await self._source.ask(Verb.LIST, pairs, access)
        if reply.status == 200:
            await self._reach(reply.seq)
            return reply
        self._set_back()
        if reply.status == 400 and anchor is not None:  # it is gone, or not theirs any more
            self._anchors.pop(anchor, None)
        else:
            await asyncio.sleep(ASK_AGAIN_S)
        return None

    async def _keep(self, page: _Page, seq: int) -> bool:
        """Keep a page; tells whether another one follows."""
        self._pages += 1
        onlooker, encode = self._onlooker, self._onlooker.encode_snapshot
        entries: list[Entry] = []
        for key, item in zip(page.keys, page.items, strict=True):
            shown = item if self._sifts_there else onlooker.see(item)
            if shown is not None:
                entries.append(Entry(key, OF_PAGE, encode(shown)))
        has_more = page.has_more and bool(page.keys)
        if has_more:
            self._choose_anchors(page.keys, seq)
            self._choose_take(page)
        await self._cut.add(entries, self._pages)
        return has_more

    def _choose_anchors(self, keys: list[str], seq: int) -> None:
        """Have the walk go on behind this page, or if need be behind the last one of another."""
        last_ones = {number: key for key, number in self._anchors.items()}  # one of each page
        known = list(last_ones.items())[-PAGES_KNOWN_MAX:]
        self._anchors = {key: number for number, key in known}
        for key in keys:
            if self._deleted.get(key, 0) <= seq:
                self._anchors[key] = self._pages

    def _choose_take(self, page: _Page) -> None:
        """Choose how long the next page is, and who sifts it."""
        measure, count = self._measure, len(page.items)
        size = max(1, sum(map(len, page.items)) // count)  # of an item
        fitting = max(1, measure.page_bytes // size)
        self._take = min(fitting, TAKE_GROWTH * self._take, measure.take_max)
        if self._sifts_there:
            self._sifted += count
            left_bytes = (page.total - self._sifted) * size
            pages_left = measure.sifted_pages_max - self._pages
            self._sifts_there = left_bytes <= measure.sifted_bytes_max and pages_left > 0

    async def _take_item(self) -> None:
        """Gather the one item that is looked at."""
        onlooker = self._onlooker
        while (reply := await self._ask_item()).status not in (200, 404):
            self._set_back()
            await asyncio.sleep(ASK_AGAIN_S)
        await self._reach(reply.seq)
        shown = onlooker.see(reply.body) if reply.status == 200 else None
        if shown is not None:
            entry = Entry(onlooker.item_key, OF_PAGE, onlooker.encode_snapshot(shown))
            await self._cut.add([entry], NO_PAGE)

    async def _ask_item(self) -> Reply:
        return await self._source.ask(Verb.GET, self._onlooker.item_key, TRUSTED)

    async def _reach(self, seq: int) -> None:
        """Wait until all events up to `seq` were taken."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while self._tip < seq and not self._failure:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            raise refusal(BUSY) from None
        if self._failure:
            raise refusal(self._failure)
        if self._writing is not None and self._writing.done():
            self._writing.result()  # raises what has kept it from writing

    def _set_back(self) -> None:
        self._setbacks += 1
        if self._failure or self._setbacks > SETBACKS_MAX:
            raise refusal(self._failure or BUSY)

    # The changes

    async def _write(self) -> None:
        """Write changes until there are few."""
        while self._changes_bytes >= BLOCK_BYTES:
            await self._write_some()
        self._writing = None

    async def _write_rest(self) -> None:
        if self._writing is not None:
            await self._writing
        await self._write_some()

    async def _write_some(self) -> None:
        changes, self._changes, self._changes_bytes = self._changes, [], 0
        await self._cut.add(changes, NO_PAGE)


class _Answer(msgspec.Struct):
    data: list[msgspec.Raw]
    total: int
    has_more: bool


class _Identified(Protocol):
    key: str


def _page_reader(key_wire: str) -> Callable[[bytes], _Page]:
    """Make what reads an answer to LIST."""
    identified = msgspec.defstruct("Identified", [("key", str)], rename={"key": key_wire})
    key_of = cast("Callable[[bytes], _Identified]", msgspec.json.Decoder(identified).decode)
    decode = msgspec.json.Decoder(_Answer).decode

    def read(body: bytes) -> _Page:
        answer = decode(body)
        items = [bytes(raw) for raw in answer.data]
        keys = [key_of(item).key for item in items]
        return _Page(items, keys, answer.total, answer.has_more)

    return read


def refusal(sentence: str) -> Problem:
    """Make what is told to a reader who can't have a cut now."""
    return Problem(503, sentence, (("Retry-After", str(RETRY_AFTER_S)),))


def _no_room(error: OSError) -> Problem:
    if error.errno != errno.ENOSPC:
        log.error("what a reader is to be sent can't be kept: %s", error)
    return refusal(NO_ROOM)
