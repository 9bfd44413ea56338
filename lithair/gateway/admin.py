"""Administration: the one door to everything below /_admin.

Owns how what is behind it is found and answered. Law: nothing below the prefix is answered before
the gate has let the request through as an administrator's, not even that it is not there; only
OPTIONS is, as everywhere, because a browser's preflight can't show who it is.

    request -> exchange of the token | OPTIONS: 204 | gate: 401, 403 | path: 404 | method: 405
               | act: its answer, whole or flowing

One thing is in front of the gate: the exchange of the token for a cookie, which lets in itself.
(The dashboard's files, which hold no data, are `application`'s.)
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple, cast

import msgspec
from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError

from lithair.core.problem import Refusal
from lithair.declaration.paths import BUILT_IN_PREFIX
from lithair.errors import LithairError
from lithair.gateway.answers import (
    JSON,
    PROBLEM_JSON,
    RETRY_AFTER_S,
    Fields,
    Prepared,
    Problem,
)
from lithair.gateway.gate import Gate, Rule
from lithair.gateway.identity import NOBODY, Identity
from lithair.gateway.model_routes import check_content_type, has_body
from lithair.gateway.model_site import ModelSite
from lithair.gateway.problem_handler import (
    NOTHING_HERE,
    EveryMethod,
    ProblemHandler,
    end,
    write_allowed,
    write_error_of,
    write_prepared,
    write_problem,
)
from lithair.gateway.route_table import Found, NoMethod, Place, RouteTable
from lithair.gateway.routes import allow
from lithair.gateway.targets import TargetError, decode_query, decode_segment
from lithair.wire.messages import Reply

_log = logging.getLogger("lithair.http")
_NO_STORE: Final = ("Cache-Control", "no-store")


class AdminRequest(NamedTuple):
    """What an administrator asks: `segments` are the named ones of the path."""

    segments: Mapping[str, str]
    headers: HTTPHeaders
    body: bytes
    models: "AdminModels"
    identity: Identity = NOBODY
    method: str = ""
    path: str = ""
    query: list[tuple[str, str]] = []
    address: str = ""
    is_tls: bool = False

    def json_body(self) -> object:
        """Give the JSON of the body, None without one; raises `Problem` 415, `Refusal` 400."""
        if not self.body:
            return None
        if has_body(self.headers):
            check_content_type(self.headers, "POST")
        try:
            decoded: object = msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise Refusal(400, f"The body is not JSON: {error}") from None
        return decoded


class Flow(NamedTuple):
    """An answer that is written as it comes; what fails in `pieces` cuts it off, seen as such."""

    fields: Fields
    pieces: AsyncIterator[bytes]


# Raises LithairError or Problem to refuse.
Act = Callable[[AdminRequest], Awaitable[Prepared | Flow]]
AdminRoutes = Mapping[str, Mapping[str, Act]]  # a path with {names} -> a method -> what it does


class AdminModels:
    """The models of this site, under the names that administrators use."""

    def __init__(self, models: Iterable[ModelSite], class_names: Mapping[str, str]) -> None:
        self.all = list(models)
        self._by_name = {class_names[model.name].lower(): model for model in self.all}
        self._by_name |= {model.name: model for model in self.all}

    def find(self, name: str) -> ModelSite:
        """Find a model by its class name in lower case or its path's last segment.

        Raises `Refusal` 404.
        """
        model = self._by_name.get(name)
        if model is None:
            raise Refusal(404, f"There is no model {name!r}")
        return model


class Admin:
    """The routes below the prefix, and the gate before them."""

    def __init__(
        self,
        routes: AdminRoutes,
        models: AdminModels,
        gate: Gate,
        open_acts: Mapping[tuple[str, str], Act] | None = None,
    ) -> None:
        self.open_acts = open_acts or {}  # by method and path: in front of the gate
        self.table = RouteTable(
            Place(path, frozenset(with_head(acts)), dict(acts)) for path, acts in routes.items()
        )
        self.models = models
        self.gate = gate

    def owns(self, path: str) -> bool:
        """Tell whether a raw path lies below the prefix, however it is written."""
        first = path[1:].partition("/")[0]
        try:
            return "/" + decode_segment(first) == BUILT_IN_PREFIX
        except TargetError:
            return False


def with_head(methods: Collection[str]) -> set[str]:
    """List the methods of a path; HEAD answers wherever GET does."""
    return {*methods, "HEAD"} if "GET" in methods else {*methods}


class AdminHandler(ProblemHandler):
    """Answers everything below the prefix."""

    SUPPORTED_METHODS = EveryMethod()

    def initialize(self, admin: Admin) -> None:
        """Take the routes."""
        self._admin = admin

    async def prepare(self) -> None:
        """Answer, whatever the method."""
        method = self.request.method or ""
        try:
            is_tls = self.request.protocol == "https"
            headers = self.request.headers
            open_act = self._admin.open_acts.get((method, self.request.path))
            if open_act is not None:
                write_prepared(self, _whole(await open_act(self._asked({}, NOBODY))))
                return
            who = await self._admin.gate.admitted(Rule.ADMIN, method, headers, is_tls)
            found = self._admin.table.find(method, self.request.path)
            if isinstance(found, Found):
                await self._act(method, found, who)
            elif found is None:
                write_problem(self, 404, NOTHING_HERE)
            elif method == "OPTIONS":
                write_allowed(self, found.methods)
            else:
                self._refuse_method(found)
        except Problem as problem:
            write_prepared(self, problem.prepared())
        except TargetError as error:
            write_problem(self, 400, str(error))
        except LithairError as error:
            write_error_of(self, error)

    async def _act(self, method: str, found: Found[dict[str, Act]], who: Identity) -> None:
        if method not in ("GET", "HEAD"):
            _log.info("administration: %s %s by %s", method, self.request.path, who.author)
        act = found.handler["GET" if method == "HEAD" else method]
        came = await act(self._asked(found.segments, who))
        if isinstance(came, Flow):
            await self._flow(came)
        else:
            write_prepared(self, came)

    def _asked(self, segments: Mapping[str, str], who: Identity) -> AdminRequest:
        sent = self.request
        return AdminRequest(
            segments,
            sent.headers,
            sent.body,
            self._admin.models,
            who,
            sent.method or "",
            sent.path,
            decode_query(sent.query) if sent.query else [],
            sent.remote_ip or "",
            sent.protocol == "https",
        )

    async def _flow(self, flow: Flow) -> None:
        """Write an answer piece by piece, each when the client has taken the one before.

        One that can't be completed ends with its connection, so nobody takes it for a whole one.
        """
        for name, value in flow.fields:
            self.set_header(name, value)
        try:
            await self.flush()
            if self.request.method != "HEAD":
                async for piece in flow.pieces:
                    # Tornado's type of a chunk has a bare `dict` in it.
                    self.write(piece)  # pyright: ignore[reportUnknownMemberType]
                    await self.flush()
        except (LithairError, Problem) as error:
            _log.error("%s was cut off: %s", self.request.path, error)
            cut_off(self)
        except StreamClosedError:
            return  # nobody waits for it any more
        except Exception:  # noqa: BLE001 - a mistake of ours; Tornado would end it as if whole
            _log.exception("%s was cut off", self.request.path)
            cut_off(self)
        end(self)

    def _refuse_method(self, found: NoMethod) -> None:
        allowed = allow(dict.fromkeys(found.methods))
        self.set_header("Allow", allowed)
        sentence = f"{self.request.method} is not for this path, only {allowed}"
        write_problem(self, 405, sentence)


def cut_off(handler: ProblemHandler) -> None:
    """Close the connection of an answer that has begun, without its end."""
    connection = handler.request.connection
    close = cast("Callable[[], None]", getattr(connection, "close"))  # noqa: B009 - both have it
    close()


def _whole(came: Prepared | Flow) -> Prepared:
    assert isinstance(came, Prepared), "what is in front of the gate answers in one piece"
    return came


def answer(status: int, body: bytes) -> Prepared:
    """Make an answer of JSON."""
    return Prepared(status, (("Content-Type", JSON), _NO_STORE), body)


def answer_of(reply: Reply) -> Prepared:
    """Make an answer of what a model's process said: its JSON, or its refusal."""
    if reply.status < 400:
        return answer(reply.status, reply.body)
    fields: Fields = (("Content-Type", PROBLEM_JSON), _NO_STORE)
    if reply.status == 503:
        fields = (*fields, ("Retry-After", str(RETRY_AFTER_S)))
    return Prepared(reply.status, fields, reply.body)
