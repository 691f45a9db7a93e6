"""The decision about a booking: by the same function as listings; the claim that it takes, and the
locks that protect it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.booking import (
    accept,
    booked_minutes,
    claim_for,
    dates_to_lock,
    price_of_seats,
    week_around,
)
from app.core.hours import Hours, WeeklyRange
from app.core.ids import ProviderId, ServiceId
from app.core.money import CancellationPolicy, LateCancellation, Money
from app.core.provider import Calendar, Provider, Service
from app.core.refusals import InvalidInput, SlotUnavailable
from app.core.rules import ProviderRules, Rules, ServiceRules, rules_in_force
from app.core.slots import Claim, ClaimKind, UnbookableReason, explain
from app.core.visits import Candidate, refuse_time
from app.core.zones import instant_of, minute_of

NOW: Final = datetime(2026, 1, 12, 8, tzinfo=UTC)
TEN: Final = datetime(2026, 1, 13, 10, tzinfo=UTC)

ADA: Final = Provider(
    id=ProviderId(UUID(int=1)),
    subject="ada",
    name="Ada",
    email=None,
    phone=None,
    time_zone="UTC",
    rules=ProviderRules(service_duration_minutes=60, buffer_minutes=15),
    cancellation_policy=CancellationPolicy(free_until_minutes_before=60),
)
CUT: Final = Service(
    id=ServiceId(UUID(int=2)),
    name="Cut",
    rules=ServiceRules(duration_minutes=30, buffer_before_minutes=10),
    price=Money(amount_minor=5_000, currency="EUR"),
    cancellation_policy=CancellationPolicy(
        free_until_minutes_before=120, late_cancellation=LateCancellation.FEE, late_fee_percent=50
    ),
)
EVERY_DAY: Final = tuple(WeeklyRange(day, 9 * 60, 17 * 60) for day in range(7))
NINE: Final = TEN - timedelta(hours=1)


def a_calendar(service: Service | None = None, provider: Provider = ADA) -> Calendar:
    return Calendar(
        provider=provider,
        service=service,
        hours=Hours(time_zone=provider.time_zone, weekly=EVERY_DAY, exceptions={}),
        rules=rules_in_force(provider.rules, service.rules if service else None),
    )


def test_a_claim_is_the_visit_with_its_buffers_around_it() -> None:
    """Nothing is before a visit unless a service says so; after it comes the service's buffer, or
    the provider's.
    """
    nine = minute_of(NINE)
    assert claim_for(a_calendar().rules, NINE)[:4] == (nine, nine + 75, nine, nine + 60)
    assert claim_for(a_calendar(CUT).rules, NINE)[:4] == (
        nine - 10,
        nine + 45,
        nine,
        nine + 30,
    )


def test_price_and_policy_come_from_the_service_or_from_the_provider() -> None:
    for calendar, price, policy in (
        (a_calendar(), None, ADA.cancellation_policy),
        (a_calendar(CUT), CUT.price, CUT.cancellation_policy),
        (a_calendar(replace(CUT, cancellation_policy=None)), CUT.price, ADA.cancellation_policy),
    ):
        answer = accept(calendar, {ADA.id: (claim_for(calendar.rules, NINE),)})
        assert (answer.price, answer.cancellation_policy) == (price, policy)
        assert (answer.starts_at, answer.ends_at - answer.starts_at) == (
            NINE,
            timedelta(minutes=calendar.rules.duration_minutes),
        )


@pytest.mark.parametrize("seats", [1, 3, 1000])
def test_the_price_is_per_seat_and_stays_so_when_a_party_gets_larger_or_smaller(seats: int) -> None:
    assert CUT.price is not None
    calendar = a_calendar(CUT)
    booked = accept(calendar, {ADA.id: (claim_for(calendar.rules, NINE),)}, seats).price
    assert booked == replace(CUT.price, amount_minor=CUT.price.amount_minor * seats)
    for others in (1, 2, 999):
        moved = price_of_seats(booked, others, paid_for=seats)
        assert moved == replace(CUT.price, amount_minor=CUT.price.amount_minor * others)
    assert accept(a_calendar(), {ADA.id: (claim_for(calendar.rules, NINE),)}, seats).price is None


def test_a_page_that_shows_an_old_duration_books_nothing() -> None:
    assert refuse_time(Candidate(calendar=a_calendar()), NINE, 60, NOW) is None
    refused = refuse_time(Candidate(calendar=a_calendar()), NINE, 45, NOW)
    assert isinstance(refused, InvalidInput)
    assert refused.field == "duration_minutes"


@given(
    minutes=st.integers(-26 * 60, 30 * 60),
    seconds=st.sampled_from([0, 0, 0, 1]),
    claims=st.lists(
        st.tuples(st.integers(0, 600), st.integers(1, 120), st.integers(0, 30)), max_size=3
    ),
)
def test_booking_decides_as_the_listing_explains(
    minutes: int, seconds: int, claims: list[tuple[int, int, int]]
) -> None:
    """Accepted if and only if there is no reason against it; refused with all reasons."""
    nine = minute_of(NINE)
    existing = [
        Claim(nine + at - gap, nine + at + length + gap, nine + at, nine + at + length)
        for at, length, gap in claims
    ]
    start = NINE + timedelta(minutes=minutes, seconds=seconds)
    calendar = a_calendar()
    reasons = explain(calendar.hours, calendar.rules, existing, start, NOW)
    answer = refuse_time(Candidate(calendar=calendar, claims=existing), start, None, NOW)
    if reasons:
        assert answer == SlotUnavailable(reasons=reasons)
        assert list(reasons) == [reason for reason in UnbookableReason if reason in reasons]
    else:
        assert answer is None
        taken = claim_for(calendar.rules, start)
        assert all(
            claim.claimed_until <= taken.claimed_from or taken.claimed_until <= claim.claimed_from
            for claim in existing
        )


def test_the_least_busy_is_so_in_the_week_of_their_own_calendar() -> None:
    """In Auckland Monday begins while it is Sunday noon in UTC. Visits count by their starts,
    without buffers; a hold counts until it expires.
    """
    auckland = "Pacific/Auckland"
    monday = datetime(2026, 1, 11, 11, tzinfo=UTC)
    week = timedelta(days=7)
    for start in (monday, monday + week - timedelta(minutes=1)):
        assert week_around(auckland, start) == ((minute_of(monday), minute_of(monday + week)),)
    at = minute_of(monday)

    def visit(start: int, minutes: int) -> Claim:
        return Claim(start - 10, start + minutes + 10, start, start + minutes)

    held = visit(at + 500, 30)._replace(kind=ClaimKind.HOLD, expires_at=NOW + timedelta(minutes=10))
    visits = (visit(at - 1, 60), visit(at, 45), visit(at + 10_079, 20), visit(at + 10_080, 60))
    assert booked_minutes(auckland, visits, monday, NOW) == 65
    assert booked_minutes(auckland, (*visits, held), monday, NOW) == 95
    assert booked_minutes(auckland, (held,), monday, NOW + timedelta(minutes=10)) == 0


def test_a_week_in_which_the_clock_is_turned_back_is_an_hour_longer() -> None:
    ((begin, end),) = week_around("Europe/Berlin", datetime(2026, 10, 25, 12, tzinfo=UTC))
    assert end - begin == (7 * 24 + 1) * 60


ZONES: Final = (
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Europe/Berlin",
    "Africa/Monrovia",
)
RULES: Final = st.builds(
    Rules,
    duration_minutes=st.integers(1, 1_440),
    buffer_before_minutes=st.integers(0, 1_440),
    buffer_after_minutes=st.integers(0, 1_440),
)


@given(
    zone=st.sampled_from(ZONES),
    start=st.integers(
        minute_of(datetime(2011, 12, 25, tzinfo=UTC)), minute_of(datetime(2037, 1, 1, tzinfo=UTC))
    ).map(instant_of),
    apart=st.integers(-3_000, 3_000),
    one=RULES,
    other=RULES,
)
def test_two_claims_that_overlap_are_written_under_a_common_lock(
    zone: str, start: datetime, apart: int, one: Rules, other: Rules
) -> None:
    """Locked by the dates that a claim touches, so bookings that could collide wait; also where a zone
    left a date out.
    """
    first, second = claim_for(one, start), claim_for(other, start + timedelta(minutes=apart))
    overlap = (
        first.claimed_from < second.claimed_until and second.claimed_from < first.claimed_until
    )
    dates = [dates_to_lock({ADA.id: zone}, {ADA.id: (claim,)})[ADA.id] for claim in (first, second)]
    assert not overlap or dates[0] & dates[1]
    assert all(1 <= len(locked) <= 5 for locked in dates)
    both = dates_to_lock({ADA.id: zone}, {ADA.id: (first,)}, {ADA.id: (second,)})
    assert both == {ADA.id: dates[0] | dates[1]}
