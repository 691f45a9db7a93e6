"""Look ahead for the next free times, in growing stretches of dates."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.core.zones import is_supported_date, local_date, minute_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date, datetime

    from app.core.provider import Calendar

FIRST_STRETCH_DAYS: Final = 7
"""The next free time is usually this close; each further stretch is twice as long, so that a year
takes six steps.
"""
LONGEST_STRETCH_DAYS: Final = 224


class TooMuchToDoError(Exception):
    """There is too much to compute right now; the answer has no place for a refusal."""


def stretches_from(first: date) -> Iterator[tuple[date, date]]:
    """The dates from here on, by the first and the last of each stretch, as far as they are
    supported.
    """
    days = FIRST_STRETCH_DAYS
    while is_supported_date(first):
        last = first + timedelta(days=days - 1)
        while not is_supported_date(last):
            last -= timedelta(days=1)
        yield first, last
        first, days = last + timedelta(days=1), min(days * 2, LONGEST_STRETCH_DAYS)


def last_bookable_date(calendars: Iterable[Calendar], now: datetime) -> date | None:
    """The horizon of the most patient rules, in the provider's zone; None without any calendar."""
    return max(
        (
            local_date(each.hours.time_zone, minute_of(now))
            + timedelta(days=each.rules.max_advance_booking_days)
            for each in calendars
        ),
        default=None,
    )
