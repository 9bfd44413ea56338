"""One HTTP/1.1 connection of the transport over a C parser: requests in, answers out, in order.

Owns how far the present request has come:

    HEAD -> BODY -> BUSY -> HEAD ...      a head is due; the body comes; the answer is due
    HEAD | BODY -> WAITING -> BODY        what was given to the gateway has to be taken first
    any -> LEAVING                        the last answer is out; what still comes is thrown away

Law: one request at a time; the next one is not looked at before the answer to this one is out and
the peer has taken most of it, and none is, once the connection is to be closed. A peer that sends
on meanwhile is not read from. Whoever was given a request is told once when it comes to nothing.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, cast

from lithair.gateway.answers import Problem, raw_answer
from lithair.gateway.contract import RequestDelegate
from lithair.gateway.http_answer import Answer, PeerContext, peer_of
from lithair.gateway.http_body import Body, ChunkedBody, ChunkError, FixedBody
from lithair.gateway.http_head import CHUNKED, Head, HeadError, HeadReader
from lithair.gateway.http_outlet import HttpOutlet
from lithair.gateway.http_stage import Stage
from lithair.gateway.http_writers import Writers
from lithair.gateway.short_way import ShortAnswer

if TYPE_CHECKING:
    from lithair.gateway.http_transport import HttpTransport

READ_AHEAD_MAX: Final = 64 << 10  # of what comes before it is wanted; past it nothing more is read
WRITE_AHEAD_MAX: Final = 256 << 10  # of an answer before its writer has to wait
REQUESTS_AT_ONCE: Final = 32  # of one connection, before others have their turn

NO_BODY: Final = FixedBody(0)
_HEAD: Final = Stage.HEAD  # met on every request: a member is looked up by name each time
FAILED: Final = "a request failed; its connection is closed"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

log = logging.getLogger("lithair.http")


class HttpConnection(asyncio.Protocol):
    """A connection; `HttpTransport` holds it while it is open."""

    def __init__(self, server: "HttpTransport") -> None:
        self._server = server
        self._way = server.short_way
        self._reader = HeadReader()
        self._input = b""  # what came and was not looked at yet
        self._head: Head | None = None
        self._body: Body = NO_BODY
        self._delegate: RequestDelegate | None = None
        self._is_advancing = self._is_paused = False
        self._is_resting = False  # so that others have their turn
        self.writers = Writers(server.loop)
        self.received = self.received_at_mark = 0  # bytes of the present body
        self.has_ended = False  # the peer sends no more, and may or may not be there
        self.answer: Answer | None = None
        self.short: ShortAnswer | None = None  # in the place of an answer, the short way
        self.outlet: HttpOutlet | None = None  # of an answer that goes on for long
        self.stage = Stage.HEAD
        self.is_head_due = True  # of a new connection, or once its first bytes were seen
        self.mark = 0.0
        self.context: PeerContext
        self.transport: asyncio.Transport

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the server may have too many already."""
        self.transport = transport = cast("asyncio.Transport", transport)  # uvloop's, in effect
        self.mark = self._server.now()
        self.context = peer_of(transport, self._server.scheme)
        transport.set_write_buffer_limits(WRITE_AHEAD_MAX)
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        """Take what came, as far as it is wanted now."""
        way = self._way if self.stage is _HEAD and not self._input else None
        if way is not None and not self.writers.have_to_wait and way.take(self, data, self._reader):
            return
        if self.stage is Stage.LEAVING:
            return
        self._input = self._input + data if self._input else data
        if self._is_reader() and not self._is_advancing:
            self._advance()
        if len(self._input) > READ_AHEAD_MAX and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def _is_reader(self) -> bool:
        """Tell whether what comes can be looked at now."""
        if self.stage is _HEAD:
            return not self._is_resting and not self.writers.have_to_wait
        return self.stage is Stage.BODY

    def eof_received(self) -> bool:
        """Take note that the peer sends no more; what it has asked is answered all the same."""
        is_asking = self.stage in (Stage.WAITING, Stage.BUSY) or self._input != b""
        if self._server.is_tls or self.outlet is not None or not is_asking:
            return False
        self.has_ended = True
        self.mark = self._server.now()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever is concerned that the peer is gone."""
        stage, self.stage = self.stage, Stage.LEAVING
        self._server.closed(self)
        self._reader.close()
        answer, short, delegate = self.answer, self.short, self._delegate
        self.answer = self.short = self._delegate = None
        self.writers.break_off()
        if short is not None:
            self._call(short.leave)
        if self.outlet is not None:
            self.outlet.leave()
        if delegate is not None and stage is not Stage.BUSY:
            self._call(delegate.on_connection_close)
            if answer is not None:
                answer.cut()
        elif answer is not None:
            self._call(answer.leave)

    def pause_writing(self) -> None:
        """Have writers wait."""
        if self.outlet is not None:
            self.outlet.pause()
        else:
            self.writers.have_to_wait = True

    def resume_writing(self) -> None:
        """Have them go on, and the next request."""
        self.writers.go_on()
        if self.outlet is not None:
            self.outlet.resume()
        elif self.stage is Stage.HEAD:
            self.mark = self._server.now()
            self._rest()

    # Requests.

    def _advance(self) -> None:
        """Go on with what has come, as far as it leads."""
        self._is_advancing = True
        way, begun = self._way, 0
        try:
            while True:
                if self.stage is _HEAD:
                    if not self._input or self.writers.have_to_wait:
                        break
                    if begun == REQUESTS_AT_ONCE:
                        self._rest()
                        break
                    data, self._input = self._input, b""
                    if way is not None and way.take(self, data, self._reader):
                        break
                    taken = self._reader.take(data)
                    if taken is None:
                        if not self.is_head_due:
                            self.is_head_due, self.mark = True, self._server.now()
                        break
                    head, self._input = taken
                    begun += 1
                    self._open(head)
                elif self.stage is not Stage.BODY or not self._take_body():
                    break
        except HeadError as error:
            self.refuse(error.problem)
        except ChunkError as error:
            self.give_up_body(Problem(400, f"The body is not chunked as it should be: {error}"))
        finally:
            self._is_advancing = False
        if self._is_paused or self.has_ended:
            self._read_on()

    def _read_on(self) -> None:
        """Read what comes, if it is wanted; from a peer that sends no more nothing will come."""
        if not self._is_reader():
            return
        if self.has_ended:
            self.close()
        elif self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()

    def _rest(self) -> None:
        """Let the others have their turn first."""
        if not self._is_resting:
            self._is_resting = True
            self._server.loop.call_soon(self._wake)

    def _wake(self) -> None:
        self._is_resting = False
        if self._is_reader():
            self._advance()

    def _open(self, head: Head) -> None:
        """Begin a request with its head."""
        self.is_head_due = False
        self._head = head
        fields = head.fields if head.block is None else head.block.fields_with(head.length)
        self.received = self.received_at_mark = 0
        answer = self.answer = Answer(self, head)
        self.stage = Stage.BODY
        if head.length:
            self.mark = self._server.now()
            self._body = ChunkedBody() if head.length == CHUNKED else FixedBody(head.length)
        waiting: Awaitable[None] | None = None
        try:
            delegate = self._delegate = self._server.delegate.start_request(self, answer)
            if head.problem is not None:
                delegate.refuse_head(head.start_line, fields, head.problem)
            else:
                waiting = delegate.headers_received(head.start_line, fields)
        except Exception:  # the loop of this connection: the others go on
            log.exception(FAILED)
            self._fail()
            return
        if waiting is not None:
            self._wait_for(waiting)
        else:
            self._begin_body()

    def _begin_body(self) -> None:
        """Refuse a body that is too long, and ask for one that is not sent before it is wanted."""
        head, answer = self._head, self.answer
        if head is None or answer is None or self.stage is not Stage.BODY or self.received:
            return
        if head.length > answer.body_bytes_max:
            self._refuse_body(answer)
        elif head.expects_100 and not self._input and not answer.is_begun:
            self.transport.write(_CONTINUE)

    def _refuse_body(self, answer: Answer) -> None:
        most = answer.body_bytes_max
        self.give_up_body(Problem(413, f"The body is over the limit of {most:.0f} bytes"))

    def _take_body(self) -> bool:
        """Pass on what is there of the body; False when more of it has to come."""
        delegate, body = self._delegate, self._body
        assert delegate is not None
        pieces, self._input = body.take(self._input)
        if pieces:
            piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self.received += len(piece)
            if self.answer is not None and self.received > self.answer.body_bytes_max:
                self._refuse_body(self.answer)
                return False
            try:
                waiting = delegate.data_received(piece)
            except Exception:  # the loop of this connection
                log.exception(FAILED)
                self._fail()
                return False
            if waiting is not None:
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
        waited = asyncio.ensure_future(waiting)
        if self.stage is Stage.BODY:  # it may have been answered without a look at its body
            self.stage = Stage.WAITING

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
            self._begin_body()
            self._advance()

        waited.add_done_callback(go_on)

    def answered(self, answer: Answer) -> None:
        """Go on with the next request, or leave; `answer` is complete."""
        if answer is not self.answer:
            return
        self.answer = None
        if self.stage is not Stage.BUSY:
            self._leave()  # what is left of the request can't be told from the next one
            return
        self._delegate = None
        self.go_on(answer.keeps_alive)

    def go_on(self, keeps_alive: bool) -> None:
        """Take the next request, or close: the present one is answered."""
        if not keeps_alive or self._server.is_stopping:
            if self._input:
                self._leave()
            else:
                self.close()
            return
        self.stage = _HEAD
        self.mark = self._server.now()
        if self._is_advancing:
            return
        if self._input and self._is_reader():
            self._advance()
        elif self._is_paused or self.has_ended:
            self._read_on()

    # Ends.

    def refuse(self, problem: Problem) -> None:
        """Answer what is no request, and leave."""
        self.transport.write(raw_answer(problem.prepared()))
        self._leave()

    def give_up_body(self, problem: Problem) -> None:
        """Answer what is no body, unless an answer has begun, and leave."""
        try:
            if self._delegate is not None and self._delegate.give_up(problem):
                return
        except Exception:  # the loop of this connection
            log.exception(FAILED)
        self._fail()

    def broken(self) -> None:
        """Close: the answer can't be told from the next one any more."""
        self.answer = None
        self.close()

    def _fail(self) -> None:
        """Close after a mistake of ours."""
        delegate, answer = self._delegate, self.answer
        self._delegate = self.answer = None
        if answer is not None:
            answer.cut()
        self.close()
        if delegate is not None:
            self._call(delegate.on_connection_close)

    def close(self) -> None:
        """Close as soon as the peer has taken what was written, however slowly."""
        self.stage = Stage.LEAVING
        self.mark = math.inf  # it is the system that loses patience
        self._input = b""
        self.transport.close()

    def _leave(self) -> None:
        """Close once the peer has had the chance to read what was sent.

        Closed at once, with bytes of its unread, it would see a reset and maybe no answer.
        """
        if self.has_ended or not self.transport.can_write_eof():
            self.close()
            return
        self.stage = Stage.LEAVING
        self._input = b""
        self.mark = self._server.now()
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()
        self.transport.write_eof()

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # the loop of this connection
            log.exception(FAILED)

    def is_idle(self) -> bool:
        """Tell whether the connection is between requests, with no byte of the next one there."""
        return self.stage is Stage.HEAD and not self._input and not self._reader.has_begun

    @property
    def is_last(self) -> bool:
        """Tell whether the connection ends with this request, whatever the client has asked."""
        return self._server.is_stopping or (self.has_ended and not self._input)

    def written(self) -> "asyncio.Future[None]":
        """Give what is done once what was written is on its way."""
        if self.has_ended:
            self.mark = self._server.now()  # until it does not go out, the peer may be there
        return self.writers.written() or self._server.done
