"""What the processes report: metrics on a separate port, summed over workers; log lines as JSON."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path

import httpx
import pytest

from app.telemetry.metrics import (
    ANSWERS,
    Deltas,
    count_answer,
)
from tests.e2e.program import (
    PATIENCE_SECONDS,
    ask,
    get,
    make_organization,
    run,
    running,
    wait_until_gone,
)
from tests.e2e.served import free_ports
from tests.plain_http import NO_TLS


def value(metrics: str, series: str, /, **labels: str) -> float:
    """Of the one series that has at least these labels."""
    found = []
    for line in metrics.splitlines():
        matched = re.fullmatch(rf"{series}(?:\{{(.*)\}})? (\S+)", line)
        if matched and all(
            f'{label}="{text}"' in (matched[1] or "") for label, text in labels.items()
        ):
            found.append(float(matched[2]))
    assert len(found) == 1, (series, labels, found)
    return found[0]


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.full), 2])
def test_an_apis_metrics_cover_all_its_workers(
    workers: int, environment: dict[str, str], tmp_path: Path
) -> None:
    port, metrics_port = free_ports(2)
    base = f"http://127.0.0.1:{port}"
    make_organization("salon", env=environment)
    env = environment | {
        "SLOTWRIGHT_METRICS_PORT": str(metrics_port),
        "SLOTWRIGHT_LOG_OPERATIONS": "on",
    }
    with running(
        "serve", "--port", str(port), "--workers", str(workers), env=env, log=tmp_path / "log"
    ) as api:
        api.wait_until_answering(f"{base}/livez")
        for _ in range(20):
            with httpx.Client(
                base_url=base, verify=NO_TLS
            ) as client:  # connections of their own: to any worker
                client.post(
                    "/graphql",
                    json={"query": "{ viewer { role } }"},
                    headers={"slotwright-organization": "salon"},
                )
        ask(base, "{ nothing }", organization="salon")
        ask(base, "query Robin { a: viewer { role } nodes(ids: []) { id } }", organization="salon")
        ask(base, "{ viewer { role } }", token="bad")
        status, metrics = get(f"http://127.0.0.1:{metrics_port}/metrics")
        assert status == 200
        counted = "slotwright_operations_total"
        assert value(metrics, counted, operation="viewer", transport="http", outcome="OK") == 20
        assert value(metrics, counted, operation="several", outcome="OK") == 1
        assert value(metrics, counted, operation="none", outcome="GRAPHQL_VALIDATION_FAILED") == 1
        assert value(metrics, counted, operation="none", outcome="UNAUTHENTICATED") == 1
        assert value(metrics, "slotwright_operation_seconds_count", operation="viewer") == 20
        assert value(metrics, "slotwright_pool_wait_seconds_count") >= 1
        assert "Robin" not in metrics
        # The API's own port tells nothing.
        assert get(f"{base}/metrics")[0] == 404
        children = api.descendants()
        assert api.end() == 0, api.said
        wait_until_gone(children)
    lines = [json.loads(line) for line in api.said.splitlines()]
    operations = [line for line in lines if line["logger"] == "slotwright.operations"]
    assert len(operations) == 23
    assert {line["operation"] for line in operations} == {"viewer", "several", "none"}
    assert all(re.fullmatch(r"[0-9a-f]{32}", line["request_id"]) for line in operations)
    assert "Robin" not in api.said


def test_a_workers_metrics_show_its_jobs_and_how_late_messages_are(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (metrics_port,) = free_ports(1)
    env = environment | {"SLOTWRIGHT_METRICS_PORT": str(metrics_port)}
    with running("work", env=env, log=tmp_path / "log") as worker:
        worker.wait_until_said("the worker runs")
        worker.wait_until_answering(f"http://127.0.0.1:{metrics_port}/metrics")
        metrics = get(f"http://127.0.0.1:{metrics_port}/metrics")[1]
        assert value(metrics, "slotwright_outbox_lag_seconds") == 0
        assert value(metrics, "slotwright_message_lag_seconds") == 0
        runs = "slotwright_job_runs_total"
        assert value(metrics, runs, name="purge_holds", outcome="failed") == 0
        deadline = time.monotonic() + PATIENCE_SECONDS
        # it runs at the start
        while value(metrics, runs, name="send_messages", outcome="done") == 0:
            assert time.monotonic() < deadline, metrics
            metrics = get(f"http://127.0.0.1:{metrics_port}/metrics")[1]
        assert (
            time.time()
            - value(metrics, "slotwright_job_succeeded_timestamp_seconds", name="send_messages")
            < 60
        )
        assert value(metrics, "slotwright_job_seconds_count", name="send_messages") >= 1
        assert worker.end() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_busy_metrics_port_is_reported(workers: str, environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        metrics_port = busy.getsockname()[1]
        (port,) = free_ports(1)
        env = environment | {"SLOTWRIGHT_METRICS_PORT": str(metrics_port)}
        ended = run("serve", "--port", str(port), "--workers", workers, env=env)
    assert ended.status == 1
    assert (
        f"Metrics can't be served on port {metrics_port} of 127.0.0.1: it is in use."
        in ended.errors
    )


def test_traces_without_their_extra_are_refused_in_a_sentence(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    (tmp_path / "opentelemetry.py").touch()  # found before what is installed, and nothing is in it
    env = environment | {"SLOTWRIGHT_TRACES": "on", "PYTHONPATH": str(tmp_path)}
    ended = run("serve", "--port", str(port), env=env)
    assert ended.status == 1
    assert "install slotwright[otel]" in ended.errors


def test_growing_counts_become_a_counter() -> None:
    before = {event: ANSWERS.labels("test", event)._value.get() for event in ("one", "two")}

    class OfMutation:
        @staticmethod
        def labels(event: str) -> object:
            return ANSWERS.labels("test", event)

    deltas = Deltas(OfMutation)  # type: ignore[arg-type]
    deltas.take({"one": 3, "two": 0})
    deltas.take({"one": 5, "two": 0})
    deltas.take({"one": 5, "two": 1})
    grown = {
        event: ANSWERS.labels("test", event)._value.get() - start for event, start in before.items()
    }
    assert grown == {"one": 5, "two": 1}


def test_an_answer_is_counted_by_its_type() -> None:
    count_answer("test", ValueError())
    assert ANSWERS.labels("test", "ValueError")._value.get() >= 1
