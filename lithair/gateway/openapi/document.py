"""The OpenAPI document of an application.

Owns the whole of it: one object, made of the declaration alone, the same in every gateway. Law: it
holds no data and no secret; what is not reached from a path is left out of it.
"""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Final, cast

import msgspec

from lithair.declaration import Declaration
from lithair.gateway.openapi.answers import (
    HEADERS,
    PROBLEM,
    Node,
    problem_responses,
    problem_schema,
    said,
    schema_ref,
)
from lithair.gateway.openapi.model_paths import ModelPaths
from lithair.gateway.openapi.schemas import model_schemas
from lithair.gateway.openapi.security import Security
from lithair.gateway.openapi.server_paths import ServerPaths

OPENAPI: Final = "3.1.1"
NAMES_SHOWN_MAX: Final = 5  # of models, in the title
SAYS: Final = """
`HEAD` answers wherever `GET` does; `OPTIONS` is answered 204 with `Allow`, and another method 405.
Every error is `application/problem+json`. Times are RFC 3339.
"""


def document(declaration: Declaration) -> Node:
    """Describe an application in OpenAPI 3.1."""
    security = Security(declaration)
    models, schemas = model_schemas(declaration.models)
    server = ServerPaths(declaration, security)
    paths: dict[str, Node] = {}
    for model in models:
        paths |= ModelPaths(declaration, model, security).paths()
    paths |= server.paths()
    components: Node = {
        "schemas": {**schemas, **server.schemas, PROBLEM: problem_schema()},
        "responses": {
            **problem_responses(),
            "Rejected": said(
                "A problem of the application's own.",
                schema_ref(PROBLEM),
                media_type="application/problem+json",
            ),
        },
        "headers": HEADERS,
        "securitySchemes": security.schemes(),
    }
    return {
        "openapi": OPENAPI,
        "info": {
            "title": _title([model.name for model in declaration.models]),
            "version": version("lithair"),
            "description": SAYS.strip(),
        },
        "servers": [{"url": "/"}],
        "tags": _tags(paths),
        "paths": paths,
        "components": _reached(paths, components),
    }


def encoded(declaration: Declaration) -> bytes:
    """Describe an application in OpenAPI 3.1, as JSON."""
    return msgspec.json.encode(document(declaration))


def _title(names: list[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN_MAX])
    return f"{shown}, …" if len(names) > NAMES_SHOWN_MAX else shown or "Lithair"


def _tags(paths: dict[str, Node]) -> list[Node]:
    names: dict[str, None] = {}
    for item in paths.values():
        for operation in item.values():
            if isinstance(operation, dict):
                names.update(dict.fromkeys(cast("list[str]", operation["tags"])))
    return [{"name": name} for name in names]


def _reached(paths: dict[str, Node], components: Node) -> Node:
    """Keep what the paths point at, and what that points at; schemes are named, not pointed at."""
    kept: dict[str, dict[str, Node]] = {}
    waiting = list(_refs(paths))
    while waiting:
        _, _, kind, name = waiting.pop().split("/")
        if name not in kept.setdefault(kind, {}):
            found = cast("dict[str, Node]", components[kind])[name]
            kept[kind][name] = found
            waiting += _refs(found)
    ordered: Node = {
        kind: {
            name: node
            for name, node in cast("dict[str, Node]", nodes).items()
            if name in kept.get(kind, {})
        }
        for kind, nodes in components.items()
        if kind != "securitySchemes"
    }
    return {**ordered, "securitySchemes": components["securitySchemes"]}


def _refs(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in cast("Node", node).items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _refs(value)
    elif isinstance(node, list):
        for value in cast("list[object]", node):
            yield from _refs(value)
