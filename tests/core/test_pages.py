"""Pages: what a list costs is bounded by what its answer may hold."""

import tracemalloc

import msgspec

from lithair.core.command import PUBLIC, TRUSTED, Action
from lithair.core.event import Slot
from lithair.core.page import Page, page_at_once
from lithair.core.scan import Found
from tests.core.films import Bench

ITEMS = 60
ITEM_BYTES = 200_000
LIST_BYTES_MAX = 1_000_000


def test_no_more_items_are_shaped_than_an_answer_may_hold() -> None:
    """A list of long items would take their bytes once more otherwise, and a second for it."""
    bench = Bench()
    for number in range(ITEMS):
        body = {"id": str(number), "maker": "x" * ITEM_BYTES}
        bench.do(Action.CREATE, body=msgspec.json.encode(body), access=TRUSTED)
    state = bench.state
    query = state.views[PUBLIC].queries.read([("take", str(ITEMS))])
    found = Found([Slot(number) for number in range(ITEMS)], ITEMS, has_more=False)
    tracemalloc.start()
    try:
        at_once = page_at_once(state, found, query, PUBLIC, LIST_BYTES_MAX)
        page = Page(state, found, query, PUBLIC, LIST_BYTES_MAX)
        while (read := page.advance()) is None:
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert at_once is None
    assert msgspec.json.decode(read.body)["has_more"]
    assert peak < 4 * LIST_BYTES_MAX
