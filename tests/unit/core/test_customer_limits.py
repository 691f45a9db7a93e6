"""What one customer may have, by known examples and compared with counting minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.customer_limits import (
    CustomerLimits,
    CustomerVisit,
    limits_of_booking,
    limits_of_move,
    refuse_customer,
)
from app.core.ids import ServiceId
from app.core.provider import Service
from app.core.rules import ServiceRules
from app.core.slots import UnbookableReason

NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
CUT, COLOUR = (ServiceId(UUID(int=number)) for number in (1, 2))
FULL, BUSY = UnbookableReason.LIMIT_REACHED, UnbookableReason.CUSTOMER_BUSY


def a_visit(starts: int, ends: int, service_id: ServiceId | None = CUT) -> CustomerVisit:
    """From so many minutes after noon, to so many."""
    return CustomerVisit(
        service_id, NOON + timedelta(minutes=starts), NOON + timedelta(minutes=ends)
    )


visits = st.builds(
    lambda start, length, service_id: a_visit(start, start + length, service_id),
    st.integers(-120, 120),
    st.integers(1, 90),
    st.sampled_from([CUT, COLOUR, None]),
)


def minutes_of(visit: CustomerVisit) -> set[datetime]:
    length = (visit.ends_at - visit.starts_at) // timedelta(minutes=1)
    return {visit.starts_at + timedelta(minutes=minute) for minute in range(length)}


@given(
    limits=st.builds(
        CustomerLimits,
        max_open=st.none() | st.integers(1, 3),
        allows_overlap=st.booleans(),
    ),
    others=st.lists(visits, max_size=5),
    visit=visits,
    now=st.integers(-90, 90).map(lambda minute: NOON + timedelta(minutes=minute)),
)
def test_a_customer_is_refused_by_minutes_in_common_and_by_the_number_of_open_bookings(
    limits: CustomerLimits, others: list[CustomerVisit], visit: CustomerVisit, now: datetime
) -> None:
    """Busy: a minute of the visit is one of another. Full: with this one, more bookings of the
    service are not over than are allowed.
    """
    expected = []
    still_open = [each for each in [*others, visit] if each.service_id == visit.service_id]
    still_open = [each for each in still_open if each.ends_at > now or each is visit]
    if limits.max_open is not None and len(still_open) > limits.max_open:
        expected.append(FULL)
    if not limits.allows_overlap and any(minutes_of(visit) & minutes_of(each) for each in others):
        expected.append(BUSY)
    assert refuse_customer(limits, others, visit, now) == tuple(expected)
    if not limits.are_in_force:
        assert expected == []


@pytest.mark.parametrize(
    ("starts", "ends", "expected"),
    [(0, 60, (BUSY,)), (30, 40, (BUSY,)), (-30, 1, (BUSY,)), (60, 90, ()), (-30, 0, ())],
)
def test_visits_that_touch_do_not_overlap(
    starts: int, ends: int, expected: tuple[UnbookableReason, ...]
) -> None:
    limits = CustomerLimits(allows_overlap=False)
    assert refuse_customer(limits, [a_visit(0, 60)], a_visit(starts, ends), NOON) == expected


def test_a_booking_is_limited_by_its_service_and_a_move_only_by_a_new_time() -> None:
    service = Service(
        id=CUT,
        name="Cut",
        rules=ServiceRules(
            duration_minutes=30,
            buffer_before_minutes=0,
            buffer_after_minutes=None,
            slot_interval_minutes=None,
            min_notice_minutes=None,
            max_advance_booking_days=None,
        ),
        price=None,
        cancellation_policy=None,
        max_open_per_customer=2,
    )
    assert limits_of_booking(service, allows_overlap=True) == CustomerLimits(max_open=2)
    assert not limits_of_booking(None, allows_overlap=True).are_in_force
    strict = CustomerLimits(allows_overlap=False)
    assert limits_of_booking(None, allows_overlap=False) == strict
    before = a_visit(0, 60)
    assert not limits_of_move(before, before, allows_overlap=False).are_in_force
    for after in (a_visit(1, 61), a_visit(0, 61)):
        assert limits_of_move(before, after, allows_overlap=False) == strict
        assert not limits_of_move(before, after, allows_overlap=True).are_in_force
