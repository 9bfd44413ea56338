"""Request and Response of user routes (`with_route`).

Owns what a route function sees and may answer; no word of Tornado in it. Law: a Request is what was
sent and never changes; a Model that a route answers with leaves without its Hidden fields.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, cast, overload

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
        model: "Callable[[Any], AsyncHandle[Any]]",
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self._model = model

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
        return cast("AsyncHandle[M]", self._model(model))

    @property
    def session(self) -> None:
        """Return the live session that the request carries, None without one."""
        return None

    @property
    def sessions(self) -> None:
        """Return what creates and ends sessions; LithairError without `with_sessions`."""
        raise LithairError("request.sessions needs an application with with_sessions(...)")


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
