"""The declaration: what an application is, checked and settled, as every process gets it.

Law: a declaration is plain data; the user's classes, functions and objects in it are loaded where
they are asked for and nowhere else, so a model process never imports what only a gateway needs.
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec

from lithair.accounts import USERS
from lithair.api_tokens import TOKENS
from lithair.config import Settings
from lithair.core.listening import Retries
from lithair.core.roles import ModelRules
from lithair.declaration import packing
from lithair.declaration.packing import Part
from lithair.handler import ModelHandler
from lithair.http import Request
from lithair.migration import Migration, MigrationFunction
from lithair.retention import Retention
from lithair.roles import PermissionChecker

if TYPE_CHECKING:
    from lithair.client import Client

RouteFunction = Callable[[Request], Awaitable[object]]
WorkerFunction = Callable[["Client"], object]


class MigrationDeclaration(msgspec.Struct, frozen=True):
    """One of a model's migrations; see `Migration`."""

    from_version: int
    from_fingerprint: bytes
    func_part: Part[MigrationFunction]

    @property
    def migration(self) -> Migration:
        """Return it with the user's function."""
        return Migration(self.func_part.load(), self.from_version, self.from_fingerprint)


class RolesDeclaration(msgspec.Struct, frozen=True):
    """What a model asks of roles, and who tells which permissions they have."""

    rules: ModelRules
    checker_part: Part[PermissionChecker]

    @property
    def checker(self) -> PermissionChecker:
        """Return the user's permission checker."""
        return self.checker_part.load()


class ModelDeclaration(msgspec.Struct, frozen=True):
    """One model. `name` is the path's last segment, the name used everywhere.

    An internal one is Lithair's own: its name begins with "_", and it has no path.
    """

    name: str
    class_name: str
    path: str  # begins with "/", does not end with it
    data_dir: str  # absolute; "" only where `is_internal`: nothing is kept on a disk
    retention: Retention
    handler_part: Part[ModelHandler[Any]]  # Any: handlers of different models stand side by side
    is_gated: bool = True  # False under with_model_full, which has rules of its own
    migration_parts: tuple[MigrationDeclaration, ...] = ()
    is_internal: bool = False
    roles: RolesDeclaration | None = None  # not None: under with_model_full

    @property
    def migrations(self) -> tuple[Migration, ...]:
        """Return the model's migrations, the user's functions in them."""
        return tuple(part.migration for part in self.migration_parts)

    @property
    def handler(self) -> ModelHandler[Any]:
        """Return the user's handler; its `model` is the class."""
        return self.handler_part.load()


class CompactionDeclaration(msgspec.Struct, frozen=True):
    """When a model's log is compacted by itself: every `every_s`, if `events` came meanwhile."""

    events: int
    every_s: float
    keep_history: bool = False


class WorkerDeclaration(msgspec.Struct, frozen=True):
    """A background process; `every_s` None: it runs until it ends, and is started again."""

    name: str
    every_s: float | None
    func_part: Part[WorkerFunction]

    @property
    def func(self) -> WorkerFunction:
        """Return the user's function."""
        return self.func_part.load()


class ListenerDeclaration(msgspec.Struct, frozen=True):
    """A process that is called for each event of the model `model` (a name)."""

    name: str
    model: str
    from_beginning: bool  # else from when it was declared first
    retries: Retries
    listener_part: Part[object]

    @property
    def call(self) -> Callable[[object], object]:
        """Return what to call with an event: the user's function, or their object's `on_event`."""
        listener = self.listener_part.load()
        found = listener if inspect.isroutine(listener) else getattr(listener, "on_event")  # noqa: B009
        return cast("Callable[[object], object]", found)


class RouteDeclaration(msgspec.Struct, frozen=True):
    """A user's route; segments of `path` in braces are names."""

    method: str  # upper case
    path: str
    require_session: bool
    func_part: Part[RouteFunction]

    @property
    def func(self) -> RouteFunction:
        """Return the user's coroutine function."""
        return self.func_part.load()


class TornadoDeclaration(msgspec.Struct, frozen=True):
    """A `tornado.web.RequestHandler` of the user, and the arguments of its `initialize`."""

    path: str
    handler_part: Part[type]
    init_part: Part[dict[str, object]]

    @property
    def handler(self) -> type:
        """Return the user's class."""
        return self.handler_part.load()

    @property
    def init(self) -> dict[str, object]:
        """Return the keyword arguments of `initialize`."""
        return self.init_part.load()


class StaticDeclaration(msgspec.Struct, frozen=True):
    """A directory of files served below `path`."""

    directory: str  # absolute
    path: str  # begins and ends with "/"


class SessionsDeclaration(msgspec.Struct, frozen=True):
    """How sessions are made and how long they live."""

    max_age_ms: int = 3_600_000
    idle_ms: int | None = None
    cleanup_ms: int = 300_000
    cookie_name: str = "session_token"
    cookie_secure: bool | None = None  # None: over TLS
    cookie_samesite: str = "Lax"


class RateLimitDeclaration(msgspec.Struct, frozen=True):
    """How many requests below `prefix`, which ends with "/", one address or token may send."""

    prefix: str
    requests: int
    per_ms: int


class Declaration(msgspec.Struct, frozen=True):
    """An application that has passed every check."""

    models: tuple[ModelDeclaration, ...]
    workers: tuple[WorkerDeclaration, ...]
    routes: tuple[RouteDeclaration, ...]
    tornado: tuple[TornadoDeclaration, ...]
    statics: tuple[StaticDeclaration, ...]
    settings: Settings
    origins: dict[str, str]  # setting -> where its value came from, when it is not the default
    modules: dict[str, str]  # module -> file, for modules a child could not import by name
    notices: tuple[str, ...]  # said at start: what was asked for and does nothing yet
    compaction: CompactionDeclaration | None = None  # None: logs are compacted when it is asked for
    internal_models: tuple[ModelDeclaration, ...] = ()
    sessions: SessionsDeclaration | None = None  # None: there are none
    requires_session: bool = False  # of every gated model
    has_streams: bool = True
    rate_limits: tuple[RateLimitDeclaration, ...] = ()
    listeners: tuple[ListenerDeclaration, ...] = ()
    has_data_admin: bool = False
    dashboard_path: str | None = None  # does not end with "/"; None: no dashboard

    @property
    def has_users(self) -> bool:
        """Tell whether there are built-in accounts."""
        return any(model.name == USERS for model in self.internal_models)

    @property
    def has_tokens(self) -> bool:
        """Tell whether machines may show API tokens."""
        return any(model.name == TOKENS for model in self.internal_models)

    def model_of_process(self, name: str) -> ModelDeclaration:
        """Return the model, a user's or an internal one, that the process of this name owns."""
        (model,) = (m for m in (*self.models, *self.internal_models) if m.name == name)
        return model

    def listener(self, name: str) -> ListenerDeclaration | None:
        """Return an event listener by its name."""
        for listener in self.listeners:
            if listener.name == name:
                return listener
        return None

    def model(self, name: str) -> ModelDeclaration | None:
        """Return a user's model by its name or by its class's name."""
        for model in self.models:
            if name in (model.name, model.class_name):
                return model
        return None


def pack(declaration: Declaration) -> bytes:
    """Pickle a declaration for a child."""
    return packing.pack(declaration, declaration.modules)


def unpack(data: bytes) -> Declaration:
    """Load a declaration in a child; the user's `__main__` is imported again, as spawn does."""
    value = packing.unpack(data)
    if not isinstance(value, Declaration):
        raise TypeError(f"a packed Declaration was expected, not {type(value).__name__}")
    return value
