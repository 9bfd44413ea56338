"""The errors a user of Lithair can meet.

Law: one root, and a subclass only where a caller acts on it. `status` is the HTTP status that the
gateway answers with; handles raise the class that belongs to the status they were answered with.
"""

from collections.abc import Iterable, Sequence

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one top-level field, by its wire name."""

    field: str
    message: str


class LithairError(Exception):
    """The root of everything that Lithair raises on purpose."""

    status: int = 500

    def __init__(
        self, message: str, *, errors: Iterable[FieldError] = (), status: int | None = None
    ) -> None:
        super().__init__(message)
        self.errors: tuple[FieldError, ...] = tuple(errors)
        if status is not None:
            self.status = status


class NotFound(LithairError):
    """No such item."""

    status = 404


class Conflict(LithairError):
    """The id, or the value of a unique field, is taken; or a hook rejected the write."""

    status = 409


class PreconditionFailed(LithairError):
    """The item has changed since the caller read it."""

    status = 412


class ValidationFailed(LithairError):
    """The item or the query is not what the model's declaration asks for; see `errors`."""

    status = 422


class ModelUnavailable(LithairError):
    """The model's process can't be reached, or it refuses more work for now."""

    status = 503


class CallTimeout(LithairError):
    """The answer did not come in time; a write may or may not have happened."""

    status = 504


class Rejected(LithairError):
    """Raised by a `ModelHandler` hook to refuse a write: `raise Rejected("why", status=409)`."""

    def __init__(self, why: str, status: int = 409) -> None:
        if not 400 <= status <= 499:
            raise ValueError(f"Rejected(status={status}): use a status from 400 to 499")
        super().__init__(why, status=status)


class Mistakes(LithairError):
    """The application can't start as it is set up: one sentence per mistake, exit status 2."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = tuple(sentences)


class DamagedLog(LithairError):
    """Bytes in a log are not what was written; nothing of that model is served."""

    def __init__(self, path: str, offset: int, what: str, directory: str) -> None:
        super().__init__(
            f"{path}: damaged at offset {offset}: {what}. Nothing was changed."
            f" Run: lithair verify {directory}"
        )
        self.path = path
        self.offset = offset
        self.what = what


class LockedByOther(LithairError):
    """Another process owns the data directory."""

    status = 503


class SchemaChanged(LithairError):
    """The log was written under a declaration this one can't read; the message says why."""


class UnknownFormat(LithairError):
    """The log was written by a version of Lithair that this one does not know."""


class StorageFull(LithairError):
    """No room on the disk: nothing of the write has happened."""

    status = 507


class SyncFailed(LithairError):
    """The disk did not confirm a sync; the process has to recover from what is on disk."""
