"""Lithair: the builder of an application.

Law: each `with_...` only keeps what it is told and returns the builder; the order of calls never
matters; everything is checked once, when the application starts, and nothing starts with a mistake
in it. In a child, where the user's module is imported again, the same application is built again
and starts nothing.
"""

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lithair import config
from lithair.declaration.asked import (
    Asked,
    AskedCompaction,
    AskedListener,
    AskedModel,
    AskedRateLimit,
    AskedRoute,
    AskedStatic,
    AskedTornado,
    AskedWebhook,
    AskedWorker,
    written,
)
from lithair.declaration.assembly import assemble
from lithair.declaration.declared import Declaration, RouteFunction, WorkerFunction
from lithair.errors import EXIT_MISUSE, LithairError, Mistakes
from lithair.handler import ModelHandler
from lithair.model import Model
from lithair.roles import PermissionChecker
from lithair.sessions import SessionManager

if TYPE_CHECKING:
    import datetime as dt

    from lithair.actors.background import Server
    from lithair.client.handle import Handle

M = TypeVar("M", bound=Model)
Listen = TypeVar("Listen", bound=Callable[..., object])  # of one argument: an Event
Operation = Literal["create", "update", "delete"]
Directory = str | os.PathLike[str]

IN_CHILD = False  # set in a child before the user's module is imported: nothing starts there
RUN_DIR: str | None = None  # in a child: the run directory of the server it belongs to


