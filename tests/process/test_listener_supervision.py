"""How the supervisor treats listeners: after the models, before them at the end, and for ever."""

from lithair.core.restart import BACKOFF_FIRST_MS, RETRY_FAILED_MS
from lithair.core.supervision import Role
from lithair.phase import FAILED, SERVING
from tests.process.test_supervision import GATEWAYS, MODELS, WORKERS, Bench

LISTENERS = (Role("listener", "indexer"),)


def progress(bench: Bench, events: int) -> None:
    process = bench.named("indexer")
    bench.supervision.heard(process, (SERVING, "", events, False), bench.now)


def test_listeners_start_once_all_models_serve_and_stop_before_them() -> None:
    bench = Bench(*LISTENERS, *WORKERS, *GATEWAYS, *MODELS)
    assert "start indexer" not in bench.tick()
    for name in ("films", "mails", "gateway-0", "gateway-1"):
        bench.says(name, SERVING)
    assert bench.tick() == ["start importer", "start indexer"]
    bench.says("importer", SERVING)
    bench.says("indexer", SERVING)
    bench.supervision.ask_stop("test", bench.now)
    stopped: list[str] = []
    while asked := bench.tick():
        for one in asked:
            stopped.append(one)
            bench.exits(one.removeprefix("ask "), 0)
    assert stopped == [
        "ask gateway-0", "ask gateway-1", "ask importer", "ask indexer", "ask films", "ask mails",
    ]  # fmt: skip


def test_a_listener_that_dies_at_each_event_but_handles_some_is_never_kept_waiting() -> None:
    bench = Bench(*LISTENERS)
    bench.tick()
    for _ in range(50):
        bench.says("indexer", SERVING)
        progress(bench, 1)
        bench.exits("indexer", -9)
        assert bench.tick() == ["start indexer"]
    assert bench.named("indexer").restarts == 50


def test_a_listener_that_gets_nowhere_is_started_ever_more_rarely_and_never_fails() -> None:
    bench = Bench(*LISTENERS)
    bench.tick()
    delays: list[int] = []
    for _ in range(20):
        bench.exits("indexer", 1)
        process = bench.named("indexer")
        assert process.phase != FAILED
        delays.append(process.start_at_ms - bench.now)
        assert bench.tick(delays[-1]) == ["start indexer"]
    assert delays[:3] == [0, BACKOFF_FIRST_MS, 2 * BACKOFF_FIRST_MS]
    assert delays[-1] == RETRY_FAILED_MS


def test_a_listener_that_says_why_it_can_not_work_has_failed_and_is_tried_again() -> None:
    bench = Bench(*LISTENERS)
    bench.tick()
    bench.fails("indexer", 1)
    assert bench.named("indexer").phase == FAILED
    assert bench.tick(RETRY_FAILED_MS) == ["start indexer"]
