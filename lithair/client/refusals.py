"""Problems that a model process answered with, as the errors that handles raise."""

import datetime as dt
from typing import Final

import msgspec

from lithair.errors import (
    CallTimeout,
    Conflict,
    Dropped,
    FieldError,
    LithairError,
    ModelUnavailable,
    NotFound,
    PreconditionFailed,
    StorageFull,
    ValidationFailed,
)

CLASSES: Final[dict[int, type[LithairError]]] = {
    400: ValidationFailed,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    422: ValidationFailed,
    503: ModelUnavailable,
    504: CallTimeout,
    507: StorageFull,
}


class _Problem(msgspec.Struct):
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    oldest_seq: int = 0
    oldest_time: dt.datetime | None = None


_decode = msgspec.json.Decoder(_Problem).decode


def error_of(status: int, body: bytes) -> LithairError:
    """Make the error of a refusal; its class is that of the status, its message the detail."""
    try:
        problem = _decode(body)
    except msgspec.DecodeError:
        problem = _Problem()
    message = problem.detail or f"the model's process answered with status {status}"
    if status == Dropped.status:
        at = problem.oldest_time
        at_ms = None if at is None else round(at.timestamp() * 1000)
        return Dropped(message, errors=problem.errors, oldest=problem.oldest_seq, oldest_ms=at_ms)
    return CLASSES.get(status, LithairError)(message, errors=problem.errors, status=status)
