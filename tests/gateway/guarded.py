"""Applications behind the gate, and the sessions that callers come with, for the gate's table."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lithair import Lithair, Model, RolePolicy
from lithair.handler import ModelHandler
from lithair.http import Request, Response
from lithair.sessions import PersistentSessionStore, SessionManager

COOKIE = "session_token"


class Letter(Model):
    text: str = ""


class Parcel(Model):
    text: str = ""


class Card(Model):
    text: str = ""


class Stamp(Model):
    text: str = ""


class Ware(Model):
    text: str = ""


class StampHandler(ModelHandler[Stamp]):
    def before_create(self, item: Stamp) -> Stamp:
        return item


# A session of this role gets to the model with roles; one without a role gets no further than 403.
POLICY = RolePolicy({"clerk": ["WareRead", "WareWrite", "WareDelete"]})
CLERK = "clerk"

MODELS: dict[str, type[Letter] | type[Parcel] | type[Card] | type[Stamp] | type[Ware]] = {
    "letters": Letter,
    "parcels": Parcel,
    "cards": Card,
    "stamps": Stamp,
    "wares": Ware,
}
# Every way to register a model; the gate stands in front of all of them.
WAYS: dict[str, Callable[[Lithair, Path], object]] = {
    "with_model": lambda app, at: app.with_model(Letter, at / "letters", "/api/letters"),
    "with_model_ref": lambda app, at: app.with_model_ref(Parcel, at / "parcels", "/api/parcels"),
    "with_handler": lambda app, at: app.with_handler(
        ModelHandler(Card, at / "cards"), "/api/cards"
    ),
    "with_handler, a subclass": lambda app, at: app.with_handler(
        StampHandler(Stamp, at / "stamps"), "/api/stamps"
    ),
    "with_model_full": lambda app, at: app.with_model_full(
        Ware, at / "wares", "/api/wares", permission_checker=POLICY
    ),
}
WITH_ROLES = frozenset({"wares"})  # of the models


async def log_in(request: Request) -> dict[str, str | None]:
    asked = request.query
    user_id, role = asked.get("user", "alice"), asked.get("role", "")
    session = await request.sessions.create(user_id, role)
    return {"token": session.token}


async def log_out(request: Request) -> None:
    if request.session is not None:
        await request.sessions.end(request.session)


async def who(request: Request) -> dict[str, str | None]:
    session = request.session
    return {"user": None if session is None else session.user_id}


async def told_otherwise(_request: Request) -> Response:
    return Response("kept", headers={"Cache-Control": "private, max-age=60"})


def register(app: Lithair, folder: Path) -> None:
    for way in WAYS.values():
        way(app, folder)


def add_sessions(app: Lithair, folder: Path) -> None:
    app.with_sessions(SessionManager(PersistentSessionStore(folder / "sessions")))


def require(app: Lithair, _folder: Path) -> None:
    app.with_models_require_session(True)


def add_routes(app: Lithair, _folder: Path) -> None:
    (
        app.with_route("POST", "/in", log_in)
        .with_route("POST", "/out", log_out)
        .with_route("GET", "/who", who)
        .with_route("POST", "/who", who)
        .with_route("GET", "/mine", who, require_session=True)
        .with_route("POST", "/mine", who, require_session=True)
        .with_route("GET", "/told", told_otherwise, require_session=True)
    )


Step = Callable[[Lithair, Path], None]
STEPS: tuple[Step, ...] = (register, add_sessions, require)
ORDERS: tuple[tuple[Step, ...], ...] = tuple(itertools.permutations(STEPS))


def order_name(order: Sequence[Step]) -> str:
    return ", ".join(step.__name__ for step in order)


def application(folder: Path, order: Sequence[Step] = STEPS) -> Lithair:
    """Build the application, the calls of the builder in that order."""
    app = Lithair()
    for step in order:
        step(app, folder)
    add_routes(app, folder)
    return app.with_run_dir(folder / "run").with_port(0)


def credentials(token: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Give both ways to show a token."""
    yield "bearer", {"Authorization": f"Bearer {token}"}
    yield "cookie", {"Cookie": f"{COOKIE}={token}"}
