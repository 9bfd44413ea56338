"""Answers of the OpenAPI document: statuses, header fields, and problems.

Owns what is said once and pointed at by every operation. Law: a status has one meaning, that of the
table in `gateway/routes.py`; an operation names all it can be answered with and no others.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from lithair.gateway.answers import JSON, PROBLEM_JSON
from lithair.gateway.routes import STATUSES

Node = dict[str, object]  # an object of the document

OWN: Final = "lithair."  # before the names of our own schemas; no class has a dot in its name
PROBLEM: Final = f"{OWN}Problem"
GONE: Final = 410

# Whatever is asked, and of whom: a head too large or too slow, a mistake of ours, and overload.
ALWAYS: Final = (400, 408, 414, 431, 500, 503, 504)
WITH_BODY: Final = (413, 415, 422)
WRITING: Final = (422, 507)


def schema_ref(name: str) -> Node:
    """Point at a schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def header_ref(name: str) -> Node:
    """Point at a header of the components."""
    return {"$ref": f"#/components/headers/{name}"}


def said(
    text: str,
    schema: object = None,
    headers: Iterable[str] = (),
    media_type: str = JSON,
    example: object = None,
) -> Node:
    """Describe an answer; `headers` are names of the components."""
    answer: Node = {"description": text}
    named = {name: header_ref(name) for name in headers}
    if named:
        answer["headers"] = named
    if schema is not None:
        content: Node = {"schema": schema}
        if example is not None:
            content["example"] = example
        answer["content"] = {media_type: content}
    return answer


def problems(statuses: Iterable[int]) -> Node:
    """Point at the problems that an operation can be answered with."""
    return {
        str(status): {"$ref": f"#/components/responses/{status}"}
        for status in sorted({*statuses, *ALWAYS})
    }


def problem_responses() -> dict[str, Node]:
    """Describe each problem once."""
    return {
        str(status): said(
            f"{why[:1].upper()}{why[1:]}.",
            schema_ref(PROBLEM) if status != GONE else _dropped(),
            (*_FIELDS_OF.get(status, ()), "X-Request-Id"),
            PROBLEM_JSON,
        )
        for status, why in STATUSES.items()
        if status >= 400
    }


_FIELDS_OF: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}

HEADERS: Final[dict[str, Node]] = {
    "ETag": {
        "description": "The number of the item's last event, in double quotes; for If-Match and"
        " If-None-Match.",
        "required": True,
        "schema": {"type": "string", "examples": ['"41"']},
    },
    "Lithair-Seq": {
        "description": "The number of the model's last event.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "Location": {
        "description": "The path of the new item.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Set-Cookie": {
        "description": "The session's token for a browser.",
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {
        "description": "How to show who asks.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "In how many seconds asking again is worth it.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "X-Request-Id": {
        "description": "Under which the server's log tells of it.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Allow": {
        "description": "The methods that the path has.",
        "required": True,
        "schema": {"type": "string"},
    },
}


def problem_schema() -> Node:
    """Describe the body of every error (RFC 9457)."""
    text: Node = {"type": "string"}
    fault: Node = {
        "type": "object",
        "properties": {"field": text, "message": text},
        "required": ["field", "message"],
    }
    return {
        "type": "object",
        "title": "Problem",
        "description": "What was wrong, as in RFC 9457.",
        "properties": {
            "type": {"type": "string", "examples": ["about:blank"]},
            "title": {"type": "string", "description": "The status in words."},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "The sentence, and what it applies to."},
            "error": {"type": "string", "description": "A short sentence."},
            "errors": {
                "type": "array",
                "description": "All faulty fields or parameters, where it is about these.",
                "items": fault,
            },
        },
        "required": ["type", "title", "status", "detail", "error"],
    }


def _dropped() -> Node:
    return {
        "allOf": [schema_ref(PROBLEM)],
        "type": "object",
        "properties": {
            "oldest_seq": {
                "type": "integer",
                "description": "The oldest point that can still be asked for.",
            },
            "oldest_time": {"type": "string", "format": "date-time"},
        },
    }
