"""What the program counts and measures, for Prometheus. Its rule: every label has a bounded number
of values.

Names of operations are the schema's root fields, never the callers' words. With several processes
behind one port the client library keeps the numbers in files (its multiprocess mode), which the
first process adds up.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Final

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    start_http_server,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app.errors import OperatorError

MULTIPROCESS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The client library's own variable: where processes that are counted together keep their numbers.
"""

_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

OPERATIONS: Final = Counter(
    "slotwright_operations",
    "Operations, by root field, transport and outcome: OK or the code of the first error.",
    ["operation", "transport", "outcome"],
)
OPERATION_SECONDS: Final = Histogram(
    "slotwright_operation_seconds",
    "From a prepared operation to its answer.",
    ["operation"],
    buckets=(*_FAST, 10.0, 30.0),
)
ANSWERS: Final = Counter(
    "slotwright_answers",
    "Answers of the mutations that take time, by type: SlotUnavailable is a booking conflict.",
    ["mutation", "answer"],
)
BOOKING_WAYS: Final = Counter(
    "slotwright_booking_ways",
    "Bookings without a hold, moves and cancellations, by way: short, or why it was left to the "
    "long one.",
    ["change", "way"],
)
LOCK_SECONDS: Final = Histogram(
    "slotwright_lock_seconds", "Waiting for advisory locks.", buckets=_FAST
)
TURN_SECONDS: Final = Histogram(
    "slotwright_turn_seconds", "Waiting in a provider's queue.", buckets=_FAST
)
POOL_WAIT_SECONDS: Final = Histogram(
    "slotwright_pool_wait_seconds", "Waiting for a connection.", buckets=_FAST
)
POOL_CONNECTIONS: Final = Gauge(
    "slotwright_pool_connections",
    "Connections to PostgreSQL, by state.",
    ["state"],
    multiprocess_mode="livesum",
)
SOCKETS: Final = Gauge("slotwright_sockets", "Open WebSockets.", multiprocess_mode="livesum")
STREAMS: Final = Gauge(
    "slotwright_event_streams", "Open event streams.", multiprocess_mode="livesum"
)
CONNECTIONS_CUT: Final = Counter(
    "slotwright_connections_cut",
    "Connections that were aborted: sending the head, sending the body or reading the answer "
    "(unread) took too long, or the process (total) or the network was at its limit.",
    ["reason"],
)
QUERIES_SHED: Final = Counter(
    "slotwright_queries_shed",
    "Queries that were refused before they were executed: the process could not keep up.",
)
CACHE: Final = Counter(
    "slotwright_cache",
    "Days of free times, by outcome of the look-up; and failures.",
    ["event"],
)
REMEMBERED_BYTES: Final = Gauge(
    "slotwright_remembered_bytes",
    "Bytes in the processes' in-memory caches, by cache.",
    ["cache"],
    multiprocess_mode="livesum",
)
LIVE: Final = Counter("slotwright_live", "What happened to the feed of changes.", ["event"])
OUTBOX_LAG_SECONDS: Final = Gauge(
    "slotwright_outbox_lag_seconds",
    "How long the oldest due entry of the outbox has waited.",
    multiprocess_mode="max",
)
MESSAGE_LAG_SECONDS: Final = Gauge(
    "slotwright_message_lag_seconds",
    "How long the oldest due message, such as a reminder, has waited to be sent.",
    multiprocess_mode="max",
)
DELIVERIES: Final = Counter(
    "slotwright_webhook_deliveries",
    "Tries to deliver an event to a webhook, by outcome: delivered, retried (it failed for now) or "
    "failed (it is not tried again).",
    ["outcome"],
)
EVENT_LAG_SECONDS: Final = Gauge(
    "slotwright_event_lag_seconds",
    "How long ago the oldest event happened that is not yet queued for an active webhook whose "
    "receiver works.",
    multiprocess_mode="max",
)
WEBHOOKS_FAILING: Final = Gauge(
    "slotwright_webhooks_failing",
    "Active webhooks whose last delivery failed.",
    multiprocess_mode="max",
)


