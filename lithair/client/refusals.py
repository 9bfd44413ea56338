"""Problems that a model process answered with, as the errors that handles raise."""

from typing import Final

import msgspec

from lithair.errors import (
    CallTimeout,
    Conflict,
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


_decode = msgspec.json.Decoder(_Problem).decode


def error_of(status: int, body: bytes) -> LithairError:
    """Make the error of a refusal; its class is that of the status, its message the detail."""
    try:
        problem = _decode(body)
    except msgspec.DecodeError:
        problem = _Problem()
    message = problem.detail or f"the model's process answered with status {status}"
    return CLASSES.get(status, LithairError)(message, errors=problem.errors, status=status)
