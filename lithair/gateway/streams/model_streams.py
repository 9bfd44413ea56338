"""The streams of one model in this gateway: its feed, and who is told what.

Owns the look-up of who is concerned by an event: audiences of everything and of filters look at
each, those of one item at the item's, those of one user's own items at what is or was that user's.
Law: an audience is there while it has readers, and has been given everything up to the feed's tip.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from lithair.core.shape import Reader as FieldReader
from lithair.core.tables import path_of
from lithair.core.view import Views
from lithair.gateway.answers import RETRY_AFTER_S, Problem
from lithair.gateway.model_site import ModelSite
from lithair.gateway.streams import encoding
from lithair.gateway.streams.asked import StreamAsked
from lithair.gateway.streams.audience import Audience, Counts
from lithair.gateway.streams.backlog import Backlog
from lithair.gateway.streams.cut_source import Taker
from lithair.gateway.streams.cuts import Cuts
from lithair.gateway.streams.model_feed import Gap, ModelFeed, problem_of
from lithair.gateway.streams.reader import Reader, Start
from lithair.gateway.streams.room import Room
from lithair.gateway.streams.selection import Selection
from lithair.storage.spool import Spools
from lithair.transport.pending import Asked
from lithair.wire.messages import ChangesPage, FeedEvent, Filters, Reply
from lithair.wire.protocol import Verb

PAGE_KEPT_S: Final = 1.0  # readers who come back together have missed the same

Known = tuple[str, Filters, str, bool]  # access, filters, item's key, in chunks


class ModelStreams:
    """All readers of one model."""

    def __init__(
        self, model: ModelSite, views: Views, run_dir: str, room: Room, spools: Spools
    ) -> None:
        self.model = model
        self.counts = Counts()
        self.readers: set[Reader] = set()
        self._run_dir = run_dir
        self._room = room
        self._views = views
        self._key_wire = views.schema.key.wire
        fields = views.schema.fields
        self._owner = next((FieldReader([path_of(f)]) for f in fields if f.owner), None)
        self._feed: ModelFeed | None = None
        self._starting: asyncio.Task[ModelFeed] | None = None
        self._audiences: dict[Known, Audience] = {}
        self._of_all: list[Audience] = []
        self._of_items: dict[str, list[Audience]] = {}
        self._of_users: dict[str, list[Audience]] = {}
        self._takers: list[Taker] = []
        self._cuts = Cuts(self, spools)
        self._pages: dict[int, asyncio.Task[ChangesPage]] = {}
        self._opening = 0  # readers that are being made

    # Who comes

    async def open(
        self, asked: StreamAsked, access: str, item_key: str, is_chunked: bool
    ) -> Reader:
        """Make a reader; raises Problem, or Refusal 400 when what is asked is not understood."""
        self._opening += 1
        try:
            return await self._open(asked, access, item_key, is_chunked)
        finally:
            self._opening -= 1

    async def _open(
        self, asked: StreamAsked, access: str, item_key: str, is_chunked: bool
    ) -> Reader:
        view = self._views[access]
        selection = Selection(self.model.name, view, access, asked.filters, item_key)
        feed = await self._started()
        if item_key and asked.since is None:
            await self._check_item(item_key, access)
        start = await self._start(feed, selection, asked, is_chunked)
        if feed is not self._feed:  # it has ended meanwhile
            if start.cut is not None:
                start.cut.release()
            raise _exchanged()
        reader = Reader(self._audience(selection, is_chunked), self, self._room, start)
        self.readers.add(reader)
        return reader

    async def _check_item(self, item_key: str, access: str) -> None:
        reply = await self.model.tell(Verb.GET, item_key, access=access)
        if reply.status == 404:
            raise Problem(404, "There is no such item")
        if reply.status != 200:
            raise problem_of(reply)

    async def _start(
        self, feed: ModelFeed, selection: Selection, asked: StreamAsked, is_chunked: bool
    ) -> Start:
        since, name = asked.since, selection.model
        if since is not None:
            try:
                if since < 0:
                    raise Gap(await feed.seq())
                known = self._audiences.get(_known(selection, is_chunked))
                if known is None or since > feed.tip or known.backlog.place_after(since) is None:
                    await self._changes(since)
            except Gap as gap:
                if not asked.is_snapshot:
                    return Start(encoding.reset(gap.seq), gap.seq)
                cut = await self._cuts.open(selection)
                return Start(encoding.reset_before_snapshot(gap.seq), cut.seq, True, cut)
            opening = encoding.opening(encoding.CONNECTED, name, since)
            return Start(opening, since, asked.is_snapshot)
        if asked.is_snapshot:
            cut = await self._cuts.open(selection)
            return Start(b"", cut.seq, True, cut)
        seq = await feed.seq()
        return Start(encoding.opening(encoding.CONNECTED, name, seq), seq)

    def _audience(self, selection: Selection, is_chunked: bool) -> Audience:
        known = _known(selection, is_chunked)
        audience = self._audiences.get(known)
        if audience is None:
            audience = Audience(selection, is_chunked, self.tip, self._room, self.counts)
            self._audiences[known] = audience
            self._room.audiences += 1
            self._place(selection).append(audience)
        return audience

    def _place(self, selection: Selection) -> list[Audience]:
        if selection.item_key:
            return self._of_items.setdefault(selection.item_key, [])
        if selection.user:
            return self._of_users.setdefault(selection.user, [])
        return self._of_all

    def left(self, reader: Reader) -> None:
        """Forget a reader, and his audience with the last one."""
        self.readers.discard(reader)
        audience = reader.audience
        if audience.readers:
            return
        selection = audience.selection
        del self._audiences[_known(selection, audience.is_chunked)]
        self._room.audiences -= 1
        self._place(selection).remove(audience)
        for places, key in (
            (self._of_items, selection.item_key),
            (self._of_users, selection.user),
        ):
            if not places.get(key, True):
                del places[key]
        audience.close()

    # The feed

    async def _started(self) -> ModelFeed:
        while self._feed is None:
            if self._starting is None:
                self._starting = asyncio.create_task(self._begin())
                self._starting.add_done_callback(self._begun)
            await asyncio.shield(self._starting)
        return self._feed

    async def _begin(self) -> ModelFeed:
        feed = ModelFeed(self.model, self._run_dir, self._take, self._lose)
        try:
            await feed.start()
        except BaseException:
            feed.close()
            raise
        self._feed = feed
        return feed

    def _begun(self, starting: "asyncio.Task[ModelFeed]") -> None:
        self._starting = None
        if not starting.cancelled():
            starting.exception()  # seen, also when nobody waits for it any more

    def _take(self, events: Sequence[FeedEvent]) -> None:
        """Tell everybody what has happened."""
        touched: list[Audience] = []
        for event in events:
            touched += [each for each in self._concerned(event) if each.take(event)]
        for taker in list(self._takers):
            taker.take(events, self.tip)
        for audience in touched:
            audience.flush()
        while self._room.is_overfull and self._lag_farthest():
            pass

    def _concerned(self, event: FeedEvent) -> Iterable[Audience]:
        of_item = self._of_items.get(event.key) if self._of_items else None
        if not self._of_users and of_item is None:
            return self._of_all
        concerned = self._of_all + (of_item or [])
        if self._of_users:
            users = {self._owner_of(event.payload), self._owner_of(event.before)}
            for user in users:
                concerned += self._of_users.get(user, ())
        return concerned

    def _owner_of(self, payload: bytes) -> str:
        if not payload or self._owner is None:
            return ""
        owner = self._owner.read(payload)[0]
        return owner if isinstance(owner, str) else ""

    def settle(self) -> None:
        """Look after those who are behind."""
        for audience in list(self._audiences.values()):
            if audience.behind:
                audience.settle()

    def _lag_farthest(self) -> bool:
        """Make room where most is held; False when there is nothing to drop here."""
        fullest = max(self._audiences.values(), key=lambda each: len(each.backlog), default=None)
        return fullest is not None and len(fullest.backlog) > 0 and fullest.lag_farthest()

    def _lose(self) -> None:
        """The log is another one: every reader comes back, and is told."""
        self._feed = None
        for page in self._pages.values():
            page.cancel()
        self._pages.clear()
        for taker in list(self._takers):
            taker.lose()
        self._cuts.forget()
        for reader in list(self.readers):
            reader.end()

    # What readers on their way ask for

    @property
    def tip(self) -> int:
        """Give the seq up to which all audiences were given everything."""
        return self._followed.tip

    @property
    def _followed(self) -> ModelFeed:
        if self._feed is None:  # it has just ended, and its readers with it
            raise _exchanged()
        return self._feed

    async def reach(self, seq: int) -> None:
        """Wait until the tip is there."""
        await self._followed.reach(seq)

    async def page(self, audience: Audience, since: int) -> tuple[Backlog, int]:
        """Give what follows a seq, and up to where; raises Gap, or Problem to ask again."""
        upto, events = await self._changes(since)
        page = audience.page(since, events)
        return page, upto

    async def _changes(self, since: int) -> ChangesPage:
        """Ask for what follows a seq; who asks for the same at the same time shares the answer."""
        asking = self._pages.get(since)
        if asking is None:
            asking = asyncio.create_task(self._followed.page(since))
            self._pages[since] = asking
            asking.add_done_callback(lambda done: self._asked(since, done))
        return await asyncio.shield(asking)

    def _asked(self, since: int, asking: "asyncio.Task[ChangesPage]") -> None:
        is_worth_keeping = (
            not asking.cancelled() and asking.exception() is None and asking.result().upto > since
        )
        if is_worth_keeping:
            asyncio.get_running_loop().call_later(PAGE_KEPT_S, self._drop_page, since, asking)
        else:
            self._drop_page(since, asking)

    def _drop_page(self, since: int, asking: "asyncio.Task[ChangesPage]") -> None:
        if self._pages.get(since) is asking:
            del self._pages[since]

    # What cuts are made from: `CutSource`

    @property
    def key_wire(self) -> str:
        """Give the name of the field that is the id."""
        return self._key_wire

    def attach(self, taker: Taker) -> int:
        """Have a taker follow from now on; gives the tip."""
        self._takers.append(taker)
        return self.tip

    def detach(self, taker: Taker) -> None:
        if taker in self._takers:
            self._takers.remove(taker)

    async def ask(self, verb: Verb, argument: Asked, access: str) -> Reply:
        """Ask the model's process; a refusal is an answer, too."""
        return await self.model.tell(verb, argument, access=access)

    # The end

    @property
    def is_idle(self) -> bool:
        """Tell whether nobody reads, and nobody is about to."""
        return not self.readers and not self._takers and not self._opening

    def rest(self) -> None:
        """Stop following while nobody reads."""
        if self._feed is not None:
            self._feed.close()
            self._feed = None
        self._cuts.forget()

    def close(self) -> None:
        """End every stream."""
        if self._starting is not None:
            self._starting.cancel()
        for page in self._pages.values():
            page.cancel()
        self._cuts.close()
        self.rest()


def _known(selection: Selection, is_chunked: bool) -> Known:
    return selection.access, selection.filters, selection.item_key, is_chunked


def _exchanged() -> Problem:
    fields = (("Retry-After", str(RETRY_AFTER_S)),)
    return Problem(503, "What is stored of the model was exchanged; try again", fields)
