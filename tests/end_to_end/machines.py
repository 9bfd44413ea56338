"""An application that machines use: a gated model, a route for sessions, and one for anybody."""

from lithair import (
    Indexed,
    Lithair,
    MemorySessionStore,
    Model,
    Owner,
    Request,
    RolePolicy,
    SessionManager,
)


class Reading(Model):
    value: float


class Report(Model):
    text: str
    sender: Owner[Indexed[str | None]] = None


POLICY = RolePolicy({"writer": ["ReportReadOwn", "ReportWriteOwn"], "reader": ["ReportRead"]})


async def login(request: Request) -> dict[str, object]:
    session = await request.sessions.create("ada")
    return {"token": session.token}


async def caller(request: Request) -> dict[str, object]:
    who = request.caller
    return {"caller": None if who is None else [who.kind, who.user_id, who.role]}


async def mine(_request: Request) -> dict[str, object]:
    return {}


app = (
    Lithair()
    .with_sessions(SessionManager(MemorySessionStore()))
    .with_tokens("./data/tokens")
    .with_models_require_session(True)
    .with_model(Reading, "./data/readings", "/api/readings")
    .with_model_full(Report, "./data/reports", "/api/reports", POLICY)
    .with_route("GET", "/mine", mine, require_session=True)
    .with_route("GET", "/open", caller)
    .with_route("POST", "/login", login)
)
