"""Calls about accounts: those of every model, and the two of the users' process alone.

Law: as in `calls`; who carries them out may be a gateway or a command.
"""

from typing import Final

import msgspec

from lithair.accounts import USERS, Account
from lithair.client.calls import Call, Calls
from lithair.errors import LithairError
from lithair.wire.messages import Reply
from lithair.wire.protocol import Verb

TOO_MANY_STATUS: Final = 429


class Attempt(msgspec.Struct, frozen=True):
    """The answer to ATTEMPT: a place for one login, to be settled under its number."""

    attempt: int


class TooMany(LithairError):
    """Too many logins have failed; after `retry_after_s` one more may be tried."""

    status = TOO_MANY_STATUS

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class _Refusal(msgspec.Struct):
    detail: str
    retry_after_s: int = 1


_decode_attempt = msgspec.json.Decoder(Attempt).decode
_decode_refusal = msgspec.json.Decoder(_Refusal).decode


class AccountCalls(Calls[Account]):
    """Makes the calls about accounts."""

    def __init__(self) -> None:
        super().__init__(Account)
        self.name = USERS

    def attempt(self, user: str, address: str) -> Call[int]:
        """Take a place for a login; TooMany when there is none for now."""
        return _AttemptCall(Verb.ATTEMPT, _number, (user, address))

    def settle(self, number: int, *, has_failed: bool) -> Call[None]:
        """Say how a login ended."""
        return Call(Verb.SETTLE, _nothing, (number, int(has_failed)))


class _AttemptCall(Call[int]):
    """A call whose refusal says how long it lasts."""

    def result(self, reply: Reply) -> int:
        if reply.status == TOO_MANY_STATUS:
            refusal = _decode_refusal(reply.body)
            raise TooMany(refusal.detail, refusal.retry_after_s)
        return super().result(reply)


def _number(body: bytes) -> int:
    return _decode_attempt(body).attempt


def _nothing(_body: bytes) -> None:
    return None
