"""Metrics: a server's figures in the text format of Prometheus (version 0.0.4).

Owns the names, kinds, labels and descriptions of all metrics; docs/operations.md lists the same,
and a test compares the two. Law: what is not known is left out, never told as 0.

    model    the last segment of its path              gateway, process   as `lithair status` shows
    status   of the answer                             method             of the request
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

import lithair
from lithair.core.figures import ModelFigures
from lithair.core.histogram import LATENCY_BOUNDS_S, Counted
from lithair.gateway.request_figures import GatewayFigures

TEXT_FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"


class ProcessRow(msgspec.Struct, frozen=True):
    """A process of this server; what it costs is None while it does not run."""

    name: str
    kind: str
    restarts: int
    cpu_seconds: float | None = None
    rss_bytes: int | None = None


class ListenerFigures(msgspec.Struct, frozen=True):
    """What a listener's process has told last."""

    model: str
    failures: int = 0
    dead_letters: int = 0


class SupervisorFigures(msgspec.Struct, frozen=True):
    """The supervisor's answer to `figures`."""

    processes: list[ProcessRow] = []
    gateways: dict[str, GatewayFigures] = {}
    listeners: dict[str, ListenerFigures] = {}


class Gathered(NamedTuple):
    """What one scrape tells; the figures of a model that did not answer are None."""

    models: dict[str, ModelFigures | None]
    supervisor: SupervisorFigures


class Kind(NamedTuple):
    """What a metric is called, what distinguishes its series, and what it says."""

    kind: str
    labels: tuple[str, ...]
    says: str


def _gauge(says: str, *labels: str) -> Kind:
    return Kind("gauge", labels or ("model",), says)


def _counter(says: str, *labels: str) -> Kind:
    return Kind("counter", labels or ("model",), says)


def _histogram(says: str, *labels: str) -> Kind:
    return Kind("histogram", labels or ("model",), says)


METRICS: Final[dict[str, Kind]] = {
    "lithair_build_info": _gauge("1, with Lithair's release", "version"),
    "lithair_model_up": _gauge("1 when the model's process answered in time, else 0"),
    "lithair_model_items": _gauge("Items of the model"),
    "lithair_model_hot_items": _gauge("Items that are whole in RAM"),
    "lithair_model_warm_items": _gauge("Items of which only a part is in RAM"),
    "lithair_model_ram_bytes": _gauge("RAM for items, an exact sum of estimates per item"),
    "lithair_model_raftlog_bytes": _gauge("Files of the event log and its snapshot"),
    "lithair_model_seq": _gauge("Number of the model's last event"),
    "lithair_model_damaged_records": _gauge("Records that failed their check when read"),
    "lithair_model_events_total": _counter("Events committed", "model", "operation"),
    "lithair_model_reads_total": _counter("Read requests taken on"),
    "lithair_model_writes_total": _counter("Write requests taken on"),
    "lithair_model_commit_duration_seconds": _histogram("From a batch to its being on disk"),
    "lithair_model_compactions_total": _counter("Compactions completed"),
    "lithair_model_compaction_running": _gauge("1 while the log is being compacted, else 0"),
    "lithair_model_events_since_compaction": _gauge("Events since the last compaction"),
    "lithair_model_last_compaction_timestamp_seconds": _gauge("Time of the last compaction"),
    "lithair_listener_lag_events": _gauge(
        "Events that the listener has not handled", "model", "listener"
    ),
    "lithair_listener_failures_total": _counter("Tries that failed", "model", "listener"),
    "lithair_listener_dead_letters": _gauge("Events that were given up", "model", "listener"),
    "lithair_http_requests_total": _counter("Requests answered", "gateway", "status"),
    "lithair_http_request_duration_seconds": _histogram(
        "From a request's head to its answer's", "gateway", "method"
    ),
    "lithair_http_connections": _gauge("Open connections", "gateway"),
    "lithair_stream_readers": _gauge("Readers of the model's streams, at all gateways"),
    "lithair_stream_events_total": _counter(
        "Events given to readers of streams", "gateway", "model"
    ),
    "lithair_stream_lagged_total": _counter(
        "Readers of streams who fell behind too far", "gateway", "model"
    ),
    "lithair_process_cpu_seconds_total": _counter("Processor time used", "process", "kind"),
    "lithair_process_resident_memory_bytes": _gauge("Memory held", "process", "kind"),
    "lithair_process_restarts_total": _counter("Times it was started again", "process", "kind"),
}

