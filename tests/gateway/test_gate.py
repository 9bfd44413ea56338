"""What the gate decides, under each rule, for whoever comes."""

import asyncio
from collections.abc import Mapping

import msgspec
import pytest
from tornado.httputil import HTTPHeaders

from lithair import Lithair, Model
from lithair.declaration import Declaration, SessionsDeclaration
from lithair.errors import ModelUnavailable
from lithair.gateway.answers import Problem
from lithair.gateway.bearers import UNKNOWN, Unknown
from lithair.gateway.gate import Gate, Lookup, Rule, rule_of_route
from lithair.gateway.identity import Identity, Kind, of_session
from lithair.gateway.sessions import hash_of
from lithair.http import Request, Session

ALICE, ROOT, NEW, STRAY = (letter * 43 for letter in "ARNS")  # tokens, by their form
CHANCE = "lt_" + "C" * 40  # a session's token that begins as machines' do
NOW_MS = 1_700_000_000_000
ADMIN_TOKEN = "an-administrators-token"
US = "http://mail.example"
SHOP = "https://shop.example"
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
KEEPING = ("GET", "HEAD")


class Letter(Model):
    text: str


class OtherLetter(Model):
    text: str


async def anything(_request: Request) -> None:
    return None


class Known:
    """Sessions that are known at once, one that has to be asked about, and none else."""

    def __init__(self, is_there: bool = True) -> None:
        self._is_there = is_there
        self._sessions = {
            hash_of(token): of_session(
                Session(hash_of(token), user, role, b"{}", (NOW_MS, NOW_MS + 1))
            )
            for token, user, role in (
                (ALICE, "alice", "editor"),
                (ROOT, "root", "Admin"),
                (NEW, "newcomer", "editor"),
                (CHANCE, "chance", "editor"),
            )
        }

    def cached(self, token_hash: str, now_ms: int) -> Identity | Unknown | None:
        assert now_ms == NOW_MS
        if token_hash in (hash_of(NEW), hash_of(CHANCE)):
            return UNKNOWN
        return self._sessions.get(token_hash)

    async def find(self, token_hash: str) -> Identity | None:
        if not self._is_there:
            raise ModelUnavailable("nobody answers")
        return self._sessions.get(token_hash)

    async def look(self, token_hash: str) -> Identity | None:
        return await self.find(token_hash)


def declared(*, requires_session: bool = True, has_sessions: bool = True) -> Declaration:
    app = (
        Lithair()
        .with_model(Letter, "./data/letters", "/api/letters")
        .with_model(OtherLetter, "./data/others", "/api/others")
        .with_route("GET", "/public", anything)
        .with_cors([SHOP])
    )
    declaration = app.declaration({}, {})
    first, second = declaration.models
    return msgspec.structs.replace(
        declaration,
        models=(first, msgspec.structs.replace(second, is_gated=False)),
        sessions=SessionsDeclaration() if has_sessions else None,
        requires_session=requires_session,
    )


def gate_of(*, is_there: bool = True, has_sessions: bool = True) -> Gate:
    sessions = Known(is_there) if has_sessions else None
    declaration = declared(has_sessions=has_sessions)
    return Gate(declaration, sessions, ADMIN_TOKEN, lambda: NOW_MS)


def decide(
    gate: Gate, rule: Rule, fields: Mapping[str, str], method: str = "GET", is_tls: bool = False
) -> Identity | int:
    """Give who got in, or the status of the refusal."""
    headers = HTTPHeaders({"Host": "mail.example", **fields})
    try:
        return asyncio.run(gate.admitted(rule, method, headers, is_tls))
    except Problem as problem:
        refusal = problem
    assert (refusal.status == 401) == ("WWW-Authenticate" in dict(refusal.fields))
    return refusal.status


def cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"session_token={token}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


CALLERS: dict[str, dict[str, str]] = {
    "nobody": {},
    "no scheme of ours": {"Authorization": "Basic YTpi"},
    "not a token's form": bearer("x"),
    "no text at all": {"Authorization": "Bearer"},
    "stray token": bearer(STRAY),
    "stray cookie": cookie(STRAY),
    "session": bearer(ALICE),
    "session by cookie": cookie(ALICE),
    "session to be asked about": bearer(NEW),
    "session that begins as a machine": bearer(CHANCE),
    "admin's session": bearer(ROOT),
    "admin's session by cookie": cookie(ROOT),
    "admin token": bearer(ADMIN_TOKEN),
    "admin token as a cookie": cookie(ADMIN_TOKEN),
    "hash instead of token": bearer(hash_of(ALICE)),
}
NONE_SHOWN = {"nobody", "no scheme of ours"}
SESSIONS = {
    "session": "alice",
    "session by cookie": "alice",
    "session to be asked about": "newcomer",
    "session that begins as a machine": "chance",
    "admin's session": "root",
    "admin's session by cookie": "root",
}


def expected(rule: Rule, caller: str) -> str | int:
    """Say who gets in: SPEC, once more and in other words."""
    if rule is Rule.OPEN:
        return "nobody"
    if rule is Rule.NAMED and SESSIONS.get(caller) != "root" and caller != "admin token":
        return "nobody"
    if caller in SESSIONS:
        is_refused = rule is Rule.ADMIN and SESSIONS[caller] != "root"
        return 403 if is_refused else "session " + SESSIONS[caller]
    if caller == "admin token" and rule is not Rule.SESSION:
        return "admin"
    return "nobody" if rule is Rule.IDENTIFIED else 401


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("method", [*KEEPING, *CHANGING])
def test_who_gets_in_under_which_rule(rule: Rule, caller: str, method: str) -> None:
    decided = decide(gate_of(), rule, CALLERS[caller], method)
    if isinstance(decided, Identity):
        assert f"{decided.kind.value} {decided.user_id}".strip() == expected(rule, caller)
        assert (decided.session is None) == (decided.kind is not Kind.SESSION)
    else:
        assert decided == expected(rule, caller)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("rule", Rule)
