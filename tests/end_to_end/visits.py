"""An application with sessions: log in, say who it is, log out; and a model behind the gate."""

import os

from lithair import (
    Lithair,
    MemorySessionStore,
    Model,
    PersistentSessionStore,
    Request,
    SessionManager,
)


class Visit(Model):
    place: str


async def login(request: Request) -> dict[str, object]:
    session = await request.sessions.create(user_id=request.query["user"], visits=1)
    return {"token": session.token}


async def me(request: Request) -> dict[str, object]:
    assert request.session is not None
    return {"user": request.session.user_id, **request.session.data}


async def logout(request: Request) -> None:
    assert request.session is not None
    await request.sessions.end(request.session)


store = (
    MemorySessionStore()
    if os.environ.get("VISITS_IN_RAM")
    else PersistentSessionStore("./data/sessions")
)
app = (
    Lithair()
    .with_sessions(SessionManager(store))
    .with_models_require_session(True)
    .with_route("POST", "/login", login)
    .with_route("POST", "/logout", logout, require_session=True)
    .with_route("GET", "/me", me, require_session=True)
)
if not os.environ.get("VISITS_NO_MODEL"):
    app.with_model(Visit, "./data/visits", "/api/visits")

if __name__ == "__main__":
    app.serve()
