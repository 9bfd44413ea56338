"""Exchanges that are traced: a span for each request, and one in it for what its model is asked.

Law: what is answered is what an exchange answers without traces. A span ends when its answer
begins: a stream's own length says nothing, and everything else is sent at once.

    GET /api/films/{id}           SERVER: http.*, url.*, lithair.model; the parent by traceparent
      GET films                   CLIENT: from the question to the model's process to its answer

Names are those of OpenTelemetry's semantic conventions for HTTP. A query is left out: there may be
secrets in it.
"""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from tornado.httputil import HTTPHeaders, RequestStartLine, ResponseStartLine

from lithair.gateway.application import SiteApplication
from lithair.gateway.contract import Connection, ConnectionDelegate
from lithair.gateway.exchange import Exchange
from lithair.gateway.request_ids import REQUEST_ID
from lithair.gateway.routes import METHOD_ORDER, resolve
from lithair.gateway.targets import TargetError, decode_path, split_target
from lithair.gateway.tracing import Tracing
from lithair.wire.messages import Reply
from lithair.wire.protocol import Verb

if TYPE_CHECKING:
    from lithair.gateway.site import Site

OTHER: Final = "_OTHER"  # a method that is not HTTP's own; anybody can make one up
PEER_GONE: Final = "disconnected"


class TracedRequests(ConnectionDelegate):
    """A site all of whose requests are traced; it knows no short way past them."""

    def __init__(self, site: "Site", tracing: Tracing) -> None:
        self._site = site
        self._tracing = tracing

    def start_request(self, server_conn: object, connection: Connection) -> "TracedExchange":
        """Begin an exchange."""
        return TracedExchange(self._site, self._tracing, server_conn, connection)


class TracedExchange(Exchange):
    """A request on its way to its answer, and the spans of it."""

    __slots__ = ("_asking", "_span", "_tracer")

    def __init__(
        self, site: "Site", tracing: Tracing, server_conn: object, connection: Connection
    ) -> None:
        super().__init__(site, server_conn, connection)
        self._tracer = tracing.tracer
        self._span: Span | None = None  # until it has ended
        self._asking: Span | None = None

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Begin the request's span."""
        assert isinstance(start_line, RequestStartLine)
        self._span = span = self._begin_span(start_line, headers)
        with trace.use_span(span):
            return super().headers_received(start_line, headers)

    def finish(self) -> None:
        """Have the answer made with the span as the present one: a route's own lie within it."""
        if self._span is None:
            super().finish()
            return
        with trace.use_span(self._span):
            super().finish()

    def on_connection_close(self) -> None:
        """End the spans without an answer."""
        self._end_asking(None)
        span, self._span = self._span, None
        if span is not None:
            span.set_attribute("error.type", PEER_GONE)
            span.end()
        super().on_connection_close()

    def _ask(self) -> None:
        question = self._question
        if self._model is not None and question is not None:
            verb = Verb(question.action.verb)
            if verb is not Verb.EVENTS:
                said = {"lithair.model": self._model.name, "lithair.verb": verb.name}
                name = f"{verb.name} {self._model.name}"
                kind = SpanKind.CLIENT
                self._asking = self._tracer.start_span(name, kind=kind, attributes=said)
        super()._ask()

    def _replied(self, reply: Reply) -> None:
        self._end_asking(reply)
        super()._replied(reply)

    def _end_asking(self, reply: Reply | None) -> None:
        asking, self._asking = self._asking, None
        if asking is None:
            return
        if reply is not None:
            asking.set_attribute("lithair.status", reply.status)
            asking.set_attribute("lithair.seq", reply.seq)
            if reply.status >= 500:
                asking.set_status(StatusCode.ERROR)
        asking.end()

    def _count(self, status: int) -> None:
        super()._count(status)
        span, self._span = self._span, None
        if span is None:
            return
        span.set_attribute("http.response.status_code", status)
        span.set_attribute("url.scheme", "https" if self._client.is_tls else "http")
        address = self._client.address or self._connection.context.remote_ip
        if address:
            span.set_attribute("client.address", address)
        request_id = self._headers.get(REQUEST_ID)
        if request_id is not None:
            span.set_attribute("lithair.request_id", request_id)
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)
        span.end()

    def _begin_span(self, start_line: RequestStartLine, headers: HTTPHeaders) -> Span:
        method = start_line.method if start_line.method in METHOD_ORDER else OTHER
        path, route, model = self._placed(start_line)
        attributes = {
            "http.request.method": method,
            "url.path": path,
            "network.protocol.version": start_line.version.removeprefix("HTTP/"),
        }
        agent = headers.get("User-Agent")
        if agent is not None:
            attributes["user_agent.original"] = agent
        if route:
            attributes["http.route"] = route
        if model:
            attributes["lithair.model"] = model
        verb = "HTTP" if method == OTHER else method
        sent = {name.lower(): value for name, value in headers.get_all()}
        return self._tracer.start_span(
            f"{verb} {route}" if route else verb,
            propagate.extract(sent),
            SpanKind.SERVER,
            attributes,
        )

    def _placed(self, start_line: RequestStartLine) -> tuple[str, str, str]:
        """Give a request's path, the route that it belongs to, and the model; "" where none is."""
        try:
            raw_path, _ = split_target(start_line.path)
            path = decode_path(raw_path)
            found = None if path is None else resolve(self._site.models, path)
            if found is not None:
                model, route = found
                return raw_path, model.path + route.shape.value, model.name
            application = self._site.application
            if isinstance(application, SiteApplication):
                return raw_path, application.route_of(start_line.method, raw_path), ""
            return raw_path, "", ""
        except TargetError:
            return start_line.path.partition("?")[0], "", ""
