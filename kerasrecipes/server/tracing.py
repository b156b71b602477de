"""Spans of requests for OpenTelemetry: what was asked of which version, and how long it took."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers

from kerasrecipes._version import __version__
from kerasrecipes.console import warn
from kerasrecipes.errors import MissingDependencyError, require

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

# One of these says that somebody wants spans.
_WANTED = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)
_PROTOCOL = "http/protobuf"
# What watches a server asks for these every few seconds.
_UNTRACED = {"/metrics", "/v2/health/live", "/v2/health/ready"}


class Tracing:
    """Sends a span of each request, in the background, as a part of its caller's trace.

    Which are sampled, how many wait, and the name of the service are what the usual variables say
    (`OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
    `OTEL_PROPAGATORS`).

    Args:
        exporter: Where they go, of OpenTelemetry's SDK.
    """

    def __init__(self, exporter: "SpanExporter"):
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        about = Resource.create()
        if str(about.attributes[SERVICE_NAME]).startswith("unknown_service"):
            about = about.merge(Resource({SERVICE_NAME: "kerasrecipes"}))
        self._provider = TracerProvider(resource=about, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("kerasrecipes", __version__)

    def request(self, headers: Headers, told: Mapping[str, Any], seconds: float) -> None:
        """Send a span of a request that has ended now.

        Names are those of OpenTelemetry's conventions for HTTP, and `kerasrecipes.model`,
        `.version`, `.batch` (examples in the request) and `.request_id`.

        Args:
            headers: Of the request; `traceparent` says what it is a part of.
            told: Of the request: `time` when it ended, in seconds since 1970, `id`, `method`,
                `route`, `status`, 0 for none, and where they are known `model`, `version`, `batch`.
            seconds: How long it took.
        """
        from opentelemetry.context import Context
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, StatusCode

        if told["route"] in _UNTRACED:
            return
        about = {
            "http.request.method": told["method"],
            "http.route": told["route"],
            "http.response.status_code": told["status"],
            "kerasrecipes.request_id": told["id"],
            **{f"kerasrecipes.{name}": told.get(name) for name in ("model", "version", "batch")},
        }
        end = int(told["time"] * 1e9)
        span = self._tracer.start_span(
            f"{told['method']} {told['route']}",
            context=extract({name: headers.getlist(name) for name in headers}, Context()),
            kind=SpanKind.SERVER,
            attributes={name: value for name, value in about.items() if value},
            start_time=end - int(seconds * 1e9),
        )
        if not told["status"]:
            span.set_status(StatusCode.ERROR, "The client has left before there was an answer.")
        elif told["status"] >= 500:
            span.set_status(StatusCode.ERROR)
        span.end(end)

    def close(self) -> None:
        """Send what waits, for as long as the exporter tries, and end."""
        self._provider.shutdown()


def tracing_for(asked: bool) -> Tracing | None:
    """Return what sends spans by OTLP, where `OTEL_` variables or the caller want that.

    Variables may be meant for other programs of a machine, so that where no spans can be sent, it
    warns if they alone want it.

    Args:
        asked: Whether the caller does.

    Raises:
        MissingDependencyError: If the extra `otel` is not installed, and the caller asks.
        ValueError: If variables turn it off, or name what cannot be used, and the caller asks.
    """
    if not asked and (_turned_off() or not any(os.environ.get(name) for name in _WANTED)):
        return None
    try:
        return Tracing(_exporter())
    except (MissingDependencyError, ValueError) as error:
        if asked:
            raise
        warn(f"OTEL_ variables ask for spans of requests, but none are sent. {error}")
        return None


def _turned_off() -> str:
    """Return the variable that turns spans off, if there is one."""
    off = {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"}
    return next((name for name, value in off.items() if _variable(name) == value), "")


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip().lower()


def _exporter() -> "SpanExporter":
    """Return what sends spans to where the variables say, else to port 4318 of this machine."""
    if name := _turned_off():
        raise ValueError(f"`otel` has no effect with {name}={os.environ[name]}. Unset one of them.")
    known = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": _PROTOCOL,
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": _PROTOCOL,
    }
    for name, value in known.items():
        if _variable(name) not in ("", value):
            raise ValueError(f"{name} is {os.environ[name]!r}; only {value!r} can be used here.")
    module = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    require("opentelemetry.sdk.trace", "otel", "Sending spans of requests")
    found: SpanExporter = require(module, "otel", "Sending spans of requests").OTLPSpanExporter()
    return found
