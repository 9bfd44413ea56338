"""Traces: what a collector is sent by a server that runs, over OTLP."""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lithair.gateway.tracing import exporter_names, is_wanted, start_tracing
from tests.support.started import Started

APP = """
from lithair import Lithair, Model
from opentelemetry import trace

class Film(Model):
    title: str

async def greet(request):
    with trace.get_tracer("shop").start_as_current_span("work"):
        return {"name": request.path["name"]}

async def broken(request):
    raise RuntimeError("no")

app = (
    Lithair()
    .with_model(Film, "data", "/api/films")
    .with_route("GET", "/hello/{name}", greet)
    .with_route("GET", "/broken", broken)
)
"""
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
SERVER, CLIENT, INTERNAL = 2, 3, 1  # kinds of spans, in OTLP
ERROR = 2


class Told(NamedTuple):
    """One span as it was sent."""

    name: str
    kind: int
    trace: str
    span: str
    parent: str
    said: dict[str, Any]
    status: int
    service: str


class Collector:
    """Takes spans in, as OpenTelemetry's collector does at its default address."""

    def __init__(self) -> None:
        self.spans: list[Told] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") is None and self.path == "/v1/traces":
                    collector.take(body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for group in request.resource_spans:
            resource = {one.key: one.value.string_value for one in group.resource.attributes}
            for scope in group.scope_spans:
                for span in scope.spans:
                    said: dict[str, Any] = {}
                    for one in span.attributes:
                        said[one.key] = one.value.string_value or one.value.int_value
                    self.spans.append(
                        Told(
                            span.name,
                            span.kind,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            said,
                            span.status.code,
                            resource["service.name"],
                        )
                    )

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def one(self, **wanted: object) -> Told:
        found = [
            span
            for span in self.spans
            if all(span.said.get(name.replace("_", ".")) == value for name, value in wanted.items())
        ]
        assert len(found) == 1, (wanted, found)
        return found[0]

    def within(self, parent: Told) -> list[Told]:
        return [span for span in self.spans if span.parent == parent.span]


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Ask a server for this and that, and stop it; what it has told by then is all there is."""
    place = tmp_path_factory.mktemp("films")
    (place / "app.py").write_text(APP)
    collector = Collector()
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_SERVICE_NAME": "films",
        "OTEL_BSP_SCHEDULE_DELAY": "60000",  # so what is sent is sent at the end
    }
    try:
        with Started(place, environ=environ) as server, httpx2.Client(base_url=server.url) as http:
            made = http.post("/api/films", json={"id": "a", "title": "A"}, headers=SAMPLED)
            assert made.status_code == 201
            assert http.get("/api/films/a?fields=title").status_code == 200
            assert http.get("/api/films/b", headers={"X-Request-Id": "mine"}).status_code == 404
            assert http.get("/hello/ann").json() == {"name": "ann"}
            assert http.get("/broken").status_code == 500
            assert http.request("FETCH", "/no/such/path").status_code == 404
            unsampled = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
            assert http.get("/api/films/count", headers=unsampled).status_code == 200
            with http.stream("GET", "/api/films/stream") as stream:
                assert stream.status_code == 200
            assert server.stop() == 0
        yield collector
    finally:
        collector.close()


def test_a_request_continues_the_trace_of_its_client(collector: Collector) -> None:
    span = collector.one(http_request_method="POST", http_route="/api/films")
    assert (span.name, span.kind, span.service) == ("POST /api/films", SERVER, "films")
    assert (span.trace, span.parent) == (TRACE, PARENT)
    assert span.said["http.response.status_code"] == 201
    assert span.said["url.path"] == "/api/films"
    assert span.said["url.scheme"] == "http"
    assert span.said["client.address"] == "127.0.0.1"
    assert span.said["lithair.model"] == "films"


def test_what_the_model_is_asked_is_a_span_within(collector: Collector) -> None:
    span = collector.one(url_path="/api/films/a")
    assert (span.name, span.parent) == ("GET /api/films/{id}", "")
    (asked,) = collector.within(span)
    assert (asked.name, asked.kind, asked.trace) == ("GET films", CLIENT, span.trace)
    assert asked.said["lithair.status"] == 200
    assert not [value for value in span.said.values() if "fields" in str(value)]  # no query


def test_a_refusal_has_its_status_and_the_id_of_the_request(collector: Collector) -> None:
    span = collector.one(url_path="/api/films/b")
    assert (span.said["http.response.status_code"], span.status) == (404, 0)
    assert span.said["lithair.request_id"] == "mine"


def test_spans_of_a_route_lie_within_its_request(collector: Collector) -> None:
    span = collector.one(http_route="/hello/{name}")
    assert (span.name, span.said["url.path"]) == ("GET /hello/{name}", "/hello/ann")
    (work,) = collector.within(span)
    assert (work.name, work.kind, work.trace) == ("work", INTERNAL, span.trace)


def test_an_error_of_the_server_is_an_error_of_the_span(collector: Collector) -> None:
    span = collector.one(http_route="/broken")
    assert (span.status, span.said["error.type"]) == (ERROR, "500")


def test_what_anybody_can_make_up_is_no_name(collector: Collector) -> None:
    span = collector.one(url_path="/no/such/path")
    assert (span.name, span.said["http.request.method"]) == ("HTTP", "_OTHER")
    assert "http.route" not in span.said


def test_a_stream_is_told_when_it_begins_and_who_is_not_sampled_is_not(
    collector: Collector,
) -> None:
    assert collector.one(http_route="/api/films/stream").said["http.response.status_code"] == 200
    assert not [span for span in collector.spans if span.said.get("url.path", "").endswith("count")]


@pytest.mark.parametrize(
    ("environ", "wanted", "names"),
    [
        ({}, False, ["otlp_proto_http"]),
        ({"OTEL_SERVICE_NAME": "x"}, False, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True, ["otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True, ["otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, True, ["console", "otlp_proto_http"]),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            True,
            ["otlp_proto_grpc"],
        ),
        (
            {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"},
            False,
            ["none"],
        ),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False, ["otlp_proto_http"]),
    ],
)
def test_the_standard_variables_say_whether_there_are_traces(
    environ: dict[str, str], wanted: bool, names: list[str]
) -> None:
    assert is_wanted(environ) is wanted
    assert exporter_names(environ) == names


def test_an_exporter_that_is_not_there_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert start_tracing({"OTEL_TRACES_EXPORTER": "zipkin9"}, "gateway-0") is None
    assert "zipkin9" in caplog.text
    assert "console" in caplog.text


def test_a_missing_library_is_a_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with caplog.at_level(logging.WARNING):
        assert start_tracing({"OTEL_TRACES_EXPORTER": "otlp"}, "gateway-0") is None
    assert "pip install 'lithair[otel]'" in caplog.text


def test_a_gateway_without_traces_imports_nothing_of_them(tmp_path: Path) -> None:
    script = (
        "import lithair.gateway.server, sys\n"
        "from lithair.gateway.tracing import start_tracing\n"
        "assert start_tracing({}, 'gateway-0') is None\n"
        "print(*(name for name in sys.modules if name.startswith('opentelemetry')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
