"""OpenTelemetry spans, if they were asked for: one per request, without prompts or keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core import UsageError, install_command


class Tracer:
    """Makes spans, or nothing at all. Where they are sent to is told by the OTEL_* variables."""

    def __init__(self, wanted: bool) -> None:
        self._provider: Any = None
        self._tracer: Any = None
        if not wanted:
            return
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise UsageError(
                f"tracing needs OpenTelemetry ({error})", fix=install_command("tracing")
            ) from None
        self._provider = TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("ttscale.gateway")

    def close(self) -> None:
        """Send what is left; blocks while it does."""
        if self._provider is not None:
            self._provider.shutdown()

    @contextmanager
    def span(self, name: str, **attributes: Any) -> Iterator[dict[str, Any]]:
        """A span; what is put into the yielded mapping becomes its attributes."""
        more: dict[str, Any] = {}
        if self._tracer is None:
            yield more
            return
        with self._tracer.start_as_current_span(name, attributes=attributes) as span:
            try:
                yield more
            finally:
                for key, value in more.items():
                    if value is not None:
                        span.set_attribute(key, value)
