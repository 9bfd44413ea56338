"""The session store: an internal model's process, in RAM or on a disk, that tidies up by itself."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from lithair import (
    Lithair,
    MemorySessionStore,
    ModelHandler,
    PersistentSessionStore,
    SessionManager,
)
from lithair.actors.cleanup import DEAD_TOKENS_KEPT_MS, Cleanup, session_gone_ms, token_gone_ms
from lithair.actors.errand_thread import ErrandThread
from lithair.actors.plan import plan_of
from lithair.api_tokens import TOKENS, TokenRecord
from lithair.core.command import Action, Command
from lithair.core.event import Position
from lithair.core.model_state import ModelState
from lithair.internal import SESSIONS, SessionRecord
from lithair.sessions import SessionStore
from lithair.storage.files import Files
from lithair.storage.memory_files import MemoryFiles
from lithair.wire.protocol import TRUSTED, Verb
from tests.actors.serving import Note, Served
from tests.support.simulated_files import SimulatedFiles
from tests.support.waiting import wait_until


class Store(Served):
    """A session store in a thread, asked as gateways ask it."""

    access = TRUSTED

    def keys(self) -> set[str]:
        page = msgspec.json.decode(self.ask(Verb.LIST, (("fields", "id"),)).body)
        return {item["id"] for item in page["data"]}


def application(store: SessionStore, cleanup_s: float = 0.05) -> Lithair:
    manager = SessionManager(store, cleanup_interval=cleanup_s)
    return Lithair().with_sessions(manager)


@contextmanager
def store(app: Lithair, run_dir: Path, files: Files) -> Generator[Store]:
    (model,) = app.declaration({}, {}).internal_models
    served = Store(app, SESSIONS, run_dir, files, partial(ErrandThread, files, model))
    try:
        yield served
    finally:
        served.stop()


class Placed(NamedTuple):
    position: Position
    length: int


def carry_out(state: ModelState, *commands: Command) -> None:
    plan = state.decide(commands, time.time_ns() // 1_000_000, lambda: "")
    state.commit(plan, [Placed(Position(1, 0), 1)] * len(plan.events))


def record(key: str, lives_ms: int, idle_ms: int | None = None) -> SessionRecord:
    now_ms = time.time_ns() // 1_000_000
    return SessionRecord(
        id=key,
        user_id="ada",
        role="",
        data={},
        created_ms=now_ms - 100_000,
        seen_ms=now_ms - 50_000,
        expires_ms=now_ms + lives_ms,
        idle_ms=idle_ms,
    )


def test_an_internal_model_has_a_process_and_neither_path_nor_alias() -> None:
    app = application(MemorySessionStore()).with_model(Note, "./data/notes", "/api/notes")
    processes = {process.name: process for process in plan_of(app.declaration({}, {})).processes}
    assert processes[SESSIONS].alias == processes[SESSIONS].path == ""
    assert processes[SESSIONS].directory == ""
    assert processes["notes"].alias == "Note"


def test_sessions_that_have_died_are_deleted_and_the_others_stay(tmp_path: Path) -> None:
    with store(application(MemorySessionStore()), tmp_path, MemoryFiles()) as served:
        records = [
            record("expired", -20_000),
            record("idle", 60_000, idle_ms=30_000),
            record("alive", 60_000, idle_ms=90_000),
            record("just expired", -1000),  # a use of it may be on its way
        ]
        assert served.write(Verb.BULK, records).status == 201
        wait_until(lambda: served.keys() == {"alive", "just expired"}, "the dead to be deleted")


def test_many_dead_sessions_are_deleted_a_few_at_a_time(tmp_path: Path) -> None:
    with store(application(MemorySessionStore()), tmp_path, MemoryFiles()) as served:
        dead = [record(f"dead-{number}", -20_000) for number in range(3000)]
        alive = [record(f"alive-{number}", 90_000) for number in range(10)]
        assert served.write(Verb.BULK, [*dead[:1500], *alive, *dead[1500:]]).status == 201
        wait_until(lambda: len(served.keys()) == 10, "the dead to be deleted", 20)
        assert served.keys() == {item.id for item in alive}


def test_no_more_is_deleted_before_what_is_being_deleted_is_gone() -> None:
    state = ModelState(ModelHandler(SessionRecord, ""), 1000)
    dead = [record(f"dead-{number}", -20_000) for number in range(1200)]
    body = msgspec.json.encode(dead)
    carry_out(state, Command(Action.BULK, b"", body=body))
    asked: list[Command] = []
    cleanup = Cleanup(state, asked.append, 300_000, session_gone_ms)
    assert not cleanup.turn(0)
    assert len(asked) == 512
    assert not cleanup.turn(9_999)
    assert len(asked) == 512
    carry_out(state, *asked)
    cleanup.turn(20_000)
    assert len(asked) == 1024
    assert not cleanup.turn(30_000), "nothing was carried out for 10 s: the search is given up"
    cleanup.turn(31_000)
    assert len(asked) == 1024
    while cleanup.turn(300_000):  # over the slots of those that are gone
        pass
    assert len(asked) == 1024 + 512, "the next search begins at the end again"
    cleanup.close()


def test_a_dead_token_is_kept_for_a_month_and_a_living_one_for_ever() -> None:
    now_ms = time.time_ns() // 1_000_000
    long_ago_ms = now_ms - DEAD_TOKENS_KEPT_MS - 1000

    def token(key: str, expires_ms: int | None, revoked_ms: int | None) -> TokenRecord:
        return TokenRecord(
            id=key,
            name=key,
            role="r",
            created_ms=1,
            seen_ms=1,
            expires_ms=expires_ms,
            revoked_ms=revoked_ms,
        )

    records = [
        token("expired long ago", long_ago_ms, None),
        token("revoked long ago", None, long_ago_ms),
        token("revoked long ago, would have lived", now_ms + 60_000, long_ago_ms),
        token("expired", now_ms - 1000, None),
        token("revoked", None, now_ms - 1000),
        token("living", now_ms + 60_000, None),
        token("for ever", None, None),
    ]
    state = ModelState(ModelHandler(TokenRecord, ""), 1000)
    carry_out(state, Command(Action.BULK, b"", body=msgspec.json.encode(records)))
    asked: list[Command] = []
    cleanup = Cleanup(state, asked.append, 300_000, token_gone_ms)
    cleanup.turn(0)
    cleanup.close()
    assert {command.key for command in asked} == {item.id for item in records[:3]}


def test_the_tokens_process_deletes_dead_tokens(tmp_path: Path) -> None:
    app = application(MemorySessionStore()).with_tokens("/data/tokens")
    declared = app.declaration({}, {}).internal_models
    (model,) = [one for one in declared if one.name == TOKENS]
    files = SimulatedFiles()
    record = TokenRecord(id="x", name="x", role="r", created_ms=1, expires_ms=2)
    start = partial(ErrandThread, files, model)
    served = Store(app, TOKENS, tmp_path, files, start)
    assert served.write(Verb.CREATE, record).status == 201
    served.stop()
    served = Store(app, TOKENS, tmp_path, files, start)  # which looks at once
    wait_until(lambda: not served.keys(), "it to be deleted")
    served.stop()


def test_a_store_in_ram_is_compacted_like_any_other(tmp_path: Path) -> None:
    files = MemoryFiles()
    with store(application(MemorySessionStore()), tmp_path, files) as served:
        assert served.write(Verb.CREATE, record("a", 60_000)).status == 201
        for seen_ms in range(50):
            assert served.write(Verb.PATCH, {"seen_ms": seen_ms}, key="a").status == 200
        assert served.ask(Verb.COMPACT, ()).status == 200
        assert any(name.endswith(".snapshot") for name in files.names("/memory"))
        assert msgspec.json.decode(served.ask(Verb.GET, "a").body)["seen_ms"] == 49
        assert served.write(Verb.ERASE, key="a").status == 200


def test_what_is_kept_on_a_disk_is_there_after_a_restart(tmp_path: Path) -> None:
    files = SimulatedFiles()
    app = application(PersistentSessionStore("/data/sessions"))
    with store(app, tmp_path, files) as served:
        assert served.write(Verb.BULK, [record("a", 60_000), record("b", 60_000)]).status == 201
        assert served.write(Verb.ERASE, key="a").status == 200
    with store(app, tmp_path, files) as served:
        assert served.keys() == {"b"}
