"""Login attempts: the users' process counts failures for all gateways.

Owns the questions that wait for other attempts to be settled. Law: each is answered once: 200 with
the attempt's number, 429 with the seconds to wait, or 504 when its time is up. What is counted is
in RAM: the end of this process forgets it. No name is ever logged, for people type passwords there.
"""

import logging
import os
import secrets
import time
from collections import deque
from typing import Final, NamedTuple, cast

import msgspec

from lithair.actors.upkeep import Answer
from lithair.core.lockout import Admitted, Lockout, Refused
from lithair.core.problem import Refusal, problem_body, problem_of
from lithair.core.reads import Read
from lithair.wire.messages import ReadRequest

LOOK_MS: Final = 100  # how late it may be noticed that a failure, or a deadline, is over
WAITING_MAX: Final = 1024  # past it a question is refused; gateways hash a few passwords a second
FIRST_NUMBER_BITS: Final = 48  # so that no number of an earlier life of this process is met again

TOO_MANY: Final = "Too many logins have failed; try again later"

log = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    user: str
    address: str
    deadline_ms: int
    answer: Answer


class LoginAttempts:
    """Answers ATTEMPT and SETTLE."""

    def __init__(self) -> None:
        self._lockout = Lockout(secrets.randbits(FIRST_NUMBER_BITS))
        self._waiting: deque[_Waiting] = deque()
        self._looked_ms = 0
        self._fd = os.eventfd(0, os.EFD_CLOEXEC)  # never readable: requests and the clock do it

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        os.close(self._fd)

    def ask(self, request: ReadRequest, answer: Answer) -> None:
        """Answer ATTEMPT `(user, address)`, at once or when it is known whether there is room."""
        user, address = cast("tuple[str, str]", request.argument)
        waiting = _Waiting(user, address, request.deadline_ms, answer)
        if not self._answered(waiting, _now_ms()):
            if len(self._waiting) >= WAITING_MAX:
                raise Refusal(503, "Too many logins are waiting")
            self._waiting.append(waiting)

    def settle(self, request: ReadRequest, answer: Answer) -> None:
        """Take SETTLE `(number, failed)`."""
        number, has_failed = cast("tuple[int, int]", request.argument)
        now_ms = _now_ms()
        if self._lockout.settle(number, now_ms, has_failed=bool(has_failed)):
            log.warning("too many logins have failed: more are refused for up to five minutes")
        answer(Read(200, b"true"))
        self._ask_again(now_ms)

    def turn(self, now_ms: int) -> bool:
        """Give up what was not settled, and who waits no longer; there is never more to do."""
        if self._lockout.give_up_unsettled(now_ms) or now_ms - self._looked_ms >= LOOK_MS:
            self._ask_again(now_ms)
        return False

    def _ask_again(self, now_ms: int) -> None:
        self._looked_ms = now_ms
        self._waiting = deque(one for one in self._waiting if not self._answered(one, now_ms))

    def _answered(self, waiting: _Waiting, now_ms: int) -> bool:
        if waiting.deadline_ms and now_ms > waiting.deadline_ms:
            waiting.answer(_refused(Refusal(504, "The time for this login was up")))
            return True
        verdict = self._lockout.ask(waiting.user, waiting.address, now_ms)
        if isinstance(verdict, Admitted):
            waiting.answer(Read(200, msgspec.json.encode({"attempt": verdict.number})))
        elif isinstance(verdict, Refused):
            seconds = -(-verdict.retry_after_ms // 1000)
            members = {"retry_after_s": seconds}
            waiting.answer(Read(429, problem_body(429, TOO_MANY, members=members)))
        return verdict is not None


def _refused(refusal: Refusal) -> Read:
    return Read(refusal.status, problem_of(refusal))


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
