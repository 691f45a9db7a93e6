"""Traces: a span for an operation and for each transaction, with names and codes only; and none
unless traces are on.
"""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.telemetry.tracing import (
    SERVICE,
    TracesError,
    check_traces,
    span,
    trace_with,
)


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture(autouse=True)
def _traced(exported: InMemorySpanExporter, request: pytest.FixtureRequest) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    trace_with(provider.get_tracer(SERVICE))
    request.addfinalizer(lambda: trace_with(None))  # noqa: PT021  nothing is yielded


def test_spans_are_nested(exported: InMemorySpanExporter) -> None:
    with span("bookAppointment", transport="http"), span("transaction"):
        pass
    inner, outer = exported.get_finished_spans()
    assert (outer.name, dict(outer.attributes or {})) == ("bookAppointment", {"transport": "http"})
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id


def test_an_exception_is_recorded_by_its_type_alone(exported: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="robin"), span("transaction"):
        raise ValueError("Key (email)=(robin@example.com) exists")
    (told,) = exported.get_finished_spans()
    assert dict(told.attributes or {}) == {"error.type": "ValueError"}
    assert told.events == ()
    assert "robin" not in told.to_json()


def test_nothing_is_traced_where_nobody_asked(exported: InMemorySpanExporter) -> None:
    trace_with(None)
    with span("viewer"):
        pass
    assert exported.get_finished_spans() == ()


def test_what_is_not_installed_is_named_only_where_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_traces(wanted=True)
    monkeypatch.setattr("app.telemetry.tracing.find_spec", lambda _name: None)
    check_traces(wanted=False)
    with pytest.raises(TracesError, match=r"slotwright\[otel\]"):
        check_traces(wanted=True)
