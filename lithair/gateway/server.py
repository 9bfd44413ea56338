"""A gateway: the process that speaks HTTP.

Owns its event loop, from the first connection to the last answer. Law of stopping: accept nothing
new, finish what is in flight within 10 s, then close everything and end.
"""

import asyncio
import logging
import os
import resource
import socket
import ssl
from collections.abc import Callable
from typing import Final

from lithair.accounts import USERS, Account
from lithair.api_tokens import TOKENS, TokenRecord
from lithair.errors import LithairError
from lithair.gateway import http_outlet, tornado_outlet
from lithair.gateway.accounts import Accounts
from lithair.gateway.admin import Admin
from lithair.gateway.admin_assembly import admin_of
from lithair.gateway.admin_session import AdminCookies
from lithair.gateway.application import BuiltIn, make_application
from lithair.gateway.auth_routes import Auth
from lithair.gateway.callers import Callers
from lithair.gateway.contract import ConnectionDelegate, OpenOutlet, Transport
from lithair.gateway.cors import CrossOrigin
from lithair.gateway.dashboard_files import Dashboard
from lithair.gateway.figures import Figures
from lithair.gateway.gate import Gate
from lithair.gateway.http_transport import HttpTransport
from lithair.gateway.limits import PATIENCE, BodyLimits, Patience
from lithair.gateway.links import Links
from lithair.gateway.machines import Machines
from lithair.gateway.operations import Operations
from lithair.gateway.passwords import PasswordThreads
from lithair.gateway.proxies import Proxies
from lithair.gateway.rate_limits import RateLimits
from lithair.gateway.route_handler import RouteTools
from lithair.gateway.second_factor import SecretBox
from lithair.gateway.session_cookie import SessionCookie
from lithair.gateway.sessions import Sessions
from lithair.gateway.site import Site
from lithair.gateway.static_files import StaticSite, read_site
from lithair.gateway.streams.streams import Streams
from lithair.gateway.tls import server_context
from lithair.gateway.tornado_transport import TornadoTransport
from lithair.gateway.tracing import Tracing, start_tracing
from lithair.internal import SESSIONS, SessionRecord
from lithair.process import EXIT_FAILED, EXIT_MISUSE, SERVING, STOPPING, Child
from lithair.storage.run_dir import read_admin_token
from lithair.storage.secret_key import read_secret_key

DRAIN_S: Final = 10.0  # the supervisor kills soon after
DRAIN_LOOK_S: Final = 0.02
# Logs, sockets to models, libraries: what else has a descriptor beside the connections.
DESCRIPTORS_RESERVED: Final = 128
DESCRIPTORS_WANTED: Final = 65_536  # a connection takes some 10 KiB here, so memory ends first

MakeTransport = Callable[
    [asyncio.AbstractEventLoop, ConnectionDelegate, int, ssl.SSLContext | None, Patience], Transport
]
TRANSPORTS: Final[dict[str, tuple[MakeTransport, OpenOutlet]]] = {
    "httptools": (HttpTransport, http_outlet.open_outlet),
    "tornado": (TornadoTransport, tornado_outlet.open_outlet),
}

_log = logging.getLogger("lithair.http")


def run(child: Child, patience: Patience = PATIENCE) -> None:
    """Serve HTTP until the child is told to stop."""
    # Bytes that are no HTTP, and clients that left, are everyday and not worth a line each.
    logging.getLogger("tornado.general").setLevel(logging.WARNING)
    try:
        import uvloop
    except ImportError:  # where uvloop has no wheels; slower, otherwise the same
        asyncio.run(serve(child, patience))
    else:
        uvloop.run(serve(child, patience))


async def serve(child: Child, patience: Patience) -> None:
    """Serve on the running loop until the child is told to stop."""
    loop = asyncio.get_running_loop()
    settings = child.declaration.settings
    tls = _tls_context(child)
    statics = _static_sites(child)
    links = Links(loop, child.declaration, child.run_dir)
    cross_origin = CrossOrigin(settings.cors_origins)
    admin_token = settings.admin_token or read_admin_token(child.run_dir)
    sessions = _sessions(loop, child, links)
    has_tokens = child.declaration.has_tokens
    machines = Machines(loop, links.own(TOKENS, TokenRecord)) if has_tokens else None
    cookies = AdminCookies(child.run_dir) if child.declaration.has_data_admin else None
    gate = Gate(child.declaration, sessions, admin_token, machines=machines, admins=cookies)
    for model in links.models.values():
        model.rule, model.write_rule = gate.of_model(model.name), gate.of_writes(model.name)
    declared = child.declaration.sessions
    cookie = SessionCookie(declared) if declared is not None else None
    tools = RouteTools(gate, links.handle, settings.timeout_s, sessions, cookie)
    passwords = PasswordThreads()
    auth = _auth(child, links, sessions, passwords)
    figures = Figures(links.models.values(), child.run_dir)
    admin = admin_of(child, links, gate, figures, sessions, cookies)
    built_in = _built_in(child, links, admin, figures, auth)
    site = Site(
        links.models,
        make_application(child.declaration, built_in, cross_origin, tools, statics),
        gate,
        cross_origin,
        BodyLimits(settings.body_bytes_single, settings.body_bytes_bulk),
        _callers(child, is_tls=tls is not None),
    )
    make_transport, open_outlet = TRANSPORTS[settings.http_transport]
    streams = Streams(child.declaration, child.run_dir, open_outlet)
    site.streams = streams
    shown = [bearers for bearers in (sessions, machines) if bearers is not None]
    for bearers in shown:
        bearers.tell_ends(streams.token_ended)
    tracing = start_tracing(os.environ, f"{child.name}-{os.getpid()}")
    transport = make_transport(loop, _traced(site, tracing), connections_max(), tls, patience)
    await transport.listen([socket.socket(fileno=fd) for fd in child.listen_fds])
    child.figures = lambda: site.figures.told(transport.connections, streams.figures())
    stopping = asyncio.Event()
    loop.add_reader(child.stop_fd, stopping.set)
    child.phase(SERVING)
    try:
        await _sweep_until(stopping, transport, child, patience.sweep_s)
        loop.remove_reader(child.stop_fd)
        child.phase(STOPPING)
        await _drain(loop, transport, streams)
    finally:
        await streams.close()
        transport.close()
        passwords.close()
        for bearers in shown:
            await bearers.close()
        await links.close()
        if tracing is not None:
            await asyncio.to_thread(tracing.close)