def test_a_preflight_is_asked_for_nothing(rule: Rule, caller: str) -> None:
    origin = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    decided = decide(gate_of(), rule, {**CALLERS[caller], **origin}, "OPTIONS")
    assert isinstance(decided, Identity)
    assert decided.kind is Kind.NOBODY


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("rule", [Rule.GATED, Rule.SESSION, Rule.ADMIN])
def test_without_sessions_only_the_admin_token_opens_anything(rule: Rule, caller: str) -> None:
    decided = decide(gate_of(has_sessions=False), rule, CALLERS[caller])
    if caller == "admin token" and rule is not Rule.SESSION:
        assert isinstance(decided, Identity)
    else:
        assert decided == 401


@pytest.mark.parametrize("rule", [Rule.IDENTIFIED, Rule.GATED, Rule.SESSION, Rule.ADMIN])
def test_a_token_that_nobody_can_be_asked_about_is_503_and_says_when_to_come_again(
    rule: Rule,
) -> None:
    gate = gate_of(is_there=False)
    assert decide(gate, rule, bearer(NEW)) == 503
    assert isinstance(decide(gate, rule, bearer(ROOT)), Identity)


def test_only_what_is_not_known_is_asked_about() -> None:
    gate = gate_of()
    headers = HTTPHeaders(bearer(NEW))
    assert isinstance(gate.admit(Rule.GATED, "GET", headers, False), Lookup)
    for token in (ALICE, STRAY, "x"):
        found = gate.admit(Rule.GATED, "GET", HTTPHeaders(bearer(token)), False)
        assert not isinstance(found, Lookup)


CROSS_SITE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": US},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": SHOP},  # named in with_cors: for browsers that say where a request comes from
]
OWN = [
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": US},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": SHOP},
    {"Origin": US},
]


@pytest.mark.parametrize("rule", [Rule.IDENTIFIED, Rule.GATED, Rule.SESSION, Rule.ADMIN])
@pytest.mark.parametrize("method", [*CHANGING, "BREW"])
def test_another_sites_page_changes_nothing_with_a_cookie(rule: Rule, method: str) -> None:
    gate = gate_of()
    for fields in CROSS_SITE:
        assert decide(gate, rule, {**cookie(ROOT), **fields}, method) == 403
        assert isinstance(decide(gate, rule, {**bearer(ROOT), **fields}, method), Identity)
    for fields in OWN:
        assert isinstance(decide(gate, rule, {**cookie(ROOT), **fields}, method), Identity)


@pytest.mark.parametrize("method", KEEPING)
def test_another_sites_page_may_ask_since_it_can_not_read_the_answer(method: str) -> None:
    gate = gate_of()
    for fields in [*CROSS_SITE, *OWN]:
        assert isinstance(decide(gate, Rule.GATED, {**cookie(ALICE), **fields}, method), Identity)


def test_a_cookie_that_names_no_session_is_not_a_cross_site_request() -> None:
    """It lends nothing: it gets what it would get without a cookie."""
    gate = gate_of()
    fields = {**cookie(STRAY), "Sec-Fetch-Site": "cross-site"}
    assert decide(gate, Rule.GATED, fields, "POST") == 401
    assert isinstance(decide(gate, Rule.IDENTIFIED, fields, "POST"), Identity)


def test_over_tls_only_the_cookie_of_this_very_host_counts() -> None:
    gate = gate_of()
    plain, own = cookie(ALICE), {"Cookie": f"__Host-session_token={ALICE}"}
    assert decide(gate, Rule.GATED, plain, is_tls=True) == 401
    assert isinstance(decide(gate, Rule.GATED, own, is_tls=True), Identity)
    assert decide(gate, Rule.GATED, own, is_tls=False) == 401


def test_any_origin_in_with_cors_names_none() -> None:
    app = Lithair().with_cors("*")
    gate = Gate(app.declaration({}, {}), None, None)
    headers = HTTPHeaders({"Sec-Fetch-Site": "cross-site", "Origin": "*"})
    assert gate.is_cross_site(headers, is_tls=False)


@pytest.mark.parametrize(
    ("requires_session", "gated", "other"),
    [(True, Rule.GATED, Rule.GATED), (False, Rule.OPEN, Rule.GATED)],
)
def test_models_are_gated_together_but_for_those_with_rules_of_their_own(
    requires_session: bool, gated: Rule, other: Rule
) -> None:
    gate = Gate(declared(requires_session=requires_session), Known(), None)
    assert gate.of_model("letters") is gated
    assert gate.of_model("others") is other


def test_a_model_that_the_gate_knows_nothing_about_is_gated() -> None:
    assert Gate(declared(requires_session=False), Known(), None).of_model("new") is Rule.GATED


def test_a_users_route_asks_what_it_was_declared_with() -> None:
    declaration = declared()
    (route,) = declaration.routes
    closed = msgspec.structs.replace(route, require_session=True)
    assert rule_of_route(declaration, route) is Rule.IDENTIFIED
    assert rule_of_route(declaration, closed) is Rule.SESSION
    assert rule_of_route(declared(has_sessions=False), route) is Rule.OPEN


def test_an_empty_admin_token_opens_nothing() -> None:
    for token in (None, ""):
        gate = Gate(declared(), Known(), token, lambda: NOW_MS)
        assert decide(gate, Rule.ADMIN, {"Authorization": "Bearer"}) == 401
