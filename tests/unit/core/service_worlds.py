"""Random services for the law of visits: providers with hours, zones and buffers of their own,
groups of resources with units, claims and holds on all of them, and wishes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from app.core.free_days import compute_free_days, compute_resource_days
from app.core.hours import ALWAYS_OPEN, Hours, WeeklyRange
from app.core.ids import ProviderId, ResourceId, ServiceId
from app.core.limits import (
    BookingLimit,
    FullDates,
    LimitPeriod,
    dates_that_count,
    full_dates,
    loads,
)
from app.core.money import CancellationPolicy
from app.core.needs import Assignment, Needs, ResourceGroup
from app.core.provider import Calendar, Provider, Service
from app.core.resource import Resource, ResourceCalendar
from app.core.rules import ProviderRules, Rules, ServiceRules
from app.core.service_starts import service_starts
from app.core.slots import Claim, dates_of_viewer
from app.core.visits import Candidate, ResourceCandidate
from app.core.zones import Minute, dates_between
from tests.unit.core.worlds import claims_around, dates_in, hours_around, some_rules, zones

BUSY_HOURS = tuple(
    WeeklyRange(weekday, start, end) for weekday in range(7) for start, end in ((0, 660), (720, 0))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A service on some dates, and a wish."""

    needs: Needs
    named: tuple[ProviderId, ...]
    candidates: Mapping[ProviderId, Candidate]
    resources: Mapping[ResourceId, ResourceCandidate]
    day: date
    now: datetime

    @property
    def begin(self) -> int:
        """The minute from which on starts are asked for: windows that began 48 hours before it are
        walked whole.
        """
        return (self.day - date(1970, 1, 1)).days * 1440 + 120

    @property
    def end(self) -> int:
        """The minute up to which they are."""
        return self.begin + 1320


def listed(world: World) -> dict[Minute, tuple[ProviderId, ...]]:
    """The listing of the world's date in UTC, from free days as the caches keep them."""
    providers = {
        each: (
            candidate.calendar,
            compute_free_days(
                candidate.calendar.hours,
                candidate.calendar.rules,
                candidate.claims,
                *_dates_of(candidate.calendar.hours, world.day),
            ),
        )
        for each, candidate in world.candidates.items()
    }
    shapes = {candidate.calendar.rules.shape for candidate in world.candidates.values()}
    resources = {
        (each, shape): compute_resource_days(
            candidate.calendar.hours,
            shape,
            candidate.calendar.resource.units,
            candidate.claims,
            *_dates_of(candidate.calendar.hours, world.day),
        )
        for each, candidate in world.resources.items()
        for shape in shapes
    }
    full = {each: _full_dates(candidate, world) for each, candidate in world.candidates.items()}
    starts = service_starts(world.needs, world.named, providers, resources, world.now, full)
    assert list(starts) == sorted(starts)
    return {start: leads for start, leads in starts.items() if world.begin <= start < world.end}


def _full_dates(candidate: Candidate, world: World) -> FullDates:
    calendar = candidate.calendar
    zone = calendar.hours.time_zone
    dates = dates_between(*_dates_of(calendar.hours, world.day))
    assert calendar.service is not None
    return FullDates(
        *(
            full_dates(
                limits,
                loads(zone, claims, *dates_that_count(limits, dates[0], dates[-1])),
                calendar.rules.duration_minutes,
                dates,
                world.now,
            )
            for limits, claims in (
                (calendar.provider.limits, candidate.claims),
                (calendar.service.limits, candidate.led),
            )
        )
    )


def _dates_of(hours: Hours, day: date) -> tuple[date, date]:
    asked = dates_of_viewer(hours.time_zone, "UTC", day, day)
    return asked.first, asked.last


def a_calendar(
    provider_id: ProviderId,
    hours: Hours,
    rules: Rules,
    *,
    limits: tuple[BookingLimit, ...] = (),
    limits_of_service: tuple[BookingLimit, ...] = (),
) -> Calendar:
    provider = Provider(
        id=provider_id,
        subject=str(provider_id),
        name="Ada",
        email=None,
        phone=None,
        time_zone=hours.time_zone,
        rules=ProviderRules(service_duration_minutes=rules.duration_minutes),
        cancellation_policy=CancellationPolicy(free_until_minutes_before=0),
        limits=limits,
    )
    service = Service(
        id=ServiceId(UUID(int=1000)),
        name="Cut",
        rules=ServiceRules(duration_minutes=rules.duration_minutes),
        price=None,
        cancellation_policy=None,
        limits=limits_of_service,
    )
    return Calendar(provider=provider, service=service, hours=hours, rules=rules)


