"""Sessions as a gateway knows them: who is behind a token, without asking each time.

Law: only the hash of a token is stored, sent or kept. What is cached is what the session store last
said, followed by its feed; where the feed can't be relied on, every request asks.
"""

import enum
import hashlib
import re
from typing import Any, Final

from lithair.http import Session

TOKEN_BYTES: Final = 32  # 256 random bits

_TOKEN_FORM: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class Unknown(enum.Enum):
    """What a cache says of a token that it knows nothing about."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


def hash_of(token: str) -> str:
    """Return the hash by which a token's session is stored, "" when it is no token of ours."""
    if not _TOKEN_FORM.fullmatch(token):
        return ""
    return hashlib.sha256(token.encode()).hexdigest()


class Sessions:
    """The sessions of an application, one of these per gateway."""

    def cached(self, token_hash: str, now_ms: int) -> Session | Unknown | None:
        """Say whose a token is without asking: None for nobody's, UNKNOWN when `find` has to ask.

        `now_ms` is the wall clock.
        """
        return UNKNOWN

    async def find(self, token_hash: str) -> Session | None:
        """Ask the session store whose a token is; LithairError (503) when it can't be asked."""
        raise NotImplementedError

    async def create(self, user_id: str, role: str = "", **data: Any) -> Session:
        """Create a session, with a new token; returns when it is stored."""
        raise NotImplementedError

    async def end(self, session: Session) -> None:
        """End a session; this gateway refuses it when this returns, the others within a second."""
        raise NotImplementedError

    async def end_all(self, user_id: str) -> int:
        """End every session of a user; return how many there were."""
        raise NotImplementedError
