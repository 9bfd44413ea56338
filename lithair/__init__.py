"""Lithair: a declared Python class becomes a running, durable backend.

    from lithair import Lithair, Model, Pinned

Everything a user writes is here; `lithair.aio` has the asyncio twin of `connect`.
"""

from typing import TYPE_CHECKING

from lithair.app import Lithair
from lithair.errors import (
    CallTimeout,
    Conflict,
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
from lithair.http import Request, Response
from lithair.model import Model
from lithair.retention import retention
from lithair.sessions import MemorySessionStore, PersistentSessionStore, SessionManager

if TYPE_CHECKING:
    from lithair.client import connect

__all__ = [
    "Audited",
    "CallTimeout",
    "Conflict",
    "Created",
    "EmailAddress",
    "FieldError",
    "Hidden",
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
    "Permission",
    "PersistentSessionStore",
    "Pinned",
    "PreconditionFailed",
    "PrimaryKey",
    "Ref",
    "Rejected",
    "Request",
    "Response",
    "SessionManager",
    "Slug",
    "Unique",
    "Updated",
    "Url",
    "ValidationFailed",
    "connect",
    "filled_in",
    "retention",
]

__version__ = "0.1.0"

if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Load `connect` when it is asked for: pyzmq is for those who use handles."""
        if name == "connect":
            from lithair.client import connect

            return connect
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
