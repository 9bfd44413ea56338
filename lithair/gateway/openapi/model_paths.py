"""Operations of the OpenAPI document: the routes of models.

Owns what is told of each action in the table of `gateway/routes.py`. Law: a row there without one
here is a KeyError, so no route is served that the document does not have.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from lithair.declaration import Declaration
from lithair.gateway.answers import JSON
from lithair.gateway.gate import rule_of_model
from lithair.gateway.model_routes import MERGE_PATCH_JSON
from lithair.gateway.openapi import parameters
from lithair.gateway.openapi.answers import WITH_BODY, WRITING, Node, problems, said, schema_ref
from lithair.gateway.openapi.parameters import AS_OF, IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH
from lithair.gateway.openapi.schemas import ID, ModelSchemas
from lithair.gateway.openapi.security import Security
from lithair.gateway.routes import SHAPES, Shape
from lithair.handler import ModelHandler
from lithair.wire.protocol import Verb

SEQ: Final = ("Lithair-Seq",)
TAGGED: Final = ("Lithair-Seq", "ETag")
EVENT_STREAM: Final = "text/event-stream"
CONFLICTS: Final = (409,)


class Told(NamedTuple):
    """What is told of one action."""

    name: str
    summary: str
    says: str = ""
    statuses: tuple[int, ...] = ()  # of problems, beside those that everything has


TOLD: Final[Mapping[tuple[Shape, str], Told]] = {
    (Shape.COLLECTION, "GET"): Told(
        "list", "List items", "A page of items, in creation order unless sorted.", (410,)
    ),
    (Shape.COLLECTION, "POST"): Told(
        "create", "Create an item", "", (*WITH_BODY, *WRITING, *CONFLICTS)
    ),
    (Shape.BULK, "POST"): Told(
        "create_all",
        "Create items",
        "All of them or none. A refusal names an item by its place, from 0: `[1].name`.",
        (*WITH_BODY, *WRITING, *CONFLICTS),
    ),
    (Shape.COUNT, "GET"): Told("count", "Count items", "", (410,)),
    (Shape.RANDOM, "GET"): Told(
        "random_id", "Get an id by chance", "404 when there are no items.", (404,)
    ),
    (Shape.STREAM, "GET"): Told(
        "stream", "Read changes as they happen", "Server-sent events; it has no end of its own."
    ),
    (Shape.ITEM, "GET"): Told("get", "Get an item", "", (404, 410)),
    (Shape.ITEM, "PUT"): Told(
        "replace",
        "Replace an item",
        "The whole item: a field that is left out gets its default.",
        (*WITH_BODY, *WRITING, *CONFLICTS, 404, 412),
    ),
    (Shape.ITEM, "PATCH"): Told(
        "patch",
        "Change fields of an item",
        "A JSON Merge Patch (RFC 7396); a null gives a field that admits none its default.",
        (*WITH_BODY, *WRITING, *CONFLICTS, 404, 412),
    ),
    (Shape.ITEM, "DELETE"): Told("delete", "Delete an item", "", (*WRITING, 404, 412)),
    (Shape.HISTORY, "GET"): Told(
        "history",
        "What happened to an item",
        "Every event that the log still holds of it, oldest first; a deleted item's too.",
        (404,),
    ),
    (Shape.ITEM_STREAM, "GET"): Told(
        "stream_one", "Read the changes of one item as they happen", "", (404,)
    ),
}
BODIES: Final = (Verb.CREATE, Verb.BULK, Verb.REPLACE, Verb.PATCH)
STREAM_EXAMPLE: Final = 'id: 41\nevent: connected\ndata: {"model": "emails", "seq": 41}\n\n'


class ModelPaths:
    """The operations of one model."""

    def __init__(self, declaration: Declaration, schemas: ModelSchemas, security: Security) -> None:
        model = schemas.declared
        self._name, self._path = model.name, model.path
        self._schemas = schemas
        self._rule = rule_of_model(declaration, model)
        self._has_roles = model.roles is not None
        self._has_hooks = _has_hooks(model.handler)
        self._has_streams = declaration.has_streams
        self._take_max = declaration.settings.max_take
        self._security = security

    def paths(self) -> dict[str, Node]:
        """Describe every path of the model."""
        found: dict[str, Node] = {}
        for shape, actions in SHAPES.items():
            if shape in (Shape.STREAM, Shape.ITEM_STREAM) and not self._has_streams:
                continue
            item: Node = {}
            if "{id}" in shape.value:
                item["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": ID}]
            for method in actions:
                if method != "HEAD":
                    item[method.lower()] = self._operation(shape, method)
            found[self._path + shape.value] = item
        return found

    def _operation(self, shape: Shape, method: str) -> Node:
        told, action = TOLD[shape, method], SHAPES[shape][method]
        operation: Node = {
            "operationId": f"{self._name}_{told.name}",
            "summary": told.summary,
            "tags": [self._name],
        }
        says = told.says
        if action.takes_query and shape is not Shape.ITEM:
            says = f"{says}\n{parameters.FILTERS_SAY}".strip()
        if says:
            operation["description"] = says
        taken = self._parameters(shape, method)
        if taken:
            operation["parameters"] = taken
        if action.verb in BODIES:
            operation["requestBody"] = self._body(action.verb)
        statuses = {*told.statuses, *self._security.statuses(self._rule, self._path, method)}
        if self._has_roles:
            statuses.add(403)
        answers = {**_ANSWERS[action.verb](self._schemas), **problems(statuses)}
        if self._has_hooks and method not in ("GET", "HEAD"):
            answers["4XX"] = {"$ref": "#/components/responses/Rejected"}
        operation["responses"] = dict(sorted(answers.items()))
        operation["security"] = self._security.of(self._rule)
        return operation

    def _parameters(self, shape: Shape, method: str) -> list[Node]:
        visible = self._schemas.visible
        if method in ("PUT", "PATCH", "DELETE"):
            return [IF_MATCH, IDEMPOTENCY_KEY]
        if method == "POST":
            return [IDEMPOTENCY_KEY]
        if shape is Shape.ITEM:
            return [parameters.chosen_fields(visible), AS_OF, IF_NONE_MATCH]
        if shape in (Shape.STREAM, Shape.ITEM_STREAM):
            options = [*parameters.STREAM_OPTIONS, parameters.LAST_EVENT_ID]
            return [*options, *parameters.filters(visible)]
        if shape is Shape.COUNT:
            return [AS_OF, *parameters.filters(visible)]
        if shape is Shape.COLLECTION:
            return [
                *parameters.paging(visible, self._take_max),
                AS_OF,
                *parameters.filters(visible),
            ]
        return []

    def _body(self, verb: Verb) -> Node:
        schemas = self._schemas
        if verb is Verb.PATCH:
            content: Node = {"schema": schema_ref(schemas.patch)}
            return {"required": True, "content": {JSON: content, MERGE_PATCH_JSON: content}}
        if verb is Verb.REPLACE:
            whole = _with_example(schema_ref(schemas.replacement), schemas.example_new)
            return {"required": True, "content": {JSON: whole}}
        new, example = schema_ref(schemas.new), schemas.example_new
        if verb is Verb.CREATE:
            return {"required": True, "content": {JSON: _with_example(new, example)}}
        listed = _with_example(
            {"type": "array", "items": new}, None if example is None else [example]
        )
        return {"required": True, "content": {JSON: listed}}


def _with_example(schema: Node, example: object) -> Node:
    return {"schema": schema} | ({} if example is None else {"example": example})


def _has_hooks(handler: ModelHandler[Any]) -> bool:
    return any(
        getattr(type(handler), name) is not getattr(ModelHandler, name)
        for name in ("before_create", "before_update", "before_delete")
    )


def _page(schemas: ModelSchemas) -> Node:
    count: Node = {"type": "integer", "minimum": 0}
    properties: Node = {
        "data": {"type": "array", "items": schemas.found},
        "total": {**count, "description": "How many items match."},
        "skip": count,
        "take": count,
        "has_more": {"type": "boolean"},
    }
    return _object(properties)


def _object(properties: Node) -> Node:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _history(schemas: ModelSchemas) -> Node:
    change = _object({"old": {}, "new": {}})
    entry = _object(
        {
            "seq": {"type": "integer", "minimum": 1},
            "operation": {"type": "string", "enum": ["create", "update", "delete"]},
            "timestamp": {"type": "string", "format": "date-time"},
            "item": schemas.found,
            "changes": {
                "type": "object",
                "description": "The audited fields that the event changed.",
                "additionalProperties": change,
            },
        }
    )
    return {"type": "array", "items": entry}


def _paged(schemas: ModelSchemas) -> Node:
    example: Node | None = None
    if schemas.example is not None:
        example = {"data": [schemas.example], "total": 1, "skip": 0, "take": 20, "has_more": False}
    return {"200": said("A page of items.", _page(schemas), SEQ, example=example)}


def _created(schemas: ModelSchemas) -> Node:
    fields = (*TAGGED, "Location")
    item = said("The new item.", schemas.answered, fields, example=schemas.example)
    return {"201": item}


def _created_all(schemas: ModelSchemas) -> Node:
    items: Node = {"type": "array", "items": schemas.answered}
    example = None if schemas.example is None else [schemas.example]
    return {"201": said("The new items, in their order.", items, SEQ, example=example)}


def _written(schemas: ModelSchemas) -> Node:
    return {"200": said("The item.", schemas.answered, TAGGED, example=schemas.example)}


def _one(schemas: ModelSchemas) -> Node:
    return {
        "200": said("The item.", schemas.found, TAGGED, example=schemas.example),
        "304": said("The client holds the item as it is.", headers=TAGGED),
    }


def _counted(schemas: ModelSchemas) -> Node:
    count: Node = {"count": {"type": "integer", "minimum": 0}}
    return {"200": said("How many items match.", _object(count), SEQ, example={"count": 41})}


def _drawn(schemas: ModelSchemas) -> Node:
    return {"200": said("An id.", _object({"id": {"type": "string"}}), SEQ)}


def _told(schemas: ModelSchemas) -> Node:
    return {"200": said("All events of the item.", _history(schemas), SEQ)}


def _streamed(schemas: ModelSchemas) -> Node:
    text: Node = {"type": "string", "examples": [STREAM_EXAMPLE]}
    return {"200": said("The stream.", text, media_type=EVENT_STREAM)}


def _deleted(schemas: ModelSchemas) -> Node:
    return {"204": said("The item is deleted.", headers=SEQ)}


_ANSWERS: Final[Mapping[Verb, Callable[[ModelSchemas], Node]]] = {
    Verb.LIST: _paged,
    Verb.CREATE: _created,
    Verb.BULK: _created_all,
    Verb.COUNT: _counted,
    Verb.RANDOM: _drawn,
    Verb.EVENTS: _streamed,
    Verb.GET: _one,
    Verb.REPLACE: _written,
    Verb.PATCH: _written,
    Verb.DELETE: _deleted,
    Verb.HISTORY: _told,
}
