"""`request.sessions`: what one request does to sessions, and to its browser's cookie.

Law: the cookie of an answer names the session that the browser has when the answer arrives: the
last one created, none when that (or the one it came with) was ended, and otherwise nothing is said.
"""

from typing import Any

from lithair.gateway.session_cookie import SessionCookie
from lithair.http import RouteSessions, Session


class RequestSessions:
    """Creates and ends sessions for one request; `cookie` is the answer's Set-Cookie, if any."""

    def __init__(
        self,
        sessions: RouteSessions,
        cookie: SessionCookie,
        present: Session | None,
        *,
        is_tls: bool,
    ) -> None:
        self.cookie: str | None = None
        self._sessions = sessions
        self._cookie = cookie
        self._held = present
        self._is_tls = is_tls

    async def create(self, user_id: str, role: str = "", **data: Any) -> Session:
        """Create a session with a new token; see `RouteSessions`."""
        session = await self._sessions.create(user_id, role, **data)
        assert session.token is not None, "a session that was just created has a token"
        self._held = session
        self.cookie = self._cookie.given(session.token, is_tls=self._is_tls)
        return session

    async def end(self, session: Session) -> None:
        """End a session."""
        await self._sessions.end(session)
        if self._held is not None and self._held.key == session.key:
            self._clear()

    async def end_all(self, user_id: str) -> int:
        """End every session of a user; return how many there were."""
        ended = await self._sessions.end_all(user_id)
        if self._held is not None and self._held.user_id == user_id:
            self._clear()
        return ended

    def forget(self) -> None:
        """Have the browser forget its cookie, whatever that named."""
        self._clear()

    def _clear(self) -> None:
        self._held = None
        self.cookie = self._cookie.cleared(is_tls=self._is_tls)
