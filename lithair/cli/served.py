"""Served: one model of a running server, as commands read and write it.

Owns the connection, and how long is waited: as long as there is a server. Law: items come and go as
JSON, untouched. A query that the model does not understand is misuse of the command.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Final, TypeVar

import click

from lithair.cli.compact import check_name
from lithair.client.calls import Call
from lithair.client.connection import Connection
from lithair.client.filters import Filters, Pairs
from lithair.client.raw import Described, Raw, RawCalls, describe
from lithair.client.subscription import Subscription
from lithair.client.walk import Step, Walk
from lithair.errors import LithairError, ModelUnavailable, ValidationFailed
from lithair.wire.messages import Reply

TIMEOUT_S: Final = 600.0  # of one call: a page of the past may take minutes
LOOK_S: Final = 1.0  # how often it is seen whether to look after the server
CHECK_S: Final = 5.0
TAKE_MAX: Final = 1000  # of a page; the server may give fewer
STEPS_BACK_MAX: Final = 32  # to an item that was not deleted meanwhile
BAD_QUERY: Final = 400

R = TypeVar("R")


class Served:
    """A model that is served; NotReachable without a server, LithairError without the model."""

    def __init__(self, run_dir: str | None, name: str, timeout_s: float = TIMEOUT_S) -> None:
        check_name(run_dir, name)  # at once, where a handle would wait for the server to come up
        self.run_dir = run_dir
        self.name = name
        self._connection = Connection(run_dir, timeout_s)
        try:
            self.described: Described = self.ask(describe())
        except BaseException:
            self._connection.close()
            raise
        self.name = self.described.model
        self.calls = RawCalls(self.name, self.described.key)

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, call: Call[R]) -> R:
        """Carry out a call and wait for its answer."""
        return self.result(call, self.start(call))

    def start(self, call: Call[R]) -> "Future[Reply]":
        return self._connection.start(self.name, call)

    def result(self, call: Call[R], asked: "Future[Reply]") -> R:
        """Wait for the answer to a call that was started, for as long as there is a server."""
        check_s = time.monotonic() + CHECK_S
        while True:
            try:
                return call.result(asked.result(LOOK_S))
            except TimeoutError:
                if time.monotonic() >= check_s:
                    check_name(self.run_dir, self.name)
                    check_s = time.monotonic() + CHECK_S
            except ModelUnavailable:
                check_name(self.run_dir, self.name)  # NotReachable is told in its place
                raise

    def query(self, call: Call[R]) -> R:
        """Ask what a person has written; UsageError where it can't be understood."""
        try:
            return self.ask(call)
        except ValidationFailed as error:
            raise click.UsageError(str(error)) from None

    def walk(self, pairs: Pairs = ()) -> Iterator[list[Raw]]:
        """Give all items that match, in the order of their creation, a page at a time."""
        walk = Walk(self.calls, asked=pairs)
        while (page := self._walk_on(walk.page())) is not None:
            yield page

    def ordered(self, pairs: Pairs, skip: int, take: int | None) -> Iterator[list[Raw]]:
        """Give the items of a query with an order, or of the past, a page at a time."""
        options: Pairs = (("skip", str(skip)),) if skip else ()
        left = take
        while left is None or left > 0:
            asked = TAKE_MAX if left is None else min(left, TAKE_MAX)
            page = self.query(self.calls.list((*pairs, *options, ("take", str(asked)))))
            yield page.data
            left = None if left is None else left - len(page.data)
            if not page.has_more or not page.data:
                return
            options = (("after", self._last_left(page.data, pairs)),)

    def subscribe(self, since: int | None, filters: Filters) -> Subscription[Raw]:
        """Follow the model's events; UsageError where the filters can't be understood."""
        return Subscription(self._connection, self.calls, since, filters)

    def _last_left(self, page: list[Raw], pairs: Pairs) -> str:
        """Find the last item of a page that is still there, for the next one to begin behind it."""
        if any(name == "as_of" for name, _ in pairs):
            return self.calls.codec.id_of(page[-1])
        ids = [self.calls.codec.id_of(item) for item in page[-STEPS_BACK_MAX:]]
        found = self.ask(self.calls.exist(ids))
        for item_id, is_there in zip(reversed(ids), reversed(found), strict=True):
            if is_there:
                return item_id
        raise LithairError("the items of a whole page were deleted meanwhile: ask again")

    def _walk_on(self, steps: Step[R]) -> R:
        answer: object = None
        while True:
            try:
                call = steps.send(answer)
            except StopIteration as end:
                result: R = end.value
                return result
            answer = self.query(call)
