"""Limits of bookings, in GraphQL."""

from typing import Self

import strawberry

from app.api.words.enums import LimitPeriod
from app.core import limits as core

LIMITS = "At most one for each period; an empty list: no limits. Booked appointments stay."


@strawberry.type(
    description="A limit on visits, or on minutes of visits, in each day, week or month of a "
    "provider's calendar."
)
class BookingLimit:
    """Maps the core's `BookingLimit`."""

    period: LimitPeriod = strawberry.field(description="What it is counted in.")
    max_visits: int | None = strawberry.field(description="How many visits; null: any number.")
    max_minutes: int | None = strawberry.field(
        description="How many minutes of visits, without buffers; null: any number."
    )

    @classmethod
    def of(cls, limit: core.BookingLimit) -> Self:
        """From the core."""
        return cls(period=limit.period, max_visits=limit.max_visits, max_minutes=limit.max_minutes)


@strawberry.input(
    description="A limit on visits, on minutes of visits, or on both, in each period."
)
class BookingLimitInput:
    """Becomes a `BookingLimit`."""

    period: LimitPeriod = strawberry.field(description="What it is counted in.")
    max_visits: int | None = strawberry.field(
        default=None, description="1 to 10,000; null: any number."
    )
    max_minutes: int | None = strawberry.field(
        default=None, description="1 to 44,640; null: any number."
    )

    def to_core(self) -> core.BookingLimit:
        """Unchecked."""
        return core.BookingLimit(
            period=self.period, max_visits=self.max_visits, max_minutes=self.max_minutes
        )
