"""The streams of one gateway: how a reader is let in, kept alive, looked at again, and sent away.

Owns the clock of heartbeats. Law: who may read is asked when he comes, and again with each of his
heartbeats; when the answer is another one, his stream ends, and he may come back and ask anew.
"""

import asyncio
from collections.abc import Coroutine
from typing import Final

from lithair.core.schema import schema_of
from lithair.core.view import Views
from lithair.declaration import Declaration
from lithair.gateway.contract import OpenOutlet
from lithair.gateway.model_site import ModelSite
from lithair.gateway.request_figures import StreamFigures
from lithair.gateway.streams.asked import StreamAsked
from lithair.gateway.streams.model_streams import ModelStreams
from lithair.gateway.streams.reader import Reader
from lithair.gateway.streams.room import Room
from lithair.gateway.streams.visit import Visit
from lithair.storage.spool import Spools

LOOKS_PER_BEAT: Final = 4  # so a heartbeat is at most a quarter of its interval late
LOOK_S_MAX: Final = 1.0
LOOK_S_MIN: Final = 0.01
IDLE_S: Final = 10.0  # after the last reader has left; he may come back
GRACE_S: Final = 0.5  # at the end, for the last bytes


class _Guest:
    """A reader, and why he may read."""

    __slots__ = ("beat_due_s", "reader", "visit")

    def __init__(self, reader: Reader, visit: Visit, beat_due_s: float) -> None:
        self.reader = reader
        self.visit = visit
        self.beat_due_s = beat_due_s


class Streams:
    """All streams of a gateway."""

    def __init__(self, declaration: Declaration, run_dir: str, open_outlet: OpenOutlet) -> None:
        settings = declaration.settings
        self.is_on = declaration.has_streams
        self.open_outlet = open_outlet
        self._declaration = declaration
        self._run_dir = run_dir
        self._take_max = settings.max_take
        self._beat_s = settings.sse_heartbeat_s
        self._spools = Spools(run_dir)
        self._models: dict[str, ModelStreams] = {}
        self._idle_since_s: dict[str, float] = {}
        self._guests: dict[Reader, _Guest] = {}
        self._by_token: dict[str, set[Reader]] = {}
        self._checks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._room = Room(settings.sse_buffer_bytes, self._loop.time)
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._all_gone = asyncio.Event()  # of use once it is closed

    # Who comes and goes

    async def open(
        self,
        model: ModelSite,
        asked: StreamAsked,
        access: str,
        item_key: str,
        is_chunked: bool,
    ) -> Reader:
        """Make a reader; raises Problem, or Refusal 400 when what is asked is not understood."""
        streams = self._of(model)
        return await streams.open(asked, access, item_key, is_chunked)

    def welcome(self, reader: Reader, visit: Visit) -> None:
        """Look after a reader whose answer begins."""
        if self._is_closed:
            reader.end()
            return
        self._guests[reader] = _Guest(reader, visit, self._loop.time() + self._beat_s)
        if visit.token_hash:
            self._by_token.setdefault(visit.token_hash, set()).add(reader)
        if self._timer is None:
            self._look_later()

    def farewell(self, reader: Reader) -> None:
        """Forget a reader whose connection has ended."""
        reader.leave()
        guest = self._guests.pop(reader, None)
        if guest is None:
            return
        if not self._guests:
            self._all_gone.set()
        known = self._by_token.get(guest.visit.token_hash)
        if known is not None:
            known.discard(reader)
            if not known:
                del self._by_token[guest.visit.token_hash]

    def token_ended(self, token_hash: str) -> None:
        """End the streams of a session or token that has ended."""
        for reader in self._by_token.pop(token_hash, set()):
            reader.end()

    def _of(self, model: ModelSite) -> ModelStreams:
        streams = self._models.get(model.name)
        if streams is None:
            declared = self._declaration.model(model.name)
            assert declared is not None, f"{model.name} is not declared"
            views = Views(schema_of(declared.handler.model), self._take_max)
            streams = ModelStreams(model, views, self._run_dir, self._room, self._spools)
            self._models[model.name] = streams
        return streams

    # Heartbeats

    def _look_later(self) -> None:
        look_s = min(LOOK_S_MAX, max(LOOK_S_MIN, self._beat_s / LOOKS_PER_BEAT))
        self._timer = self._loop.call_later(look_s, self._look)

    def _look(self) -> None:
        now_s = self._loop.time()
        for guest in list(self._guests.values()):
            if now_s >= guest.beat_due_s and not guest.reader.has_ended:
                guest.beat_due_s = now_s + self._beat_s
                guest.reader.beat()
                if not guest.visit.is_for_good:
                    self._start(self._check(guest.reader, guest.visit))
        for name, streams in self._models.items():
            streams.settle()
            if not streams.is_idle:
                self._idle_since_s.pop(name, None)
            elif now_s - self._idle_since_s.setdefault(name, now_s) >= IDLE_S:
                streams.rest()
        self._look_later()

    def _start(self, check: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(check)
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    async def _check(self, reader: Reader, visit: Visit) -> None:
        if not await visit.holds():
            reader.end()

    # Figures, and the end

    def figures(self) -> dict[str, StreamFigures]:
        """Give what there is to tell, by model; the heartbeat thread may ask."""
        return {
            name: StreamFigures(len(streams.readers), streams.counts.events, streams.counts.lagged)
            for name, streams in list(self._models.items())
        }

    async def close(self) -> None:
        """End every stream: at once, and those that do not take their end soon after."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for check in self._checks:
            check.cancel()
        for reader in list(self._guests):
            reader.end()
        for streams in self._models.values():
            streams.close()
        if self._guests:
            self._all_gone.clear()
            try:
                async with asyncio.timeout(GRACE_S):
                    await self._all_gone.wait()
            except TimeoutError:
                pass
        for reader in list(self._guests):
            reader.cut_off()