def _traced(site: Site, tracing: Tracing | None) -> ConnectionDelegate:
    if tracing is None:
        return site
    from lithair.gateway.traced_exchange import TracedRequests  # OpenTelemetry comes with it

    return TracedRequests(site, tracing)


def _callers(child: Child, *, is_tls: bool) -> Callers:
    declared = child.declaration
    trusted = declared.settings.trusted_proxies
    cookie_name = None if declared.sessions is None else declared.sessions.cookie_name
    limits = RateLimits(declared.rate_limits, cookie_name) if declared.rate_limits else None
    return Callers(is_tls, Proxies(trusted) if trusted else None, limits)


def _sessions(loop: asyncio.AbstractEventLoop, child: Child, links: Links) -> Sessions | None:
    declared = child.declaration.sessions
    if declared is None:
        return None
    return Sessions(loop, links.own(SESSIONS, SessionRecord), declared)


def _auth(
    child: Child, links: Links, sessions: Sessions | None, passwords: PasswordThreads
) -> Auth | None:
    if sessions is None or not child.declaration.has_users:
        return None
    accounts = Accounts(links.own(USERS, Account), passwords, _secret_box(child))
    return Auth(accounts, sessions)


def _secret_box(child: Child) -> SecretBox | None:
    path = child.declaration.settings.secret_key_file
    if path is None:
        return None
    try:
        return SecretBox(read_secret_key(path))
    except LithairError as error:
        child.fail(f"LT_SECRET_KEY_FILE={path}: {error}", EXIT_MISUSE)


def _built_in(
    child: Child, links: Links, admin: Admin, figures: Figures, auth: Auth | None
) -> BuiltIn:
    models, settings = child.declaration.models, child.declaration.settings
    return BuiltIn(
        Operations(
            {model.name: model.path for model in models},
            [model.name for model in child.declaration.internal_models],
            links.phase,
            links.look,
        ),
        figures,
        settings.metrics_token,
        admin,
        auth,
        dashboard=_dashboard(child),
    )


async def _sweep_until(
    stopping: asyncio.Event, transport: Transport, child: Child, interval_s: float
) -> None:
    # A loop that hangs (a user's route that blocks) does no work that it could count.
    child.pending = True
    while not stopping.is_set():
        try:
            async with asyncio.timeout(interval_s):
                await stopping.wait()
        except TimeoutError:
            transport.sweep()
            child.progress += 1


async def _drain(loop: asyncio.AbstractEventLoop, transport: Transport, streams: Streams) -> None:
    transport.stop_accepting()
    await streams.close()  # they have no end of their own
    deadline_s = loop.time() + DRAIN_S
    while transport.connections and loop.time() < deadline_s:
        await asyncio.sleep(DRAIN_LOOK_S)
        transport.close_idle()
    if transport.connections:
        _log.warning("stopped with %d connections unfinished", transport.connections)


def connections_max() -> int:
    """Raise the limit of open files as far as it goes, and give what it leaves to connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft == resource.RLIM_INFINITY:
        soft = DESCRIPTORS_WANTED
    return max(soft - DESCRIPTORS_RESERVED, soft // 2)


def _tls_context(child: Child) -> ssl.SSLContext | None:
    settings = child.declaration.settings
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    try:
        return server_context(settings.tls_cert, settings.tls_key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        child.fail(
            f"TLS with {settings.tls_cert} and {settings.tls_key} can't be used: {error}",
            EXIT_MISUSE,
        )


def _dashboard(child: Child) -> Dashboard | None:
    path = child.declaration.dashboard_path
    try:
        return None if path is None else Dashboard(path)
    except OSError as error:
        child.fail(f"the dashboard's files can't be read: {error}", EXIT_FAILED)


def _static_sites(child: Child) -> list[StaticSite]:
    sites: list[StaticSite] = []
    for static in child.declaration.statics:
        try:
            sites.append(read_site(static.path, static.directory))
        except OSError as error:
            child.fail(f"the files of {static.directory} can't be served: {error}", EXIT_FAILED)
    return sites
