"""Runs of jobs: each is counted once, by its outcome, and timed whatever its outcome."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from prometheus_client import REGISTRY

from app.jobs.schedule import CRON_JOBS
from app.jobs.watched import watched
from app.telemetry.metrics import expect_runs


def told(series: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"slotwright_job_{series}", labels)


async def well(ctx: dict[Any, Any]) -> int:
    return 7


async def badly(ctx: dict[Any, Any]) -> int:
    raise ValueError("robin@example.com")


async def for_ever(ctx: dict[Any, Any]) -> int:
    await asyncio.sleep(3_600)
    return 7


async def test_what_was_done_says_when() -> None:
    assert told("succeeded_timestamp_seconds", name="well") is None
    assert await watched(well, "well")({}) == 7
    assert told("runs_total", name="well", outcome="done") == 1
    assert told("seconds_count", name="well") == 1
    assert time.time() - (told("succeeded_timestamp_seconds", name="well") or 0) < 60


async def test_a_failure_is_recorded_by_its_outcome_alone() -> None:
    with pytest.raises(ValueError, match="robin"):
        await watched(badly, "badly")({})
    assert told("runs_total", name="badly", outcome="failed") == 1
    assert told("seconds_count", name="badly") == 1
    assert told("succeeded_timestamp_seconds", name="badly") is None


async def test_what_takes_too_long_is_cut_off() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watched(for_ever, "for_ever")({}), 0.01)
    assert told("runs_total", name="for_ever", outcome="cut_off") == 1
    assert told("succeeded_timestamp_seconds", name="for_ever") is None


def test_every_job_of_the_schedule_is_there_from_the_start() -> None:
    names = {job.name for job in CRON_JOBS}
    assert {"send_messages", "purge_holds"} <= names
    expect_runs(names)
    for name in names:
        assert told("runs_total", name=name, outcome="failed") == 0
        assert told("seconds_count", name=name) == 0
