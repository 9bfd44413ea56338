"""Passwords: what is kept of them, what comparing costs, and that it is done beside the loop."""

import asyncio
import threading

import pytest
from argon2 import Type, extract_parameters

from lithair.gateway import passwords
from lithair.gateway.answers import Problem
from lithair.gateway.passwords import (
    LANES,
    MEMORY_KIB,
    TIME_COST,
    PasswordThreads,
    hash_password,
    is_outdated,
    is_password,
    nobodys_hash,
)

WORD = "correct horse"


@pytest.fixture(scope="module")
def word_hash() -> str:
    return hash_password(WORD)


def test_a_hash_is_of_argon2id_and_tells_nothing_of_the_password(word_hash: str) -> None:
    parameters = extract_parameters(word_hash)
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost) == (MEMORY_KIB, TIME_COST)
    assert parameters.parallelism == LANES
    assert WORD not in word_hash
    assert hash_password(WORD) != word_hash


@pytest.mark.parametrize("given", ["", "correct horse ", "Correct horse", "x" * 100_000, "\ud800"])
def test_only_the_password_is_the_password(word_hash: str, given: str) -> None:
    assert is_password(word_hash, WORD)
    assert not is_password(word_hash, given)


def test_a_password_that_nobody_can_have_is_not_composed(word_hash: str) -> None:
    """That would take minutes, in which no thread of the gateway goes on."""
    assert not is_password(word_hash, WORD + "q" + "\u0323\u0307" * 500_000)
    assert not is_password(word_hash, "\ufdfa" * 700_000)


def test_a_password_is_the_same_however_a_keyboard_composes_it() -> None:
    assert is_password(hash_password("caf\u00e9 cr\u00e8me"), "cafe\u0301 cre\u0300me")


def test_nobodys_hash_costs_the_same_and_is_no_passwords(word_hash: str) -> None:
    made = nobodys_hash()
    assert extract_parameters(made) == extract_parameters(word_hash)
    assert not is_outdated(made)
    assert not is_password(made, "")
    assert made != nobodys_hash()


@pytest.mark.parametrize("kept", ["", "x", "$argon2id$v=19$m=65536,t=3,p=1$AAAA", "sesame"])
def test_what_is_no_hash_is_no_password(kept: str) -> None:
    assert not is_password(kept, kept)


def test_a_hash_of_other_parameters_is_outdated(word_hash: str) -> None:
    assert not is_outdated(word_hash)
    assert is_outdated(word_hash.replace("t=3", "t=2"))


def test_comparing_leaves_the_loop_free_and_knows_nobodys_hash(word_hash: str) -> None:
    async def compare() -> tuple[bool, bool, bool]:
        threads = PasswordThreads()
        try:
            asked = [
                asyncio.create_task(threads.compare(kept, given))
                for kept, given in ((word_hash, WORD), (word_hash, "x"), (None, WORD))
            ]
            turns = 0
            while not asked[0].done():
                await asyncio.sleep(0.001)
                turns += 1
            assert turns > 1
            first, second, third = await asyncio.gather(*asked)
            return first, second, third
        finally:
            threads.close()

    assert asyncio.run(compare()) == (True, False, False)


def test_too_many_that_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAITING_MAX", 2)
    begun, may_end = threading.Event(), threading.Event()

    def work(_password: str) -> str:
        begun.set()
        may_end.wait(10)
        return "hash"

    monkeypatch.setattr(passwords, "hash_password", work)

    async def crowd() -> None:
        threads = PasswordThreads()
        asked = [asyncio.create_task(threads.hash("x")) for _ in range(2)]
        await asyncio.to_thread(begun.wait, 10)
        with pytest.raises(Problem) as refused:
            await threads.hash("x")
        assert refused.value.status == 503
        may_end.set()
        assert await asyncio.gather(*asked) == ["hash", "hash"]
        threads.close()

    asyncio.run(crowd())
