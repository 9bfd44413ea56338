"""The sessions of two gateways over one store: found, used, ended; and a store that is away."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest

from lithair import LithairError, Session
from lithair.actors.model_process import MEMORY_DIRECTORY
from lithair.declaration import SessionsDeclaration
from lithair.gateway import sessions as sessions_module
from lithair.gateway.bearers import UNKNOWN, wall_ms
from lithair.gateway.identity import Identity
from lithair.gateway.own_model import OwnModel
from lithair.gateway.sessions import DATA_BYTES_MAX, Sessions, hash_of
from lithair.internal import SESSIONS, SessionRecord
from lithair.phase import FAILED
from lithair.sessions import MemorySessionStore
from lithair.storage.memory_files import MemoryFiles
from tests.actors.test_session_store import application, store

MOST_S = 30.0


async def looks(what: str) -> AsyncGenerator[None]:
    """Give a turn every now and then; fail with `what` at the deadline."""
    end_s = time.monotonic() + MOST_S
    while time.monotonic() < end_s:
        yield
        await asyncio.sleep(0.01)
    raise AssertionError(f"waited {MOST_S:g} s in vain for: {what}")


class Clock:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return wall_ms() + self.ahead_ms


class Pair:
    """Two gateways' sessions in one loop."""

    def __init__(self, run_dir: Path, declaration: SessionsDeclaration, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        self.clock = Clock()
        self.stores = [
            OwnModel(loop, str(run_dir), SESSIONS, SessionRecord, timeout_s) for _ in range(2)
        ]
        self.one, self.other = (Sessions(loop, own, declaration, self.clock) for own in self.stores)

    def cached(self, sessions: Sessions, token: str | None) -> object:
        return sessions.cached(hash_of(token or ""), self.clock())

    async def lives(self, sessions: Sessions, token: str | None) -> bool:
        """Tell whether a session is alive, by what is known of it; asks where that is nothing."""
        async for _ in looks("the feed to be heard"):
            found = self.cached(sessions, token)
            if found is not UNKNOWN:
                return found is not None
            await sessions.find(hash_of(token or ""))
        raise AssertionError

    async def until(self, look: Callable[[], object], what: str) -> None:
        async for _ in looks(what):
            if look():
                return

    async def known(self, sessions: Sessions, token: str | None) -> Session:
        """Ask until the cache knows a session; its feed has to be heard first."""
        async for _ in looks("the session to be known"):
            found = await sessions.find(hash_of(token or ""))
            assert found is not None
            if self.cached(sessions, token) is not UNKNOWN:
                assert found.session is not None
                return found.session
        raise AssertionError

    async def close(self) -> None:
        for sessions in (self.one, self.other):
            await sessions.close()
        for own in self.stores:
            own.close()


def play(
    run_dir: Path,
    act: Callable[[Pair], Awaitable[None]],
    declaration: SessionsDeclaration | None = None,
    files: MemoryFiles | None = None,
    timeout_s: float = MOST_S,
) -> None:
    """Run `act` beside a session store."""

    async def run() -> None:
        pair = Pair(run_dir, declaration or SessionsDeclaration(), timeout_s)
        try:
            await act(pair)
        finally:
            await pair.close()

    with store(application(MemorySessionStore(), 300), run_dir, files or MemoryFiles()):
        asyncio.run(run())


def test_a_session_is_asked_for_once_and_then_known(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        made = await pair.one.create("ada", "Editor", theme="dark", n=[1, {"a": None}])
        assert made.token is not None
        assert pair.cached(pair.other, made.token) is UNKNOWN
        found = await pair.known(pair.other, made.token)
        assert (found.user_id, found.role) == ("ada", "Editor")
        assert found.data == {"theme": "dark", "n": [1, {"a": None}]}
        assert found.token is None
        assert (found.expires - found.created).total_seconds() == 3600
        again = pair.cached(pair.other, made.token)
        assert isinstance(again, Identity)
        found.data["theme"] = "light"
        assert found.data["theme"] == "dark"

    play(tmp_path, act)


def test_who_made_a_session_knows_it_without_asking(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        await pair.known(pair.one, (await pair.one.create("first")).token)
        made = await pair.one.create("ada")
        assert isinstance(pair.cached(pair.one, made.token), Identity)

    play(tmp_path, act)


def test_every_session_has_a_token_of_its_own_that_is_not_stored(tmp_path: Path) -> None:
    files = MemoryFiles()

    async def act(pair: Pair) -> None:
        made = [await pair.one.create("ada", word="canary") for _ in range(20)]
        tokens = {session.token or "" for session in made}
        assert len(tokens) == 20
        assert all(len(token) == 43 for token in tokens)
        stored = b"".join(
            files.open(f"{MEMORY_DIRECTORY}/{name}").read(1 << 20, 0)
            for name in files.names(MEMORY_DIRECTORY)
            if name != "lock"
        )
        assert b"canary" in stored
        for token in tokens:
            assert token.encode() not in stored
            assert hash_of(token).encode() in stored
            assert token not in repr(made)

    play(tmp_path, act, files=files)


@pytest.mark.parametrize("token", ["", "short", "a" * 42, "a" * 44, "ä" * 43, "a" * 42 + "="])
def test_what_can_be_no_token_has_no_hash(token: str) -> None:
    assert hash_of(token) == ""


def test_a_made_up_token_is_asked_about_once(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        await pair.known(pair.one, (await pair.one.create("ada")).token)
        made_up = "x" * 43
        assert pair.cached(pair.one, made_up) is UNKNOWN
        assert await pair.one.find(hash_of(made_up)) is None
        assert pair.cached(pair.one, made_up) is None

    play(tmp_path, act)


def test_an_ended_session_is_refused_at_once_here_and_soon_everywhere(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        for _ in range(20):
            made = await pair.one.create("ada")
            await pair.known(pair.one, made.token)
            await pair.known(pair.other, made.token)
            await pair.one.end(made)
            assert not isinstance(pair.cached(pair.one, made.token), Identity)
            async for _ in looks("the end to be heard of"):
                if pair.cached(pair.other, made.token) is None:
                    break
            assert await pair.one.find(hash_of(made.token or "")) is None
            assert await pair.other.find(hash_of(made.token or "")) is None
            await pair.one.end(made)  # again: nothing happens

    play(tmp_path, act)


@pytest.mark.parametrize(
    "user_id", ["ada", "[a,b]", "!ada", "~a", "null", "=x", ">1", "a&b=c", "ü"]
)
def test_all_sessions_of_one_user_end_and_of_nobody_else(tmp_path: Path, user_id: str) -> None:
    async def act(pair: Pair) -> None:
        theirs = [await pair.one.create(user_id) for _ in range(3)]
        others = [await pair.one.create(other) for other in ("a", "b", "ada2", "x", "2")]
        for session in (*theirs, *others):
            await pair.known(pair.other, session.token)
        assert await pair.one.end_all(user_id) == 3
        await pair.until(
            lambda: all(pair.cached(pair.other, session.token) is None for session in theirs),
            "the ends",
        )
        for session in others:
            assert await pair.lives(pair.other, session.token)
        assert await pair.one.end_all(user_id) == 0

    play(tmp_path, act)


def test_more_sessions_than_one_look_takes_end_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "ENDED_AT_ONCE", 4)

    async def act(pair: Pair) -> None:
        made = await asyncio.gather(*(pair.one.create("ada") for _ in range(30)))
        assert len({session.key for session in made}) == 30
        assert await pair.one.end_all("ada") == 30

    play(tmp_path, act)


def test_a_session_expires_by_its_own_time(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        made = await pair.one.create("ada")
        await pair.known(pair.one, made.token)
        pair.clock.ahead_ms = 400_000  # what the test takes comes on top, on a busy machine
        assert await pair.lives(pair.one, made.token)
        pair.clock.ahead_ms = 500_000
        assert not await pair.lives(pair.one, made.token)
        assert await pair.one.find(hash_of(made.token or "")) is None

    play(tmp_path, act, SessionsDeclaration(max_age_ms=500_000))


def test_a_session_that_is_used_lives_on_in_every_gateway_and_dies_unused(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        made = await pair.one.create("ada")
        await pair.known(pair.one, made.token)
        for _ in range(5):  # each time used in one gateway alone
            pair.clock.ahead_ms += 400_000
            assert await pair.lives(pair.one, made.token)
        touched = hash_of(made.token or "")
        seen = pair.stores[1].calls

        async for _ in looks("the store to hear of it"):
            stored = await pair.stores[1].do(seen.get(touched, None))
            if stored is not None and pair.clock() - stored.seen_ms < 400_000:
                break
        assert await pair.other.find(touched) is not None
        pair.clock.ahead_ms += 500_000
        assert not await pair.lives(pair.one, made.token)
        assert await pair.other.find(touched) is None

    play(tmp_path, act, SessionsDeclaration(idle_ms=500_000))


def test_a_use_brings_no_ended_session_back(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        made = await pair.one.create("ada")
        await pair.known(pair.one, made.token)
        await pair.known(pair.other, made.token)
        pair.clock.ahead_ms = 5_000
        ending = asyncio.ensure_future(pair.one.end(made))
        pair.cached(pair.other, made.token)  # a use, while it ends
        await ending
        await pair.until(lambda: pair.cached(pair.other, made.token) is None, "the end")
        assert await pair.stores[0].do(pair.stores[0].calls.get(made.key, None)) is None

    play(tmp_path, act, SessionsDeclaration(idle_ms=10_000))


def test_what_a_session_keeps_has_bounds(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        await pair.one.create("ada", "r" * 255, text="x" * (DATA_BYTES_MAX - 20))
        for fault in (
            pair.one.create("ada", text="x" * DATA_BYTES_MAX),
            pair.one.create(""),
            pair.one.create("u" * 256),
            pair.one.create("ada", "r" * 256),
        ):
            with pytest.raises(ValueError, match=r"16384|characters"):
                await fault
        with pytest.raises(TypeError):
            await pair.one.create("ada", thing=object())

    play(tmp_path, act)


def test_a_store_that_has_failed_is_said_at_once(tmp_path: Path) -> None:
    async def act(pair: Pair) -> None:
        made = await pair.one.create("ada")
        pair.stores[0].enter(FAILED)
        for failing in (pair.one.find(hash_of("x" * 43)), pair.one.create("ada")):
            with pytest.raises(LithairError) as caught:
                await failing
            assert caught.value.status == 503
        pair.stores[0].enter("serving")
        assert await pair.one.find(hash_of(made.token or "")) is not None

    play(tmp_path, act)
