"""The worker as a process: runs the schedule of `app.jobs`, and survives outages of Redis. It also
delivers events to webhooks, which needs no Redis.

arq's worker ends at the first lost connection. Here it is restarted, with growing pauses, until
SIGTERM or SIGINT; then running jobs may finish. Jobs are sweeps: the next run does what one missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final

import orjson
from arq.connections import ArqRedis
from arq.cron import CronJob
from arq.worker import Worker

from app.jobs.queue import QUEUE, connect, to_json
from app.jobs.schedule import CRON_JOBS
from app.process.garbage import collect_rarely
from app.process.gauges import (
    of_feeds,
    of_messages,
    of_process,
    of_webhooks,
    pulse,
)
from app.process.health import health_key
from app.process.huge_pages import use_huge_pages
from app.process.plain_redis import require_plain_redis
from app.process.wiring import open_resources
from app.redis_client import BROKEN_REDIS, describe
from app.settings import LeaveSettings, Settings
from app.store.migrations import check
from app.telemetry.logs import configure_logs
from app.telemetry.metrics import expect_runs, served
from app.telemetry.tracing import traced
from app.usecases.resources import Resources
from app.usecases.webhooks.deliver_events import deliver_until

HEALTH_SECONDS: Final = 10
"""How often the worker records that it is healthy."""

JOB_TIMEOUT_SECONDS: Final = 300
"""A job that takes longer is cancelled; its next run continues."""

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 5.0
"""Between tries to reach Redis: it is back for up to so long before the jobs are."""

_log: Final = logging.getLogger("slotwright.worker")


async def work(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT. Before that: `MigrationError`, `DatabaseUnavailableError` or
    `RedisError`.
    """
    configure_logs(settings.watch.log_format)
    await require_plain_redis(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    where = settings.watch.metrics_host, settings.watch.metrics_port
    async with open_resources(settings) as resources:
        await check(resources.pool)
        expect_runs(job.name for job in CRON_JOBS)
        collect_rarely()
        use_huge_pages()
        _log.info("the worker runs %d scheduled jobs", len(CRON_JOBS))
        with served(*where), traced("worker", wanted=settings.watch.traces):
            async with pulse(
                [
                    of_process(resources),
                    of_messages(resources),
                    of_webhooks(resources),
                    of_feeds(resources),
                ]
            ):
                grace = settings.leave.grace_seconds - settings.leave.closing_seconds
                await asyncio.gather(
                    supervise(
                        settings.redis_url,
                        CRON_JOBS,
                        context={"resources": resources},
                        stop=stop,
                        leave=settings.leave,
                    ),
                    deliver_until(resources, stop, grace_seconds=grace),
                )
    _log.info("the worker has stopped")


async def supervise(
    redis_url: str,
    cron_jobs: Sequence[CronJob],
    *,
    context: dict[str, Any],
    stop: asyncio.Event,
    leave: LeaveSettings,
) -> None:
    """Keeps one arq worker running until `stop` is set, through outages of Redis; then jobs may
    finish, in time.
    """
    pause = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        redis = connect(redis_url)
        worker = _worker(redis, cron_jobs, context)
        running = asyncio.create_task(worker.async_run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        worker.allow_pick_jobs = False
        failure = await _end(worker, running, leave)
        with contextlib.suppress(*BROKEN_REDIS):
            await redis.aclose()
            await redis.connection_pool.disconnect()
        if stop.is_set():
            return
        if worker.jobs_complete or worker.jobs_failed:
            pause = FIRST_PAUSE_SECONDS
        if isinstance(failure, BROKEN_REDIS):
            _log.warning("Redis is unavailable (%s); retrying in %.1f s", describe(failure), pause)
        else:
            _log.error("the worker failed; restarting it in %.1f s", pause, exc_info=failure)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _worker(redis: ArqRedis, cron_jobs: Sequence[CronJob], context: dict[str, Any]) -> Worker:
    for job in cron_jobs:
        # arq keeps it in the job: a worker that starts again would run what its forerunner missed
        job.next_run = None
    return Worker(
        functions=(),
        cron_jobs=cron_jobs,
        redis_pool=redis,
        queue_name=QUEUE,
        ctx=dict(context),
        on_job_start=_follow_clock,
        handle_signals=False,
        job_timeout=JOB_TIMEOUT_SECONDS,
        keep_result=0,
        health_check_interval=HEALTH_SECONDS,
        health_check_key=health_key(),
        job_serializer=to_json,
        job_deserializer=orjson.loads,
        timezone=UTC,
    )


async def _follow_clock(ctx: dict[Any, Any]) -> None:
    """A job begins at the instant that a test clock reads by now."""
    resources: Resources | None = ctx.get("resources")
    if resources is not None and resources.test_clock is not None:
        await resources.test_clock.follow()


async def _end(
    worker: Worker, running: asyncio.Task[None], leave: LeaveSettings
) -> BaseException | None:
    """Lets running jobs finish, for a while, and returns the worker's exception."""
    failure = running.exception() if running.done() and not running.cancelled() else None
    jobs = [task for task in worker.tasks.values() if not task.done()]
    if jobs:
        await asyncio.wait(jobs, timeout=leave.grace_seconds - leave.closing_seconds)
    for task in (running, *worker.tasks.values()):
        task.cancel()
    with contextlib.suppress(*BROKEN_REDIS):
        # else a Redis that hangs would hold up the end
        async with asyncio.timeout(leave.closing_seconds / 2):
            await asyncio.gather(running, *worker.tasks.values(), return_exceptions=True)
            await worker.pool.delete(worker.health_check_key)
    return failure