FEEDS_READ: Final = Counter(
    "slotwright_feeds_read",
    "Readings of calendar feeds, by outcome: changed, unchanged, not_modified (the server says "
    "so), failed, left (to another reading) or removed meanwhile.",
    ["outcome"],
)
FEEDS_FAILING: Final = Gauge(
    "slotwright_feeds_failing",
    "Calendar feeds that can't be read; what they said last counts.",
    multiprocess_mode="max",
)
FEED_LAG_SECONDS: Final = Gauge(
    "slotwright_feed_lag_seconds",
    "How long the calendar feed that is longest due has waited to be read.",
    multiprocess_mode="max",
)
JOB_RUNS: Final = Counter(
    "slotwright_job_runs",
    "Runs of the worker's jobs that ended, by name and outcome: done, failed, or cut_off by the "
    "time limit or the end of the worker.",
    ["name", "outcome"],  # Prometheus itself calls what it scrapes a job
)
JOB_SECONDS: Final = Histogram(
    "slotwright_job_seconds",
    "How long a run of a job took, whatever its outcome.",
    ["name"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0),
)
JOB_SUCCEEDED: Final = Gauge(
    "slotwright_job_succeeded_timestamp_seconds",
    "When the job last succeeded. Absent until its first success after the worker's start.",
    ["name"],
    multiprocess_mode="max",
)


class MetricsError(OperatorError):
    """The metrics can't be served here."""


class Deltas:
    """Turns counts that only grow into a counter: adds what they grew by since the last look."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._seen: dict[str, int] = {}

    def take(self, counts: Mapping[str, int]) -> None:
        for event, count in counts.items():
            grown = count - self._seen.get(event, 0)
            if grown > 0:
                self._counter.labels(event).inc(grown)
            self._seen[event] = count


_answers: Final = cache(ANSWERS.labels)
"""Looked up once, since the library checks and locks each time."""


def count_answer(mutation: str, answer: object) -> None:
    """An answer of a mutation, by its type."""
    _answers(mutation, type(answer).__name__).inc()


def expect_runs(names: Iterable[str]) -> None:
    """Makes these jobs' counts begin at zero: Prometheus sees no increase in a counter that first
    appears with a failure.
    """
    for outcome in ("delivered", "retried", "failed"):
        DELIVERIES.labels(outcome)
    for name in names:
        JOB_SECONDS.labels(name)
        for outcome in ("done", "failed", "cut_off"):
            JOB_RUNS.labels(name, outcome)


@contextmanager
def counted_run(name: str) -> Iterator[None]:
    """The block is a run of the job of this name."""
    started, outcome = perf_counter(), "cut_off"
    try:
        yield
        outcome = "done"
        JOB_SUCCEEDED.labels(name).set_to_current_time()
    except Exception:
        outcome = "failed"
        raise
    finally:
        JOB_SECONDS.labels(name).observe(perf_counter() - started)
        JOB_RUNS.labels(name, outcome).inc()


@contextmanager
def served(host: str, port: int | None) -> Iterator[None]:
    """Serves the numbers of this process at http://host:port/metrics; None: nowhere. Raises
    `MetricsError`.
    """
    with _served(host, port, REGISTRY):
        yield


@contextmanager
def served_for_all(host: str, port: int | None) -> Iterator[dict[str, str]]:
    """The numbers of all processes that are started inside the block with the variables that it
    gives.
    """
    if port is None:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="slotwright-metrics-") as folder:
        registry = CollectorRegistry()
        registry.register(_OfLiving(Path(folder)))
        with _served(host, port, registry):
            yield {MULTIPROCESS_FOLDER: folder}


@contextmanager
def _served(host: str, port: int | None, registry: CollectorRegistry) -> Iterator[None]:
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        busy = error.errno == errno.EADDRINUSE
        reason = "it is in use" if busy else error.strerror
        raise MetricsError(
            f"Metrics can't be served on port {port} of {host}: {reason}."
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _OfLiving(MultiProcessCollector):
    """The sums over all processes; gauges of dead processes are left out."""

    def __init__(self, folder: Path) -> None:
        super().__init__(None, path=str(folder))  # type: ignore[no-untyped-call]
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        for file in self._folder.glob("gauge_live*.db"):
            pid = int(file.stem.rsplit("_", 1)[1])
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                mark_process_dead(pid, path=str(self._folder))  # type: ignore[no-untyped-call]
        found: Iterable[Metric] = super().collect()  # type: ignore[no-untyped-call]
        return found
