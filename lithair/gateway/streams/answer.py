"""The answer to a request for a stream: from its head to the reader that it becomes.

Owns the opening. Law: what can be refused is refused before the head is sent; after that, the end
of the connection is the only thing that is said of errors. What is refused for now alone is put
off: an `EventSource`, which any status but 200 ends for good, is given an empty stream and comes
back by itself.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from tornado.httputil import HTTPHeaders

from lithair.core.problem import Refusal, problem_of, title_of
from lithair.gateway.answers import PROBLEM_JSON, Prepared, Problem
from lithair.gateway.contract import Connection
from lithair.gateway.model_routes import CACHE_CONTROL, Question
from lithair.gateway.model_site import UNKNOWN_SEQ, Asker, ModelSite
from lithair.gateway.streams.asked import read_asked
from lithair.gateway.streams.reader import Reader
from lithair.gateway.streams.visit import visit_of

if TYPE_CHECKING:
    from lithair.gateway.site import Site

EVENT_STREAM: Final = "text/event-stream"
OFF: Final = "There are no streams here"
FAILED: Final = "The stream could not be opened"
FOR_NOW: Final = (503, 504)

_log = logging.getLogger("lithair.http")


class StreamRequest(NamedTuple):
    """A request for a stream that the gate has let through, with the access that it has."""

    model: ModelSite
    question: Question
    asker: Asker
    headers: HTTPHeaders
    is_tls: bool
    is_chunked: bool


class StreamAnswer:
    """One stream, from its request to the end of its connection.

    `refuse` sends an answer that is none; `begin` sends the head and gives the connection, None
    when the head is all that was asked for. `end` has to be called when the connection has ended.
    """

    def __init__(
        self,
        site: "Site",
        request: StreamRequest,
        refuse: Callable[[Prepared], None],
        begin: Callable[[HTTPHeaders], Connection | None],
    ) -> None:
        self._site = site
        self._request = request
        self._refuse = refuse
        self._begin = begin
        self._reader: Reader | None = None
        self._opening = asyncio.get_running_loop().create_task(self._open())

    def end(self) -> None:
        """The connection has ended."""
        self._opening.cancel()
        if self._reader is not None and self._site.streams is not None:
            self._site.streams.farewell(self._reader)

    async def _open(self) -> None:
        request = self._request
        try:
            self._reader = await self._make_reader()
        except Problem as problem:
            self._refuse(problem.prepared())
            return
        except Refusal as refusal:
            self._refuse(_prepared(refusal))
            return
        except Exception:  # noqa: BLE001 - a mistake of ours ends this request alone
            _log.exception("a stream of %s could not be opened", request.model.name)
            self._refuse(Problem(500, FAILED).prepared())
            return
        connection = self._begin(self._head())
        reader, streams = self._reader, self._site.streams
        assert streams is not None
        if connection is None:
            streams.farewell(reader)
            return
        reader.run(connection, streams.open_outlet)
        streams.welcome(reader, visit_of(self._site.gate, request))

    async def _make_reader(self) -> Reader:
        request, streams = self._request, self._site.streams
        if streams is None or not streams.is_on:
            raise Problem(404, OFF)
        asked = read_asked(request.question.pairs, request.headers)
        return await streams.open(
            request.model, asked, request.asker[3], request.question.key, request.is_chunked
        )

    def _head(self) -> HTTPHeaders:
        headers = HTTPHeaders()
        headers["Content-Type"] = EVENT_STREAM
        headers["Cache-Control"] = CACHE_CONTROL
        headers["X-Accel-Buffering"] = "no"  # nginx passes on what comes, as it comes
        seq = self._request.model.seq
        if seq != UNKNOWN_SEQ:
            headers["Lithair-Seq"] = str(seq)
        return headers


def _prepared(refusal: Refusal) -> Prepared:
    fields = (("Content-Type", PROBLEM_JSON), ("Cache-Control", "no-store"))
    return Prepared(refusal.status, fields, problem_of(refusal))


def put_off(refusal: Prepared, headers: HTTPHeaders) -> Prepared:
    """Make an empty stream of what is refused for now, for who takes streams and nothing else."""
    if refusal.status not in FOR_NOW or EVENT_STREAM not in headers.get("Accept", ""):
        return refusal
    fields = (("Content-Type", EVENT_STREAM), ("Cache-Control", "no-store"))
    comment = f": {refusal.status} {title_of(refusal.status)}; come again\n\n"
    return Prepared(200, fields, comment.encode())
