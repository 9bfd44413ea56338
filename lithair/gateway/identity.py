"""Identities: who calls, as the gate has found out.

Law: only what the stores of tokens say, and the gate, make one; everything behind the gate asks in
an identity's name.
"""

import enum
from typing import Final, NamedTuple

from lithair.http import Session

ADMIN_ROLE: Final = "Admin"
ADMIN_TOKEN_NAME: Final = "admin token"  # what the log calls who has that token, or its cookie


class Kind(enum.Enum):
    """How a caller has shown who he is."""

    NOBODY = "nobody"
    SESSION = "session"
    TOKEN = "token"
    ADMIN = "admin"


class Identity(NamedTuple):
    """Who calls."""

    kind: Kind
    user_id: str = ""
    role: str = ""
    session: Session | None = None

    @property
    def principal(self) -> str:
        """Name the caller among all callers, "" for nobody."""
        return "" if self.kind is Kind.NOBODY else f"{self.kind.value} {self.user_id}"

    @property
    def author(self) -> str:
        """Name the caller for the log, "" for who is no administrator."""
        if self.role != ADMIN_ROLE:
            return ""
        return ADMIN_TOKEN_NAME if self.kind is Kind.ADMIN else self.user_id


NOBODY: Final = Identity(Kind.NOBODY)
ADMINISTRATOR: Final = Identity(Kind.ADMIN, role=ADMIN_ROLE)


def of_session(session: Session) -> Identity:
    """Give who has a session."""
    return Identity(Kind.SESSION, session.user_id, session.role, session)
