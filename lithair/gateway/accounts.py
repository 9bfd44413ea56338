"""Accounts: whether somebody is who he says, and a new password.

Owns the steps of a login. Law: an unknown user, a wrong password and a disabled account are
answered alike and after the same work; each attempt takes its place among the failures before a
password is looked at (see `core.lockout`), and a right one gives it back. What ends sessions is
written down before they are ended, and who is logging in meanwhile looks again.

    place: 429 -> account -> password: 401 -> second factor: 401 -> session -> the account again
"""

import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from lithair.accounts import KEY_CHARACTERS_MAX, Account, key_of
from lithair.client.accounts import AccountCalls, TooMany
from lithair.client.calls import Call
from lithair.errors import FieldError, LithairError, NotFound, PreconditionFailed
from lithair.gateway.answers import RETRY_AFTER_FAILED_S, Problem
from lithair.gateway.own_model import OwnModel
from lithair.gateway.passwords import PasswordThreads, is_outdated
from lithair.gateway.second_factor import SecretBox, step_of
from lithair.gateway.tokens import challenge

IPV6_PREFIX: Final = 64  # one household or one machine has all of these addresses
WRONG: Final = "The username or the password is not right"
WRONG_PASSWORD: Final = "The present password is not right"
NO_ACCOUNT: Final = "This session is not that of an account"
NEEDS_CODE: Final = "The code of the second factor is needed"
WRONG_CODE: Final = "The code of the second factor is not right"
NO_CODES: Final = "The second factor can't be checked for now"
NO_KEY: Final = "the server has no secret key; give it the one of `lithair users totp`"
CHANGED: Final = "The account was changed meanwhile; try again"

_log = logging.getLogger("lithair.http")


class CodeNeeded(LithairError):
    """The password is right, and the account has a second factor."""

    status = 401


class WrongCode(CodeNeeded):
    """The code that was given is not right, or was used before."""


class Asked(NamedTuple):
    """Who wants to log in, and from where."""

    username: str
    password: str
    address: str
    code: str | None = None  # of the second factor


class Known(NamedTuple):
    """An account as it was read, and the seq of its last event."""

    account: Account
    seq: int


class Accounts:
    """The accounts of an application, one of these per gateway."""

    def __init__(
        self,
        users: OwnModel[Account],
        passwords: PasswordThreads,
        box: SecretBox | None = None,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self._box = box  # None: there is no secret key
        self._clock_s = clock_s
        self._users = users
        self._calls = AccountCalls()
        self._passwords = passwords

    async def check(self, asked: Asked) -> Account:
        """Give the account of who can log in; raises `Problem` 401, 429, 503."""
        # No name is longer; what is cut off makes it no other's.
        key = key_of(asked.username[:KEY_CHARACTERS_MAX])[:KEY_CHARACTERS_MAX]
        known = await self._proven(key, asked, self._with_code)
        if known is None:
            raise Problem(401, WRONG, challenge())
        if is_outdated(known.account.password_hash):
            await self._hash_again(known, asked.password)
        return known.account

    async def is_current(self, account: Account) -> bool:
        """Tell whether nothing has happened meanwhile that ends all sessions of an account."""
        known = await self._find(account.id)
        if known is None or known.account.disabled:
            return False
        return (known.account.generation, known.account.role) == (account.generation, account.role)

    async def change_password(self, asked: Asked, password: str) -> None:
        """Give an account another password, if the present one is right.

        `asked.username` is the account's id. Raises `Problem` 403, 409, 429, 503.
        """
        if await self._find(asked.username) is None:
            raise Problem(403, NO_ACCOUNT)
        known = await self._proven(asked.username, asked, _without_code)
        if known is None:
            raise Problem(403, WRONG_PASSWORD)
        changes = {
            "password_hash": await self._passwords.hash(password),
            "generation": known.account.generation + 1,
        }
        try:
            await self._users.do(self._calls.patch(known.account.id, changes, known.seq))
        except (PreconditionFailed, NotFound):
            raise Problem(409, CHANGED) from None

    async def _proven(
        self, key: str, asked: Asked, also: Callable[[Known, Asked], Awaitable[Known]]
    ) -> Known | None:
        """Compare a password, and what is asked for `also`, as one attempt; None when it is not it.

        Of an account whose password was right, `also` may raise WrongCode, which is a failure, too.
        """
        number = await self._take_place(key, counted_address(asked.address))
        has_failed = False  # nor when it never came to be known, as when time was up
        try:
            known = await self._find(key)
            password_hash = None if known is None else known.account.password_hash
            is_right = await self._passwords.compare(password_hash, asked.password)
            if known is None or known.account.disabled or not is_right:
                has_failed = True
                return None
            return await also(known, asked)
        except WrongCode:
            has_failed = True
            raise
        finally:
            # Not waited for: until it arrives the attempt counts as under way, which is no less.
            _ = self._users.ask(self._calls.settle(number, has_failed=has_failed))

    async def _take_place(self, key: str, address: str) -> int:
        try:
            return await self._users.do(self._calls.attempt(key, address))
        except TooMany as error:
            raise Problem(429, str(error), (("Retry-After", str(error.retry_after_s)),)) from None

    async def _find(self, key: str) -> Known | None:
        call: Call[Account | None] = self._calls.get(key, None)
        reply = await self._users.ask(call)
        account = call.result(reply)
        return None if account is None else Known(account, reply.item_seq)

    async def _with_code(self, known: Known, asked: Asked) -> Known:
        """Ask for the second factor where there is one; a code that is right is good no more."""
        account = known.account
        if not account.totp_secret:
            return known
        if not asked.code:
            raise CodeNeeded(NEEDS_CODE, errors=[FieldError("code", "is missing")])
        step = step_of(self._secret_of(account), asked.code, self._clock_s(), account.totp_step)
        if step is None:
            raise WrongCode(WRONG_CODE, errors=[FieldError("code", "is not right")])
        call = self._calls.patch(account.id, {"totp_step": step}, known.seq)
        try:
            reply = await self._users.ask(call)
            return Known(call.result(reply), reply.item_seq)
        except (PreconditionFailed, NotFound):  # somebody was faster, with this code perhaps
            raise WrongCode(WRONG_CODE, errors=[FieldError("code", "is not right")]) from None

    def _secret_of(self, account: Account) -> str:
        """Give the secret of an account's second factor; raises `Problem` 503."""
        try:
            if self._box is None:
                raise LithairError(NO_KEY)
            return self._box.open(account.totp_secret, account.id)
        except LithairError as error:
            _log.error("a second factor can't be checked: %s", error)
            raise Problem(503, NO_CODES, (("Retry-After", str(RETRY_AFTER_FAILED_S)),)) from None

    async def _hash_again(self, known: Known, password: str) -> None:
        """Keep a password's hash with the present parameters; another time, if that fails."""
        changes = {"password_hash": await self._passwords.hash(password)}
        try:
            await self._users.do(self._calls.patch(known.account.id, changes, known.seq))
        except (PreconditionFailed, NotFound):
            _log.debug("a password was not hashed again: its account has changed")


async def _without_code(known: Known, _asked: Asked) -> Known:
    return known


def counted_address(address: str) -> str:
    """Give the address that failures are counted for: that of a network, where one has many."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
