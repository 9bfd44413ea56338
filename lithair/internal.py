"""What Lithair keeps for itself, as ordinary models: sessions.

Law: an internal model has a process and a log like any other, and no path. Its name begins with
"_", which no model of a user can have; nothing but the server's own processes asks it.
"""

from typing import Any, Final

from lithair.fields import Indexed
from lithair.model import Model

SESSIONS: Final = "_sessions"  # the name of the session store
# A session that was ended after a backup would live again when that is restored.
NOT_BACKED_UP: Final = frozenset((SESSIONS,))


def dies_ms(seen_ms: int, expires_ms: int, idle_ms: int | None) -> int:
    """Return from when on a session is refused, if it is not used again."""
    return expires_ms if idle_ms is None else min(expires_ms, seen_ms + idle_ms)


class SessionRecord(Model):
    """A session as it is stored. Times are milliseconds since 1970.

    `id` is the hash of its token (SHA-256, hex): who reads the store can't pretend to be anybody.
    """

    user_id: Indexed[str]
    role: str
    data: dict[str, Any]  # Any: JSON, whatever a route keeps in it
    created_ms: int
    seen_ms: int  # when it was last used, give or take a tenth of `idle_ms`
    expires_ms: int
    idle_ms: int | None = None  # how long it may lie unused; None: until it expires
