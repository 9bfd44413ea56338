"""Lithair: a declared Python class becomes a running, durable backend.

    from lithair import Lithair, Model, Pinned

Everything a user writes is here; `lithair.aio` has the asyncio twin of `connect`.
"""

import importlib
from typing import TYPE_CHECKING

from lithair.app import Lithair
from lithair.errors import (
    CallTimeout,
    Conflict,
    Dropped,
    FieldError,
    LithairError,
    Mistakes,
    ModelUnavailable,
    NotFound,
    PreconditionFailed,
    Rejected,
    ValidationFailed,
)
from lithair.fields import (
    Audited,
    Created,
    EmailAddress,
    Hidden,
    Immutable,
    Indexed,
    NonEmpty,
    Owner,
    Permission,
    Pinned,
    PrimaryKey,
    Ref,
    Slug,
    Unique,
    Updated,
    Url,
    filled_in,
)
from lithair.handler import ModelHandler
from lithair.http import Caller, Request, Response, Session
from lithair.migration import migrate
from lithair.model import Model
from lithair.retention import retention
from lithair.roles import PermissionChecker, RolePolicy
from lithair.sessions import MemorySessionStore, PersistentSessionStore, SessionManager

if TYPE_CHECKING:
    from lithair.client import Client, Event, Handle, HistoryEntry, Page, Stats, connect

__all__ = [
    "Audited",
    "CallTimeout",
    "Caller",
    "Client",
    "Conflict",
    "Created",
    "Dropped",
    "EmailAddress",
    "Event",
    "FieldError",
    "Handle",
    "Hidden",
    "HistoryEntry",
    "Immutable",
    "Indexed",
    "Lithair",
    "LithairError",
    "MemorySessionStore",
    "Mistakes",
    "Model",
    "ModelHandler",
    "ModelUnavailable",
    "NonEmpty",
    "NotFound",
    "Owner",
    "Page",
    "Permission",
    "PermissionChecker",
    "PersistentSessionStore",
    "Pinned",
    "PreconditionFailed",
    "PrimaryKey",
    "Ref",
    "Rejected",
    "Request",
    "Response",
    "RolePolicy",
    "Session",
    "SessionManager",
    "Slug",
    "Stats",
    "Unique",
    "Updated",
    "Url",
    "ValidationFailed",
    "connect",
    "filled_in",
    "migrate",
    "retention",
]

__version__ = "0.1.0"

if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Load what handles need when it is asked for: pyzmq is for those who use them."""
        if name in {"Client", "Event", "Handle", "HistoryEntry", "Page", "Stats", "connect"}:
            from lithair import client

            return getattr(client, name)
        if name == "aio":
            return importlib.import_module("lithair.aio")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
