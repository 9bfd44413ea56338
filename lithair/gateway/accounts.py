"""Accounts: whether somebody is who he says, and a new password.

Owns the steps of a login. Law: an unknown user, a wrong password and a disabled account are
answered alike and after the same work; each attempt takes its place among the failures before a
password is looked at (see `core.lockout`), and a right one gives it back. What ends sessions is
written down before they are ended, and who is logging in meanwhile looks again.

    place: 429 -> account -> password: 401 -> second factor: 401 -> session -> the account again
"""

import ipaddress
import logging
from typing import Final, NamedTuple

from lithair.accounts import KEY_CHARACTERS_MAX, Account, key_of
from lithair.client.accounts import AccountCalls, TooMany
from lithair.client.calls import Call
from lithair.errors import NotFound, PreconditionFailed
from lithair.gateway.answers import Problem
from lithair.gateway.own_model import OwnModel
from lithair.gateway.passwords import PasswordThreads, is_outdated
from lithair.gateway.tokens import challenge

IPV6_PREFIX: Final = 64  # one household or one machine has all of these addresses
WRONG: Final = "The username or the password is not right"
WRONG_PASSWORD: Final = "The present password is not right"
NO_ACCOUNT: Final = "This session is not that of an account"
CHANGED: Final = "The account was changed meanwhile; try again"

_log = logging.getLogger("lithair.http")


class Asked(NamedTuple):
    """Who wants to log in, and from where."""

    username: str
    password: str
    address: str


class Known(NamedTuple):
    """An account as it was read, and the seq of its last event."""

    account: Account
    seq: int


class Accounts:
    """The accounts of an application, one of these per gateway."""

    def __init__(self, users: OwnModel[Account], passwords: PasswordThreads) -> None:
        self._users = users
        self._calls = AccountCalls()
        self._passwords = passwords

    async def check(self, asked: Asked) -> Account:
        """Give the account of who can log in; raises `Problem` 401, 429, 503."""
        known = await self._proven(key_of(asked.username)[:KEY_CHARACTERS_MAX], asked)
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
        known = await self._proven(asked.username, asked)
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

    async def _proven(self, key: str, asked: Asked) -> Known | None:
        """Compare a password, as one attempt; None when it is not right."""
        number = await self._take_place(key, counted_address(asked.address))
        has_failed = False  # nor when it never came to be known, as when time was up
        try:
            known = await self._find(key)
            password_hash = None if known is None else known.account.password_hash
            is_right = await self._passwords.compare(password_hash, asked.password)
            if known is None or known.account.disabled or not is_right:
                has_failed = True
                return None
            return known
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

    async def _hash_again(self, known: Known, password: str) -> None:
        """Keep a password's hash with the present parameters; another time, if that fails."""
        changes = {"password_hash": await self._passwords.hash(password)}
        try:
            await self._users.do(self._calls.patch(known.account.id, changes, known.seq))
        except (PreconditionFailed, NotFound):
            _log.debug("a password was not hashed again: its account has changed")


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
