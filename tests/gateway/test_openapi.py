"""The OpenAPI document says what is served: each route, each field as it is, and nothing hidden."""

import datetime as dt
import decimal
import enum
import functools
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import pytest
from msgspec import Meta, Struct
from openapi_spec_validator import OpenAPIV31SpecValidator

from lithair import (
    Audited,
    Created,
    EmailAddress,
    Hidden,
    Immutable,
    Lithair,
    MemorySessionStore,
    Model,
    ModelHandler,
    Owner,
    Permission,
    Pinned,
    PrimaryKey,
    Ref,
    Rejected,
    Request,
    RolePolicy,
    SessionManager,
    Slug,
    Unique,
    Updated,
    Url,
    filled_in,
)
from lithair.gateway.auth_routes import ROUTES as AUTH_ROUTES
from lithair.gateway.openapi.admin_paths import TOLD as ADMIN_TOLD
from lithair.gateway.openapi.document import encoded
from lithair.gateway.route_map import route_map
from lithair.gateway.routes import STATUSES


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Secret(Struct):
    word: str


class Place(Struct):
    city: Annotated[str, Meta(min_length=2)]
    floor: int = 0


class Owned(Model):
    """A thing that somebody owns."""

    code: PrimaryKey[str]
    from_: Annotated[Pinned[str], Meta(max_length=9, description="Whence.", examples=["here"])]
    mail: Unique[EmailAddress]
    page: Url | None = None
    slug: Slug = "a-b"
    weight: Annotated[float, Meta(gt=0, le=9.5)] = 1.5
    colour: Colour = Colour.RED
    fixed: Immutable[int] = 0
    place: Place
    tags: list[str] = []
    made: Created[dt.datetime] = filled_in()
    changed: Updated[dt.datetime] = filled_in()
    seen: dt.datetime | None = None
    owner: Owner[str]
    price: Annotated[Audited[int], Permission(read="PriceRead", write="PriceEdit")] = 0
    hidden: Hidden[Secret] = msgspec.field(default_factory=lambda: Secret("x"))
    other: Ref["Plain"] | None = None


class Plain(Model):
    name: str
    size: int = 3


class Checked(ModelHandler[Plain]):
    def before_delete(self, item: Plain) -> None:
        raise Rejected("never", status=418)


async def greet(request: Request) -> None:
    """Greet somebody.

    By name.
    """


def bare(folder: Path) -> Lithair:
    return Lithair().with_model(Plain, folder / "plain", "/api/plain")


def gated(folder: Path) -> Lithair:
    policy = RolePolicy({"user": ["OwnedReadOwn"]})
    return (
        Lithair()
        .with_sessions(SessionManager(MemorySessionStore(), cookie_name="biscuit"))
        .with_users(folder / "users")
        .with_model_full(Owned, folder / "owned", "/api/owned", permission_checker=policy)
        .with_handler(Checked(Plain, str(folder / "plain")), "/api/plain")
        .with_models_require_session(True)
        .with_route("GET", "/greet/{name}", greet, require_session=True)
        .with_route("POST", "/greet", greet)
    )


def document(app: Lithair, **environ: str) -> dict[str, Any]:
    """Give the document of an application, valid."""
    made: dict[str, Any] = json.loads(encoded(app.declaration(environ, {})))
    errors = [str(error) for error in OpenAPIV31SpecValidator(made).iter_errors()]
    assert errors == []
    return made


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return document(gated(tmp_path_factory.mktemp("app")))


