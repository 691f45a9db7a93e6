"""Limits, as stored with the provider or service that has them: six numbers, see the migration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.limits import BookingLimit, LimitPeriod

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def limits_from(numbers: Sequence[int | None] | None) -> tuple[BookingLimit, ...]:
    """Limits from their column, the shortest period first."""
    if numbers is None:
        return ()
    count = len(LimitPeriod)
    return tuple(
        BookingLimit(period=period, max_visits=visits, max_minutes=minutes)
        for period, visits, minutes in zip(
            LimitPeriod, numbers[:count], numbers[count:], strict=True
        )
        if visits is not None or minutes is not None
    )


def limits_column(limits: Iterable[BookingLimit]) -> list[int | None] | None:
    """The column for limits, at most one for each period."""
    by_period = {limit.period: limit for limit in limits}
    if not by_period:
        return None
    found = [by_period.get(period) for period in LimitPeriod]
    return [None if each is None else each.max_visits for each in found] + [
        None if each is None else each.max_minutes for each in found
    ]
