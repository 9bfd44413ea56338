"""Every mistake in an application is one sentence that names the call, and all come at once."""

from pathlib import Path
from typing import Any, cast

import pytest

from lithair import (
    Lithair,
    MemorySessionStore,
    Mistakes,
    Model,
    ModelHandler,
    PersistentSessionStore,
    RolePolicy,
    SessionManager,
)
from tests.app import sample_app
from tests.app.sample_app import Asked, Email, Emails, Page, Reply, hourly, nightly, plain, show


class Emailed(Model):
    body: str = ""


def told(app: Lithair, **environ: str) -> list[str]:
    """Return the sentences that the start of an application is refused with."""
    with pytest.raises(Mistakes) as caught:
        app.declaration(environ, {})
    return list(caught.value.sentences)


def with_emails() -> Lithair:
    return Lithair().with_model(Email, "./data/emails", "/api/emails")


def local_model() -> type[Model]:
    class Local(Model):
        body: str = ""

    return Local


MANY: Any = SessionManager(MemorySessionStore())
WRONG: Any = object()


class SlowChecker:
    async def has_permission(self, role: str, permission: str) -> bool:
        return role == permission


class RolelessChecker:
    def has_permission(self, permission: str) -> bool:
        return permission != ""


CHECKERS: dict[str, Any] = {
    "none": WRONG,
    "a class": RolePolicy,
    "slow": SlowChecker(),
    "roleless": RolelessChecker(),
    "a text": RolePolicy({"editor": "EmailRead"}),
    "a list": RolePolicy(cast("Any", ["EmailRead"])),
    "no name": RolePolicy(cast("Any", {"editor": [7]})),
}


def full(checker: str) -> Lithair:
    return Lithair().with_model_full(Email, "d", "/emails", CHECKERS[checker])


NAMELESS: Any = lambda: 1  # noqa: E731 - it has no name, that is the point
STORE_CLASS: Any = MemorySessionStore
STORE: Any = MemorySessionStore()

