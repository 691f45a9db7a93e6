"""Traces, by OpenTelemetry, where the extra `slotwright[otel]` is installed and they are wanted.
Otherwise a span is nothing.

Where they go to is said in OpenTelemetry's own variables, such as OTEL_EXPORTER_OTLP_ENDPOINT. A
span's attributes are names and codes, never what a caller sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING, Final

from app.errors import OperatorError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

SERVICE: Final = "slotwright"

LAST_SECONDS: Final = 0.5
"""For the collector to take what is left when the process ends; after that it is lost."""


class TracesError(OperatorError):
    """Traces are wanted, and what they need is not installed."""


class _Tracing:
    """One a process: spans are opened in rooms that know nothing of each other."""

    tracer: Tracer | None = None


def trace_with(tracer: Tracer | None) -> None:
    """From now on spans are this tracer's; None: nothing is traced."""
    _Tracing.tracer = tracer


def check_traces(*, wanted: bool) -> None:
    """Raises `TracesError` where they are wanted and can't be."""
    if not wanted:
        return
    try:
        found = find_spec("opentelemetry.sdk.trace") and find_spec(
            "opentelemetry.exporter.otlp.proto.http"
        )
    except ModuleNotFoundError:  # not even what they lie in
        found = None
    if found is None:
        raise TracesError("SLOTWRIGHT_TRACES is on: install slotwright[otel], or switch it off.")


@contextmanager
def traced(process: str, *, wanted: bool) -> Iterator[None]:
    """Exports this process's spans while the block runs, and what is left of them at its end.
    Raises `TracesError`.
    """
    if not wanted:
        yield
        return
    check_traces(wanted=wanted)
    # Only here: it is an extra, and takes a while to import.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create({"service.name": f"{SERVICE}-{process}"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace_with(provider.get_tracer(SERVICE))
    try:
        yield
    finally:
        trace_with(None)
        # In a thread that may be left behind: the exporter itself tries for ten seconds where
        # nobody listens.
        last_words = Thread(target=provider.shutdown, daemon=True)
        last_words.start()
        last_words.join(LAST_SECONDS)


@contextmanager
def span(name: str, **attributes: str) -> Iterator[None]:
    """What happens in the block, as a span below the one around it. What is raised is told by its
    kind alone.
    """
    tracer = _Tracing.tracer
    if tracer is None:
        yield
        return
    with tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as running:
        try:
            yield
        except BaseException as exception:
            running.set_attribute("error.type", type(exception).__qualname__)
            raise
