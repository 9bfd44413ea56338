"""The tables: which routes there are, which methods they take, which statuses they answer with.

Owns the route look-up. Law: what is not in these tables is not served; docs/http.md lists the same
rows, and a test compares the two. `resolve` costs one dict look-up on the path's prefix more than
the collection's own.
"""

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

from lithair.wire.protocol import Verb

HISTORY: Final = "history"
STREAM: Final = "stream"


class Shape(enum.Enum):
    """The kinds of paths under a model's path."""

    COLLECTION = ""
    BULK = "/_bulk"
    COUNT = "/count"
    RANDOM = "/random-id"
    STREAM = "/stream"
    ITEM = "/{id}"
    HISTORY = "/{id}/history"
    ITEM_STREAM = "/{id}/stream"


STREAM_SHAPES: Final = frozenset({Shape.STREAM, Shape.ITEM_STREAM})

# A reserved word is a path of its own: it never reaches the model process as an id.
RESERVED: Final = {
    "_bulk": Shape.BULK,
    "count": Shape.COUNT,
    "random-id": Shape.RANDOM,
    "stream": Shape.STREAM,
}


class Action(NamedTuple):
    """What a method does on a path: the verb for the model process, and what it reads."""

    verb: Verb
    takes_query: bool = False  # the query string goes to the model process
    takes_body: bool = False  # a body must be JSON
    is_bulk: bool = False  # the larger body limit
    has_etag: bool = False  # the answer carries the item's ETag


SHAPES: Final[dict[Shape, dict[str, Action]]] = {
    Shape.COLLECTION: {
        "GET": Action(Verb.LIST, takes_query=True),
        "POST": Action(Verb.CREATE, takes_body=True, has_etag=True),
    },
    Shape.BULK: {"POST": Action(Verb.BULK, takes_body=True, is_bulk=True)},
    Shape.COUNT: {"GET": Action(Verb.COUNT, takes_query=True)},
    Shape.RANDOM: {"GET": Action(Verb.RANDOM)},
    Shape.STREAM: {"GET": Action(Verb.EVENTS, takes_query=True)},  # answered by `streams`
    Shape.ITEM: {
        "GET": Action(Verb.GET, takes_query=True, has_etag=True),
        "PUT": Action(Verb.REPLACE, takes_body=True, has_etag=True),
        "PATCH": Action(Verb.PATCH, takes_body=True, has_etag=True),
        "DELETE": Action(Verb.DELETE),
    },
    Shape.HISTORY: {"GET": Action(Verb.HISTORY)},
    Shape.ITEM_STREAM: {"GET": Action(Verb.EVENTS, takes_query=True)},
}

for _actions in SHAPES.values():  # HEAD wherever GET
    if "GET" in _actions:
        _actions["HEAD"] = _actions["GET"]

METHOD_ORDER: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def allow(methods: Mapping[str, object]) -> str:
    """Write the Allow field for a path which answers these methods, OPTIONS always among them."""
    named = {*methods, "OPTIONS"}
    known = [method for method in METHOD_ORDER if method in named]
    return ", ".join([*known, *sorted(named - set(known))])


ALLOW: Final = {shape: allow(actions) for shape, actions in SHAPES.items()}

# Served beside the models' routes: path -> methods.
SERVER_ROUTES: Final[dict[str, tuple[str, ...]]] = {
    "/health": ("GET", "HEAD"),
    "/ready": ("GET", "HEAD"),
    "/info": ("GET", "HEAD"),
    "/metrics": ("GET", "HEAD"),
    "/openapi.json": ("GET", "HEAD"),
    "/docs": ("GET", "HEAD"),
}
DOCS_PATHS: Final = ("/openapi.json", "/docs")  # of these, what LT_DOCS switches off

# Every status an answer of ours can have, and the short reason that the docs give for it.
STATUSES: Final[dict[int, str]] = {
    200: "done",
    201: "created",
    204: "done, nothing to say",
    304: "unchanged since the ETag in If-None-Match",
    400: "malformed request, JSON or query",
    401: "a live session, the admin token, or that of /metrics, is needed; see WWW-Authenticate",
    403: "who asks may not do this, or a page of another site had it sent with a cookie",
    404: "no such path or item",
    405: "the path has no such method; Allow lists those it has",
    408: "the request came too slowly",
    409: "the id or a unique value is taken, or a hook refused",
    410: "compaction has dropped the point of the past that was asked for",
    412: "If-Match does not match",
    413: "the body is over the limit",
    414: "the request's path is too long",
    415: "the body is not application/json",
    422: "the body fails validation, or the Idempotency-Key was used with another body",
    429: "too much of this came from there; Retry-After says when it may go on",
    431: "the head is over 64 KiB or 100 fields",
    500: "the server made a mistake; its log says more",
    503: "the model can't be reached, or too much is waiting for it; Retry-After says when",
    504: "the model did not answer within the time-out",
    507: "the disk is full; reads go on",
}

M = TypeVar("M")


class Route(NamedTuple):
    """A path below a model's: the shape, and the item's id where the shape has one."""

    shape: Shape
    key: str


_COLLECTION: Final = Route(Shape.COLLECTION, "")
_BELOW_ITEMS: Final = {HISTORY: Shape.HISTORY, STREAM: Shape.ITEM_STREAM}
_RESERVED_ROUTES: Final = {word: Route(shape, "") for word, shape in RESERVED.items()}


def resolve(models: Mapping[str, M], path: str) -> tuple[M, Route] | None:
    """Find the model that a decoded path belongs to, and what the path means there."""
    model = models.get(path)
    if model is not None:
        return model, _COLLECTION
    head, _, tail = path.rpartition("/")
    model = models.get(head)
    if model is not None:
        if not tail:
            return None
        return model, _RESERVED_ROUTES.get(tail) or Route(Shape.ITEM, tail)
    below = _BELOW_ITEMS.get(tail)
    if below is not None:
        head, _, key = head.rpartition("/")
        model = models.get(head)
        if model is not None and key and key not in RESERVED:
            return model, Route(below, key)
    return None
