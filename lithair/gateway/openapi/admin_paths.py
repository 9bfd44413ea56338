"""Administration in the OpenAPI document: what the routes below /_admin take and answer.

Owns what is told of them; which there are is the route map's. Law: a route without a row here is
told of by its path alone, and a test finds it.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from lithair.gateway.admin_routes import CompactAsked, ModelStats
from lithair.gateway.answers import JSON
from lithair.gateway.backup_route import BackupAsked
from lithair.gateway.model_routes import MERGE_PATCH_JSON
from lithair.gateway.openapi.answers import Node, said
from lithair.gateway.openapi.parameters import IDEMPOTENCY_KEY, IF_MATCH, query

DATA: Final = "/_admin/data"
MODEL: Final = f"{DATA}/models/{{name}}"
LISTENER: Final = f"{DATA}/listeners/{{model}}/{{listener}}"
SESSION: Final = "/_admin/session"

TEXT: Final[Node] = {"type": "string"}
COUNT: Final[Node] = {"type": "integer", "minimum": 0}
WHATEVER: Final[Node] = {"type": "object"}
NDJSON: Final = "application/x-ndjson"
TAKE_MAX: Final[Node] = {"type": "integer", "minimum": 1}


def object_of(properties: Node) -> Node:
    """Describe an object that has all of these."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list_of(name: str, item: Node, **more: Node) -> Node:
    return object_of({name: {"type": "array", "items": item}, **more})


class AdminTold(NamedTuple):
    """What is told of one route of administration."""

    summary: str
    answers: Node
    statuses: tuple[int, ...] = ()
    body: type[msgspec.Struct] | Node | None = None
    is_body_needed: bool = False
    parameters: tuple[Node, ...] = ()
    media_types: tuple[str, ...] = (JSON,)


def _ok(says: str, schema: Node | type[msgspec.Struct] = WHATEVER) -> Node:
    return {"200": said(says, schema)}


_DONE: Final[Node] = {"204": said("It is done.")}
_BODY: Final = (413, 415, 422)
_NAME: Final[Node] = {"type": "string", "minLength": 1}

TOLD: Final[Mapping[tuple[str, str], AdminTold]] = {
    (f"{MODEL}/_stats", "GET"): AdminTold(
        "Figures of a model", _ok("The figures.", ModelStats), (404,)
    ),
    (f"{MODEL}/compact", "POST"): AdminTold(
        "Compact a model's log",
        {"200": said("It is compacted.", WHATEVER), "202": said("It has begun.", WHATEVER)},
        (404, 409, *_BODY, 507),
        CompactAsked,
    ),
    (f"{DATA}/backup", "POST"): AdminTold(
        "Make a backup of all models",
        {"201": said("It is made.", WHATEVER), "202": said("It has begun.", WHATEVER)},
        (409, *_BODY, 507),
        BackupAsked,
    ),
    (SESSION, "POST"): AdminTold(
        "Get a cookie for the admin token",
        {"200": said("Until when it holds.", WHATEVER, ["Set-Cookie"])},
        (401, 403, *_BODY, 429),
        {**object_of({"token": TEXT}), "additionalProperties": False},
        is_body_needed=True,
    ),
    (SESSION, "GET"): AdminTold("Who asks", _ok("How he was let in, and until when.")),
    (SESSION, "DELETE"): AdminTold(
        "End what has let in", {"204": said("It has ended.", headers=["Set-Cookie"])}, (507,)
    ),
    (f"{DATA}/models", "GET"): AdminTold("All models", _ok("Their figures.")),
    (MODEL, "GET"): AdminTold("A model", _ok("Its figures, and how it is declared."), (404,)),
    (f"{MODEL}/export", "GET"): AdminTold(
        "Export a model's items",
        {"200": said("An item a line; filters narrow it.", TEXT, media_type=NDJSON)},
        (404,),
    ),
    (f"{MODEL}/{{id}}/history", "GET"): AdminTold(
        "What happened to an item, and by whom",
        {"200": said("All events.", {"type": "array", "items": WHATEVER})},
        (404,),
    ),
    (f"{MODEL}/{{id}}/edit", "POST"): AdminTold(
        "Change fields of an item",
        {"200": said("The item.", WHATEVER, ["ETag", "Lithair-Seq"])},
        (404, 409, 412, *_BODY, 507),
        WHATEVER,
        is_body_needed=True,
        parameters=(IF_MATCH, IDEMPOTENCY_KEY),
        media_types=(JSON, MERGE_PATCH_JSON),
    ),
    (f"{DATA}/server", "GET"): AdminTold("The server and its processes", _ok("What runs.")),
    (f"{DATA}/routes", "GET"): AdminTold(
        "All routes", _ok("What the gate asks on each.", _list_of("routes", WHATEVER))
    ),
    (f"{DATA}/sessions", "GET"): AdminTold(
        "Live sessions",
        _ok(
            "A page of them, oldest first.",
            _list_of("sessions", WHATEVER, total=COUNT, has_more={"type": "boolean"}),
        ),
        (404,),
        parameters=(
            query("user_id", TEXT, "Whose sessions."),
            query("take", TAKE_MAX, "How many to give."),
            query("after", TEXT, "The id behind which the page begins."),
        ),
    ),
    (f"{DATA}/sessions", "DELETE"): AdminTold(
        "End all sessions of a user",
        _ok("How many have ended.", object_of({"ended": COUNT})),
        (404, 507),
        parameters=(query("user_id", _NAME, "Whose sessions.", required=True),),
    ),
    (f"{DATA}/sessions/{{id}}", "DELETE"): AdminTold("End a session", _DONE, (404, 507)),
    (f"{DATA}/listeners", "GET"): AdminTold(
        "All listeners", _ok("How far each of them is.", _list_of("listeners", WHATEVER))
    ),
    (f"{LISTENER}/dead-letters", "GET"): AdminTold(
        "What a listener has given up",
        _ok("The events.", _list_of("dead_letters", WHATEVER, total=COUNT)),
        (404,),
    ),
    (f"{LISTENER}/skip", "POST"): AdminTold(
        "Give the event up that a listener fails at", _ok("What was done."), (404, 409, 413)
    ),
    (f"{LISTENER}/replay", "POST"): AdminTold(
        "Try dead letters again",
        _ok("What was done."),
        (404, 409, *_BODY),
        {
            "type": "object",
            "properties": {
                "seqs": {
                    "type": "array",
                    "items": {"type": "integer"},
                    "description": "Of which; all when it is left out.",
                }
            },
            "additionalProperties": False,
        },
    ),
    (f"{LISTENER}/enable", "POST"): AdminTold(
        "Have a listener try its event again at once", _ok("What was done."), (404, 409, 413)
    ),
}