def a_resource(resource_id: ResourceId, hours: Hours, units: int = 1) -> ResourceCalendar:
    resource = Resource(
        id=resource_id, name="Room", kind="room", time_zone=hours.time_zone, units=units
    )
    return ResourceCalendar(resource=resource, hours=hours)


some_limits = st.one_of(
    st.just(()),
    st.just(()),
    st.lists(
        st.one_of(
            st.builds(
                BookingLimit,
                period=st.sampled_from(LimitPeriod),
                max_visits=st.integers(1, 5),
                max_minutes=st.sampled_from([None, 60, 400]),
            ),
            st.builds(
                BookingLimit,
                period=st.sampled_from(LimitPeriod),
                max_minutes=st.sampled_from([30, 60, 120, 400]),
            ),
        ),
        min_size=1,
        max_size=2,
    ).map(tuple),
)


@st.composite
def some_hours(draw: st.DrawFn, day: date) -> Hours:
    """Often nearly always open, so that several subjects are open together."""
    zone = draw(zones)
    weekly = draw(st.sampled_from([None, BUSY_HOURS, ALWAYS_OPEN]))
    if weekly is None:
        return draw(hours_around(zone, day))
    return Hours(time_zone=zone, weekly=weekly, exceptions={})


@st.composite
def candidates_on(draw: st.DrawFn, day: date, now: datetime) -> dict[ProviderId, Candidate]:
    common = draw(some_rules())
    duration = min(common.duration_minutes, 240)
    limits_of_service = draw(some_limits)
    found = {}
    for number in range(draw(st.integers(1, 4))):
        provider_id = ProviderId(UUID(int=number + 1))
        rules = replace(draw(st.one_of(st.just(common), some_rules())), duration_minutes=duration)
        if draw(st.integers(0, 2)):
            rules = replace(rules, min_notice_minutes=0, max_advance_booking_days=60)
        claims = draw(claims_around(day, now))
        found[provider_id] = Candidate(
            calendar=a_calendar(
                provider_id,
                draw(some_hours(day)),
                rules,
                limits=draw(some_limits),
                limits_of_service=limits_of_service,
            ),
            claims=claims,
            led=claims[: draw(st.integers(0, 6))],
            booked_minutes=draw(st.sampled_from([0, 30, 60])),
            last_assigned_at=draw(
                st.sampled_from([None, now - timedelta(days=1), now - timedelta(hours=1)])
            ),
        )
    return found


@st.composite
def unit_claims(draw: st.DrawFn, day: date, now: datetime, units: int) -> tuple[Claim, ...]:
    """Claims on the units of a resource, and on one that was taken away."""
    return tuple(
        claim._replace(unit=draw(st.integers(1, units + 1)))
        for claim in draw(claims_around(day, now))
    )


@st.composite
def groups_on(
    draw: st.DrawFn, day: date, now: datetime
) -> tuple[tuple[ResourceGroup, ...], dict[ResourceId, ResourceCandidate]]:
    resources: dict[ResourceId, ResourceCandidate] = {}
    groups = []
    for place in range(draw(st.integers(0, 2))):
        members = []
        for number in range(draw(st.integers(1, 3))):
            resource_id = ResourceId(UUID(int=100 + 10 * place + number))
            units = draw(st.integers(1, 3))
            hours = (
                draw(some_hours(day))
                if draw(st.integers(0, 3)) == 0
                else Hours(time_zone=draw(zones), weekly=ALWAYS_OPEN, exceptions={})
            )
            resources[resource_id] = ResourceCandidate(
                calendar=a_resource(resource_id, hours, units),
                claims=draw(unit_claims(day, now, units)),
            )
            members.append(resource_id)
        groups.append(
            ResourceGroup(
                name=f"group {place}",
                count=draw(st.integers(1, 3)),
                resource_ids=tuple(draw(st.permutations(members))),
            )
        )
    return tuple(groups), resources


@st.composite
def worlds(draw: st.DrawFn) -> World:
    day = draw(dates_in(draw(zones)))
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    now = midnight + timedelta(
        microseconds=draw(st.integers(-3 * 86_400_000_000, 86_400_000_000 // 2))
    )
    candidates = draw(candidates_on(day, now))
    groups, resources = draw(groups_on(day, now))
    order = tuple(draw(st.permutations(list(candidates))))
    needs = Needs(
        provider_ids=order,
        providers_needed=draw(st.sampled_from([None, 1, 1, 2, 2, 3, 4])),
        assignment=draw(st.sampled_from(Assignment)),
        groups=groups,
    )
    most = min(needs.how_many, len(order))
    named = draw(st.permutations(order))[: draw(st.sampled_from([0, 0, 1, most]))]
    return World(
        needs=needs,
        named=tuple(named),
        candidates=candidates,
        resources=resources,
        day=day,
        now=now,
    )
