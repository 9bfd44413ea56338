"""What `with_users` can't mean is a sentence each; what it brings along is said."""

import pytest

from lithair import (
    Lithair,
    MemorySessionStore,
    Mistakes,
    PersistentSessionStore,
    SessionManager,
)
from tests.app.sample_app import Email, show

MISTAKES = [
    (
        Lithair().with_users("./a").with_users("./b"),
        'with_users("./b"): it was called twice; keep one.',
    ),
    (Lithair().with_users(""), "with_users(\"\"): '' is not the path of a directory."),
    (Lithair().with_users("d").with_model(Email, "./d", "/emails"), "have one data directory"),
    (
        Lithair().with_sessions(SessionManager(PersistentSessionStore("d"))).with_users("./d"),
        "have one data directory",
    ),
    (
        Lithair().with_users("d").with_route("POST", "/auth/login", show),
        "Lithair itself answers /auth/login; choose another path.",
    ),
    (
        Lithair().with_users("d").with_model(Email, "./e", "/auth"),
        "with_users answers /auth/login, which lies among its items",
    ),
]


@pytest.mark.parametrize(("app", "sentence"), MISTAKES)
def test_a_mistake_with_users_has_its_own_sentence(app: Lithair, sentence: str) -> None:
    with pytest.raises(Mistakes) as caught:
        app.declaration({}, {})
    (told,) = caught.value.sentences
    assert sentence in told
    assert told.startswith("with_")


def test_a_secret_key_that_is_not_there_is_a_mistake() -> None:
    with pytest.raises(Mistakes) as caught:
        Lithair().with_users("d").declaration({"LT_SECRET_KEY_FILE": "no/such/key"}, {})
    assert caught.value.sentences == ("LT_SECRET_KEY_FILE: there is no file no/such/key.",)


def test_users_bring_sessions_along_and_say_where_they_are() -> None:
    app = (
        Lithair()
        .with_users("d")
        .with_models_require_session(True)
        .with_route("GET", "/x", show, require_session=True)
    )
    declaration = app.declaration({}, {})
    assert declaration.sessions is not None
    assert any("sessions end with the server" in notice for notice in declaration.notices)
    assert not app.with_sessions(SessionManager(MemorySessionStore())).declaration({}, {}).notices


def test_without_users_their_paths_are_anybodys() -> None:
    app = Lithair().with_model(Email, "./e", "/auth").with_route("POST", "/login", show)
    assert app.declaration({}, {}).models
