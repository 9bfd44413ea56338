"""Request and Response of user routes (`with_route`).

Owns what a route function sees and may answer; no word of Tornado in it. Law: a Request is what was
sent and never changes; a Model that a route answers with leaves without its Hidden fields.
"""

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, SupportsIndex, TypeVar, cast, overload

import msgspec

from lithair.errors import FieldError, LithairError, ValidationFailed
from lithair.fields import Marker
from lithair.model import Model, checked_hints

if TYPE_CHECKING:
    from lithair.client.aio import AsyncHandle

T = TypeVar("T")
M = TypeVar("M", bound=Model)

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"
BYTES_TYPE = "application/octet-stream"


class Pairs(Mapping[str, str]):
    """Names with values, where a name may come more than once; the last value counts."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(self._form(name), []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._values[self._form(name)][-1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def get_all(self, name: str) -> list[str]:
        """Return every value of `name`, in the order sent."""
        return list(self._values.get(self._form(name), ()))

    def _form(self, name: str) -> str:
        return name


class Headers(Pairs):
    """HTTP headers: names in any case; values of a repeated name are joined (RFC 9110, 5.3)."""

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[self._form(name)])

    def _form(self, name: str) -> str:
        return name.lower()


class Path(str):
    """The path as sent, and by name the segments in braces: `request.path["id"]`."""

    __slots__ = ("segments",)
    segments: Mapping[str, str]

    def __new__(cls, text: str, segments: Mapping[str, str] | None = None) -> "Path":
        path = super().__new__(cls, text)
        path.segments = dict(segments or {})
        return path

    def __getitem__(self, key: "str | SupportsIndex | slice[Any, Any, Any]") -> str:
        return self.segments[key] if isinstance(key, str) else super().__getitem__(key)


class Session:
    """A session: whose it is, what its creator keeps in it, and until when it lives.

    `token` is the secret that names it, and is known only where the session was created.
    """

    __slots__ = ("_data", "created", "expires", "key", "role", "token", "user_id")

    def __init__(
        self,
        key: str,
        user_id: str,
        role: str,
        data: bytes,
        times_ms: tuple[int, int],
        token: str | None = None,
    ) -> None:
        self.key = key  # the hash of the token, by which it is stored
        self.user_id = user_id
        self.role = role
        self._data = data
        self.created, self.expires = (_moment(time_ms) for time_ms in times_ms)
        self.token = token

    @property
    def data(self) -> dict[str, Any]:
        """Return a copy of what was given as `create(..., **data)`."""
        return _decode_object(self._data)

    def __repr__(self) -> str:  # without the token, so that no log ever has it
        return f"Session(user_id={self.user_id!r}, role={self.role!r}, expires={self.expires})"


def _moment(time_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC)


_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


class Caller(NamedTuple):
    """Who calls, however he has shown it.

    `kind` is "session", "token" (an API token's) or "admin" (the admin token's, whose `user_id` is
    empty).
    """

    kind: str
    user_id: str
    role: str


class RouteSessions(Protocol):
    """Creates and ends sessions, in a route: `request.sessions`."""

    async def create(self, user_id: str, role: str = "", **data: Any) -> Session:
        """Create a session with a new token; the route's answer sets the cookie.

        `data` is kept as JSON. Returns when the session is stored.
        """
        ...

    async def end(self, session: Session) -> None:
        """End a session; if it is the request's own, the route's answer clears the cookie."""
        ...

    async def end_all(self, user_id: str) -> int:
        """End every session of a user; return how many there were."""
        ...


class RequestContext(msgspec.Struct, frozen=True):
    """What a request has beside what was sent."""

    model: "Callable[[Any], AsyncHandle[Any]]"
    session: Session | None = None
    sessions: RouteSessions | None = None
    caller: Caller | None = None


class Request:
    """What was sent to a user's route."""

    def __init__(
        self,
        method: str,
        path: Path,
        *,
        query: Pairs,
        headers: Headers,
        body: bytes,
        context: "RequestContext",
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self._context = context

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, kind: type[T]) -> T: ...
    def json(self, kind: Any = Any) -> Any:
        """Decode the body; ValidationFailed (400 malformed, 415 not JSON, 422 not of the type)."""
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != JSON_TYPE:
            raise ValidationFailed("the body has to be application/json", status=415)
        try:
            return msgspec.json.decode(self.body, type=kind)
        except msgspec.ValidationError as error:
            text, _, place = str(error).partition(" - at `$")
            field = place.strip("`.").partition(".")[0].partition("[")[0]
            raise ValidationFailed(
                "the body is not what this route expects", errors=[FieldError(field, text)]
            ) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValidationFailed(f"the body is not JSON: {error}", status=400) from error

    def model(self, model: type[M]) -> "AsyncHandle[M]":
        """Return an asyncio handle of a model; it is not gated."""
        return cast("AsyncHandle[M]", self._context.model(model))

    @property
    def session(self) -> Session | None:
        """Return the live session that the request carries, None without one."""
        return self._context.session

    @property
    def caller(self) -> Caller | None:
        """Return who calls: a live session's user, an API token's, the admin; None for nobody."""
        return self._context.caller

    @property
    def sessions(self) -> RouteSessions:
        """Return what creates and ends sessions; LithairError without `with_sessions`."""
        if self._context.sessions is None:
            raise LithairError("request.sessions needs an application with with_sessions(...)")
        return self._context.sessions


class Response:
    """An answer: bytes and text as they are, anything else as JSON.

    `headers` is a mapping, or pairs when a name has to come twice. A Content-Type in it wins.
    """

    def __init__(
        self,
        body: object = None,
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    ) -> None:
        self.status = status
        pairs = (
            cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers
        )
        self.headers: list[tuple[str, str]] = list(pairs)
        self.body, content_type = _encode(body)
        names = {name.lower() for name, _ in self.headers}
        if content_type and "content-type" not in names:
            self.headers.append(("Content-Type", content_type))


def response_of(answer: object) -> Response:
    """Turn what a route function returned into a Response; None is 204."""
    if isinstance(answer, Response):
        return answer
    return Response(status=204) if answer is None else Response(answer)


def _encode(body: object) -> tuple[bytes, str]:
    if body is None:
        return b"", ""
    if isinstance(body, bytes | bytearray):
        return bytes(body), BYTES_TYPE
    if isinstance(body, str):
        return body.encode(), TEXT_TYPE
    return msgspec.json.encode(_shown(body), enc_hook=_plain), JSON_TYPE


def _shown(value: object) -> object:
    """Leave out the Hidden fields of models, wherever they are in an answer."""
    if isinstance(value, Model):
        visible = _visible_fields(type(value))
        if visible is None:
            return value
        shown = {wire: getattr(value, name) for name, wire in visible}
        return {wire: item for wire, item in shown.items() if item is not msgspec.UNSET}
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in cast("list[object]", value)]
    return value


@functools.cache
def _visible_fields(model: type[Model]) -> tuple[tuple[str, str], ...] | None:
    """Return (name, wire name) of what may be shown; None when that is everything."""
    hints = checked_hints(model)
    if not any(Marker.HIDDEN in hint.markers for hint in hints.values()):
        return None
    pairs = zip(model.__struct_fields__, model.__struct_encode_fields__, strict=True)
    return tuple(pair for pair in pairs if Marker.HIDDEN not in hints[pair[0]].markers)


def _plain(value: object) -> object:
    if isinstance(value, str):  # msgspec takes no subclass of str, such as Path
        return str(value)
    raise TypeError(f"{type(value).__name__} can't be written as JSON")