# Those that are one number of a model's own.
_OF_MODELS: Final[dict[str, Callable[[ModelFigures], float]]] = {
    "lithair_model_items": lambda told: told.item_count,
    "lithair_model_hot_items": lambda told: told.hot_count,
    "lithair_model_warm_items": lambda told: told.warm_count,
    "lithair_model_ram_bytes": lambda told: told.approx_ram_bytes,
    "lithair_model_raftlog_bytes": lambda told: told.raftlog_size_bytes,
    "lithair_model_seq": lambda told: told.seq,
    "lithair_model_damaged_records": lambda told: told.damaged,
    "lithair_model_reads_total": lambda told: told.counters.reads,
    "lithair_model_writes_total": lambda told: told.counters.writes,
    "lithair_model_compactions_total": lambda told: told.compactions,
    "lithair_model_compaction_running": lambda told: told.compaction_running,
    "lithair_model_events_since_compaction": lambda told: told.events_since_last_compaction,
}

_BOUNDS: Final = (*(f"{bound:g}" for bound in LATENCY_BOUNDS_S), "+Inf")

Value = float | Counted
Series = tuple[str, Sequence[str], Value]  # a metric's name, its labels' values, its value


def render(gathered: Gathered) -> bytes:
    """Write what was gathered in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Scrape(gathered))
    return generate_latest(registry)


class _Scrape(Collector):
    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        families = {name: _family(name, kind) for name, kind in METRICS.items()}
        for name, labels, value in _series(self._gathered):
            _add(families[name], labels, value)
        return families.values()


def _family(name: str, kind: Kind) -> Metric:
    if kind.kind == "counter":
        return CounterMetricFamily(name, kind.says, labels=kind.labels)
    if kind.kind == "histogram":
        return HistogramMetricFamily(name, kind.says, labels=kind.labels)
    return GaugeMetricFamily(name, kind.says, labels=kind.labels)


def _add(family: Metric, labels: Sequence[str], value: Value) -> None:
    if isinstance(family, HistogramMetricFamily):
        assert isinstance(value, Counted), family.name
        total, buckets = 0, list[tuple[str, float]]()
        for bound, count in zip(_BOUNDS, value.counts, strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric(labels, buckets, value.sum_s)
        return
    assert isinstance(family, CounterMetricFamily | GaugeMetricFamily), family.name
    assert not isinstance(value, Counted), family.name
    family.add_metric(labels, value)


def _series(gathered: Gathered) -> Iterator[Series]:
    yield "lithair_build_info", (lithair.__version__,), 1
    for model, told in gathered.models.items():
        yield "lithair_model_up", (model,), told is not None
        if told is not None:
            yield from _of_model(model, told)
    for listener, told_last in sorted(gathered.supervisor.listeners.items()):
        labels = (told_last.model, listener)
        yield "lithair_listener_failures_total", labels, told_last.failures
        yield "lithair_listener_dead_letters", labels, told_last.dead_letters
    for gateway, figures in sorted(gathered.supervisor.gateways.items()):
        yield from _of_gateway(gateway, figures)
    yield from _of_streams(gathered)
    for row in gathered.supervisor.processes:
        yield from _of_process(row)


def _of_model(model: str, told: ModelFigures) -> Iterator[Series]:
    for name, value_of in _OF_MODELS.items():
        yield name, (model,), value_of(told)
    for operation, count in told.counters.events.items():
        yield "lithair_model_events_total", (model, operation), count
    yield "lithair_model_commit_duration_seconds", (model,), told.counters.commits
    for listener, handled in told.listeners.items():
        yield "lithair_listener_lag_events", (model, listener), max(0, told.seq - handled)
    if told.last_compaction_at is not None:
        name = "lithair_model_last_compaction_timestamp_seconds"
        yield name, (model,), dt.datetime.fromisoformat(told.last_compaction_at).timestamp()


def _of_gateway(gateway: str, figures: GatewayFigures) -> Iterator[Series]:
    yield "lithair_http_connections", (gateway,), figures.connections
    for status, count in figures.statuses.items():
        yield "lithair_http_requests_total", (gateway, status), count
    for method, latency in figures.latencies.items():
        yield "lithair_http_request_duration_seconds", (gateway, method), latency


def _of_streams(gathered: Gathered) -> Iterator[Series]:
    readers = dict.fromkeys(gathered.models, 0)
    for gateway, figures in sorted(gathered.supervisor.gateways.items()):
        for model, told in figures.streams.items():
            readers[model] = readers.get(model, 0) + told.readers
            yield "lithair_stream_events_total", (gateway, model), told.events
            yield "lithair_stream_lagged_total", (gateway, model), told.lagged
    for model, count in readers.items():
        yield "lithair_stream_readers", (model,), count


def _of_process(row: ProcessRow) -> Iterator[Series]:
    labels = (row.name, row.kind)
    yield "lithair_process_restarts_total", labels, row.restarts
    if row.cpu_seconds is not None and row.rss_bytes is not None:
        yield "lithair_process_cpu_seconds_total", labels, row.cpu_seconds
        yield "lithair_process_resident_memory_bytes", labels, row.rss_bytes
