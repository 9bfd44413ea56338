"""Accounts: the users that Lithair itself keeps, as an ordinary model.

Owns an account's form and the rules for names and passwords. Law: two names that people take for
one are one: an account's id is its name, normalized (NFKC) and casefolded. No password is in here,
only its hash.
"""

import datetime as dt
import unicodedata
from typing import Final

from lithair.fields import Created, Hidden, filled_in
from lithair.model import Model

USERS: Final = "_users"  # the name of the model
NAME_CHARACTERS_MAX: Final = 100  # and less than 255 when casefolded, in which some grow threefold
KEY_CHARACTERS_MAX: Final = 255  # as of every id
PASSWORD_CHARACTERS_MIN: Final = 8  # NIST SP 800-63B, 3.1.1.2
PASSWORD_BYTES_MAX: Final = 1024  # a sentence has less
ROLE_CHARACTERS_MAX: Final = 100
TAKEN: Final = frozenset(("count", "random-id", "stream", "_bulk", ".", ".."))  # no ids


class Account(Model):
    """A user, as stored. `generation` counts what ends all sessions: a new password, disabling."""

    name: str
    role: str = ""
    password_hash: Hidden[str]
    disabled: bool = False
    generation: int = 0
    totp_secret: Hidden[str] = ""  # encrypted; "" without a second factor
    totp_step: int = 0  # the last one that was used: no code is good twice
    created: Created[dt.datetime] = filled_in()


def key_of(name: str) -> str:
    """Give the id of the account of this name."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def name_problem(name: str) -> str | None:
    """Say why an account can't have this name; None when it can."""
    key = key_of(name)
    if not name or len(name) > NAME_CHARACTERS_MAX or len(key) > KEY_CHARACTERS_MAX:
        return f"a name has 1 to {NAME_CHARACTERS_MAX} characters"
    if not name.isprintable() or not key.isprintable() or name != name.strip():
        return "a name has no control characters, and no spaces around it"
    if "/" in key or key in TAKEN:
        return 'a name has no "/" in it, and is none of: ' + ", ".join(sorted(TAKEN))
    return None


def role_problem(role: str) -> str | None:
    """Say why an account can't have this role; None when it can."""
    if not role.isprintable() or len(role) > ROLE_CHARACTERS_MAX or role != role.strip():
        return f"a role has at most {ROLE_CHARACTERS_MAX} printable characters"
    return None


def is_too_long(password: str) -> bool:
    """Tell whether nobody can have this password, whatever it says."""
    return len(password.encode("utf-8", "surrogatepass")) > PASSWORD_BYTES_MAX


def password_problem(password: str) -> str | None:
    """Say why this can't be a new password; None when it can. Nothing of it is in the answer."""
    if len(password) < PASSWORD_CHARACTERS_MIN:
        return f"a password has at least {PASSWORD_CHARACTERS_MIN} characters"
    if is_too_long(password):
        return f"a password has at most {PASSWORD_BYTES_MAX} bytes"
    return None