class Lithair:
    """Build an application: `Lithair().with_model(Email, "./data/emails", "/api/emails")`."""

    def __init__(self) -> None:
        self._asked = Asked()
        self._settled_run_dir: str | None = None  # of the last declaration, for handles

    def with_model(self, model: type[M], data_dir: Directory, path: str) -> "Lithair":
        """Serve a model: REST, stream and log."""
        call = written("with_model", (model, data_dir, path))
        self._asked.models.append(AskedModel(call, path, model, data_dir))
        return self

    def with_model_ref(
        self, model: type[M], data_dir: Directory, path: str
    ) -> "tuple[Lithair, Handle[M]]":
        """Serve a model, and return its handle: HTTP is gated, the handle is not."""
        from lithair.client.handle import Handle

        call = written("with_model_ref", (model, data_dir, path))
        self._asked.models.append(AskedModel(call, path, model, data_dir))
        return self, Handle(model, run_dir=self._run_dir)

    def with_model_full(
        self, model: type[M], data_dir: Directory, path: str, permission_checker: PermissionChecker
    ) -> "Lithair":
        """Serve a model to sessions, as far as their roles have the permissions for it.

        `permission_checker.has_permission(role, permission)` tells; `RolePolicy` is a ready one.
        """
        call = written("with_model_full", (model, data_dir, path))
        asked = AskedModel(call, path, model, data_dir, has_roles=True, checker=permission_checker)
        self._asked.models.append(asked)
        return self

    def with_handler(self, handler: ModelHandler[Any], path: str) -> "Lithair":
        """Serve a model with a handler of the user's own, and its hooks."""
        call = written("with_handler", (handler, path))
        self._asked.models.append(AskedModel(call, path, handler=handler))
        return self

    def with_worker(
        self, func: WorkerFunction, name: str, every: "float | dt.timedelta | None" = None
    ) -> "Lithair":
        """Run `func(lithair)` in a supervised process; `every` (seconds) on a schedule."""
        call = written("with_worker", (func, name))
        self._asked.workers.append(AskedWorker(call, func, name, every))
        return self

    def with_route(
        self, method: str, path: str, func: RouteFunction, require_session: bool = False
    ) -> "Lithair":
        """Answer `method path` with `async def func(request)`; see `lithair.http`."""
        call = written("with_route", (method, path))
        self._asked.routes.append(AskedRoute(call, method, path, func, require_session))
        return self

    def with_tornado(self, path: str, handler: type, **init: object) -> "Lithair":
        """Answer a path with a `tornado.web.RequestHandler`; `init` goes to its `initialize`."""
        call = written("with_tornado", (path, handler))
        self._asked.tornado.append(AskedTornado(call, path, handler, init))
        return self

    def with_static(self, directory: Directory, path: str = "/") -> "Lithair":
        """Serve the files of a directory below `path`, from memory."""
        call = written("with_static", (directory, path))
        self._asked.statics.append(AskedStatic(call, directory, path))
        return self

    def with_sessions(self, manager: SessionManager) -> "Lithair":
        """Have sessions: in routes, and as a gate before models."""
        call = written("with_sessions", (manager,))
        self._asked.sessions.append((call, manager))
        return self

    def with_models_require_session(self, required: bool = True) -> "Lithair":
        """Answer 401 on every model's routes without a live session."""
        self._asked.requires_session = required
        return self

    def with_users(self, data_dir: Directory) -> "Lithair":
        """Have built-in accounts: /auth/login and its like; `lithair users add` makes them."""
        self._asked.users.append((written("with_users", (data_dir,)), data_dir))
        return self

    def with_tokens(self, data_dir: Directory) -> "Lithair":
        """Let machines in that show an API token; `lithair tokens add` makes them."""
        self._asked.tokens.append((written("with_tokens", (data_dir,)), data_dir))
        return self

    def with_rate_limit(self, prefix: str, requests: int, per: "float | dt.timedelta") -> "Lithair":
        """Answer 429 to more than so many requests `per` seconds below a path.

        Counted by each gateway, for each address and each token.
        """
        call = written("with_rate_limit", (prefix, requests), per=per)
        self._asked.rate_limits.append(AskedRateLimit(call, prefix, requests, per))
        return self

    def with_sse(self, enabled: bool = True) -> "Lithair":
        """Serve streams of changes, or not."""
        self._asked.streams = enabled
        return self

    def with_event_listener(
        self,
        model: type[M],
        listener: object,
        name: str,
        start: Literal["now", "beginning"] = "now",
        max_retries: int | None = None,
    ) -> "Lithair":
        """Call `listener.on_event(event)`, plain or async, for each event of a model, in order.

        At least once each, in a process of its own, from now on or from the first event. One that
        raises is retried: for ever, or `max_retries` times, then the event is a dead letter.
        """
        call = written("with_event_listener", (model, listener), name=name)
        asked = AskedListener(call, model, listener, name, start, max_retries)
        self._asked.listeners.append(asked)
        return self

    def on_change(self, model: type[M]) -> Callable[[Listen], Listen]:
        """Call the decorated function, plain or async, for each event of a model from now on.

        As `with_event_listener`; the listener is called as the function is.
        """
        bare: object = model
        if inspect.isroutine(bare):  # @app.on_change, without the model: would listen to nothing
            self._asked.listeners.append(
                AskedListener("@on_change", bare, bare, bare.__name__, is_function=True)
            )

        def listen(function: Listen) -> Listen:
            name = getattr(function, "__name__", None)
            call = f"@{written('on_change', (model,))} {name or function!r}"
            self._asked.listeners.append(
                AskedListener(call, model, function, name, is_function=True)
            )
            return function

        return listen

    def with_webhook(
        self,
        model: type[M],
        url: str,
        secret: str | bytes,
        events: "Iterable[Operation]" = ("create", "update", "delete"),
        name: str | None = None,
        give_up_after: "float | dt.timedelta" = 3 * 86_400.0,
    ) -> "Lithair":
        """POST each event of a model from now on to a URL as signed JSON: at least once, in order.

        Retried after 5 s, doubling to an hour; after `give_up_after` seconds (3 days) of failures
        in a row it is disabled. `lithair.webhooks.verify` checks the signature at the other end.
        """
        call = written("with_webhook", (model, str(url).partition("?")[0]))  # no keys in sentences
        self._asked.webhooks.append(
            AskedWebhook(call, model, url, secret, events, name, give_up_after)
        )
        return self

    def with_auto_compaction(
        self, events: int, every: "float | dt.timedelta", keep_history: bool = False
    ) -> "Lithair":
        """Compact each log `every` so many seconds when `events` or more came since the last time.

        What events say of the past is dropped with them, or, with `keep_history`, archived.
        """
        named = {"keep_history": keep_history} if keep_history is not False else {}
        call = written("with_auto_compaction", (events, every), **named)
        self._asked.compactions.append(AskedCompaction(call, events, every, keep_history))
        return self

    def with_data_admin(self) -> "Lithair":
        """Serve the routes of data administration below /_admin."""
        self._asked.data_admin = True
        return self

    def with_data_admin_ui(self, path: str = "/_admin") -> "Lithair":
        """Serve the dashboard, and the routes of data administration, which it works with."""
        self._asked.dashboards.append((written("with_data_admin_ui", (path,)), path))
        return self

    def with_docs(self, enabled: bool = True) -> "Lithair":
        """Serve /openapi.json and /docs, or not; whoever reaches the port may read them."""
        return self._set(docs=enabled)

    def with_host(self, host: str) -> "Lithair":
        """Listen on this address (127.0.0.1)."""
        return self._set(host=host)

    def with_port(self, port: int) -> "Lithair":
        """Listen on this port (8080); 0 picks a free one."""
        return self._set(port=port)

    def with_gateways(self, gateways: int) -> "Lithair":
        """Answer HTTP with this many processes (1)."""
        return self._set(gateways=gateways)

    def with_tls(self, cert: Directory, key: Directory) -> "Lithair":
        """Speak HTTPS with a certificate (its chain included) and a key, both PEM files."""
        return self._set(tls_cert=cert, tls_key=key)

    def with_cors(self, origins: str | Iterable[str]) -> "Lithair":
        """Let pages of these origins use the API."""
        return self._set(cors_origins=origins if isinstance(origins, str) else list(origins))

    def with_trusted_proxies(self, addresses: str | Iterable[str]) -> "Lithair":
        """Believe proxies at these addresses or networks who a client is, and whether over TLS."""
        listed = addresses if isinstance(addresses, str) else list(addresses)
        return self._set(trusted_proxies=listed)

    def with_timeout(self, seconds: "float | dt.timedelta") -> "Lithair":
        """Answer a request within this many seconds (30), or 504."""
        return self._set(timeout_s=seconds)

    def with_max_body_size(self, single: int, bulk: int | None = None) -> "Lithair":
        """Refuse bodies over this many bytes (2 MiB), and of bulk writes (12 MiB, or `single`)."""
        return self._set(body_bytes_single=single, body_bytes_bulk=bulk)

    def with_run_dir(self, run_dir: Directory) -> "Lithair":
        """Keep sockets in this directory (./.lithair, mode 0700)."""
        return self._set(run_dir=run_dir)

    def declaration(
        self, environ: Mapping[str, str], command_line: Mapping[str, object]
    ) -> Declaration:
        """Check everything and settle it; Mistakes hold one sentence each. Starts nothing."""
        declaration = assemble(self._asked, environ, command_line)
        self._settled_run_dir = declaration.settings.run_dir
        return declaration

    def serve(self) -> None:
        """Run until SIGTERM or SIGINT; with a mistake, say so on stderr and exit with status 2."""
        if IN_CHILD:
            return
        try:
            declaration = self.declaration(os.environ, {})
        except Mistakes as error:
            print(*error.sentences, sep="\n", file=sys.stderr)  # noqa: T201 - where it is read
            sys.exit(EXIT_MISUSE)
        from lithair.actors import supervisor

        status = supervisor.run(declaration)
        if status != 0:
            sys.exit(status)

    def running(self) -> "Server":
        """Run in the background, for a test or a script: `with app.running() as server:`."""
        if IN_CHILD:
            raise LithairError(
                "app.running() was reached while a process of the server imported this module"
                ' again; put it below `if __name__ == "__main__":`'
            )
        from lithair.actors.background import Server

        return Server(self.declaration(os.environ, {}))

    def _run_dir(self) -> str:
        """Return the run directory where a handle finds the server of this application."""
        known = RUN_DIR or self._settled_run_dir
        if known is not None:
            return known
        return config.resolve(self._asked.settings, os.environ, {}).settings.run_dir

    def _set(self, **settings: object) -> "Lithair":
        self._asked.settings.update(settings)
        return self