MISTAKES: list[tuple[str, Lithair, str]] = [
    (
        "one data directory",
        with_emails().with_model(Emailed, "data/../data/emails/", "/api/other"),
        'with_model(Emailed, "data/../data/emails/", "/api/other") have one data directory, ',
    ),
    (
        "one path",
        with_emails().with_model(Emailed, "d", "/api/emails/"),
        "have one path; give each its own",
    ),
    (
        "one last segment",
        with_emails().with_model(Emailed, "d", "/v2/emails"),
        'have one name, "emails"',
    ),
    (
        "a class named as another's segment",
        with_emails().with_model(Emailed, "d", "/api/email"),
        'have one name, "email"',
    ),
    ("one class twice", with_emails().with_model(Email, "d", "/other"), 'have one name, "email"'),
    (
        "a model below another",
        with_emails().with_model(Emailed, "d", "/api/emails/drafts"),
        "/api/emails/drafts lies among the items of /api/emails",
    ),
    ("no model", Lithair().with_model(WRONG, "d", "/x"), "is not a model; write class X(Model)"),
    ("Model itself", Lithair().with_model(Model, "d", "/x"), "Model is not a model"),
    (
        "a local class",
        Lithair().with_model(local_model(), "d", "/x"),
        "the ModelHandler object can't be sent to another process",
    ),
    ("no path", Lithair().with_model(Email, "d", "api"), 'has to be text that begins with "/"'),
    ("a root path", Lithair().with_model(Email, "d", "/"), "has to end with the model's name"),
    ("a name in a path", Lithair().with_model(Email, "d", "/{x}"), "can't have a {name} in it"),
    ("an internal name", Lithair().with_model(Email, "d", "/_emails"), "not beginning with these"),
    ("no directory", Lithair().with_model(Email, "", "/x"), "'' is not the path of a directory"),
    (
        "a ref to nothing",
        Lithair().with_model(sample_app.Broken, "d", "/x"),
        'Broken.friend: Ref["Nobody"] is no model of this application; register it with',
    ),
    (
        "a handler's class",
        Lithair().with_handler(WRONG.__class__, "/x"),
        "object is a class; write object(Model, data_dir)",
    ),
    ("no handler", Lithair().with_handler(WRONG, "/x"), "is not a ModelHandler"),
    (
        "an unready handler",
        Lithair().with_handler(sample_app.Unready(), "/x"),
        "Unready.__init__ has to call super().__init__(model, data_dir)",
    ),
    (
        "a coroutine hook",
        Lithair().with_handler(sample_app.Slow(Email, "d"), "/x"),
        "Slow.before_create is a coroutine function; hooks are plain functions",
    ),
    (
        "a handler that can't travel",
        Lithair().with_handler(Emails("d", limit=NAMELESS), "/x"),
        'with_handler(Emails(...), "/x"): the Emails object can\'t be sent to another process',
    ),
    (
        "a route that is a lambda",
        Lithair().with_route("GET", "/x", NAMELESS),
        'with_route("GET", "/x"): <lambda> has to be a coroutine function',
    ),
    ("a plain route", Lithair().with_route("GET", "/x", plain), "plain has to be a coroutine"),
    ("a bad method", Lithair().with_route("FETCH", "/x", show), "the method 'FETCH' has to be one"),
    ("HEAD", Lithair().with_route("HEAD", "/x", show), "HEAD and OPTIONS are answered by Lithair"),
    ("an empty segment", Lithair().with_route("GET", "/a//b", show), "has an empty segment"),
    ("a wild segment", Lithair().with_route("GET", "/a/{b}c", show), "no literal and no {name}"),
    ("a name twice", Lithair().with_route("GET", "/{a}/{a}", show), "has {a} twice"),
    (
        "one route twice",
        Lithair().with_route("GET", "/x/{a}", show).with_route("GET", "/x/{b}", show),
        'with_route("GET", "/x/{a}") and with_route("GET", "/x/{b}") answer the same requests',
    ),
    (
        "crossing routes",
        Lithair().with_route("GET", "/x/{a}", show).with_route("GET", "/{b}/y", show),
        "answer the same requests",
    ),
    (
        "a route on a model's item",
        with_emails().with_route("GET", "/api/emails/{id}", show),
        'with_model(Email, "./data/emails", "/api/emails") answers /api/emails/{...}',
    ),
    (
        "a route among a model's items",
        with_emails().with_route("POST", "/api/emails/send", show),
        "answers /api/emails/send",
    ),
    (
        "a route on a history",
        with_emails().with_route("GET", "/api/emails/{id}/history", show),
        "answers /api/emails/{...}/history",
    ),
    (
        "a handler on the streams of items",
        with_emails().with_tornado(r"/api/emails/(\w+)/stream", Page),
        "answers /api/emails/{id}",
    ),
    (
        "a built-in path",
        Lithair().with_route("GET", "/health", show),
        "Lithair itself answers /health",
    ),
    (
        "a model among the admin's paths",
        Lithair().with_model(Email, "d", "/_admin/emails"),
        "Lithair itself answers /_admin/emails",
    ),
    (
        "a Tornado handler on a model",
        with_emails().with_tornado("/api/emails", Page),
        "answers /api/emails",
    ),
    (
        "a Tornado regex among a model's items",
        with_emails().with_tornado("/api/emails/([0-9]+)", Page),
        "answers /api/emails/{id}",
    ),
    ("no Tornado handler", Lithair().with_tornado("/x", int), "int is not a tornado.web.Request"),
    ("a bad regex", Lithair().with_tornado("/x(", Page), "is not a regular expression"),
    (
        "an init that can't travel",
        Lithair().with_tornado("/x", Page, title=lambda: 1),
        'with_tornado("/x", Page), title=: ',
    ),
    ("no such directory", Lithair().with_static("./nope"), "there is no directory "),
    (
        "files below a model",
        with_emails().with_static(".", "/api/emails/files"),
        "answers what is below its path",
    ),
    (
        "files twice",
        Lithair().with_static(".").with_static("tests"),
        "another directory is served at / already",
    ),
    (
        "a worker named as a model",
        with_emails().with_worker(nightly, "emails"),
        '"emails" is the name of another process',
    ),
    (
        "one name for two workers",
        Lithair().with_worker(nightly, "a").with_worker(nightly, "a"),
        '"a" is the name of another process',
    ),
    (
        "a gateway's name",
        Lithair().with_worker(nightly, "gateway-0"),
        '"gateway-0" is the name of another process',
    ),
    ("a bad name", Lithair().with_worker(nightly, "a/b"), "the name 'a/b' has to be at most 64"),
    (
        "a coroutine worker",
        Lithair().with_worker(hourly, "a"),
        "hourly is a coroutine function; write a plain def",
    ),
    ("no function", Lithair().with_worker(WRONG, "a"), "is not a function"),
    ("a bad interval", Lithair().with_worker(nightly, "a", every=0), "every=0 has to be seconds"),
    (
        "a gate without sessions",
        Lithair().with_models_require_session(True),
        "with_models_require_session(True): there are no sessions; add with_sessions(",
    ),
    (
        "a gated route without sessions",
        Lithair().with_route("GET", "/x", show, require_session=True),
        'with_route("GET", "/x"), require_session=True: there are no sessions',
    ),
    (
        "a manager on a manager",
        Lithair().with_sessions(SessionManager(MANY)),
        "this SessionManager is built on another SessionManager; give it a store",
    ),
    (
        "a manager on a class",
        Lithair().with_sessions(SessionManager(STORE_CLASS)),
        "this SessionManager is built on the class MemorySessionStore",
    ),
    (
        "a manager that is a store",
        Lithair().with_sessions(STORE),
        "write with_sessions(SessionManager(store))",
    ),
    (
        "sessions in a model's directory",
        Lithair()
        .with_sessions(SessionManager(PersistentSessionStore("d")))
        .with_model(Email, "./d", "/emails"),
        "have one data directory",
    ),
    (
        "two kinds of sessions",
        Lithair().with_sessions(MANY).with_sessions(MANY),
        "with_sessions(...): it was called twice; keep one",
    ),
    (
        "compaction after nothing",
        Lithair().with_auto_compaction(0, 300),
        "with_auto_compaction(0, 300): events=0 has to be a whole number above 0",
    ),
    (
        "compaction at no time",
        Lithair().with_auto_compaction(10, 0),
        "with_auto_compaction(10, 0): every=0 has to be seconds",
    ),
    (
        "compaction that keeps some history",
        Lithair().with_auto_compaction(10, 300, keep_history=WRONG),
        "with_auto_compaction(10, 300, keep_history=object(...)): keep_history=<object object at",
    ),
    (
        "compaction at two rhythms",
        Lithair().with_auto_compaction(10, 300).with_auto_compaction(20, 600),
        "with_auto_compaction(20, 600): it was called twice; keep one",
    ),
    (
        "an unreadable setting",
        Lithair().with_port(70_000),
        "with_port(70000) can't be read: write a number from 0 to 65535.",
    ),
    (
        "a checker that can't check",
        full("none"),
        "the object object has no method has_permission; write def has_permission(self, role",
    ),
    ("the class of a checker", full("a class"), "RolePolicy is a class; write RolePolicy(...)."),
    (
        "a checker that takes its time",
        full("slow"),
        "SlowChecker.has_permission is a coroutine function; write a plain def.",
    ),
    (
        "a checker of no role",
        full("roleless"),
        "RolelessChecker.has_permission has to take a role and a permission",
    ),
    (
        "a policy's text",
        full("a text"),
        "RolePolicy: the permissions of 'editor' have to be a list of names",
    ),
    (
        "a policy without roles",
        full("a list"),
        "RolePolicy takes a mapping of roles to their permissions",
    ),
    ("a policy's number", full("no name"), "RolePolicy: a permission of 'editor' is not a name"),
    ("half of TLS", Lithair().with_tls("cert.pem", ""), "with_tls('') can't be read"),
    ("missing TLS", Lithair().with_tls("c.pem", "k.pem"), "with_tls: there is no file c.pem."),
]


