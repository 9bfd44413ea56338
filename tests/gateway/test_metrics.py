"""Metrics as text: what was gathered is in it, what is not known is not; promtool accepts it."""

import datetime as dt
import shutil
import subprocess

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lithair.core.figures import Counters, ModelFigures, ProcessFigures
from lithair.core.histogram import LATENCY_BOUNDS_S, Histogram
from lithair.gateway.metrics import METRICS, Gathered, ProcessRow, SupervisorFigures, render
from lithair.gateway.request_figures import GatewayFigures

PROMTOOL = shutil.which("promtool")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures(**changes: object) -> ModelFigures:
    commits = Histogram()
    for seconds in (0.00005, 0.0002, 0.0002, 60.0):
        commits.add(seconds)
    plain = ModelFigures(
        item_count=5,
        hot_count=2,
        warm_count=3,
        approx_ram_bytes=700,
        raftlog_size_bytes=900,
        events_since_last_compaction=7,
        last_compaction_at=None,
        seq=11,
        compactions=0,
        compaction_running=False,
        damaged=13,
        process=ProcessFigures(),
        counters=Counters({"create": 8, "update": 2, "delete": 1}, 21, 12, commits.counted()),
    )
    return msgspec.structs.replace(plain, **changes)


def gathered(**models: ModelFigures | None) -> Gathered:
    latency = Histogram()
    latency.add(0.001)
    return Gathered(
        models,
        SupervisorFigures(
            [
                ProcessRow("supervisor", "supervisor", 0, 1.5, 1000),
                ProcessRow("emails", "model", 2, 0.25, 2000),
                ProcessRow("films", "model", 3),
            ],
            {"gateway-0": GatewayFigures(4, {"200": 6}, {"GET": latency.counted()})},
        ),
    )


def samples(text: bytes) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lithair_model_up", 1),
        ("lithair_model_items", 5),
        ("lithair_model_hot_items", 2),
        ("lithair_model_warm_items", 3),
        ("lithair_model_ram_bytes", 700),
        ("lithair_model_raftlog_bytes", 900),
        ("lithair_model_events_since_compaction", 7),
        ("lithair_model_seq", 11),
        ("lithair_model_damaged_records", 13),
        ("lithair_model_reads_total", 21),
        ("lithair_model_writes_total", 12),
        ("lithair_model_commit_duration_seconds_count", 4),
    ],
)
def test_each_figure_of_a_model_stands_under_its_name(name: str, expected: float) -> None:
    assert value(samples(render(gathered(emails=figures()))), name, model="emails") == expected


def test_the_buckets_of_a_histogram_add_up() -> None:
    found = samples(render(gathered(emails=figures())))
    name = "lithair_model_commit_duration_seconds_bucket"

    def bucket(bound: str) -> float | None:
        return value(found, name, model="emails", le=bound)

    counted = [bucket(f"{bound:g}") for bound in LATENCY_BOUNDS_S]
    assert counted == [1.0, 3.0] + [3.0] * (len(LATENCY_BOUNDS_S) - 2)
    assert bucket("+Inf") == 4


def test_a_model_that_did_not_answer_is_down_and_has_no_other_figures() -> None:
    found = samples(render(gathered(emails=figures(), films=None)))
    of_films = {name for name, labels in found if ("model", "films") in labels}
    assert of_films == {"lithair_model_up", "lithair_stream_readers"}, "gateways tell of the latter"
    assert value(found, "lithair_model_up", model="films") == 0


def test_the_time_of_a_compaction_is_there_once_there_was_one() -> None:
    name = "lithair_model_last_compaction_timestamp_seconds"
    assert value(samples(render(gathered(emails=figures()))), name, model="emails") is None
    at = dt.datetime(2026, 1, 31, 12, 0, 0, 500_000, dt.UTC)
    done = figures(
        last_compaction_at="2026-01-31T12:00:00.500Z", compactions=2, compaction_running=True
    )
    found = samples(render(gathered(emails=done)))
    assert value(found, name, model="emails") == at.timestamp()
    assert value(found, "lithair_model_compactions_total", model="emails") == 2
    assert value(found, "lithair_model_compaction_running", model="emails") == 1


def test_processes_are_told_with_what_they_cost_while_they_run() -> None:
    found = samples(render(gathered()))
    emails, films = {"process": "emails", "kind": "model"}, {"process": "films", "kind": "model"}
    assert value(found, "lithair_process_cpu_seconds_total", **emails) == 0.25
    assert value(found, "lithair_process_resident_memory_bytes", **emails) == 2000
    assert value(found, "lithair_process_restarts_total", **emails) == 2
    assert value(found, "lithair_process_restarts_total", **films) == 3
    assert value(found, "lithair_process_cpu_seconds_total", **films) is None


def test_gateways_are_told_by_their_names() -> None:
    found = samples(render(gathered()))
    one = {"gateway": "gateway-0"}
    assert value(found, "lithair_http_requests_total", status="200", **one) == 6
    assert value(found, "lithair_http_connections", **one) == 4
    count = "lithair_http_request_duration_seconds_count"
    assert value(found, count, method="GET", **one) == 1


def test_a_supervisor_that_did_not_answer_costs_only_what_it_knows() -> None:
    found = samples(render(Gathered({"emails": figures()}, SupervisorFigures())))
    assert value(found, "lithair_model_items", model="emails") == 5
    assert not [name for name, _ in found if name.startswith(("lithair_process", "lithair_http"))]


def test_every_metric_of_the_table_is_described_and_nothing_else_is() -> None:
    lines = render(gathered(emails=figures())).decode().splitlines()
    described = {
        (name, kind)
        for mark, what, name, kind in (line.split(" ", 3) for line in lines if line[:1] == "#")
        if (mark, what) == ("#", "TYPE")
    }
    assert described == {(name, kind.kind) for name, kind in METRICS.items()}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not there: apt-get install prometheus")
@pytest.mark.parametrize("models", [{}, {"emails": figures(), "films": None}])
def test_promtool_accepts_the_text(models: dict[str, ModelFigures | None]) -> None:
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"],
        input=render(gathered(**models)),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
