"""The queue between the API and the worker: its name, its connection, and the call that wakes the
worker early.

Jobs are sweeps on a schedule; waking one only brings its next run forward. So nothing is lost while
Redis is unavailable, and nothing waits for it.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import orjson
from arq.connections import ArqRedis

from app.redis_client import BROKEN_REDIS, describe, make_pool
from app.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

QUEUE: Final = "slotwright:jobs"
"""The sorted set of waiting jobs, owned by arq."""

REDIS_TIMEOUT_SECONDS: Final = 5.0
"""For connecting and for each command: a Redis that hangs counts as unavailable."""

WAKE_WINDOW: Final = timedelta(seconds=1)
"""A job is woken at most once per window, no matter how many bookings there are. It runs at the
window's end and sees everything committed before.
"""

_log: Final = logging.getLogger(__name__)


def connect(redis_url: str) -> ArqRedis:
    """The queue's connections; each is made when first used."""
    return ArqRedis(
        make_pool(redis_url, timeout_seconds=REDIS_TIMEOUT_SECONDS),
        job_serializer=to_json,
        job_deserializer=orjson.loads,
        default_queue_name=QUEUE,
    )


def to_json(value: object) -> bytes:
    """Only ids and the like are passed to jobs; what JSON lacks (an exception as a result) becomes
    its text.
    """
    return orjson.dumps(value, default=str)


def wake_job_id(name: str, window: int) -> str:
    """One for each job and window, in all processes: arq drops the second."""
    return f"wake:{name}:{window}"


class Waker:
    """Brings the next run of jobs forward. Calls return at once; `aclose` waits for the tasks that
    they start.
    """

    __slots__ = ("_clock", "_queue", "_tasks", "_window")

    def __init__(self, redis_url: str, *, real_clock: Callable[[], datetime]) -> None:
        self._queue = connect(redis_url)
        self._clock = real_clock
        self._window: dict[str, int] = {}
        self._tasks = Tasks("the queue of jobs")

    def wake(self, names: Sequence[str]) -> None:
        """Make these jobs run at the end of this window. Jobs that are scheduled by then anyway are
        not queued again.
        """
        window = int(self._clock().timestamp() // WAKE_WINDOW.total_seconds())
        asked = [name for name in names if self._window.get(name) != window]
        self._window |= dict.fromkeys(asked, window)
        # One call to Redis at a time: while it hangs, the jobs run on schedule.
        if asked and not self._tasks.count:
            self._tasks.start(self._enqueue(asked, window))

    async def _enqueue(self, names: Sequence[str], window: int) -> None:
        try:
            for name in names:
                await self._queue.enqueue_job(
                    name, _job_id=wake_job_id(name, window), _defer_by=WAKE_WINDOW
                )
        except BROKEN_REDIS as away:
            _log.warning(
                "could not wake the worker (%s); it polls again within a minute",
                describe(away),
            )

    async def aclose(self) -> None:
        """Let running calls finish, for a window at most, and close the connections."""
        await self._tasks.close(grace_seconds=WAKE_WINDOW.total_seconds())
        with contextlib.suppress(*BROKEN_REDIS):
            await self._queue.aclose()
            await self._queue.connection_pool.disconnect()
