"""One HTTP/1.1 connection of the transport over a C parser: requests in, answers out, in order.

Owns how far the present request has come:

    HEAD -> BODY -> BUSY -> HEAD ...      a head is due; the body comes; the answer is due
    HEAD | BODY -> WAITING -> BODY        what was given to the gateway has to be taken first
    any -> LEAVING                        the last answer is out; what still comes is thrown away

Law: one request at a time; the next one is not looked at before the answer to this one is out, and
none is, once the connection is to be closed. A peer that sends on meanwhile is not read from.
"""

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, cast

from lithair.gateway.answers import Problem, raw_answer
from lithair.gateway.contract import RequestDelegate
from lithair.gateway.http_answer import Answer, PeerContext, break_off
from lithair.gateway.http_body import Body, ChunkedBody, ChunkError, FixedBody
from lithair.gateway.http_head import CHUNKED, Head, HeadError, HeadReader
from lithair.gateway.http_outlet import HttpOutlet
from lithair.gateway.limits import BODY_BYTES_PER_S_MIN

if TYPE_CHECKING:
    from lithair.gateway.http_transport import HttpTransport

READ_AHEAD_MAX: Final = 64 << 10  # of what comes before it is wanted; past it nothing more is read
WRITE_AHEAD_MAX: Final = 256 << 10  # of an answer before its writer has to wait
REQUESTS_AT_ONCE: Final = 32  # of one connection, before others have their turn
LEAVING_S_MAX: Final = 2.0  # for a peer to see the last answer, rather than a reset

NO_BODY: Final = FixedBody(0)
FAILED: Final = "a request failed; its connection is closed"

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

log = logging.getLogger("lithair.http")


class Stage(enum.Enum):
    """How far the present request of a connection has come."""

    HEAD = enum.auto()
    BODY = enum.auto()
    WAITING = enum.auto()
    BUSY = enum.auto()
    LEAVING = enum.auto()


