"""Cuts of a model, for its readers: who asks while one is fresh shares it.

`open` one, `read` it from cursor 0 on until the cursor is None, at the reader's own pace, `release`
it however that ended; then comes what follows `seq`.

Law: an audience has one cut at a time that is being made or fresh; nothing is left of a cut once
the last of its readers has released it.
"""

import asyncio
from typing import Final

from lithair.gateway.streams.cut import Cut
from lithair.gateway.streams.cut_gathering import OTHER_LOG, Gathering, refusal
from lithair.gateway.streams.cut_source import CutSource, Onlooker
from lithair.storage.spool import Spools
from lithair.wire.messages import Filters

FRESH_S: Final = 5.0  # how long who comes later may share it; what happened since is soon told
GATHERED_MAX: Final = 2  # at a time, of a model: half of the lists that it has under way for us

_Audience = tuple[str, Filters, str]


class _Shared:
    """A cut that is being made, or is fresh; `askers` wait for it."""

    __slots__ = ("askers", "making")

    def __init__(self, making: "asyncio.Task[Cut]") -> None:
        self.making = making
        self.askers = 0


class Cuts:
    """The cuts of one model in one gateway."""

    def __init__(self, source: CutSource, spools: Spools) -> None:
        self._source = source
        self._spools = spools
        self._shared: dict[_Audience, _Shared] = {}
        self._room = asyncio.Semaphore(GATHERED_MAX)

    async def open(self, onlooker: Onlooker) -> Cut:
        """Give a cut that is at most some seconds old; raises Problem 503."""
        audience = (onlooker.access, onlooker.filters, onlooker.item_key)
        shared = self._shared.get(audience)
        if shared is None:
            making = asyncio.get_running_loop().create_task(self._make(onlooker))
            shared = self._shared[audience] = _Shared(making)
            making.add_done_callback(lambda _: self._made(audience, shared))
        shared.askers += 1
        try:
            await asyncio.wait((shared.making,))  # which is not cancelled with this one
        finally:
            shared.askers -= 1
            if not shared.askers and not shared.making.done():  # nobody waits for it any more
                self._drop(audience, shared)
        if shared.making.cancelled():
            raise refusal(OTHER_LOG)
        cut = shared.making.result()
        if not cut.hold():
            raise refusal(OTHER_LOG)
        return cut

    def forget(self) -> None:
        """Give out no cut any more that was made, or begun, before now."""
        for audience, shared in list(self._shared.items()):
            self._drop(audience, shared)

    def close(self) -> None:
        """Give up what is being made."""
        self.forget()

    async def _make(self, onlooker: Onlooker) -> Cut:
        async with self._room:
            return await Gathering(self._source, onlooker, self._spools.open()).run()

    def _made(self, audience: _Audience, shared: _Shared) -> None:
        """Keep a new cut while it is fresh."""
        making = shared.making
        if making.cancelled() or making.exception() is not None:
            self._drop(audience, shared)
        elif self._shared.get(audience) is shared:
            loop = asyncio.get_running_loop()
            loop.call_later(FRESH_S, self._drop, audience, shared)
        else:
            making.result().release()

    def _drop(self, audience: _Audience, shared: _Shared) -> None:
        if self._shared.get(audience) is not shared:
            return
        del self._shared[audience]
        making = shared.making
        if not making.done():
            making.cancel()
        elif not making.cancelled() and making.exception() is None:
            making.result().release()
