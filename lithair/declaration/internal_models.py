"""What an application needs of Lithair's own models: those of its sessions, users
and API tokens.

Law: an internal model has a name that begins with "_" and no path; its data directory is checked
against the users' models like any other.
"""

from lithair.accounts import USERS, Account
from lithair.api_tokens import TOKENS, TokenRecord
from lithair.declaration.asked import Asked
from lithair.declaration.declared import ModelDeclaration, SessionsDeclaration
from lithair.declaration.draft import Draft
from lithair.declaration.packing import Part
from lithair.handler import ModelHandler
from lithair.internal import SESSIONS, SessionRecord
from lithair.model import Model
from lithair.retention import Retention
from lithair.sessions import (
    MemorySessionStore,
    PersistentSessionStore,
    SessionManager,
    session_mistakes,
)

Called = tuple[str, ModelDeclaration]  # how the call that asks for it was written

IN_RAM = (
    "there is no with_sessions(...), so sessions end with the server;"
    " with_sessions(SessionManager(PersistentSessionStore(directory))) keeps them."
)


def session_store(asked: Asked, draft: Draft) -> tuple[list[Called], SessionsDeclaration | None]:
    """Check what `with_sessions` was given; return the store and how its sessions are made.

    Where there are users and nothing was said of sessions, they are in RAM.
    """
    if len(asked.sessions) > 1:
        draft.mistake("with_sessions(...)", "it was called twice; keep one")
    stores: list[Called] = []
    declared: SessionsDeclaration | None = None
    given = asked.sessions
    if asked.users and not given:
        call = asked.users[0][0]
        given = [(call, SessionManager(MemorySessionStore()))]
        draft.notices.append(f"{call}: {IN_RAM}")
    for call, manager in given:
        mistakes = session_mistakes(call, manager)
        draft.mistakes.extend(mistakes)
        if mistakes or not isinstance(manager, SessionManager):
            continue
        declared = _declared(manager)
        directory: str | None = ""
        if isinstance(manager.store, PersistentSessionStore):
            directory = draft.directory(call, manager.store.directory)
        if directory is not None and not stores:
            stores.append((call, internal_model(call, SESSIONS, SessionRecord, directory, draft)))
    return stores, declared


def account_store(asked: Asked, draft: Draft) -> list[Called]:
    """Check what `with_users` was given; return the model of accounts."""
    if len(asked.users) > 1:
        draft.mistake(asked.users[1][0], "it was called twice; keep one")
    stores: list[Called] = []
    for call, data_dir in asked.users[:1]:
        directory = draft.directory(call, data_dir)
        if directory is not None:
            stores.append((call, internal_model(call, USERS, Account, directory, draft)))
    return stores


def token_store(asked: Asked, draft: Draft) -> list[Called]:
    """Check what `with_tokens` was given; return the model of API tokens."""
    if len(asked.tokens) > 1:
        draft.mistake(asked.tokens[1][0], "it was called twice; keep one")
    stores: list[Called] = []
    for call, data_dir in asked.tokens[:1]:
        if not asked.sessions and not asked.users:
            remedy = "add with_sessions(SessionManager(store))"
            draft.mistake(call, f"nothing asks for a token where there are no sessions; {remedy}")
        directory = draft.directory(call, data_dir)
        if directory is not None:
            stores.append((call, internal_model(call, TOKENS, TokenRecord, directory, draft)))
    return stores


def internal_model(
    call: str, name: str, model: type[Model], data_dir: str, draft: Draft
) -> ModelDeclaration:
    """Declare one of Lithair's own models; `data_dir` "" keeps it in RAM."""
    part = draft.part(call, ModelHandler(model, data_dir))
    return ModelDeclaration(
        name=name,
        class_name=model.__name__,
        path="",
        data_dir=data_dir,
        retention=Retention(),
        handler_part=part or Part(b""),
        is_gated=False,
        is_internal=True,
    )


def _declared(manager: SessionManager) -> SessionsDeclaration:
    idle_s, secure = manager.idle_timeout, manager.cookie_secure
    return SessionsDeclaration(
        max_age_ms=_milliseconds(manager.max_age),
        idle_ms=None if idle_s is None else _milliseconds(idle_s),
        cleanup_ms=_milliseconds(manager.cleanup_interval),
        cookie_name=manager.cookie_name,
        cookie_secure=secure if isinstance(secure, bool) else None,
        cookie_samesite=manager.cookie_samesite,
    )


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
