"""Spans of requests: what is in them, whose trace they are a part of, and what asks for them."""

import asyncio
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec

import numpy as np
import pytest

import kerasrecipes as kr
from kerasrecipes.server.models import Models
from kerasrecipes.server.service import Service
from kerasrecipes.server.settings import ServerSettings
from kerasrecipes.server.tracing import Tracing, tracing_for
from kerasrecipes.server.web.app import App

httpx = pytest.importorskip("httpx")
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "line=7"}
INFER = "/v2/models/colours/infer"
needs_otel = pytest.mark.skipif(
    find_spec("opentelemetry") is None, reason="NO OPENTELEMETRY: install the extra otel."
)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in ("TRACES_EXPORTER", "EXPORTER_OTLP_ENDPOINT", "EXPORTER_OTLP_TRACES_ENDPOINT",
                 "SDK_DISABLED", "EXPORTER_OTLP_PROTOCOL", "SERVICE_NAME"):  # fmt: skip
        monkeypatch.delenv(f"OTEL_{name}", raising=False)


@pytest.fixture
def served(models, apart):
    """Starts a server in this process, and asks it."""
    running = []

    def begin():
        service = Service(Models(models), ServerSettings())
        service.refresh()
        running.append(service)

        async def everything(asked):
            transport = httpx.ASGITransport(app=App(service))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as one:
                return [await one.request(*first, **more) for *first, more in asked]

        return service, lambda *asked: apart(asyncio.run, everything(asked))

    yield begin
    for one in running:
        one.close()


def tensors(examples):
    one = {"name": "photo", "datatype": "UINT8", "shape": list(examples.shape)}
    return {"inputs": [one | {"data": examples.ravel().tolist()}]}


@needs_otel
def test_a_span_tells_of_the_request_and_is_a_part_of_the_callers_trace(served, photos):
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.trace import SpanKind

    kept = InMemorySpanExporter()
    service, ask = served()
    service.tracing = Tracing(kept)
    shape = service.models.find("colours", None).predictor.input.shape
    three = tensors(np.zeros((3, *shape), np.uint8))
    unsampled = {"traceparent": CALLER["traceparent"][:-1] + "0"}
    answers = ask(
        ("POST", "/predict", {"content": photos[0], "headers": CALLER}),
        ("POST", INFER, {"json": three, "headers": {"traceparent": "00-nonsense"}}),
        ("POST", "/predict", {"content": b"no photo"}),
        ("POST", "/v2/models/gone/infer", {"json": three}),
        ("POST", "/predict", {"content": photos[0], "headers": unsampled}),
        ("GET", "/v2/health/live", {"headers": CALLER}),
        ("GET", "/metrics", {}),
    )
    assert [one.status_code for one in answers] == [200, 200, 422, 404, 200, 200, 200]
    assert service.tracing._provider.force_flush()
    first, second, third, fourth = kept.get_finished_spans()
    assert first.name == "POST /predict" and first.kind is SpanKind.SERVER
    assert f"{first.context.trace_id:032x}" == TRACE and f"{first.parent.span_id:016x}" == PARENT
    assert first.context.trace_state["line"] == "7" and first.status.is_unset
    assert dict(first.attributes) == {
        "http.request.method": "POST", "http.route": "/predict", "http.response.status_code": 200,
        "kerasrecipes.request_id": answers[0].headers["x-request-id"],
        "kerasrecipes.model": "colours", "kerasrecipes.version": 1, "kerasrecipes.batch": 1,
    }  # fmt: skip
    took = (first.end_time - first.start_time) / 1e6
    assert took >= answers[0].json()["ms"] - 0.01
    assert first.resource.attributes["service.name"] == "kerasrecipes"
    assert second.parent is None and second.attributes["kerasrecipes.batch"] == 3
    assert second.attributes["http.route"] == "/v2/models/{model}/infer"
    # A client's fault is none of the server's.
    assert third.attributes["http.response.status_code"] == 422 and third.status.is_unset
    assert fourth.attributes["kerasrecipes.model"] == "gone"
    assert "kerasrecipes.version" not in fourth.attributes


@needs_otel
def test_faults_and_clients_that_left_are_errors():
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from starlette.datastructures import Headers

    kept = InMemorySpanExporter()
    tracing = Tracing(kept)
    told = {"time": 2e9, "id": "a", "method": "POST", "route": "/predict", "model": ""}
    for status in (503, 0):
        tracing.request(Headers({}), told | {"status": status}, 0.25)
    tracing.close()
    fault, left = kept.get_finished_spans()
    assert fault.status.status_code.name == left.status.status_code.name == "ERROR"
    assert left.status.description == "The client has left before there was an answer."
    assert "http.response.status_code" not in left.attributes
    assert left.end_time == 2e18 and left.end_time - left.start_time == 250_000_000


@needs_otel
def test_a_collector_that_a_variable_names_gets_the_spans(served, photos, monkeypatch):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    got = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        monkeypatch.setenv(
            "OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}"
        )
        monkeypatch.setenv("OTEL_SERVICE_NAME", "line-2")
        service, ask = served()
        ask(("POST", "/predict", {"content": photos[0], "headers": CALLER}))
        service.tracing.close()  # sends what waits
        collector.shutdown()
    ((path, body),) = got
    (found,) = ExportTraceServiceRequest.FromString(body).resource_spans
    names = {one.key: one.value.string_value for one in found.resource.attributes}
    assert path == "/v1/traces" and names["service.name"] == "line-2"
    assert found.scope_spans[0].spans[0].trace_id.hex() == TRACE


def test_nothing_is_traced_unless_asked_for_or_where_it_is_turned_off(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert tracing_for(False) is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    for name, value in (("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")):
        with monkeypatch.context() as only:
            only.setenv(name, value)
            assert tracing_for(False) is None
            with pytest.raises(ValueError, match=f"`otel` has no effect with {name}={value}. Uns"):
                tracing_for(True)
    assert capsys.readouterr().err == ""


def test_what_cannot_be_sent_is_said(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(kr.MissingDependencyError, match=r"requests needs .*kerasrecipes\[otel\]"):
        tracing_for(True)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    assert tracing_for(False) is None
    assert "ask for spans of requests, but none are sent. Sending" in capsys.readouterr().err
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(ValueError, match=r"PROTOCOL is 'grpc'; only 'http/protobuf' can be used"):
        tracing_for(True)
    assert tracing_for(False) is None and "'grpc'" in capsys.readouterr().err
