"""Puts the administration of one gateway together.

Law: the routes of data administration are there when the application asked for them, and only then.
"""

from lithair.gateway.admin import Admin, AdminModels, AdminRoutes
from lithair.gateway.admin_items import Exports
from lithair.gateway.admin_listeners import Listeners
from lithair.gateway.admin_overview import Overview
from lithair.gateway.admin_route_list import RouteList
from lithair.gateway.admin_routes import ROUTES
from lithair.gateway.admin_session import AdminCookies, SessionRoutes
from lithair.gateway.admin_sessions import SessionsRoutes
from lithair.gateway.backup_route import BackupRoute
from lithair.gateway.data_routes import EXCHANGE, DataAdmin, routes_of
from lithair.gateway.figures import Figures
from lithair.gateway.gate import Gate
from lithair.gateway.links import Links
from lithair.gateway.sessions import Sessions
from lithair.internal import SESSIONS, SessionRecord
from lithair.process import Child


def admin_of(
    child: Child,
    links: Links,
    gate: Gate,
    figures: Figures,
    sessions: Sessions | None,
    cookies: AdminCookies | None,
) -> Admin:
    """Make what answers below /_admin; `cookies` are there with data administration."""
    declared = child.declaration
    names = {model.name: model.class_name for model in declared.models}
    models = AdminModels(links.models.values(), names)
    if cookies is None:
        return Admin(ROUTES, models, gate)
    overview = Overview(declared, figures, child.run_dir)
    store = None if sessions is None else links.own(SESSIONS, SessionRecord)
    them = DataAdmin(
        overview,
        Exports(declared),
        Listeners(declared, overview),
        SessionsRoutes(sessions, store),
        SessionRoutes(gate, cookies, sessions, declared.sessions),
        BackupRoute(declared, child.run_dir),
        RouteList(declared).tell,
    )
    routes: AdminRoutes = {**ROUTES, **routes_of(them)}
    return Admin(routes, models, gate, {EXCHANGE: them.session.exchange})