class HttpConnection(asyncio.Protocol):
    """A connection; `HttpTransport` holds it while it is open."""

    def __init__(self, server: "HttpTransport") -> None:
        self._server = server
        self._reader = HeadReader()
        self._input = b""  # what came and was not looked at yet
        self._head: Head | None = None
        self._body: Body = NO_BODY
        self._delegate: RequestDelegate | None = None
        self._received = 0
        self._received_at_mark = 0
        self._is_advancing = False
        self._is_paused = False
        self._advances = 0
        self._drained: asyncio.Future[None] | None = None  # while the peer does not keep up
        self.answer: Answer | None = None
        self.outlet: HttpOutlet | None = None  # of an answer that goes on for long
        self.stage = Stage.HEAD
        self.is_head_due = True  # of a new connection, or once its first bytes were seen
        self.mark = 0.0
        self.context: PeerContext
        self.transport: asyncio.Transport

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the server may have too many already."""
        # uvloop's is one in all but name.
        self.transport = transport = cast("asyncio.Transport", transport)
        self.mark = self._server.now()
        socket = transport.get_extra_info("socket")
        family = int(socket.family) if socket is not None else 0
        address = transport.get_extra_info("peername")
        self.context = PeerContext(address, family, self._server.scheme)
        transport.set_write_buffer_limits(WRITE_AHEAD_MAX)
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        """Take what came, as far as it is wanted now."""
        if self.stage is Stage.LEAVING:
            return
        self._input = self._input + data if self._input else data
        if self.stage is Stage.HEAD or self.stage is Stage.BODY:
            if not self._is_advancing:
                self._advance()
        elif len(self._input) > READ_AHEAD_MAX and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Take note that the peer sends no more; what it has asked is answered all the same."""
        if self._server.is_tls or self.outlet is not None or not self._is_all_there():
            return False
        if self.answer is not None:
            self.answer.keeps_alive = False
        return True

    def _is_all_there(self) -> bool:
        """Tell whether the present request has come as a whole, and waits for its answer."""
        if self.stage is Stage.WAITING:
            return self._body.is_in(self._input)
        return self.stage is Stage.BUSY

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever is concerned that the peer is gone."""
        stage, self.stage = self.stage, Stage.LEAVING
        self._server.closed(self)
        self._reader.close()
        answer, self.answer = self.answer, None
        delegate, self._delegate = self._delegate, None
        if self._drained is not None:
            break_off(self._drained)
            self._drained = None
        if self.outlet is not None:
            self.outlet.leave()
        if stage in (Stage.BODY, Stage.WAITING) and delegate is not None:
            self._call(delegate.on_connection_close)
        elif answer is not None:
            answer.leave()

    def pause_writing(self) -> None:
        """Have writers wait."""
        if self.outlet is not None:
            self.outlet.pause()
        elif self._drained is None:
            self._drained = self._server.loop.create_future()

    def resume_writing(self) -> None:
        """Have them go on."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        if self.outlet is not None:
            self.outlet.resume()

    # Requests.

    def _advance(self) -> None:
        """Go on with what has come, as far as it leads."""
        self._is_advancing = True
        begun = 0
        try:
            while True:
                if self.stage is Stage.HEAD:
                    if not self._input or self._is_shut_out(begun):
                        break
                    data, self._input = self._input, b""
                    taken = self._reader.take(data)
                    if taken is None:
                        self._begin_waiting_for_head()
                        break
                    head, self._input = taken
                    begun += 1
                    self._open(head)
                elif self.stage is not Stage.BODY or not self._take_body():
                    break
        except HeadError as error:
            self._refuse(error.problem)
        except ChunkError as error:
            self._give_up_body(Problem(400, f"The body is not chunked as it should be: {error}"))
        finally:
            self._is_advancing = False
        if self._is_paused and self.stage in (Stage.HEAD, Stage.BODY):
            self._is_paused = False
            self.transport.resume_reading()

    def _is_shut_out(self, begun: int) -> bool:
        """Tell whether the others have their turn first."""
        if begun < REQUESTS_AT_ONCE:
            return False
        self._server.loop.call_soon(self.data_received, b"")
        return True

    def _begin_waiting_for_head(self) -> None:
        if not self.is_head_due:
            self.is_head_due = True
            self.mark = self._server.now()

    def _open(self, head: Head) -> None:
        """Begin a request with its head."""
        self.is_head_due = False
        self._head = head
        self._received = self._received_at_mark = 0
        answer = self.answer = Answer(self, head)
        delegate = self._delegate = self._server.delegate.start_request(self, answer)
        self.stage = Stage.BODY
        if head.length:
            self.mark = self._server.now()
            self._body = ChunkedBody() if head.length == CHUNKED else FixedBody(head.length)
        waiting: Awaitable[None] | None = None
        try:
            if head.problem is not None:
                delegate.refuse_head(head.start_line, head.fields, head.problem)
            else:
                waiting = delegate.headers_received(head.start_line, head.fields)
        except Exception:  # the loop of this connection: the others go on
            log.exception(FAILED)
            self._fail()
            return
        if waiting is not None:
            self._wait_for(waiting)
        else:
            self._ask_for_body()

    def _ask_for_body(self) -> None:
        head = self._head
        if (
            head is not None
            and head.length
            and not self._input
            and self.stage is Stage.BODY
            and head.start_line.version == "HTTP/1.1"
            and (head.fields.get("Expect") or "").lower() == "100-continue"
            and self.answer is not None
            and not self.answer.is_begun
        ):
            self.transport.write(_CONTINUE)

    def _take_body(self) -> bool:
        """Pass on what is there of the body; False when more of it has to come."""
        delegate, body = self._delegate, self._body
        assert delegate is not None
        pieces, self._input = body.take(self._input)
        if pieces:
            piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self._received += len(piece)
            try:
                waiting = delegate.data_received(piece)
            except Exception:  # the loop of this connection
                log.exception(FAILED)
                self._fail()
                return False
            if waiting is not None and self.stage is Stage.BODY:
                self._wait_for(waiting)
                return False
        if not body.is_complete or self.stage is not Stage.BODY:
            return False
        self._complete()
        return True

    def _complete(self) -> None:
        """The request is there as a whole: have it answered."""
        assert self._delegate is not None
        self._body = NO_BODY
        self.stage = Stage.BUSY
        try:
            self._delegate.finish()
        except Exception:  # the loop of this connection
            log.exception(FAILED)
            self._fail()

    def _wait_for(self, waiting: Awaitable[None]) -> None:
        self.stage = Stage.WAITING
        waited = asyncio.ensure_future(waiting)

        def go_on(done: "asyncio.Future[None]") -> None:
            error = None if done.cancelled() else done.exception()
            if self.stage is not Stage.WAITING:
                return
            if done.cancelled() or error is not None:
                log.error(FAILED, exc_info=error)
                self._fail()
                return
            self.stage = Stage.BODY
            self.mark = self._server.now()
            self._ask_for_body()
            self._advance()

        waited.add_done_callback(go_on)

    def answered(self, answer: Answer) -> None:
        """Go on with the next request, or leave; `answer` is complete."""
        if answer is not self.answer:
            return
        self.answer = self._delegate = None
        if self.stage is not Stage.BUSY:
            self._leave()  # what is left of the request can't be told from the next one
        elif not answer.keeps_alive or self._server.is_stopping:
            self.stage = Stage.LEAVING
            self.transport.close()
        else:
            self.stage = Stage.HEAD
            self._head = None
            self.mark = self._server.now()
            if self._input and not self._is_advancing:
                self._advance()
            elif self._is_paused:
                self._is_paused = False
                self.transport.resume_reading()

    # Ends.

    def _refuse(self, problem: Problem) -> None:
        """Answer what is no request, and leave."""
        self.transport.write(raw_answer(problem.prepared()))
        self._leave()

    def _give_up_body(self, problem: Problem) -> None:
        delegate = self._delegate
        if delegate is not None and not delegate.give_up(problem):
            self.stage = Stage.LEAVING
            self.transport.close()
            self._call(delegate.on_connection_close)

    def _fail(self) -> None:
        """Close after a mistake of ours."""
        delegate, self._delegate = self._delegate, None
        self.stage = Stage.LEAVING
        self.transport.close()
        if delegate is not None:
            self._call(delegate.on_connection_close)

    def _leave(self) -> None:
        """Close once the peer has had the chance to read what was sent.

        Closed at once, with bytes of its unread, it would see a reset and maybe no answer.
        """
        self.stage = Stage.LEAVING
        self._input = b""
        self.mark = self._server.now()
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # the loop of this connection
            log.exception(FAILED)

    # The transport's patience.

    def is_idle(self) -> bool:
        """Tell whether the connection is between requests, with no byte of the next one there."""
        return self.stage is Stage.HEAD and not self._input and not self._reader.has_begun

    def sweep(self, now: float) -> None:
        """Close the connection when it is idle for long, or too slow."""
        patience = self._server.patience
        waited_s = now - self.mark
        if self.stage is Stage.HEAD:
            if self.is_head_due:
                if waited_s > patience.head_s:
                    self._late_head()
            elif waited_s > patience.idle_s:
                self.transport.close()
        elif self.stage is Stage.BODY and waited_s >= patience.body_s:
            arrived = self._received - self._received_at_mark
            if arrived < BODY_BYTES_PER_S_MIN * waited_s:
                self._give_up_body(Problem(408, "The body came too slowly"))
            self.mark = now
            self._received_at_mark = self._received
        elif self.stage is Stage.LEAVING and waited_s > LEAVING_S_MAX:
            self.transport.abort()

    def _late_head(self) -> None:
        if self.is_idle():
            self.transport.close()  # it has never sent anything
        else:
            self._refuse(Problem(408, "The request's head came too slowly"))

    @property
    def is_last(self) -> bool:
        """Tell whether the connection ends with this request, whatever the client has asked."""
        return self._server.is_stopping

    def written(self) -> "asyncio.Future[None]":
        """Give what is done once what was written is on its way."""
        return self._drained or self._server.done
