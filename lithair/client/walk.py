"""A walk over all items in creation order, a page at a time, while others write.

    walk := (page "yield its items")*      page := LIST after the last item of the page before
                                                 | after the nearest item in front that is left

Law: an item that is there from the beginning of the walk to its end is given exactly once. In
memory are one page and its ids. Nothing here asks: it yields calls, and is sent their results.
"""

from collections.abc import Generator
from typing import Any, Final, Generic, TypeVar

import msgspec

from lithair.client.answers import Page
from lithair.client.calls import Call, Calls
from lithair.client.filters import Pairs
from lithair.errors import LithairError
from lithair.wire.protocol import Verb

T = TypeVar("T")
# Any: each call has a result of its own type, which is what is sent back
Step = Generator[Call[Any], Any, T]

SEARCHES_MAX: Final = 16  # of one place; each fails only when the item found was deleted meanwhile

NOT_FOUND: Final = (
    "a whole page of items was deleted while they were gone through, and the place of that page"
    " can't be found any more: start again"
)


class _Birth(msgspec.Struct):
    seq: int
    operation: str


_decode_births = msgspec.json.Decoder(list[_Birth]).decode
_decode_found = msgspec.json.Decoder(list[bool]).decode


class Walk(Generic[T]):
    """Gives the calls of one walk: `page` until it is None."""

    def __init__(self, calls: Calls[T], after: str = "", asked: Pairs = ()) -> None:
        """Begin with the first item, or behind the one with the id `after`.

        `asked` are filters and fields, no order: the place of a page is that of its creation.
        """
        self._calls = calls
        self._asked = asked
        # ids of the last page, up to the one to go on behind
        self._last: list[str] = [after] if after else []
        self._is_over = False

    def page(self) -> Step[list[T] | None]:
        """Fetch the next page; None at the end."""
        if self._is_over:
            return None
        while True:
            after = next(reversed(self._last), None)
            page: Page[T] | None = yield self._calls.page_after(after, self._asked)
            if page is not None:
                break
            yield from self._step_back()
        self._is_over = not page.has_more or not page.data
        self._last = [self._calls.codec.id_of(item) for item in page.data] if page.has_more else []
        return page.data

    def _step_back(self) -> Step[None]:
        """The item to go on behind was deleted: find the nearest one in front that was not."""
        found: list[bool] = yield Call(Verb.EXISTS, _decode_found, self._last)
        left = max((place for place, is_there in enumerate(found) if is_there), default=-1)
        if left >= 0:
            del self._last[left + 1 :]
            return
        gone_seq: int | None = yield self._born(self._last[-1])
        if gone_seq is None:
            raise LithairError(NOT_FOUND)
        for _ in range(SEARCHES_MAX):
            before: str | None = yield from self._last_born_until(gone_seq)
            if before is not None:
                self._last = [before] if before else []
                return
        raise LithairError(NOT_FOUND)

    def _last_born_until(self, seq: int) -> Step[str | None]:
        """Find the last item created at `seq` or before, "" when none is left of them.

        A binary search, for items are listed as they were created. Those deleted meanwhile only
        move the others to the front: then what was found is too far, which is seen; None.
        """
        low: int = 0
        high: int = yield self._calls.count(None)
        while low < high:
            middle = (low + high) // 2
            _, born = yield from self._item_at(middle)
            if born is not None and born <= seq:
                low = middle + 1
            else:
                high = middle
        if low == 0:
            return ""
        before, born = yield from self._item_at(low - 1)
        return before if born is not None and born <= seq else None

    def _item_at(self, place: int) -> Step[tuple[str, int | None]]:
        """Give the id of the item at a place and when it was created; None when it is gone."""
        page: Page[T] = yield self._calls.list((("skip", str(place)), ("take", "1")))
        if not page.data:
            return "", None
        item_id = self._calls.codec.id_of(page.data[0])
        born: int | None = yield self._born(item_id)
        return item_id, born

    def _born(self, item_id: str) -> Call[int | None]:
        return Call(Verb.HISTORY, _creation_seq, item_id, instead=(404, lambda: None))


def _creation_seq(body: bytes) -> int | None:
    """Read when the present life of an item began; its oldest event when that is not held."""
    births = _decode_births(body)
    created = [birth.seq for birth in births if birth.operation == "create"]
    return created[-1] if created else births[0].seq if births else None