@pytest.mark.parametrize(
    ("app", "sentence"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES]
)
def test_a_mistake_has_a_sentence_that_names_it(app: Lithair, sentence: str) -> None:
    sentences = told(app)
    assert any(sentence in one for one in sentences), sentences
    assert all("\n" not in one and one.endswith(".") for one in sentences)
    assert len(set(sentences)) == len(sentences)


def test_all_mistakes_are_told_at_once() -> None:
    app = (
        Lithair()
        .with_model(Email, "./data", "/api/emails")
        .with_model(Emailed, "./data", "/api/emailed")
        .with_auto_compaction(0, 300)
        .with_route("GET", "/x", plain)
        .with_port(-1)
    )
    environ = {"LT_EMAIL_MEMORY_RETENTION": "many", "LT_TIMEOUT": "soon"}
    sentences = told(app, **environ)
    assert len(sentences) == 6
    assert sum("LT_" in one for one in sentences) == 2
    assert "LT_TIMEOUT='soon' can't be read: write a number of seconds above 0" in sentences[-1]


@pytest.mark.parametrize(
    "app",
    [
        with_emails().with_model(Reply, "d", "/api/replies"),
        with_emails().with_model(Emailed, "d", "/api/emails-archive"),
        with_emails().with_route("POST", "/api/emails/{id}/send", show),
        with_emails().with_route("GET", "/api/{page}", show),
        Lithair().with_route("GET", "/x", show).with_route("POST", "/x", show),
        Lithair().with_route("GET", "/x/{a}", show).with_route("GET", "/x/y", show),
        Lithair().with_route("GET", "/x", Asked()),
        Lithair().with_route("GET", "/x/", show),
        with_emails().with_tornado("/(.*)", Page, title="x"),
        with_emails().with_static("tests"),
        with_emails().with_worker(nightly, "nightly"),
        Lithair().with_handler(ModelHandler(Email, Path("d")), "/emails"),
        Lithair().with_sse(False),
        Lithair(),
    ],
)
def test_what_is_no_mistake_starts(app: Lithair) -> None:
    app.declaration({}, {})
