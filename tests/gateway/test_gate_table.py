"""Every route of every model, however it was registered, for whoever comes: the gate's table.

Generated from the route map. A route that is added, a way to register a model, or a method that is
not in these tables, fails a test here until it is said what it asks of its callers.
"""

import contextlib
import re
import shutil
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from lithair import Lithair
from lithair.actors.background import Server
from lithair.gateway.gate import CACHE_CONTROL, VARY, Rule
from lithair.gateway.route_map import SERVER_RULES, MappedRoute, route_map
from lithair.gateway.routes import ALLOW, SERVER_ROUTES, SHAPES, Shape
from lithair.sessions import PersistentSessionStore, SessionManager
from lithair.storage.run_dir import TOKEN_NAME
from tests.gateway import guarded, listening
from tests.gateway.guarded import (
    CLERK,
    MODELS,
    ORDERS,
    WAYS,
    WITH_ROLES,
    application,
    order_name,
)
from tests.gateway.mailbox import problem_of
from tests.support.waiting import wait_until

BORN_MS = 200  # how long the session lives that has expired when the table is gone through


class Example(NamedTuple):
    """A request to a route, and how it is answered when it is let through."""

    status: int
    body: object = None


# Each shape of a path and each of its methods.
EXAMPLES: dict[tuple[Shape, str], Example] = {
    (Shape.COLLECTION, "GET"): Example(200),
    (Shape.COLLECTION, "HEAD"): Example(200),
    (Shape.COLLECTION, "POST"): Example(201, {"text": "new"}),
    (Shape.BULK, "POST"): Example(201, [{"text": "one"}, {"text": "two"}]),
    (Shape.COUNT, "GET"): Example(200),
    (Shape.COUNT, "HEAD"): Example(200),
    (Shape.RANDOM, "GET"): Example(200),
    (Shape.RANDOM, "HEAD"): Example(200),
    (Shape.STREAM, "GET"): Example(200),
    (Shape.STREAM, "HEAD"): Example(200),
    (Shape.ITEM, "GET"): Example(200),
    (Shape.ITEM, "HEAD"): Example(200),
    (Shape.ITEM, "PUT"): Example(200, {"text": "whole"}),
    (Shape.ITEM, "PATCH"): Example(200, {"text": "part"}),
    (Shape.ITEM, "DELETE"): Example(204),
    (Shape.HISTORY, "GET"): Example(200),
    (Shape.HISTORY, "HEAD"): Example(200),
    (Shape.ITEM_STREAM, "GET"): Example(200),
    (Shape.ITEM_STREAM, "HEAD"): Example(200),
}
# What else a client may try on any of them.
ODD_METHODS = ("BREW", "TRACE")


@dataclass
class Place:
    """A server, and the tokens of its sessions."""

    server: Server
    http: httpx2.Client
    tokens: dict[str, str] = field(default_factory=dict[str, str])

    def log_in(self, role: str = "") -> str:
        answer = self.http.post("/in", params={"role": role})
        assert answer.status_code == 200, answer.text
        self.http.cookies.clear()
        return str(answer.json()["token"])

    def callers(self) -> Generator[tuple[str, dict[str, str]]]:
        """Give who comes, by every way to show a token."""
        yield "no session", {}
        for name, token in self.tokens.items():
            for kind, fields in guarded.credentials(token):
                yield f"{name} session by {kind}", fields


@contextlib.contextmanager
def serving(app: Lithair) -> Generator[Place]:
    with app.running() as server, httpx2.Client(base_url=server.url) as http:
        yield Place(server, http)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Give a store of sessions with one in it that has expired, and its token."""
    folder = tmp_path_factory.mktemp("stored")
    manager = SessionManager(PersistentSessionStore(folder / "sessions"), max_age=BORN_MS / 1000)
    app = Lithair().with_sessions(manager).with_run_dir(folder / "run").with_port(0)
    guarded.add_routes(app, folder)
    with serving(app) as place:
        token = place.log_in()
        headers = {"Authorization": f"Bearer {token}"}
        wait_until(
            lambda: place.http.get("/mine", headers=headers).status_code == 401, "it to expire"
        )
    return folder / "sessions", token


@pytest.fixture(scope="module")
def foreign_token(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Give the token of a session that lives at another server."""
    folder = tmp_path_factory.mktemp("neighbour")
    app = Lithair()
    guarded.add_sessions(app, folder)
    guarded.add_routes(app, folder)
    with serving(app.with_run_dir(folder / "run").with_port(0)) as place:
        token = place.log_in()
        yield token
        headers = {"Authorization": f"Bearer {token}"}
        assert place.http.get("/mine", headers=headers).status_code == 200, "it lives there"


