"""The errors a user of Lithair can meet.

Law: one root, and a subclass only where a caller acts on it. `status` is the HTTP status that the
gateway answers with; handles raise the class that belongs to the status they were answered with.
"""

import functools
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from types import TracebackType

import msgspec

EXIT_MISUSE = 2  # every mistake in an application ends its start with this status


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


class DeclarationError(Mistakes, TypeError):
    """A class or a decorator says something that it can't mean; the message says what to write."""

    def __init__(self, message: str) -> None:
        super().__init__([message])
        _hook_uncaught_once()


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


class Dropped(LithairError):
    """What was asked for was dropped by compaction; `oldest` is the oldest seq still to be had.

    `oldest_ms` is that event's time in milliseconds since 1970, None where it is not known.
    """

    status = 410

    def __init__(
        self,
        message: str,
        *,
        errors: Iterable[FieldError] = (),
        status: int | None = None,
        oldest: int = 0,
        oldest_ms: int | None = None,
    ) -> None:
        super().__init__(message, errors=errors, status=status)
        self.oldest = oldest
        self.oldest_ms = oldest_ms


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


def _tell_and_exit(error: DeclarationError, place: TracebackType | None) -> None:
    frames = traceback.extract_tb(place)
    own = os.path.dirname(__file__) + os.sep
    outside = [frame for frame in frames if not frame.filename.startswith(own)]
    where = f"{outside[-1].filename}:{outside[-1].lineno}: " if outside else ""
    print(f"{where}{error}", file=sys.stderr)  # noqa: T201 - where it is read
    raise SystemExit(EXIT_MISUSE)


def _hook_uncaught() -> None:
    """Let a DeclarationError that nobody catches end the program with its sentence and status 2.

    A class statement runs before there is an application that could gather its mistakes.
    """
    before = sys.excepthook

    def tell(kind: type[BaseException], error: BaseException, place: TracebackType | None) -> None:
        if isinstance(error, DeclarationError):
            _tell_and_exit(error, place)
        before(kind, error, place)

    sys.excepthook = tell


_hook_uncaught_once = functools.cache(_hook_uncaught)
