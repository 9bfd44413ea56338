"""Tracing: OpenTelemetry's, set up once when a gateway starts, by its own OTEL_* variables.

Owns whether there are traces, and where they go. Law: without a variable that asks for them nothing
of OpenTelemetry is imported; what is wrong with it is a warning in the log, and never keeps a
server from serving. The SDK reads the rest itself: sampler, limits, batches, propagators.

    wanted := OTEL_TRACES_EXPORTER, not "none" | OTEL_EXPORTER_OTLP_[TRACES_]ENDPOINT
    never  := OTEL_SDK_DISABLED=true | OTEL_TRACES_EXPORTER=none
"""

import logging
import threading
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

import lithair

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

EXPORTER: Final = "OTEL_TRACES_EXPORTER"
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
OTLP: Final = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
FLUSH_S: Final = 2.0  # at the end; the supervisor waits 10 s for all of it
MISSING: Final = "there are no traces: pip install 'lithair[otel]' (%s)"

_log = logging.getLogger("lithair.http")


class Tracing:
    """Where spans are made, and sent from."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self.tracer = provider.get_tracer("lithair", lithair.__version__)

    def close(self) -> None:
        """Send what was not sent yet, if it is taken in time; blocks.

        The SDK itself has no bound on that: an exporter tries again and again.
        """
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(FLUSH_S)


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Tell whether a variable asks for traces."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environ.get(EXPORTER, "").strip().lower()
    if exporter:
        return exporter != "none"
    return any(environ.get(name, "").strip() for name in ENDPOINTS)


def start_tracing(environ: Mapping[str, str], process: str) -> Tracing | None:
    """Set tracing up for this process, if it is wanted and can be had."""
    if not is_wanted(environ):
        return None
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        _log.warning(MISSING, error)
        return None
    names = exporter_names(environ)
    exporters = [made for name in names if (made := _exporter(name)) is not None]
    if not exporters:
        return None
    said: dict[str, str] = {"service.instance.id": process}
    if not _names_service(environ):
        said["service.name"] = "lithair"
    provider = TracerProvider(resource=Resource.create(said), shutdown_on_exit=False)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)  # what the routes of an application trace goes there, too
    return Tracing(provider)


def exporter_names(environ: Mapping[str, str]) -> list[str]:
    """Say which exporters are asked for, by the names under which packages announce them."""
    listed = environ.get(EXPORTER, "").strip() or "otlp"
    protocol = next((said for name in PROTOCOLS if (said := environ.get(name, "").strip())), "")
    otlp = OTLP.get(protocol or "http/protobuf", protocol)
    names = [name.strip() for name in listed.split(",")]
    return [otlp if name == "otlp" else name for name in names if name]


def _exporter(name: str) -> "SpanExporter | None":
    found = entry_points(group="opentelemetry_traces_exporter", name=name)
    for entry in found:
        try:
            exporter: SpanExporter = entry.load()()
        except Exception as error:  # noqa: BLE001 - a package of somebody else's, set up by variables
            _log.warning("the exporter %s of traces can't be used: %s", name, error)
            return None
        return exporter
    known = sorted({entry.name for entry in entry_points(group="opentelemetry_traces_exporter")})
    _log.warning("no package has the exporter %s of traces; there are: %s", name, ", ".join(known))
    return None


def _names_service(environ: Mapping[str, str]) -> bool:
    attributes = environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return bool(environ.get("OTEL_SERVICE_NAME")) or "service.name=" in attributes
