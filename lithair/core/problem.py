"""Refusals and their body: one `application/problem+json` object (RFC 9457).

Law: a refusal says what was wrong in the words of the caller's world: wire names, values, and
never a path, a stack or a class of ours.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus

import msgspec

from lithair.core.as_of import rfc3339
from lithair.errors import DamagedLog, Dropped, FieldError, LithairError, SchemaChanged, StorageFull

_encode = msgspec.json.Encoder().encode
_NOTHING: Mapping[str, object] = {}


class Refusal(LithairError):
    """A command or a query is refused with `status`; nothing of it has happened."""

    def __init__(self, status: int, message: str, errors: Iterable[FieldError] = ()) -> None:
        super().__init__(message, status=status, errors=errors)


def title_of(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def problem_body(
    status: int,
    message: str,
    errors: Iterable[FieldError] = (),
    members: Mapping[str, object] = _NOTHING,
) -> bytes:
    """Encode a problem: `error` is the short sentence, `detail` adds what it applies to."""
    errors = tuple(errors)
    listed = [{"field": e.field, "message": e.message} for e in errors]
    body: dict[str, object] = {
        "type": "about:blank",
        "title": title_of(status),
        "status": status,
        "detail": message,
        "error": message.split(". ", 1)[0].removesuffix("."),
        **members,
    }
    if listed:
        body["errors"] = listed
        named = (f"{e.field}: {e.message}" if e.field else e.message for e in errors)
        body["detail"] = f"{message}: {'; '.join(named)}"
    return _encode(body)


# What these say names files: it is for the log, not for whoever asks.
_OUTWARD: dict[type[LithairError], str] = {
    DamagedLog: "What is stored of this item is damaged; the server's log says where",
    SchemaChanged: "What is stored of this item can't be migrated; the server's log says why",
    StorageFull: "The disk is full; reads go on, and writes do again when there is room",
}


def problem_of(error: LithairError) -> bytes:
    """Encode an error as its caller may see it."""
    if isinstance(error, Dropped):
        return _dropped_body(error)
    return problem_body(error.status, _OUTWARD.get(type(error), str(error)), error.errors)


def _dropped_body(error: Dropped) -> bytes:
    """Say what can still be had: a seq, and its time where that is known."""
    if not error.oldest and error.oldest_ms is None:
        return problem_body(error.status, "Compaction has dropped this", error.errors)
    members: dict[str, object] = {"oldest_seq": error.oldest}
    at = f"event {error.oldest}"
    if error.oldest_ms is not None:
        members["oldest_time"] = rfc3339(error.oldest_ms)
        at += f", {members['oldest_time']}"
    message = f"Compaction has dropped this. The oldest point still to be had is {at}"
    return problem_body(error.status, message, error.errors, members)
