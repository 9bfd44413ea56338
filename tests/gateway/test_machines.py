"""What the gate decides for machines, and how long their tokens live."""

import asyncio

import msgspec
import pytest
from tornado.httputil import HTTPHeaders

from lithair import Lithair, MemorySessionStore, SessionManager
from lithair.api_tokens import (
    DAY_MS,
    PREFIX,
    TokenRecord,
    hash_of,
    life_ms,
    new_token,
    text_problem,
    user_of,
)
from lithair.errors import ModelUnavailable
from lithair.gateway import sessions
from lithair.gateway.answers import Problem
from lithair.gateway.bearers import UNKNOWN, Unknown
from lithair.gateway.gate import Gate, Rule
from lithair.gateway.identity import Identity, Kind
from lithair.gateway.machines import TOUCH_MS, entry_of

WRITER, ADMIN, NEW, STRAY = (PREFIX + letter * 43 for letter in "WANS")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Known:
    """Machines that are known at once, one that has to be asked about, and none else."""

    def __init__(self, is_there: bool = True) -> None:
        self._is_there = is_there
        self._machines = {
            hash_of(token): Identity(Kind.TOKEN, user_of(name), role)
            for token, name, role in (
                (WRITER, "w", "writer"),
                (ADMIN, "a", "Admin"),
                (NEW, "n", "writer"),
            )
        }

    def cached(self, token_hash: str, now_ms: int) -> Identity | Unknown | None:
        return UNKNOWN if token_hash == hash_of(NEW) else self._machines.get(token_hash)

    async def find(self, token_hash: str) -> Identity | None:
        if not self._is_there:
            raise ModelUnavailable("nobody answers")
        return self._machines.get(token_hash)

    async def look(self, token_hash: str) -> Identity | None:
        return await self.find(token_hash)


def gate_of(machines: Known | None) -> Gate:
    app = Lithair().with_sessions(SessionManager(MemorySessionStore()))
    return Gate(app.declaration({}, {}), None, "secret", machines=machines)


def decide(gate: Gate, rule: Rule, fields: dict[str, str], method: str = "GET") -> Identity | int:
    try:
        return asyncio.run(gate.admitted(rule, method, HTTPHeaders(fields), is_tls=False))
    except Problem as problem:
        return problem.status


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def expected(rule: Rule, token: str) -> str | int:
    if rule is Rule.OPEN or (rule is Rule.IDENTIFIED and token == STRAY):
        return "nobody"
    if rule is Rule.NAMED and token != ADMIN:
        return "nobody"
    if token == STRAY:
        return 401
    if rule is Rule.SESSION or (rule is Rule.ADMIN and token != ADMIN):
        return 403
    return {WRITER: "token token/w", ADMIN: "token token/a", NEW: "token token/n"}[token]


@pytest.mark.parametrize("token", [WRITER, ADMIN, NEW, STRAY])
@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("method", METHODS)
def test_which_machine_gets_in_under_which_rule(rule: Rule, token: str, method: str) -> None:
    # A page of somebody else can't have sent it: browsers know no such token.
    fields = {**bearer(token), "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    decided = decide(gate_of(Known()), rule, fields, method)
    if isinstance(decided, int):
        assert decided == expected(rule, token)
        return
    assert (decided.principal or "nobody") == expected(rule, token)
    assert decided.session is None
    assert decided.role == ("" if decided.kind is Kind.NOBODY else role_of(token))


def role_of(token: str) -> str:
    return "Admin" if token == ADMIN else "writer"


@pytest.mark.parametrize("rule", [Rule.GATED, Rule.SESSION, Rule.ADMIN])
def test_a_token_opens_nothing_in_a_cookie_and_nothing_where_there_are_none(rule: Rule) -> None:
    for token in (WRITER, ADMIN, NEW):
        assert decide(gate_of(Known()), rule, {"Cookie": f"session_token={token}"}) == 401
        assert decide(gate_of(None), rule, bearer(token)) == 401


def test_a_token_that_nobody_can_be_asked_about_is_503() -> None:
    assert decide(gate_of(Known(is_there=False)), Rule.GATED, bearer(NEW)) == 503
    assert isinstance(decide(gate_of(Known(is_there=False)), Rule.GATED, bearer(WRITER)), Identity)


def test_no_token_has_the_form_of_a_session_nor_the_other_way_round() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    for token in tokens:
        assert hash_of(token)
        assert sessions.hash_of(token) == ""
    for stray in ("", "x" * 43, "x" * 46, WRITER + "x", WRITER[:-1], WRITER[:-1] + "ä"):
        assert hash_of(stray) == ""


def test_a_token_dies_when_it_expires_and_when_it_is_revoked() -> None:
    def is_alive(now_ms: int, **times: int) -> bool:
        record = TokenRecord(id="x", name="w", role="r", created_ms=1, **times)
        return now_ms < entry_of(msgspec.json.encode(record), 1).dies_ms

    assert is_alive(1 << 60)
    assert is_alive(999, expires_ms=1000)
    assert not is_alive(1000, expires_ms=1000)
    assert not is_alive(5, revoked_ms=10)
    assert not is_alive(5, expires_ms=1000, revoked_ms=10)


def test_a_use_is_stored_once_a_minute() -> None:
    record = TokenRecord(id="x", name="w", role="r", created_ms=1)
    first = entry_of(msgspec.json.encode(record), 1)
    assert first.touch_due_ms == TOUCH_MS
    record.seen_ms = 5
    again = entry_of(msgspec.json.encode(record), 2)
    assert again.touch_due_ms == TOUCH_MS + 5


@pytest.mark.parametrize(
    ("text", "read_ms"),
    [
        ("90d", 90 * DAY_MS),
        (" 1H ", 3_600_000),
        ("5m", 300_000),
        ("2w", 14 * DAY_MS),
        ("100y", 36_500 * DAY_MS),
        ("101y", None),
        ("0d", None),
        ("90", None),
        ("-1d", None),
        ("1.5h", None),
        ("", None),
    ],
)
def test_how_long_a_token_lives_is_read(text: str, read_ms: int | None) -> None:
    assert life_ms(text) == read_ms


@pytest.mark.parametrize("text", ["", " a", "a ", "a\nb", "x" * 101])
def test_what_can_be_no_name_and_no_role(text: str) -> None:
    assert text_problem("name", text) is not None
    assert text_problem("name", "thermometer 1") is None
