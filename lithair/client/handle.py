"""Handles: a model as a plain Python object, from any process of the machine.

Law: sync and asyncio handles say the same and do the same; what a call is stands in `calls`, how it
is carried out in `connection`.
"""

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar, overload

from lithair.client.answers import Compacted, HistoryEntry, Page, Purged, Stats
from lithair.client.calls import Call, Calls, PartialItem
from lithair.client.connection import Connection, RunDir
from lithair.client.filters import AsOf, Fields, Filters
from lithair.client.subscription import Subscription
from lithair.client.walk import Step, Walk

T = TypeVar("T")
R = TypeVar("R")


class Handle(Generic[T]):
    """Reads and writes one model, and waits for each answer.

    Raises NotFound, Conflict, ValidationFailed, PreconditionFailed, ModelUnavailable, CallTimeout,
    all of them LithairError. A call survives a restart of the model's process within its time-out,
    exactly once. Used before the server is up, it waits for that until its time-out.
    """

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
        return Handle, (self._model, None, self._connection)

    def _do(self, call: Call[R]) -> R:
        return self._connection.wait(self._calls.name, call)

    # Reads

    @overload
    def get(self, id: str, fields: None = ..., *, as_of: AsOf | None = ...) -> T | None: ...

    @overload
    def get(self, id: str, fields: Fields, *, as_of: AsOf | None = ...) -> PartialItem | None: ...

    def get(
        self, id: str, fields: Fields | None = None, *, as_of: AsOf | None = None
    ) -> T | PartialItem | None:
        """Return an item, now or as it was at a seq or time; None when it is not (was not) there.

        With `fields` it is a partial dict. Raises Dropped when `as_of` was compacted away.
        """
        if fields is not None:
            return self._do(self._calls.get_fields(id, fields, as_of))
        return self._do(self._calls.get(id, as_of))

    @overload
    def list(
        self,
        filters: Filters | None = ...,
        sort: str | Sequence[str] | None = ...,
        skip: int = ...,
        take: int | None = ...,
        fields: None = ...,
        as_of: AsOf | None = ...,
    ) -> Page[T]: ...

    @overload
    def list(
        self,
        filters: Filters | None = ...,
        sort: str | Sequence[str] | None = ...,
        skip: int = ...,
        take: int | None = ...,
        *,
        fields: Fields,
        as_of: AsOf | None = ...,
    ) -> Page[PartialItem]: ...

    def list(
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
            return self._do(self._calls.list_fields(pairs))
        return self._do(self._calls.list(pairs))

    def count(self, filters: Filters | None = None, as_of: AsOf | None = None) -> int:
        """Return how many items match, or matched then."""
        return self._do(self._calls.count(filters, as_of))

    def iterate(self) -> Iterator[T]:
        """Yield all items in creation order, a page at a time in memory.

        An item that is there all the while is given once. One created meanwhile comes at the end;
        one deleted meanwhile is left out when its page was not fetched yet.
        """
        walk = Walk(self._calls)
        while (page := self._walk_on(walk.page())) is not None:
            yield from page

    def _walk_on(self, steps: Step[R]) -> R:
        answer: object = None
        while True:
            try:
                call = steps.send(answer)
            except StopIteration as end:
                result: R = end.value
                return result
            answer = self._do(call)

    def history(self, id: str) -> builtins.list[HistoryEntry[T]]:
        """Return every event still held of an item, oldest first; empty when there is none."""
        return self._do(self._calls.history(id))

    def stats(self) -> Stats:
        """Return the model's figures."""
        return self._do(self._calls.stats())

    def compact(self, keep_history: bool = False) -> Compacted:
        """Merge the model's log into a snapshot, and return when that is done.

        It takes seconds a gigabyte: give the connection a time-out that is long enough.
        """
        return self._do(self._calls.compact(keep_history))

    def subscribe(
        self, since: int | None = None, filters: Filters | None = None
    ) -> Subscription[T]:
        """Follow the model's events: those after seq `since`, or all from now on.

        With filters, an item that stops matching them is told once as `leave`. The iterator raises
        Dropped when some of the events were compacted away, and ModelUnavailable when the server
        has gone for longer than a call may take; else it waits without an end.
        """
        return Subscription(self._connection, self._calls, since, filters)

    # Writes

    def create(self, item: T) -> T:
        """Create an item; one without an id gets a UUIDv7. Raises Conflict, ValidationFailed."""
        return self._do(self._calls.create(item))

    def bulk_create(self, items: Iterable[T]) -> builtins.list[T]:
        """Create all of these items or, when one is refused, none."""
        return self._do(self._calls.bulk_create(items))

    def replace(self, id: str, item: T, if_seq: int | None = None) -> T:
        """Replace an item whole; with `if_seq` only if that was its last event."""
        return self._do(self._calls.replace(id, item, if_seq))

    def patch(self, id: str, changes: Mapping[str, object], if_seq: int | None = None) -> T:
        """Change some fields (JSON Merge Patch, RFC 7396); with `if_seq` as in `replace`."""
        return self._do(self._calls.patch(id, changes, if_seq))

    def delete(self, id: str, if_seq: int | None = None) -> None:
        """Delete an item; raises NotFound when it is not there."""
        self._do(self._calls.delete(id, if_seq))

    def apply_replicated_item(self, item: T) -> None:
        """Put an item, whether or not it exists. Again, it leads to the same state."""
        self._do(self._calls.upsert_one(item))

    def apply_replicated_items(self, items: Iterable[T]) -> int:
        """Put all of these items as one atomic write; return how many."""
        return self._do(self._calls.upsert(items))

    def apply_replicated_update(self, id: str, item: T) -> None:
        """Update an item, or create it when it is absent."""
        self._do(self._calls.upsert_at(id, item))

    def apply_replicated_delete(self, id: str) -> bool:
        """Delete an item; return whether it was there."""
        return self._do(self._calls.erase(id))

    def purge(self, id: str) -> Purged:
        """Delete an item, if it is there, and erase all that is stored of it; Purged says where.

        A compaction is part of it: give the connection a time-out that is long enough. Asked for
        again after an error, it is carried on. Backups that were made before keep the item.
        """
        self._do(self._calls.erase(id))
        return self._do(self._calls.purge(id))

    def close(self) -> None:
        """Close this handle's own connection; not needed for those of a client."""
        self._connection.close()