def operations(made: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in made["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method.upper(), operation


@pytest.mark.parametrize("make", [bare, gated])
def test_each_route_of_the_map_is_told_of_and_no_other(make: Any, tmp_path: Path) -> None:
    app: Lithair = make(tmp_path)
    mapped = {
        (row.path, row.method)
        for row in route_map(app.declaration({}, {}))
        if row.method not in ("HEAD", "*")
    }
    assert {(path, method) for path, method, _ in operations(document(app))} == mapped


def test_an_application_without_models_has_a_document() -> None:
    made = document(Lithair().with_route("GET", "/greet", greet))
    assert "/greet" in made["paths"]


def test_each_route_of_administration_is_told_of_in_words(tmp_path: Path) -> None:
    app = bare(tmp_path).with_data_admin()
    rows = {
        (row.path, row.method)
        for row in route_map(app.declaration({}, {}))
        if row.path.startswith("/_admin/") and row.method not in ("HEAD", "*")
    }
    assert rows == set(ADMIN_TOLD)


def test_operations_have_names_of_their_own(told: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(told)]
    assert len(names) == len(set(names))


def test_a_hidden_field_is_nowhere(told: dict[str, Any]) -> None:
    assert "hidden" not in json.dumps(told["paths"]) + json.dumps(told["components"]["schemas"])
    assert "Secret" not in told["components"]["schemas"]
    assert "additionalProperties" not in told["components"]["schemas"]["OwnedNew"]
    assert told["components"]["schemas"]["PlainNew"]["additionalProperties"] is False


def test_an_item_is_described_as_it_is_on_the_wire(told: dict[str, Any]) -> None:
    owned = told["components"]["schemas"]["Owned"]
    fields = owned["properties"]
    assert owned["description"] == "A thing that somebody owns."
    assert fields["from"] == {
        "type": "string",
        "maxLength": 9,
        "description": "Whence.",
        "examples": ["here"],
    }
    assert fields["code"]["maxLength"] == 255
    assert fields["weight"] == {"type": "number", "exclusiveMinimum": 0, "maximum": 9.5}
    assert fields["colour"] == {"$ref": "#/components/schemas/Colour"}
    assert (fields["made"]["readOnly"], fields["made"]["format"]) == (True, "date-time")
    assert fields["seen"]["anyOf"][0]["format"] == "date-time"
    assert "PriceRead" in fields["price"]["description"]
    assert "Plain" in fields["other"]["description"]
    assert set(owned["required"]) == set(fields) - {"price"}, "which not every role may read"
    assert told["components"]["schemas"]["OwnedPart"]["required"] == ["code"]


def test_what_is_sent_is_told_apart(told: dict[str, Any]) -> None:
    schemas = told["components"]["schemas"]
    new, put, patch = (schemas[f"Owned{kind}"] for kind in ("New", "Replacement", "Patch"))
    assert set(new["required"]) == {"from", "mail", "place"}, "the owner is filled in"
    assert set(put["required"]) == {"from", "mail", "place", "owner"}
    assert "required" not in patch
    read_only = [
        {name for name, field in schema["properties"].items() if field.get("readOnly")}
        for schema in (new, put, patch)
    ]
    assert read_only[0] == {"made", "changed"}
    assert read_only[1] == {"made", "changed", "code"}
    assert read_only[2] == {"made", "changed", "code", "fixed"}
    assert new["properties"]["weight"]["default"] == 1.5
    assert {"type": "null"} in patch["properties"]["weight"]["anyOf"], "a null is its default"
    assert "anyOf" not in patch["properties"]["from"], "which has none"
    assert set(patch["properties"]["place"]) == {"description"}, "part of it may be sent"


def test_examples_are_items_that_the_model_takes(told: dict[str, Any]) -> None:
    collection = told["paths"]["/api/owned"]
    answered = collection["post"]["responses"]["201"]["content"]["application/json"]["example"]
    assert answered["from"] == "here"
    visible = {field for field in Owned.__struct_encode_fields__ if field != "hidden"}
    assert set(answered) == visible
    item = msgspec.convert(answered, Owned)
    assert msgspec.to_builtins(item)["page"] is None
    sent = collection["post"]["requestBody"]["content"]["application/json"]["example"]
    assert "price" not in sent, "it would be refused to most"
    assert msgspec.convert({**sent, "owner": "ada"}, Owned).mail == "ada@example.org"


class Picky(Model):
    word: Annotated[str, Meta(pattern="^q+$")]


def test_there_is_no_example_where_none_can_be_made_up(tmp_path: Path) -> None:
    made = document(Lithair().with_model(Picky, tmp_path / "picky", "/api/picky"))
    sent = made["paths"]["/api/picky"]["post"]["requestBody"]["content"]["application/json"]
    assert "example" not in sent


def test_filters_reach_into_objects_and_hide_what_is_hidden(told: dict[str, Any]) -> None:
    taken = {
        parameter["name"]: parameter
        for parameter in told["paths"]["/api/owned"]["get"]["parameters"]
    }
    assert {"from", "place.city", "place.floor", "skip", "take", "after", "as_of"} <= set(taken)
    assert {"hidden", "hidden.word", "from_"}.isdisjoint(taken)
    ordered = taken["sort"]["schema"]["items"]["enum"]
    assert {"-weight", "weight", "-place.floor"} <= set(ordered)
    assert {"tags", "place"}.isdisjoint(ordered), "they have no order"
    assert taken["take"]["schema"]["default"] == 1000


def test_each_refusal_is_a_problem_with_a_meaning(told: dict[str, Any]) -> None:
    for path, method, operation in operations(told):
        answers = operation["responses"]
        assert any(status.startswith(("2", "3")) for status in answers), (path, method)
        for status, answer in answers.items():
            if "$ref" in answer:
                name = answer["$ref"].rpartition("/")[2]
                assert name in (status, "Rejected")
                content = told["components"]["responses"][name]["content"]
                assert list(content) == ["application/problem+json"]
    described = {int(name) for name in told["components"]["responses"] if name.isdigit()}
    assert described <= {status for status in STATUSES if status >= 400}


def test_gated_routes_say_so(told: dict[str, Any]) -> None:
    schemes = told["components"]["securitySchemes"]
    assert (schemes["cookie"]["name"], schemes["bearer"]["scheme"]) == ("biscuit", "bearer")
    ways: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]
    asked = {(path, method): row["security"] for path, method, row in operations(told)}
    assert asked["/api/owned/{id}", "GET"] == asked["/api/plain", "POST"] == ways
    assert asked["/greet/{name}", "GET"] == ways
    assert asked["/greet", "POST"] == [{}, *ways]
    assert asked["/auth/login", "POST"] == asked["/health", "GET"] == []
    for path, item in told["paths"].items():
        if path.startswith("/api/"):
            assert "401" in item.get("get", item.get("post"))["responses"]
    assert {"403", "404"} <= set(told["paths"]["/api/owned/{id}"]["get"]["responses"])
    assert "403" not in told["paths"]["/api/plain/{id}"]["get"]["responses"]


def test_an_open_application_asks_for_nothing(tmp_path: Path) -> None:
    made = document(bare(tmp_path))
    assert made["paths"]["/api/plain"]["get"]["security"] == []
    assert {"401", "403", "429"}.isdisjoint(made["paths"]["/api/plain"]["get"]["responses"])
    assert list(made["components"]["securitySchemes"]) == ["bearer"]


def test_limits_tokens_hooks_and_streams_show(tmp_path: Path, told: dict[str, Any]) -> None:
    app = bare(tmp_path).with_rate_limit("/api/", 5, per=1).with_sse(False)
    made = document(app, LT_METRICS_TOKEN="x")
    assert "429" in made["paths"]["/api/plain"]["get"]["responses"]
    assert made["paths"]["/metrics"]["get"]["security"] == [{"metrics": []}]
    assert "401" in made["paths"]["/metrics"]["get"]["responses"]
    streams = {path for path in told["paths"] if path.endswith("/stream")}
    assert len(streams) == 4
    assert not [path for path in made["paths"] if path.endswith("/stream")]
    assert "4XX" in told["paths"]["/api/plain/{id}"]["delete"]["responses"], "a hook may say 418"
    assert "4XX" not in told["paths"]["/api/owned/{id}"]["delete"]["responses"]


def test_a_route_of_the_application_is_told_by_its_docstring(told: dict[str, Any]) -> None:
    route = told["paths"]["/greet/{name}"]["get"]
    assert (route["summary"], route["description"]) == ("Greet somebody", "By name.")
    assert [parameter["name"] for parameter in route["parameters"]] == ["name"]


def test_accounts_are_told_of_where_there_are_users(told: dict[str, Any], tmp_path: Path) -> None:
    assert set(AUTH_ROUTES) <= set(told["paths"])
    assert set(AUTH_ROUTES).isdisjoint(document(bare(tmp_path))["paths"])


def test_the_document_is_the_same_each_time(tmp_path: Path) -> None:
    declaration = gated(tmp_path).declaration({}, {})
    assert encoded(declaration) == encoded(declaration)


def test_what_is_switched_off_is_not_told_of(tmp_path: Path) -> None:
    assert {"/docs", "/openapi.json"} <= set(document(bare(tmp_path))["paths"])
    off = document(bare(tmp_path).with_docs(False))
    assert {"/docs", "/openapi.json"}.isdisjoint(off["paths"])


class Pair(NamedTuple):
    x: int
    y: str = "q"


class Tree(Struct):
    value: int
    below: "list[Tree]" = []


class Cat(Struct, tag="cat"):
    lives: int


class Dog(Struct, tag="dog"):
    name: str


class Zoo(Model):
    pair: Pair
    tree: Tree
    pet: Cat | Dog
    price: decimal.Decimal
    key: uuid.UUID
    waits: dt.timedelta
    opens: dt.time
    picture: bytes
    words: Annotated[list[Annotated[str, Meta(min_length=6)]], Meta(min_length=1)]
    days: dict[uuid.UUID, list[dt.date]]
    cold: Annotated[float, Meta(lt=-3)]
    steps: Annotated[int, Meta(multiple_of=5, gt=3)]


class Unshown(Model):
    raw: msgspec.Raw = msgspec.Raw(b"null")


@pytest.mark.parametrize("model", [Zoo, Unshown])
def test_fields_of_any_type_are_told_of(model: type[Model], tmp_path: Path) -> None:
    """What msgspec has no schema for is named, with nothing said of it."""
    both = Lithair().with_model(model, tmp_path / "a", "/a").with_model(Plain, tmp_path / "b", "/b")
    made = document(both)
    sent = made["paths"]["/a"]["post"]["requestBody"]["content"]["application/json"]
    assert set(_resolved(made, sent["schema"])["properties"]) == set(model.__struct_encode_fields__)
    assert ("example" in sent) is (model is Zoo)
    assert made["components"]["schemas"]["Plain"]["properties"]["size"] == {"type": "integer"}


class ProblemNew(Struct):
    text: str


class Problem(Model):
    it: ProblemNew


def test_names_that_are_taken_are_not_taken_again(tmp_path: Path) -> None:
    made = document(Lithair().with_model(Problem, tmp_path / "p", "/api/p"))
    sent = made["paths"]["/api/p"]["post"]["requestBody"]["content"]["application/json"]
    assert "it" in _resolved(made, sent["schema"])["properties"]
    refusal = made["components"]["responses"]["400"]["content"]["application/problem+json"]
    assert "detail" in _resolved(made, refusal["schema"])["properties"]


def _resolved(made: dict[str, Any], schema: dict[str, str]) -> dict[str, Any]:
    steps = schema["$ref"].removeprefix("#/").split("/")
    found: dict[str, Any] = functools.reduce(lambda node, step: node[step], steps, made)
    return found
