"""The gate: the one place that decides who gets through, for every route there is.

Owns the rule of each route and what a request needs under it. Law: the rules follow from the
declaration as a whole, whatever called for a route and in whatever order; a model that the gate
knows nothing about is gated; a model is asked in an Identity's name alone, and only the gate makes
them. OPTIONS is never gated: a browser's preflight carries nothing that could be shown.

    rule        nothing  what is worth nothing  a session        an API token     the admin token
    OPEN        nobody   nobody                 nobody           nobody           nobody
    IDENTIFIED  nobody   nobody                 the session      the machine      the administrator
    NAMED       nobody   nobody                 Admin, or nobody Admin, or nobody the administrator
    GATED       401      401                    the session      the machine      the administrator
    SESSION     401      401                    the session      403              401
    ADMIN       401      401                    Admin, else 403  Admin, else 403  the administrator

The admin token can be exchanged for a cookie of its own (`admin_session`), which counts as it does
where no Bearer token is shown, on NAMED, GATED and ADMIN; it goes before a session's. An API token
counts as a Bearer alone, never in a cookie. Where a cookie has named the caller, a request that
changes something and comes from a page of somebody else is 403. Whether a token is worth something
may have to be asked: then `admit` gives a Lookup, and `look_up` the answer.
"""

import enum
import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from tornado.httputil import HTTPHeaders

from lithair import api_tokens
from lithair.declaration import Declaration, ModelDeclaration, RouteDeclaration
from lithair.errors import LithairError
from lithair.gateway.answers import RETRY_AFTER_S, Problem
from lithair.gateway.bearers import Unknown, wall_ms
from lithair.gateway.credentials import (
    SAFE_METHODS,
    Credential,
    cookie_name,
    cookie_value,
    credential_of,
    is_cross_site,
    plain_token,
)
from lithair.gateway.identity import ADMIN_ROLE, ADMINISTRATOR, NOBODY, Identity, Kind
from lithair.gateway.sessions import hash_of
from lithair.gateway.tokens import INVALID, NEEDS_TOKEN, WRONG_TOKEN, challenge

# What a gated route answers is one caller's: no shared cache keeps it, and none hands it on.
CACHE_CONTROL: Final = "private, no-cache"
VARY: Final = "Authorization, Cookie"

ADMIN_COOKIE: Final = "lithair_admin"

NEEDS_SESSION: Final = "This needs a session: log in first"
NO_SESSION: Final = "There is no such session: it has ended or has expired"
NO_TOKEN: Final = "There is no such token: it was revoked or has expired"
NOT_A_SESSION: Final = "This needs a session, and an API token is none"
NEEDS_ADMIN: Final = f"This needs the role {ADMIN_ROLE}"
CROSS_SITE: Final = "This comes from a page of another site"
SESSIONS_UNKNOWN: Final = "Whether there is such a session can't be told for now"
TOKENS_UNKNOWN: Final = "Whether there is such a token can't be told for now"


class Rule(enum.Enum):
    """What a route asks of who calls it."""

    OPEN = "open"
    IDENTIFIED = "identified"  # who it is, is found out; what he may is up to the route
    NAMED = "named"  # open, but what an administrator does is done in his name
    GATED = "gated"
    SESSION = "session"
    ADMIN = "admin"


# A member of an enumeration is looked up by name each time; these are met on every request.
OPEN: Final = Rule.OPEN
_GATED: Final = Rule.GATED
_NAMED: Final = Rule.NAMED


class Knock(NamedTuple):
    """A request before the gate, as far as that looks at it."""

    rule: Rule
    method: str
    headers: HTTPHeaders
    is_tls: bool
    credential: Credential


class Lookup(NamedTuple):
    """A request whose token has to be asked about."""

    knock: Knock
    token_hash: str
    is_machine: bool = False


class Source(Protocol):
    """Where the gate learns whose a token is."""

    def cached(self, token_hash: str, now_ms: int) -> Identity | Unknown | None:
        """Say without asking; None for nobody's."""
        ...

    async def find(self, token_hash: str) -> Identity | None:
        """Ask; LithairError when nobody answers."""
        ...

    async def look(self, token_hash: str) -> Identity | None:
        """Say, or ask, without this being a use of the token; LithairError as `find`."""
        ...


class Standing(NamedTuple):
    """What somebody was let in by, and where it can be asked whether it is worth something yet."""

    source: Source
    token_hash: str


def admin_cookie_hash(headers: HTTPHeaders, is_tls: bool) -> str:
    """Give the hash of the token in the administrators' cookie, "" when there is none."""
    name = cookie_name(ADMIN_COOKIE, is_tls)
    return hash_of(cookie_value(headers.get_list("Cookie"), name) or "")


def rule_of_model(declaration: Declaration, model: ModelDeclaration) -> Rule:
    """Tell what every route of a model asks; what roles may do there is asked behind the gate."""
    if not model.is_gated:
        return Rule.GATED
    return Rule.GATED if declaration.requires_session else Rule.OPEN


