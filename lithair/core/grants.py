"""Grants: what a caller with a role may do in one model, as it travels with each of its requests.

    access := "" | "public" | grants
    grants := {"user"?: text, "own"?: bool, "shows"?: "own" | "none",
               "unreadable"?: [wire name*], "unwritable"?: [wire name*],
               "by"?: text, "tells_by"?: bool}                                      JSON

`own`: the request reaches items of `user`'s own only. `shows`: whose items may be shown, all of
them when it is left out. `by` names the administrator who writes, for the log; `tells_by`: a
history says who made each change. Law: a member that this version does not know is refused, never
passed over: it may have forbidden something.
"""

import functools
from typing import Literal

import msgspec

from lithair.core.command import PUBLIC
from lithair.core.problem import Refusal


class Grants(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one caller may do with one request; made by the gateway, see `roles`."""

    user: str = ""
    own: bool = False
    shows: Literal["all", "own", "none"] = "all"
    unreadable: tuple[str, ...] = ()
    unwritable: tuple[str, ...] = ()
    by: str = ""
    tells_by: bool = False

    @property
    def access(self) -> str:
        """Write them as they travel."""
        return _encode(self).decode()

    @property
    def restricts(self) -> bool:
        """Tell whether anything is kept from its bearer, or filled in for him."""
        return self != Grants(by=self.by, tells_by=self.tells_by)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Grants).decode


@functools.lru_cache(maxsize=1024)
def authored(access: str, by: str) -> str:
    """Give an access of HTTP's with the name of who writes."""
    grants = Grants() if access == PUBLIC else grants_of(access)
    return msgspec.structs.replace(grants, by=by).access


def grants_of(access: str) -> Grants:
    """Read grants from an access that is neither "" nor "public"; raises `Refusal` 400."""
    try:
        grants = _decode(access)
    except (msgspec.DecodeError, UnicodeError):
        raise Refusal(400, "This process does not understand the access of this request") from None
    if not grants.user and (grants.own or grants.shows == "own"):
        raise Refusal(400, "The access of this request is for somebody's own items, but whose?")
    return grants
