"""Traces, by OpenTelemetry, if the extra `slotwright[otel]` is installed and they are switched on.
Otherwise spans do nothing.

OpenTelemetry's own variables, such as OTEL_EXPORTER_OTLP_ENDPOINT, say where traces are sent. A
span's attributes are names and codes, never what a caller sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING, Final

from app.errors import OperatorError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

SERVICE: Final = "slotwright"

LAST_SECONDS: Final = 0.5
"""For exporting the remaining spans when the process ends; after that they are lost."""


class TracesError(OperatorError):
    """Traces are switched on, but their packages are not installed."""


class _Tracing:
    """One per process: spans are opened in packages that know nothing of each other."""

    tracer: Tracer | None = None


def trace_with(tracer: Tracer | None) -> None:
    """Makes spans use this tracer from now on; None: nothing is traced."""
    _Tracing.tracer = tracer


def check_traces(*, wanted: bool) -> None:
    """Raises `TracesError` if they are switched on but not available."""
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


_NOTHING: Final = nullcontext()


def span(name: str, **attributes: str) -> AbstractContextManager[None]:
    """The block as a span below the one around it. Of an exception, only its type is recorded."""
    tracer = _Tracing.tracer
    return _NOTHING if tracer is None else _span(tracer, name, attributes)


@contextmanager
def _span(tracer: Tracer, name: str, attributes: dict[str, str]) -> Iterator[None]:
    with tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as running:
        try:
            yield
        except BaseException as exception:
            running.set_attribute("error.type", type(exception).__qualname__)
            raise
