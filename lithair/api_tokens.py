"""API tokens: how machines show who they are, as an ordinary model.

Owns a token's form, and the rules for its name, role and life. Law: a token is shown once, when it
is made; only its hash is stored, so who reads the store can't pretend to be anybody. A session's
token never has this form, nor the other way round.

    token := "lt_" 43 * (letter | digit | "-" | "_")       256 random bits
"""

import hashlib
import re
import secrets
from typing import Final

from lithair.model import Model

TOKENS: Final = "_tokens"  # the name of the model
PREFIX: Final = "lt_"  # which programs that look for secrets in other people's files can know
TOKEN_BYTES: Final = 32
TEXT_CHARACTERS_MAX: Final = 100  # of a name, and of a role
SHOWN_ID_CHARACTERS: Final = 12  # of the hash: enough to tell any number of tokens apart
NEVER_MS: Final = 1 << 62  # later than any clock
DAY_MS: Final = 86_400_000

_FORM: Final = re.compile(r"lt_[A-Za-z0-9_-]{43}")
_UNITS_MS: Final = {"m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS, "y": 365 * DAY_MS}
_LIFE: Final = re.compile(r"([1-9][0-9]{0,5})([mhdwy])")
_LIFE_MS_MAX: Final = 100 * _UNITS_MS["y"]


class TokenRecord(Model):
    """A token as it is stored; `id` is its hash. Times are milliseconds since 1970."""

    name: str
    role: str
    created_ms: int
    seen_ms: int = 0  # when it was last used, give or take a minute; 0: never
    expires_ms: int | None = None  # None: never
    revoked_ms: int | None = None

    @property
    def shown_id(self) -> str:
        """Return the part of its hash by which people name it."""
        return self.id[:SHOWN_ID_CHARACTERS]

    @property
    def dies_ms(self) -> int:
        """Return from when on it is refused."""
        if self.revoked_ms is not None:
            return 0
        return NEVER_MS if self.expires_ms is None else self.expires_ms


def new_token() -> str:
    """Make a token."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> str:
    """Return the hash by which a token is stored, "" when it has not the form of one."""
    return hashlib.sha256(token.encode()).hexdigest() if _FORM.fullmatch(token) else ""


def user_of(name: str) -> str:
    """Return the user id that a token of this name has; no account can have it."""
    return f"token/{name}"


def text_problem(what: str, text: str) -> str | None:
    """Say why a token can't have this name or role; None when it can."""
    if not text or not text.isprintable() or text != text.strip():
        return f"a {what} has printable characters, and no spaces around them"
    if len(text) > TEXT_CHARACTERS_MAX:
        return f"a {what} has at most {TEXT_CHARACTERS_MAX} characters"
    return None


def life_ms(text: str) -> int | None:
    """Read how long a token lives, such as 90d; None when it can't be read."""
    match = _LIFE.fullmatch(text.strip().lower())
    if match is None:
        return None
    read_ms = int(match[1]) * _UNITS_MS[match[2]]
    return read_ms if read_ms <= _LIFE_MS_MAX else None
