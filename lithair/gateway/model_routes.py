"""Requests to a model: what the head asks of the model process, and the head of its answer.

Owns the step from HTTP's words to the wire's and back. Law: a body is never looked into; what the
model process said goes out as it is.
"""

from typing import Final, NamedTuple
from urllib.parse import quote

from tornado.httputil import HTTPHeaders

from lithair.gateway.answers import JSON, PROBLEM_JSON, Prepared, Problem
from lithair.gateway.cors import CrossOrigin
from lithair.gateway.fields import UsualFields
from lithair.gateway.preconditions import (
    PreconditionError,
    check_idempotency_key,
    is_unchanged,
    parse_if_match,
    parse_tags,
    parse_write_if_none_match,
)
from lithair.gateway.routes import ALLOW, SHAPES, Action, Route, Shape
from lithair.gateway.targets import decode_query
from lithair.wire.messages import IfMatch, Reply

MERGE_PATCH_JSON: Final = "application/merge-patch+json"  # RFC 7396's own name, for PATCH

# An answer may be kept, but is asked about again before it is used: an item can change at any time.
CACHE_CONTROL: Final = "no-cache"


class Question(NamedTuple):
    """What a request asks of the model process, as far as its head tells."""

    action: Action
    key: str
    pairs: list[tuple[str, str]]
    if_match: IfMatch
    idempotency_key: str | None
    if_none_match: str | None


def plan(route: Route, method: str, query: str, headers: HTTPHeaders) -> Question:
    """Read a request's head; raises Problem for whatever it can be refused for."""
    action = SHAPES[route.shape].get(method)
    if action is None:
        allowed = ALLOW[route.shape]
        raise Problem(405, f"{method} is not for this path, only {allowed}", (("Allow", allowed),))
    pairs = decode_query(query) if query else []
    if pairs and not action.takes_query:
        raise Problem(400, f"{pairs[0][0]}: this path takes no parameters in its query string")
    try:
        if method in ("GET", "HEAD"):
            return Question(action, route.key, pairs, None, None, _read_tags(action, headers))
        return _plan_write(action, route.key, method, headers)
    except PreconditionError as error:
        raise Problem(400, str(error)) from None


def _read_tags(action: Action, headers: HTTPHeaders) -> str | None:
    if not action.has_etag:
        return None
    value = headers.get("If-None-Match")
    if value is not None and value.strip() != "*":
        parse_tags("If-None-Match", value)
    return value


def _plan_write(action: Action, key: str, method: str, headers: HTTPHeaders) -> Question:
    idempotency_key = headers.get("Idempotency-Key")
    check_idempotency_key(idempotency_key)
    if_match: IfMatch = None
    if key:
        if_match = parse_if_match(headers.get("If-Match"))
        if parse_write_if_none_match(headers.get("If-None-Match")):
            if_match = ()  # it must not exist, and what is written to here always does
    if action.takes_body and has_body(headers):
        check_content_type(headers, method)
    return Question(action, key, [], if_match, idempotency_key, None)


def has_body(headers: HTTPHeaders) -> bool:
    """Tell whether a request comes with a body."""
    return "Transfer-Encoding" in headers or headers.get("Content-Length", "0").strip("0") != ""


def check_content_type(headers: HTTPHeaders, method: str) -> None:
    """Refuse a body that does not say it is JSON in UTF-8."""
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(415, "The body must come without a Content-Encoding")
    value = headers.get("Content-Type")
    if value == JSON:
        return
    if value is None:
        raise Problem(415, "The request has a body but no Content-Type; it must be " + JSON)
    media_type, _, parameters = value.partition(";")
    kinds = (JSON, MERGE_PATCH_JSON) if method == "PATCH" else (JSON,)
    if media_type.strip().lower() not in kinds:
        raise Problem(415, "The Content-Type must be " + " or ".join(kinds))
    for parameter in parameters.split(";"):
        name, _, text = parameter.strip().partition("=")
        if name.lower() == "charset" and text.strip('"').lower() not in ("utf-8", "utf8"):
            raise Problem(415, "The charset of JSON must be utf-8")


def options(shape: Shape, headers: HTTPHeaders, cross_origin: CrossOrigin) -> Prepared:
    """Answer OPTIONS on a model's path, a browser's preflight included."""
    return Prepared(204, options_fields(ALLOW[shape], headers, cross_origin), b"")


def options_fields(
    allowed: str, headers: HTTPHeaders, cross_origin: CrossOrigin
) -> tuple[tuple[str, str], ...]:
    """Give the header fields of an OPTIONS answer."""
    fields = (("Allow", allowed),)
    if "Access-Control-Request-Method" not in headers:
        return fields
    return fields + cross_origin.preflight_fields(
        headers.get("Origin"), allowed, headers.get("Access-Control-Request-Headers")
    )


def is_not_modified(question: Question, reply: Reply) -> bool:
    """Tell whether a read is answered 304: the client holds the item as it is."""
    return (
        question.if_none_match is not None
        and reply.status == 200
        and is_unchanged(question.if_none_match, reply.item_seq)
    )


def answer_headers(
    question: Question, reply: Reply, location_prefix: str, is_private: bool
) -> HTTPHeaders:
    """Make the header fields of the answer to what the model process said.

    How long a private one is kept, the exchange says, as of all that are.
    """
    headers = UsualFields()
    status = reply.status
    if status >= 400:
        headers["Content-Type"] = PROBLEM_JSON
        if not is_private:
            headers["Cache-Control"] = "no-store"
    else:
        if status != 204:
            headers["Content-Type"] = JSON
        if not is_private:
            headers["Cache-Control"] = CACHE_CONTROL
        if question.action.has_etag:
            headers["Etag"] = f'"{reply.item_seq}"'
            if status == 201:
                headers["Location"] = location_prefix + quote(reply.key, safe="")
    return headers
