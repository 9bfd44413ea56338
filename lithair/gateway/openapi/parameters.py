"""Parameters of the OpenAPI document: query strings and header fields of models' routes.

Owns the grammar of filters and preconditions as JSON Schema says it. Law: what a pattern here
refuses, the server refuses too; it may refuse more (a value of another type, say), with 400.
"""

import typing
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from lithair.core.query import FILTERS_MAX, SKIP_MAX, SORT_FIELDS_MAX
from lithair.core.schema import FieldInfo
from lithair.core.values import members
from lithair.gateway.openapi.answers import Node
from lithair.gateway.preconditions import IDEMPOTENCY_KEY_LENGTH_MAX

NESTED_MAX: Final = 3  # how deep the filters of nested objects are listed; they go deeper

_TAG: Final = r'(W/)?"[!#-~]*"'
_TAGS: Final = rf"^(\*|{_TAG}(, ?{_TAG})*)$"
_TIME: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)

FILTERS_SAY: Final = f"""
A filter is written behind the name of a field: `field=v` equal, `!v` not equal, `>v` `<v` `>=v`
`<=v` ranges, `~v` contains, `[a,b]` any of these. Several, also on one field, have all to hold
({FILTERS_MAX} at most). `null` is null; a value that begins with an operator is written after `=`
(`field==>x`). Dotted names reach into nested objects.
"""


def query(name: str, schema: Node, says: str, **more: object) -> Node:
    """Describe a parameter of the query string."""
    return {"name": name, "in": "query", "description": says, "schema": schema, **more}


def _field(name: str, schema: Node, says: str) -> Node:
    return {"name": name, "in": "header", "description": says, "schema": schema}


IF_MATCH: Final = _field(
    "If-Match",
    {"type": "string", "pattern": _TAGS},
    'The ETag that the item has to have, such as `"41"`, several, or `*`; else 412.',
)
IF_NONE_MATCH: Final = _field(
    "If-None-Match",
    {"type": "string", "pattern": _TAGS},
    "The ETag of what the client holds; 304 when the item is still that.",
)
IDEMPOTENCY_KEY: Final = _field(
    "Idempotency-Key",
    {
        "type": "string",
        "maxLength": IDEMPOTENCY_KEY_LENGTH_MAX,
        "pattern": r"^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$",
    },
    "A repeat with the same key and body gets the first answer again and writes nothing; with"
    " another body it is 422.",
)
LAST_EVENT_ID: Final = _field(
    "Last-Event-ID",
    {"type": "string"},
    "The id of the last event that was read; what came after it is told first. Wins over `since`.",
)
AS_OF: Final = query(
    "as_of",
    {"type": "string", "pattern": rf"^(?:[0-9]{{1,20}}|{_TIME})$"},
    "What was then, instead of what is: right after the event with that number, or at that time"
    " (RFC 3339).",
)
STREAM_OPTIONS: Final = (
    query(
        "since",
        {"type": "string", "pattern": "^[0-9]+$"},
        "The id of an event; what came after it is told first.",
    ),
    query(
        "snapshot",
        {"type": "string", "enum": ["true", "false"]},
        "Whether the items that are there are told first.",
    ),
)


def filters(fields: Iterable[FieldInfo]) -> list[Node]:
    """Describe a filter for each field, and for those of nested objects."""
    return [_filter(name, says) for name, says, _ in _filterable(fields)]


def paging(fields: Iterable[FieldInfo], take_max: int) -> list[Node]:
    """Describe what else a list takes."""
    listed = list(fields)
    order = [name for name, _, has_order in _filterable(listed) if has_order]
    signed = [sign + name for name in order for sign in ("", "-")]
    return [
        query(
            "sort",
            {
                "type": "array",
                "items": {"type": "string", "enum": signed},
                "maxItems": SORT_FIELDS_MAX,
                "uniqueItems": True,
            },
            "Fields to sort by, descending with `-`; creation order otherwise.",
            style="form",
            explode=False,
        ),
        query(
            "skip",
            {"type": "integer", "minimum": 0, "maximum": SKIP_MAX, "default": 0},
            "How many items to leave out.",
        ),
        query(
            "take",
            {"type": "integer", "minimum": 0, "maximum": SKIP_MAX, "default": take_max},
            f"How many items to give, {take_max} at most: more is lowered to it.",
        ),
        query("after", {"type": "string"}, "The id of the item behind which the page begins."),
        chosen_fields(listed),
    ]


def chosen_fields(fields: Iterable[FieldInfo]) -> Node:
    """Describe `fields`."""
    names = [field.wire for field in fields]
    return query(
        "fields",
        {"type": "array", "items": {"type": "string", "enum": names}},
        "Give just these fields, and the id.",
        style="form",
        explode=False,
        allowEmptyValue=True,
    )


def _filter(name: str, says: str) -> Node:
    return query(
        name,
        {"type": "array", "items": {"type": "string"}, "maxItems": FILTERS_MAX},
        says,
        style="form",
        explode=True,
    )


def _filterable(fields: Iterable[FieldInfo]) -> Iterator[tuple[str, str, bool]]:
    """List the names that filters may have, what is said of each, and whether it has an order."""
    for field in fields:
        yield from _names(field.wire, field.base, 0)


def _names(name: str, base: object, depth: int) -> Iterator[tuple[str, str, bool]]:
    kind = _plain(base)
    origin = typing.get_origin(kind) or kind
    if origin in (list, tuple, set, frozenset):
        yield name, f"Filter by `{name}`: `~text`, `null` or `!null`.", False
    elif isinstance(origin, type) and issubclass(origin, (dict, msgspec.Struct)):
        yield name, f"Filter by `{name}`: `null` or `!null`.", False
        if issubclass(origin, msgspec.Struct) and depth < NESTED_MAX:
            for inner in msgspec.structs.fields(origin):
                yield from _names(f"{name}.{inner.encode_name}", inner.type, depth + 1)
    else:
        yield name, f"Filter by `{name}`.", True


def _plain(hint: object) -> object:
    """Take `Annotated` and null off a type."""
    while typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    left = [kind for kind in members(hint) if kind is not type(None)]
    return _plain(left[0]) if len(left) == 1 and left[0] is not hint else hint