def rule_of_route(declaration: Declaration, route: RouteDeclaration) -> Rule:
    """Tell what a user's route asks."""
    if route.require_session:
        return Rule.SESSION
    return Rule.OPEN if declaration.sessions is None else Rule.IDENTIFIED


class Shown(NamedTuple):
    """What a head shows of a session, where it shows it as nearly all do; no hash: nothing."""

    token_hash: str
    is_cookie: bool


class Gate:
    """The gate of one application."""

    def __init__(
        self,
        declaration: Declaration,
        sessions: Source | None,
        admin_token: str | None,
        clock_ms: Callable[[], int] = wall_ms,
        machines: Source | None = None,
        admins: Source | None = None,
    ) -> None:
        self._models = {
            model.name: rule_of_model(declaration, model) for model in declaration.models
        }
        settled = declaration.sessions
        self._named = declaration.has_data_admin
        self._cookie = None if settled is None else settled.cookie_name
        self._cookie_starts = tuple(
            None if self._cookie is None else cookie_name(self._cookie, is_tls) + "="
            for is_tls in (False, True)
        )
        self._trusted_origins = frozenset(declaration.settings.cors_origins) - {"*"}
        self._sessions = sessions
        self._machines = machines
        self._admins = admins
        self._admin_token = (admin_token or "").encode()
        self._clock_ms = clock_ms

    def of_model(self, name: str) -> Rule:
        """Give the rule of every route of a model, whichever they are."""
        return self._models.get(name, Rule.GATED)

    def of_writes(self, name: str) -> Rule:
        """Give the rule of what changes something in a model."""
        rule = self.of_model(name)
        return _NAMED if rule is OPEN and self._named else rule

    def admit(
        self, rule: Rule, method: str, headers: HTTPHeaders, is_tls: bool
    ) -> Identity | Problem | Lookup:
        """Let a request through, refuse it, or say that it has to be asked about."""
        if rule is OPEN or method == "OPTIONS":
            return NOBODY
        if rule is _NAMED:
            verdict = self._judge_all(_GATED, method, headers, is_tls)
            if isinstance(verdict, Lookup):
                return verdict._replace(knock=verdict.knock._replace(rule=_NAMED))
            return _named(verdict)
        if rule is _GATED and self._sessions is not None:
            # Nearly all requests, in as few steps as it takes (bench/gated.py): what is anything
            # else than a live session's token, `_judge_all` looks at from the beginning.
            start = self._cookie_starts[is_tls] if method in SAFE_METHODS else None
            token = plain_token(headers, start)
            if token:
                token_hash = sha256(token.encode()).hexdigest()
                found = self._sessions.cached(token_hash, self._clock_ms())
                if type(found) is Identity:
                    return found
        return self._judge_all(rule, method, headers, is_tls)

    def shown(self, headers: HTTPHeaders, is_tls: bool) -> Shown:
        """Look at what a head shows, once for all requests with the same fields."""
        token = plain_token(headers, None)
        if token:
            return Shown(hash_of(token), is_cookie=False)
        token = plain_token(headers, self._cookie_starts[is_tls])
        return Shown(hash_of(token), is_cookie=True)

    def known(self, rule: Rule, method: str, shown: Shown) -> Identity | None:
        """Let a request through, as `admit` would; None where that has to be asked."""
        if rule is OPEN:
            return NOBODY
        if rule is not _GATED or self._sessions is None or not shown.token_hash:
            return None
        if shown.is_cookie and method not in SAFE_METHODS:
            return None
        found = self._sessions.cached(shown.token_hash, self._clock_ms())
        return found if type(found) is Identity else None

    def _judge_all(
        self, rule: Rule, method: str, headers: HTTPHeaders, is_tls: bool
    ) -> Identity | Problem | Lookup:
        credential = credential_of(headers, self._cookie, is_tls)
        if (credential is None or credential.is_cookie) and rule in (_GATED, Rule.ADMIN):
            by_cookie = self._admit_admin(method, headers, is_tls)
            if by_cookie is not None:
                return by_cookie
        if credential is None:
            return _without(rule)
        token, is_cookie = credential
        token_hash = hash_of(token)
        found: Identity | Unknown | None = None
        if self._sessions is not None and token_hash:
            found = self._sessions.cached(token_hash, self._clock_ms())
        if not is_cookie and self.is_admin_token(token):
            return ADMINISTRATOR if rule is not Rule.SESSION else _refused(rule)
        knock = Knock(rule, method, headers, is_tls, credential)
        if not token_hash and not is_cookie and token.startswith(api_tokens.PREFIX):
            return self._admit_machine(knock)
        if isinstance(found, Unknown):
            return Lookup(knock, token_hash)
        return self._judge(knock, found)

    async def look_up(self, lookup: Lookup) -> Identity | Problem:
        """Ask whose a token is, then let the request through or refuse it."""
        if lookup.knock.rule is _NAMED:
            gated = lookup._replace(knock=lookup.knock._replace(rule=_GATED))
            return _named(await self.look_up(gated))
        try:
            if lookup.is_machine:
                assert self._machines is not None
                machine = await self._machines.find(lookup.token_hash)
                return _judge_machine(lookup.knock.rule, machine)
            assert self._sessions is not None
            found = await self._sessions.find(lookup.token_hash)
        except LithairError:
            sentence = TOKENS_UNKNOWN if lookup.is_machine else SESSIONS_UNKNOWN
            return Problem(503, sentence, (("Retry-After", str(RETRY_AFTER_S)),))
        return self._judge(lookup.knock, found)

    async def admitted(
        self, rule: Rule, method: str, headers: HTTPHeaders, is_tls: bool
    ) -> Identity:
        """Let a request through once that is known; raises `Problem` to refuse it."""
        verdict = self.admit(rule, method, headers, is_tls)
        if isinstance(verdict, Lookup):
            verdict = await self.look_up(verdict)
        if isinstance(verdict, Problem):
            raise verdict
        return verdict

    def standing(self, identity: Identity, headers: HTTPHeaders, is_tls: bool) -> Standing | None:
        """Give what a request was let in by; None where that was nothing that can end."""
        credential = credential_of(headers, self._cookie, is_tls)
        if identity.kind is Kind.ADMIN and (credential is None or credential.is_cookie):
            assert self._admins is not None, "only its cookie can have let it in"
            return Standing(self._admins, admin_cookie_hash(headers, is_tls))
        if credential is None:
            return None
        if identity.kind is Kind.SESSION and self._sessions is not None:
            return Standing(self._sessions, hash_of(credential.token))
        if identity.kind is Kind.TOKEN and self._machines is not None:
            return Standing(self._machines, api_tokens.hash_of(credential.token))
        return None

    def is_cross_site(self, headers: HTTPHeaders, is_tls: bool) -> bool:
        """Tell whether a page of somebody else made a browser send this; see `credentials`."""
        return is_cross_site(headers, is_tls, self._trusted_origins)

    def _admit_machine(self, knock: Knock) -> Identity | Problem | Lookup:
        token_hash = api_tokens.hash_of(knock.credential.token)
        if self._machines is None or not token_hash:
            return _judge_machine(knock.rule, None)
        found = self._machines.cached(token_hash, self._clock_ms())
        if isinstance(found, Unknown):
            return Lookup(knock, token_hash, is_machine=True)
        return _judge_machine(knock.rule, found)

    def _admit_admin(
        self, method: str, headers: HTTPHeaders, is_tls: bool
    ) -> Identity | Problem | None:
        """Let in who has the admin token's cookie; None: there is none that is worth something."""
        if self._admins is None:
            return None
        token_hash = admin_cookie_hash(headers, is_tls)
        found = self._admins.cached(token_hash, self._clock_ms()) if token_hash else None
        if not isinstance(found, Identity):
            return None
        if method not in SAFE_METHODS and self.is_cross_site(headers, is_tls):
            return Problem(403, CROSS_SITE)
        return found

    def _judge(self, knock: Knock, found: Identity | None) -> Identity | Problem:
        if found is None:
            return NOBODY if knock.rule is Rule.IDENTIFIED else _refused(knock.rule)
        # A Bearer token is sent by no browser of its own accord.
        is_lent = knock.credential.is_cookie and knock.method not in SAFE_METHODS
        if is_lent and self.is_cross_site(knock.headers, knock.is_tls):
            return Problem(403, CROSS_SITE)
        if knock.rule is Rule.ADMIN and found.role != ADMIN_ROLE:
            return Problem(403, NEEDS_ADMIN)
        return found

    def is_admin_token(self, token: str) -> bool:
        """Compare in a time that does not depend on how much of the token is right."""
        given = token.encode()
        return given != b"" and hmac.compare_digest(given, self._admin_token)


def _judge_machine(rule: Rule, machine: Identity | None) -> Identity | Problem:
    if machine is None:
        return NOBODY if rule is Rule.IDENTIFIED else Problem(401, NO_TOKEN, challenge(INVALID))
    if rule is Rule.SESSION:
        return Problem(403, NOT_A_SESSION)
    if rule is Rule.ADMIN and machine.role != ADMIN_ROLE:
        return Problem(403, NEEDS_ADMIN)
    return machine


def _named(verdict: Identity | Problem) -> Identity:
    """Give an administrator; everybody else is nobody where all is open."""
    if isinstance(verdict, Identity) and verdict.role == ADMIN_ROLE:
        return verdict
    return NOBODY


def _without(rule: Rule) -> Identity | Problem:
    """Answer a request that shows nothing."""
    if rule is Rule.IDENTIFIED:
        return NOBODY
    sentence = NEEDS_TOKEN if rule is Rule.ADMIN else NEEDS_SESSION
    return Problem(401, sentence, challenge())


def _refused(rule: Rule) -> Problem:
    """Refuse what a request has shown."""
    sentence = WRONG_TOKEN if rule is Rule.ADMIN else NO_SESSION
    return Problem(401, sentence, challenge(INVALID))
