"""Which dates a listing may be asked for, and what it depends on of the present."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from app.core.refusals import InvalidDateRange
from app.core.sentences import say
from app.core.zones import is_supported_date, minute_at_or_after, minute_of

if TYPE_CHECKING:
    from datetime import date, datetime

    from app.core.zones import Minute

MOST_DATES: Final = 62
"""Two whole months: what a calendar page shows."""
ZONES_APART: Final = timedelta(days=2)
"""Two zones differ by less: so many more dates of any provider hold the instants of those of any
viewer.
"""


def valid_dates(first: date, last: date) -> InvalidDateRange | None:
    """What is wrong with a range of dates; None where nothing is."""
    if last < first:
        return InvalidDateRange(message=say("The last date is before the first. Swap from and to."))
    if (last - first).days >= MOST_DATES:
        return InvalidDateRange(
            message=say("Ask for at most {count} dates at once.", count=MOST_DATES)
        )
    if not is_supported_date(first) or not is_supported_date(last):
        return InvalidDateRange(
            message=say("These dates are outside the years the calendar supports.")
        )
    return None


class Minutes(NamedTuple):
    """The minutes, both inclusive, in which a list of free times is the same, if nothing changes
    but the time. Counted as notice counts them, by `minute_at_or_after`.
    """

    first: Minute
    last: Minute

    def include(self, now: datetime) -> bool:
        """Whether this instant is one of them."""
        return self.first <= minute_at_or_after(now) <= self.last

    def within(self, others: Minutes) -> Minutes:
        """Those that are in both."""
        return Minutes(max(self.first, others.first), min(self.last, others.last))


def circumstances_of(now: datetime) -> tuple[Minute, Minute]:
    """All that a listing depends on of *now*: notice counts from the next whole minute, the horizon
    from this one's date.

    Where there are holds it depends on their ends too.
    """
    return minute_of(now), minute_at_or_after(now)
