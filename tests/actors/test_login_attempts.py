"""Login attempts: what the users' process answers, and whom it keeps waiting."""

import time
from collections.abc import Generator
from typing import Any

import msgspec
import pytest

from lithair.actors import login_attempts
from lithair.actors.login_attempts import LoginAttempts
from lithair.core.lockout import USER_AND_ADDRESS_MAX, WINDOW_MS
from lithair.core.problem import Refusal
from lithair.core.reads import Read
from lithair.wire.messages import ReadRequest
from lithair.wire.protocol import Verb


@pytest.fixture
def attempts() -> Generator[LoginAttempts]:
    made = LoginAttempts()
    yield made
    made.close()


def ask(
    attempts: LoginAttempts, user: str = "ann", address: str = "a", deadline_ms: int = 0
) -> list[Read]:
    """Ask for a place; the list has the answer as soon as there is one."""
    answers: list[Read] = []
    request = ReadRequest(1, Verb.ATTEMPT, deadline_ms, "", (user, address))
    attempts.ask(request, answers.append)
    return answers


def settle(attempts: LoginAttempts, answers: list[Read], failed: int) -> None:
    said: list[Read] = []
    number = body_of(answers)["attempt"]
    attempts.settle(ReadRequest(2, Verb.SETTLE, 0, "", (number, failed)), said.append)
    assert [one.status for one in said] == [200]


def body_of(answers: list[Read]) -> dict[str, Any]:
    (answer,) = answers
    body: dict[str, Any] = msgspec.json.decode(answer.body)
    return body


def test_who_has_no_place_waits_until_an_attempt_is_settled(attempts: LoginAttempts) -> None:
    under_way = [ask(attempts) for _ in range(USER_AND_ADDRESS_MAX)]
    late, later = ask(attempts), ask(attempts)
    assert (late, later) == ([], [])
    settle(attempts, under_way[0], failed=0)
    assert late[0].status == 200
    assert later == []


def test_who_waits_is_refused_when_the_others_have_failed(attempts: LoginAttempts) -> None:
    under_way = [ask(attempts) for _ in range(USER_AND_ADDRESS_MAX)]
    late = ask(attempts)
    for answers in under_way:
        settle(attempts, answers, failed=1)
    assert late[0].status == 429
    assert body_of(late)["retry_after_s"] in (WINDOW_MS // 1000, WINDOW_MS // 1000 - 1)
    assert ask(attempts)[0].status == 429
    assert ask(attempts, user="bob")[0].status == 200


def test_who_waits_past_the_deadline_is_told_so(attempts: LoginAttempts) -> None:
    for _ in range(USER_AND_ADDRESS_MAX):
        ask(attempts)
    now_ms = time.monotonic_ns() // 1_000_000
    late = ask(attempts, deadline_ms=now_ms + 10_000)
    attempts.turn(now_ms + 9_000)
    assert late == []
    attempts.turn(now_ms + 11_000)
    assert late[0].status == 504


def test_no_more_than_so_many_wait(
    attempts: LoginAttempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_attempts, "WAITING_MAX", 1)
    for _ in range(USER_AND_ADDRESS_MAX + 1):
        ask(attempts)
    with pytest.raises(Refusal) as refused:
        ask(attempts)
    assert refused.value.status == 503


def test_an_attempt_of_an_earlier_life_settles_nothing(attempts: LoginAttempts) -> None:
    other = LoginAttempts()
    try:
        assert body_of(ask(attempts)) != body_of(ask(other))
        for _ in range(USER_AND_ADDRESS_MAX):
            settle(attempts, ask(other, user="bob", address="b"), failed=1)
        assert ask(attempts, user="bob", address="b")[0].status == 200
    finally:
        other.close()


def test_the_log_says_that_a_limit_was_reached_and_never_who(
    attempts: LoginAttempts, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(USER_AND_ADDRESS_MAX):
        settle(attempts, ask(attempts, user="my password is swordfish"), failed=1)
    assert len(caplog.records) == 1
    assert "swordfish" not in caplog.text
