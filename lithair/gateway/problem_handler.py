"""Tornado handlers whose errors are problems.

Owns what a RequestHandler, ours or a user's, does about errors and OPTIONS. Law: an error's page is
problem+json, unless the user's class writes its own; a stack trace goes to the log, never out.
"""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, cast

from tornado.web import HTTPError, RequestHandler

from lithair.core.problem import problem_body, title_of
from lithair.errors import FieldError, LithairError
from lithair.gateway.answers import PROBLEM_JSON, RETRY_AFTER_S, WITHOUT_BODY, Prepared
from lithair.gateway.cors import CrossOrigin
from lithair.gateway.model_routes import options_fields
from lithair.gateway.request_ids import FAILED, request_id_of
from lithair.gateway.routes import allow

log = logging.getLogger("lithair.http")

NOTHING_HERE: Final = "There is nothing at this path"
OUR_MISTAKE: Final = "The server made a mistake; its log says more"

_SENTENCES: Final = {
    400: "The request is malformed",
    404: NOTHING_HERE,
    405: "The path has no such method; Allow lists those it has",
    500: OUR_MISTAKE,
    503: "What this needs can't be reached for now",
    504: "What this needs did not answer in time",
    507: "The disk is full; reads go on",
}


def end(handler: RequestHandler, body: bytes | None = None) -> None:
    """Finish a handler's answer; nobody waits for the bytes to leave."""
    # Tornado's type of a chunk has a bare `dict` in it.
    _ = handler.finish(body)  # pyright: ignore[reportUnknownMemberType]


def write_problem(
    handler: RequestHandler, status: int, sentence: str, errors: Sequence[FieldError] = ()
) -> None:
    """Answer with a problem."""
    handler.set_status(status, title_of(status))
    handler.set_header("Content-Type", PROBLEM_JSON)
    handler.set_header("Cache-Control", "no-store")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        handler.set_header("Retry-After", str(RETRY_AFTER_S))
    end(handler, problem_body(status, sentence, errors))


def write_prepared(handler: RequestHandler, prepared: Prepared) -> None:
    """Answer with what was made ready elsewhere."""
    handler.set_status(prepared.status, title_of(prepared.status))
    for name, value in prepared.fields:
        handler.set_header(name, value)
    end(handler, None if prepared.status in WITHOUT_BODY else prepared.body)


def write_error_of(handler: RequestHandler, error: LithairError) -> None:
    """Answer with what was raised: as it says when it is about the request, else in our words.

    What a handle says of a server that it can't reach is for the operator: it names directories.
    """
    if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        write_problem(handler, error.status, str(error), error.errors)
    else:
        sent = handler.request
        request_id = request_id_of(sent.headers)
        log.error("%s %s: %s (request %s)", sent.method, sent.path, error, request_id)
        write_problem(handler, error.status, _SENTENCES.get(error.status, OUR_MISTAKE))


def methods_of(handler: type[RequestHandler]) -> frozenset[str]:
    """List the methods that a handler class has."""
    return frozenset(
        method
        for method in handler.SUPPORTED_METHODS
        if getattr(handler, method.lower(), None) is not getattr(RequestHandler, method.lower())
    )


def write_allowed(handler: RequestHandler, methods: frozenset[str]) -> None:
    """Answer OPTIONS: which methods there are, to a browser's preflight too."""
    # Any: Tornado's settings hold whatever an application puts there; this is ours.
    cross_origin = cast("CrossOrigin", handler.settings["cross_origin"])
    fields = options_fields(allow(dict.fromkeys(methods)), handler.request.headers, cross_origin)
    handler.set_status(204)
    for name, value in fields:
        handler.set_header(name, value)
    end(handler)


class EveryMethod(tuple[str, ...]):
    """For SUPPORTED_METHODS: every method there is; Tornado only looks whether one is in it."""

    __slots__ = ()

    def __contains__(self, method: object) -> bool:
        return True


class ProblemHandler(RequestHandler):
    """A handler whose errors are problems and which answers OPTIONS."""

    def compute_etag(self) -> str | None:
        """Make no ETag of an answer's bytes; whoever answers may set one."""
        return None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with a problem instead of Tornado's page."""
        _write_error(self, status_code, **kwargs)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log what went wrong under the request's id."""
        if not _log_failure(self, value):
            super().log_exception(typ, value, tb)

    def options(self, *_args: str, **_kwargs: str) -> None:
        """Say which methods there are."""
        write_allowed(self, methods_of(type(self)))


def with_problems(handler: type[RequestHandler]) -> type[RequestHandler]:
    """Give a user's handler class what it did not write itself: error pages and OPTIONS."""
    namespace: dict[str, object] = {"__module__": handler.__module__, "__doc__": handler.__doc__}
    if handler.write_error is RequestHandler.write_error:
        namespace["write_error"] = _write_error
    if handler.log_exception is RequestHandler.log_exception:
        namespace["log_exception"] = _log_exception
    if handler.options is RequestHandler.options:
        namespace["options"] = _options
    return type(handler.__name__, (handler,), namespace)


def _write_error(handler: RequestHandler, status_code: int, **kwargs: Any) -> None:
    exc_info = kwargs.get("exc_info")
    error = exc_info[1] if exc_info else None
    if isinstance(error, LithairError):
        write_error_of(handler, error)
        return
    if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        handler.set_header("Allow", allow(dict.fromkeys(methods_of(type(handler)))))
    said = error.reason if isinstance(error, HTTPError) else None
    write_problem(handler, status_code, said or _SENTENCES.get(status_code, title_of(status_code)))


def _log_exception(
    handler: RequestHandler,
    typ: type[BaseException] | None,
    value: BaseException | None,
    tb: TracebackType | None,
) -> None:
    if not _log_failure(handler, value):
        RequestHandler.log_exception(handler, typ, value, tb)


def _log_failure(handler: RequestHandler, error: BaseException | None) -> bool:
    """Log an error that the handler did not raise on purpose; False when it did."""
    if error is None or isinstance(error, HTTPError):
        return False
    sent = handler.request
    log.error(FAILED, sent.method, sent.path, request_id_of(sent.headers), exc_info=error)
    return True


def _options(handler: RequestHandler, *_args: str, **_kwargs: str) -> None:
    write_allowed(handler, methods_of(type(handler)))