@pytest.fixture(scope="module", params=ORDERS, ids=order_name)
def place(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    stored: tuple[Path, str],
    foreign_token: str,
) -> Generator[Place]:
    """Give a server whose builder was called in one of all orders."""
    folder = tmp_path_factory.mktemp("guarded")
    shutil.copytree(stored[0], folder / "sessions")
    with serving(application(folder, request.param)) as place:
        ended = place.log_in()
        headers = {"Authorization": f"Bearer {ended}"}
        assert place.http.post("/out", headers=headers).status_code == 204
        place.tokens = {
            "expired": stored[1],
            "ended": ended,
            "foreign": foreign_token,
            "invented": "A" * 43,
            "live": place.log_in(),
            "live clerk's": place.log_in(CLERK),
        }
        yield place


def rows() -> list[MappedRoute]:
    return [row for row in route_map(application(Path("unused")).declaration({}, {})) if row.model]


def shape_of(row: MappedRoute) -> Shape:
    return Shape(row.path.removeprefix(f"/api/{row.model}"))


def prepare(place: Place, row: MappedRoute) -> str:
    """Have an item there, and give the path of the request."""
    model = MODELS[row.model]
    place.server.handle(model).apply_replicated_item(model(id="one"))
    return row.path.replace("{id}", "one")


