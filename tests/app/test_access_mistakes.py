"""What sessions, API tokens, limits and proxies can't be, in the words of other mistakes."""

import pytest

from lithair import Lithair, MemorySessionStore, SessionManager
from tests.app.sample_app import Email
from tests.app.test_mistakes import told

MANY = SessionManager(MemorySessionStore())

CASES: list[tuple[str, Lithair, str]] = [
    (
        "a session of no length",
        Lithair().with_sessions(SessionManager(MemorySessionStore(), max_age=0)),
        "max_age=0 has to be a number of seconds above 0",
    ),
    (
        "a cookie whose name is an order",
        Lithair().with_sessions(SessionManager(MemorySessionStore(), cookie_name="__Host-session")),
        "cookie_name='__Host-session' has to be at most 64 letters, digits",
    ),
    (
        "API tokens where nothing asks for them",
        Lithair().with_tokens("./tokens"),
        'with_tokens("./tokens"): nothing asks for a token where there are no sessions',
    ),
    (
        "two kinds of API tokens",
        Lithair().with_sessions(MANY).with_tokens("./a").with_tokens("./b"),
        'with_tokens("./b"): it was called twice; keep one',
    ),
    (
        "streams, by a word",
        Lithair().with_sse("no"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        "with_sse('no'): it has to be True or False",
    ),
    (
        "a gate, by a word",
        Lithair().with_models_require_session("yes"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        "with_models_require_session('yes'): it has to be True or False",
    ),
    (
        "a limit of nothing",
        Lithair().with_rate_limit("/api/", 0, per=10),
        'with_rate_limit("/api/", 0, per=10): requests=0 has to be a whole number above 0',
    ),
    (
        "a limit for no time",
        Lithair().with_rate_limit("/api/", 5, per=0),
        'with_rate_limit("/api/", 5, per=0): per=0 has to be seconds, or a timedelta, above 0',
    ),
    (
        "a limit for a year",
        Lithair().with_rate_limit("/api/", 5, per=31_536_000),
        "per=31536000 has to be 0.1 s to a day",
    ),
    (
        "a limit of no path",
        Lithair().with_rate_limit("api", 5, per=1),
        "the path 'api' has to be text that begins with",
    ),
    (
        "a limit of names",
        Lithair().with_rate_limit("/api/{id}", 5, per=1),
        "the prefix '/api/{id}' can't have a {name} in it",
    ),
    (
        "two limits of one path",
        Lithair().with_rate_limit("/api/", 5, per=1).with_rate_limit("/api", 6, per=1),
        'with_rate_limit("/api", 6, per=1): /api/ has a limit already; keep one',
    ),
    (
        "a proxy by its name",
        Lithair().with_trusted_proxies(["proxy.example"]),
        "with_trusted_proxies(['proxy.example']) can't be read: write addresses or networks",
    ),
    (
        "API tokens in a model's directory",
        Lithair()
        .with_sessions(SessionManager(MemorySessionStore()))
        .with_tokens("d")
        .with_model(Email, "./d", "/emails"),
        "have one data directory",
    ),
]


@pytest.mark.parametrize(
    ("app", "sentence"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_each_mistake_is_said(app: Lithair, sentence: str) -> None:
    assert any(sentence in line for line in told(app))


def test_accounts_have_a_limit_unless_it_is_replaced() -> None:
    users = Lithair().with_users("./users")
    (limit,) = users.declaration({}, {}).rate_limits
    assert (limit.prefix, limit.requests, limit.per_ms) == ("/auth/", 300, 60_000)
    (limit,) = users.with_rate_limit("/auth", 5, per=1).declaration({}, {}).rate_limits
    assert (limit.prefix, limit.requests, limit.per_ms) == ("/auth/", 5, 1000)
    assert Lithair().declaration({}, {}).rate_limits == ()
