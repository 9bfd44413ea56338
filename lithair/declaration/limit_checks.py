"""The checks of rate limits, and their declarations.

Law: each prefix has one limit; it ends with a slash, and means the path without it too. Where there
are users, their routes have a limit, said or not.
"""

from lithair.declaration.asked import Asked, AskedRateLimit
from lithair.declaration.declared import RateLimitDeclaration
from lithair.declaration.draft import Draft
from lithair.declaration.paths import path_problem

# A person at a page needs a handful a minute, and an office has many persons behind one address.
ACCOUNTS_LIMIT = RateLimitDeclaration("/auth/", 300, 60_000)
PER_S_MAX = 86_400.0  # beyond a day it is a quota, which a restart must not forget
PER_S_MIN = 0.1


def rate_limits(asked: Asked, draft: Draft) -> list[RateLimitDeclaration]:
    """Check each limit that was asked for; add that of accounts."""
    found: dict[str, RateLimitDeclaration] = {}
    for one in asked.rate_limits:
        limit = _limit(one, draft)
        if limit is None:
            continue
        if limit.prefix in found:
            draft.mistake(one.call, f"{limit.prefix} has a limit already; keep one")
        found[limit.prefix] = limit
    if asked.users:
        found.setdefault(ACCOUNTS_LIMIT.prefix, ACCOUNTS_LIMIT)
    return list(found.values())


def _limit(one: AskedRateLimit, draft: Draft) -> RateLimitDeclaration | None:
    problem = path_problem(one.prefix)
    if problem is None and "{" in str(one.prefix):
        problem = f"the prefix {one.prefix!r} can't have a {{name}} in it"
    if problem is not None:
        draft.mistake(one.call, problem)
    requests = one.requests
    if not isinstance(requests, int) or isinstance(requests, bool) or not 0 < requests < 1 << 31:
        draft.mistake(one.call, f"requests={requests!r} has to be a whole number above 0")
        return None
    per_s = draft.seconds(one.call, one.per, "per")
    if per_s is None or problem is not None:
        return None
    if not PER_S_MIN <= per_s <= PER_S_MAX:
        draft.mistake(one.call, f"per={one.per!r} has to be {PER_S_MIN:g} s to a day")
        return None
    return RateLimitDeclaration(str(one.prefix).rstrip("/") + "/", requests, round(per_s * 1000))
