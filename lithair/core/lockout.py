"""Lockout: how many failed logins there may be before more of them are refused.

Owns the counts of who failed from where. Law: within any five minutes no scope has more failures
than its limit, however many attempts are made at once: an attempt takes its place before a password
is looked at. One that fits only if another under way does not fail waits for that.

    scope := user and address (5) | address (50) | user (100)           failures in a window
    ask -> Admitted, to be settled | Refused until some failure is over | None: ask again later

Failures are forgotten one by one, each five minutes after it happened; a success forgets none.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Final, NamedTuple

WINDOW_MS: Final = 5 * 60_000
# A person mistypes three times; somebody with a list of passwords gets 1,440 a day past the first
# limit, from one address; a house or an office behind one address has several people in it.
USER_AND_ADDRESS_MAX: Final = 5
ADDRESS_MAX: Final = 50
USER_MAX: Final = 100
# An attempt that nobody settles (its gateway died) does not hold its place for ever. Longer than a
# request takes by default; longer requests don't hash longer.
UNSETTLED_MS: Final = 60_000
# About 60 MB, and more than 2,000 addresses can bring about in a window. Past it, those that failed
# longest ago are forgotten.
COUNTS_MAX: Final = 100_000

Scope = tuple[str, str, str]  # which limit, user, address


class Admitted(NamedTuple):
    """An attempt that may be made; `number` is what settles it."""

    number: int


class Refused(NamedTuple):
    """Too many failures: when the oldest that counts is over, one more attempt may be made."""

    retry_after_ms: int


class _Count:
    """The failures of one scope, oldest first, and the attempts that may still become some."""

    __slots__ = ("failures_ms", "under_way")

    def __init__(self) -> None:
        self.failures_ms: deque[int] = deque()
        self.under_way = 0


class _Attempt(NamedTuple):
    user: str
    address: str
    asked_ms: int


class Lockout:
    """The failures of one application; `first_number` is where attempts begin to be counted."""

    def __init__(self, first_number: int = 1) -> None:
        self._counts: OrderedDict[Scope, _Count] = OrderedDict()  # by the time of the last change
        self._attempts: OrderedDict[int, _Attempt] = OrderedDict()
        self._next_number = first_number

    def __len__(self) -> int:
        return len(self._counts)

    def ask(self, user: str, address: str, now_ms: int) -> Admitted | Refused | None:
        """Take a place for an attempt; None when those under way have to be settled first."""
        self._forget(now_ms)
        retry_after_ms, fits = 0, True
        for scope, limit in _scopes(user, address):
            count = self._counts.get(scope)
            if count is None:
                continue
            _drop_old(count, now_ms)
            if len(count.failures_ms) >= limit:
                retry_after_ms = max(retry_after_ms, count.failures_ms[0] + WINDOW_MS - now_ms)
            fits = fits and len(count.failures_ms) + count.under_way < limit
        if retry_after_ms:
            return Refused(retry_after_ms)
        if not fits:
            return None
        number = self._next_number
        self._next_number += 1
        self._attempts[number] = _Attempt(user, address, now_ms)
        for scope, _ in _scopes(user, address):
            self._counts.setdefault(scope, _Count()).under_way += 1
            self._counts.move_to_end(scope)
        return Admitted(number)

    def settle(self, number: int, now_ms: int, *, has_failed: bool) -> bool:
        """Say how an attempt ended; tells whether a limit is reached by it.

        One that is not known, or was given up, changes nothing.
        """
        attempt = self._attempts.pop(number, None)
        if attempt is None:
            return False
        is_reached = False
        for scope, limit in _scopes(attempt.user, attempt.address):
            count = self._counts[scope]
            count.under_way -= 1
            if has_failed:
                count.failures_ms.append(now_ms)
                self._counts.move_to_end(scope)
                is_reached = is_reached or len(count.failures_ms) == limit
            elif not count.under_way and not count.failures_ms:
                del self._counts[scope]
        return is_reached

    def give_up_unsettled(self, now_ms: int) -> bool:
        """Free the places of attempts that nobody has settled; tells whether there were any."""
        is_any = False
        while self._attempts:
            number = next(iter(self._attempts))
            if now_ms - self._attempts[number].asked_ms < UNSETTLED_MS:
                break
            self.settle(number, now_ms, has_failed=False)
            is_any = True
        return is_any

    def _forget(self, now_ms: int) -> None:
        """Drop what is over, and the oldest of what is too much; but none that is under way."""
        while self._counts:
            scope = next(iter(self._counts))
            count = self._counts[scope]
            _drop_old(count, now_ms)
            if count.under_way:
                self._counts.move_to_end(scope)
                return
            if count.failures_ms and len(self._counts) <= COUNTS_MAX:
                return
            del self._counts[scope]


def _scopes(user: str, address: str) -> Iterator[tuple[Scope, int]]:
    yield ("user and address", user, address), USER_AND_ADDRESS_MAX
    yield ("address", "", address), ADDRESS_MAX
    yield ("user", user, ""), USER_MAX


def _drop_old(count: _Count, now_ms: int) -> None:
    while count.failures_ms and count.failures_ms[0] + WINDOW_MS <= now_ms:
        count.failures_ms.popleft()
