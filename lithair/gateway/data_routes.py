"""The routes of `with_data_admin()`: which there are, and by what they are answered.

Law: without that call none of them is there. The table is known without a server, so that the map
of all routes and the docs can be compared with it.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from lithair.gateway.admin import Act, AdminRoutes
from lithair.gateway.admin_items import Exports, edit, history
from lithair.gateway.admin_listeners import Listeners
from lithair.gateway.admin_overview import Overview
from lithair.gateway.admin_session import SESSION_PATH, SessionRoutes
from lithair.gateway.admin_sessions import SessionsRoutes
from lithair.gateway.backup_route import BACKUP_PATH, BackupRoute

DATA: Final = "/_admin/data"
MODEL: Final = f"{DATA}/models/{{name}}"
LISTENER: Final = f"{DATA}/listeners/{{model}}/{{listener}}"
EXCHANGE: Final = ("POST", SESSION_PATH)  # in front of the gate: it lets in itself


class DataAdmin(NamedTuple):
    """Who answers."""

    overview: Overview
    exports: Exports
    listeners: Listeners
    sessions: SessionsRoutes
    session: SessionRoutes
    backups: BackupRoute
    routes: Act


Find = Callable[[DataAdmin], Act]

DATA_ROUTES: Final[Mapping[str, Mapping[str, Find]]] = {
    SESSION_PATH: {
        "POST": lambda them: them.session.exchange,
        "GET": lambda them: them.session.tell,
        "DELETE": lambda them: them.session.end,
    },
    f"{DATA}/models": {"GET": lambda them: them.overview.models},
    MODEL: {"GET": lambda them: them.overview.model},
    f"{MODEL}/export": {"GET": lambda them: them.exports.export},
    f"{MODEL}/{{id}}/history": {"GET": lambda _: history},
    f"{MODEL}/{{id}}/edit": {"POST": lambda _: edit},
    f"{DATA}/server": {"GET": lambda them: them.overview.server},
    f"{DATA}/routes": {"GET": lambda them: them.routes},
    f"{DATA}/sessions": {
        "GET": lambda them: them.sessions.list,
        "DELETE": lambda them: them.sessions.end_all,
    },
    f"{DATA}/sessions/{{id}}": {"DELETE": lambda them: them.sessions.end},
    f"{DATA}/listeners": {"GET": lambda them: them.listeners.list},
    f"{LISTENER}/dead-letters": {"GET": lambda them: them.listeners.dead_letters},
    f"{LISTENER}/skip": {"POST": lambda them: them.listeners.skip},
    f"{LISTENER}/replay": {"POST": lambda them: them.listeners.replay},
    f"{LISTENER}/enable": {"POST": lambda them: them.listeners.enable},
    BACKUP_PATH: {"POST": lambda them: them.backups.make},
}


def routes_of(them: DataAdmin) -> AdminRoutes:
    """Give the routes with what answers them."""
    return {
        path: {method: find(them) for method, find in acts.items()}
        for path, acts in DATA_ROUTES.items()
    }
