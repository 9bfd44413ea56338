"""Asyncio handles: the same calls, awaited.

Law: nothing here blocks the event loop; a call that is cancelled may still have been carried out.
"""

import asyncio
import builtins
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Generic, TypeVar, overload

from lithair.client.answers import Compacted, HistoryEntry, Page, Purged, Stats
from lithair.client.calls import Call, Calls, PartialItem
from lithair.client.connection import TIMEOUT_S, Connection, RunDir
from lithair.client.filters import AsOf, Fields, Filters
from lithair.client.subscription import AsyncSubscription
from lithair.client.walk import Step, Walk

T = TypeVar("T")
R = TypeVar("R")


class AsyncHandle(Generic[T]):
    """Reads and writes one model; every method is awaited. See `Handle` for errors and promises."""

    def __init__(
        self,
        model: type[T] | str,
        run_dir: RunDir = None,
        connection: Connection | None = None,
    ) -> None:
        self._model = model
        self._calls: Calls[T] = Calls(model)
        self._connection = connection or Connection(run_dir)

    def __reduce__(self) -> tuple[object, ...]:
        return AsyncHandle, (self._model, None, self._connection)

    async def _do(self, call: Call[R]) -> R:
        return call.result(
            await asyncio.wrap_future(self._connection.start(self._calls.name, call))
        )

    # Reads

    @overload
    async def get(self, id: str, fields: None = ..., *, as_of: AsOf | None = ...) -> T | None: ...

    @overload
    async def get(
        self, id: str, fields: Fields, *, as_of: AsOf | None = ...
    ) -> PartialItem | None: ...

    async def get(
        self, id: str, fields: Fields | None = None, *, as_of: AsOf | None = None
    ) -> T | PartialItem | None:
        """Return an item, now or as it was at a seq or time; None when it is not (was not) there.

        With `fields` it is a partial dict. Raises Dropped when `as_of` was compacted away.
        """
        if fields is not None:
            return await self._do(self._calls.get_fields(id, fields, as_of))
        return await self._do(self._calls.get(id, as_of))

    @overload
    async def list(
        self,
        filters: Filters | None = ...,
        sort: str | Sequence[str] | None = ...,
        skip: int = ...,
        take: int | None = ...,
        fields: None = ...,
        as_of: AsOf | None = ...,
    ) -> Page[T]: ...

    @overload
    async def list(
        self,
        filters: Filters | None = ...,
        sort: str | Sequence[str] | None = ...,
        skip: int = ...,
        take: int | None = ...,
        *,
        fields: Fields,
        as_of: AsOf | None = ...,
    ) -> Page[PartialItem]: ...

    async def list(
        self,
        filters: Filters | None = None,
        sort: str | Sequence[str] | None = None,
        skip: int = 0,
        take: int | None = None,
        fields: Fields | None = None,
        as_of: AsOf | None = None,
    ) -> Page[T] | Page[PartialItem]:
        """Return a page; filters are `{"price": ">10"}`. With `fields`, items are partial dicts.

        With `as_of` (a seq or a time) the page is that of then; Dropped when it was compacted away.
        """
        pairs = self._calls.pairs(filters, sort, skip, take, (fields, as_of))
        if fields is not None:
            return await self._do(self._calls.list_fields(pairs))
        return await self._do(self._calls.list(pairs))

    async def count(self, filters: Filters | None = None, as_of: AsOf | None = None) -> int:
        """Return how many items match, or matched then."""
        return await self._do(self._calls.count(filters, as_of))

    async def iterate(self) -> AsyncIterator[T]:
        """Yield all items in creation order, a page at a time in memory.

        An item that is there all the while is given once. One created meanwhile comes at the end;
        one deleted meanwhile is left out when its page was not fetched yet.
        """
        walk = Walk(self._calls)
        while (page := await self._walk_on(walk.page())) is not None:
            for item in page:
                yield item

    async def _walk_on(self, steps: Step[R]) -> R:
        answer: object = None
        while True:
            try:
                call = steps.send(answer)
            except StopIteration as end:
                result: R = end.value
                return result
            answer = await self._do(call)

    async def history(self, id: str) -> builtins.list[HistoryEntry[T]]:
        """Return every event still held of an item, oldest first; empty when there is none."""
        return await self._do(self._calls.history(id))

    async def stats(self) -> Stats:
        """Return the model's figures."""
        return await self._do(self._calls.stats())

    async def compact(self, keep_history: bool = False) -> Compacted:
        """Merge the model's log into a snapshot, and return when that is done.

        It takes seconds a gigabyte: give the connection a time-out that is long enough.
        """
        return await self._do(self._calls.compact(keep_history))

    def subscribe(
        self, since: int | None = None, filters: Filters | None = None
    ) -> AsyncSubscription[T]:
        """Follow the model's events: those after seq `since`, or all from now on.

        With filters, an item that stops matching them is told once as `leave`. The iterator raises
        Dropped when some of the events were compacted away, and ModelUnavailable when the server
        has gone for longer than a call may take; else it waits without an end.
        """
        return AsyncSubscription(self._connection, self._calls, since, filters)

    # Writes

    async def create(self, item: T) -> T:
        """Create an item; one without an id gets a UUIDv7. Raises Conflict, ValidationFailed."""
        return await self._do(self._calls.create(item))

    async def bulk_create(self, items: Iterable[T]) -> builtins.list[T]:
        """Create all of these items or, when one is refused, none."""
        return await self._do(self._calls.bulk_create(items))

    async def replace(self, id: str, item: T, if_seq: int | None = None) -> T:
        """Replace an item whole; with `if_seq` only if that was its last event."""
        return await self._do(self._calls.replace(id, item, if_seq))

    async def patch(self, id: str, changes: Mapping[str, object], if_seq: int | None = None) -> T:
        """Change some fields (JSON Merge Patch, RFC 7396); with `if_seq` as in `replace`."""
        return await self._do(self._calls.patch(id, changes, if_seq))

    async def delete(self, id: str, if_seq: int | None = None) -> None:
        """Delete an item; raises NotFound when it is not there."""
        await self._do(self._calls.delete(id, if_seq))

    async def apply_replicated_item(self, item: T) -> None:
        """Put an item, whether or not it exists. Again, it leads to the same state."""
        await self._do(self._calls.upsert_one(item))

    async def apply_replicated_items(self, items: Iterable[T]) -> int:
        """Put all of these items as one atomic write; return how many."""
        return await self._do(self._calls.upsert(items))

    async def apply_replicated_update(self, id: str, item: T) -> None:
        """Update an item, or create it when it is absent."""
        await self._do(self._calls.upsert_at(id, item))

    async def apply_replicated_delete(self, id: str) -> bool:
        """Delete an item; return whether it was there."""
        return await self._do(self._calls.erase(id))

    async def purge(self, id: str) -> Purged:
        """Delete an item, if it is there, and erase all that is stored of it; Purged says where.

        A compaction is part of it: give the connection a time-out that is long enough. Asked for
        again after an error, it is carried on. Backups that were made before keep the item.
        """
        await self._do(self._calls.erase(id))
        return await self._do(self._calls.purge(id))

    async def close(self) -> None:
        """Close this handle's own connection; not needed for those of a client."""
        await asyncio.to_thread(self._connection.close)


class AsyncClient:
    """A connection to one server, for asyncio: `async with connect() as lithair:`."""

    def __init__(self, run_dir: RunDir = None, timeout: float = TIMEOUT_S) -> None:
        self._connection = Connection(run_dir, timeout)

    @overload
    def model(self, model: type[T]) -> AsyncHandle[T]: ...

    @overload
    def model(self, model: str) -> AsyncHandle[PartialItem]: ...

    def model(self, model: type[T] | str) -> AsyncHandle[T] | AsyncHandle[PartialItem]:
        """Return a handle of a model, by its class or its name; never awaited."""
        if isinstance(model, str):
            return AsyncHandle[PartialItem](model, connection=self._connection)
        return AsyncHandle(model, connection=self._connection)

    async def close(self) -> None:
        """Close it; calls that still wait are refused."""
        await asyncio.to_thread(self._connection.close)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


def connect(run_dir: RunDir = None, timeout: float = TIMEOUT_S) -> AsyncClient:
    """Connect to the server of a run directory; `timeout` (seconds) is that of each call."""
    return AsyncClient(run_dir, timeout)