def test_every_model_route_refuses_whoever_has_no_live_session_and_serves_who_has(
    place: Place,
) -> None:
    wrong: list[str] = []
    cells = 0
    for row in rows():
        example = EXAMPLES[shape_of(row), row.method]
        path = prepare(place, row)
        for caller, headers in place.callers():
            answer = listening.request(place.http, row.method, path, headers, example.body)
            expected = example.status if caller.startswith("live") else 401
            if row.model in WITH_ROLES and caller.startswith("live session"):
                expected = 403
            if expected == 204:
                prepare(place, row)
            cells += 1
            if answer.status_code != expected or not is_as_gated(answer):
                wrong.append(f"{row.method} {path}, {caller}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert cells == len(EXAMPLES) * len(WAYS) * (1 + 2 * len(place.tokens))


def is_as_gated(answer: httpx2.Response) -> bool:
    """Tell whether an answer's fields are those of a gated route's."""
    if answer.status_code == 401:
        if not answer.headers["WWW-Authenticate"].startswith('Bearer realm="lithair"'):
            return False
        if "Lithair-Seq" in answer.headers or "ETag" in answer.headers:
            return False
        if answer.request.method != "HEAD":
            problem_of(answer)
    return answer.headers["Cache-Control"] == CACHE_CONTROL and answer.headers["Vary"] == VARY


def test_options_tells_everybody_which_methods_there_are(place: Place) -> None:
    wrong: list[str] = []
    for path, shape in {row.path: shape_of(row) for row in rows()}.items():
        for caller, headers in place.callers():
            answer = place.http.options(path.replace("{id}", "one"), headers=headers)
            told = (
                answer.status_code,
                answer.headers.get("Allow"),
                "Lithair-Seq" in answer.headers,
            )
            if told != (204, ALLOW[shape], False):
                wrong.append(f"OPTIONS {path}, {caller}: {told}")
    assert not wrong, "\n".join(wrong)


def test_a_method_or_a_query_that_there_is_not_is_told_only_to_who_is_let_through(
    place: Place,
) -> None:
    wrong: list[str] = []
    for path in {row.path: None for row in rows()}:
        for caller, headers in place.callers():
            is_live = caller.startswith("live")
            for method in ODD_METHODS:
                answer = place.http.request(method, path, headers=headers)
                if answer.status_code != (405 if is_live else 401):
                    wrong.append(f"{method} {path}, {caller}: {answer.status_code}")
            answer = place.http.get(path + "?nonsense=1", headers=headers)
            if (answer.status_code == 401) == is_live:
                wrong.append(f"GET {path}?nonsense=1, {caller}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_users_routes_have_a_session_or_ask_for_one(place: Place) -> None:
    wrong: list[str] = []
    for caller, headers in place.callers():
        is_live = caller.startswith("live")
        for method in ("GET", "POST"):
            anybody = place.http.request(method, "/who", headers=headers)
            mine = place.http.request(method, "/mine", headers=headers)
            user = anybody.json()["user"]
            if (user, mine.status_code) != (("alice", 200) if is_live else (None, 401)):
                wrong.append(f"{method}, {caller}: {user}, {mine.status_code}")
            if not is_as_gated(mine) or (is_live and not is_as_gated(anybody)):
                wrong.append(f"{method}, {caller}: {mine.headers} {anybody.headers}")
    assert not wrong, "\n".join(wrong)


def test_the_servers_own_pages_ask_nobody(place: Place) -> None:
    for path in SERVER_ROUTES:
        for _, headers in place.callers():
            assert place.http.get(path, headers=headers).status_code == 200


def test_administration_is_for_the_token_and_for_sessions_with_the_role(place: Place) -> None:
    path = "/_admin/data/models/letters/_stats"
    run_dir = Path(place.server.run_dir)
    admin_token = (run_dir / TOKEN_NAME).read_text(encoding="ascii").strip()
    for caller, headers in place.callers():
        expected = 403 if caller.startswith("live") else 401
        assert place.http.get(path, headers=headers).status_code == expected, caller
    by_token = {"Authorization": f"Bearer {admin_token}"}
    assert place.http.get(path, headers=by_token).status_code == 200
    assert place.http.get("/api/letters", headers=by_token).status_code == 200
    assert place.http.get("/mine", headers=by_token).status_code == 401
    for _, headers in guarded.credentials(place.log_in("Admin")):
        assert place.http.get(path, headers=headers).status_code == 200
        assert place.http.get("/_admin/nothing", headers=headers).status_code == 404


def test_there_is_an_example_of_every_route_of_a_model() -> None:
    assert set(EXAMPLES) == {
        (shape, method) for shape, actions in SHAPES.items() for method in actions
    }


def test_every_way_to_register_a_model_is_gone_through() -> None:
    ways = {name for name in dir(Lithair) if re.match(r"with_(model|handler)(?!s_)", name)}
    assert ways == {way.partition(",")[0] for way in WAYS}


def test_every_page_of_the_server_has_a_rule() -> None:
    assert set(SERVER_RULES) == set(SERVER_ROUTES)


@pytest.mark.parametrize("order", ORDERS, ids=order_name)
def test_the_rules_are_the_same_in_whatever_order_the_builder_was_told(
    order: tuple[guarded.Step, ...],
) -> None:
    declaration = application(Path("unused"), order).declaration({}, {})
    found = {(row.path, row.method): row.rule for row in route_map(declaration)}
    for row in rows():
        assert found[row.path, row.method] is Rule.GATED
    assert found["/mine", "GET"] is found["/mine", "HEAD"] is Rule.SESSION
    assert found["/who", "GET"] is Rule.IDENTIFIED
    assert found["/health", "GET"] is Rule.OPEN
    assert {rule for (path, _), rule in found.items() if path.startswith("/_admin")} == {Rule.ADMIN}


def test_a_model_with_roles_asks_for_a_session_where_no_other_does() -> None:
    for steps in ((guarded.register,), (guarded.register, guarded.add_sessions)):
        app = Lithair()
        for step in steps:
            step(app, Path("unused"))
        found = {row.model: row.rule for row in route_map(app.declaration({}, {})) if row.model}
        assert found == {name: Rule.GATED if name in WITH_ROLES else Rule.OPEN for name in MODELS}


def test_a_gate_without_sessions_does_not_start() -> None:
    app = Lithair().with_models_require_session(True)
    guarded.register(app, Path("unused"))
    with pytest.raises(Exception, match=r"with_models_require_session\(True\): there are no sess"):
        app.declaration({}, {})
