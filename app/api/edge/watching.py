"""The watch of the API: counts every operation, throttles callers if configured, and logs slow
operations.

A log line has the schema's names of the operation and its request id; never its content or its
caller.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Final

from app.api.transport import Watch
from app.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from app.api.edge.throttle import Throttle
    from app.api.transport import Done
    from app.core.viewer import Viewer

SLOW_SECONDS: Final = 1.0
"""Operations that take this long are always logged."""

_log: Final = logging.getLogger("slotwright.operations")


# Looked up once: the library checks and locks each time, which would be 4 % of a cached answer.
# There are as many as labels.
_count: Final = cache(metrics.OPERATIONS.labels)
_seconds: Final = cache(metrics.OPERATION_SECONDS.labels)


def watch_with(throttle: Callable[[], Throttle | None], *, logs_all: bool) -> Watch[Viewer]:
    """The watch of the API. `throttle` is called each time, as it exists only once connected."""

    def knock(viewer: Viewer) -> None:
        if (found := throttle()) is not None:
            found.knock(viewer)

    def charge(viewer: Viewer, cost: int, fields: tuple[str, ...], seconds: float) -> None:
        if (found := throttle()) is not None:
            found.charge(viewer, cost, fields, seconds)

    def turn(viewer: Viewer) -> AbstractAsyncContextManager[bool | None]:
        return nullcontext() if (found := throttle()) is None else found.turn(viewer)

    def place(viewer: Viewer) -> AbstractAsyncContextManager[None]:
        return nullcontext() if (found := throttle()) is None else found.place(viewer)

    def done(what: Done) -> None:
        name = what.name
        _count(name, what.transport, what.outcome).inc()
        if what.seconds is not None:
            _seconds(name).observe(what.seconds)
        slow = what.seconds is not None and what.seconds > SLOW_SECONDS
        if slow or logs_all:
            milliseconds = None if what.seconds is None else round(what.seconds * 1000, 1)
            said = {
                "operation": name,
                "transport": what.transport,
                "outcome": what.outcome,
                "milliseconds": milliseconds,
            }
            _log.info("slow operation %s" if slow else "operation %s", name, extra=said)

    return Watch(knock=knock, charge=charge, turn=turn, place=place, done=done)
