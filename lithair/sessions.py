"""Sessions as an application declares them: the manager and its stores.

Owns their names, defaults and forms; nothing here looks a session up. Law: these are plain values,
checked once when the application starts (`session_mistakes`).
"""

import os
import re

STORES = "MemorySessionStore() or PersistentSessionStore(directory)"
SAME_SITE = ("Lax", "Strict", "None")
COOKIE_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")  # browsers read __Host- and __Secure- as orders


class SessionStore:
    """Where sessions are kept; use one of its subclasses."""


class MemorySessionStore(SessionStore):
    """Sessions shared by all gateways and gone with the server."""


class PersistentSessionStore(SessionStore):
    """Sessions that survive restarts, in a directory of their own."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = directory


class SessionManager:
    """How sessions are made and how long they live; durations are in seconds."""

    def __init__(
        self,
        store: SessionStore,
        max_age: float = 3600,
        idle_timeout: float | None = None,
        cleanup_interval: float = 300,
        cookie_name: str = "session_token",
        cookie_secure: bool | str = "auto",
        cookie_samesite: str = "Lax",
    ) -> None:
        self.store = store
        self.max_age = max_age
        self.idle_timeout = idle_timeout
        self.cleanup_interval = cleanup_interval
        self.cookie_name = cookie_name
        self.cookie_secure = cookie_secure
        self.cookie_samesite = cookie_samesite


def session_mistakes(call: str, manager: object) -> list[str]:
    """Say what is wrong with what `with_sessions` was given; `call` is how it was written."""
    if isinstance(manager, type):
        return [f"{call}: {manager.__name__} is a class; write {manager.__name__}(...)."]
    if not isinstance(manager, SessionManager):
        return [f"{call}: write with_sessions(SessionManager(store)), the store being {STORES}."]
    found: list[str] = []
    store: object = manager.store
    if isinstance(store, SessionManager):
        found.append(
            f"{call}: this SessionManager is built on another SessionManager; give it a store:"
            f" {STORES}."
        )
    elif isinstance(store, type):
        found.append(
            f"{call}: this SessionManager is built on the class {store.__name__}; give it a store:"
            f" {STORES}."
        )
    elif not _is_store(store):
        found.append(f"{call}: {store!r} is not a session store; write {STORES}.")
    for setting in ("max_age", "idle_timeout", "cleanup_interval"):
        value: object = getattr(manager, setting)
        if not (value is None and setting == "idle_timeout") and not _is_duration(value):
            found.append(f"{call}: {setting}={value!r} has to be a number of seconds above 0.")
    if manager.cookie_samesite not in SAME_SITE:
        found.append(
            f"{call}: cookie_samesite={manager.cookie_samesite!r} has to be Lax, Strict or None."
        )
    if not _is_cookie_name(manager.cookie_name):
        found.append(
            f"{call}: cookie_name={manager.cookie_name!r} has to be at most 64 letters,"
            " digits and - . _, and not to begin with two underscores."
        )
    if manager.cookie_secure not in (True, False, "auto"):
        found.append(
            f'{call}: cookie_secure={manager.cookie_secure!r} has to be True, False or "auto".'
        )
    return found


def _is_store(value: object) -> bool:
    return isinstance(value, SessionStore) and type(value) is not SessionStore


def _is_cookie_name(value: object) -> bool:
    if not isinstance(value, str) or value.startswith("__"):
        return False
    return COOKIE_NAME.fullmatch(value) is not None


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9
