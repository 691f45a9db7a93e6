"""Random services for the law of visits: providers with hours, zones and buffers of their own,
groups of resources with units, claims and holds on all of them, and wishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from app.core.free_days import compute_free_days, compute_resource_days
from app.core.hours import ALWAYS_OPEN, Hours, WeeklyRange
from app.core.ids import ProviderId, ResourceId, ServiceId, SessionId, SubjectId
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
from app.core.overrides import NO_OVERRIDE, Override, RuleSetAside
from app.core.provider import Calendar, Provider, Service
from app.core.resource import Resource, ResourceCalendar
from app.core.rules import ProviderRules, Rules, ServiceRules
from app.core.seating import ActiveSession, SeatsTaken
from app.core.service_starts import SeatedStarts, seated_starts, service_starts
from app.core.slots import Claim, ClaimKind, dates_of_viewer
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
    seats: int = 1
    """How many the party takes."""
    sessions: tuple[ActiveSession, ...] = ()
    override: Override = NO_OVERRIDE

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


def seated(world: World) -> SeatedStarts:
    """The listing of the world's date, with the sessions."""
    found = seated_starts(
        listed(world),
        world.needs,
        world.named,
        {each: candidate.calendar for each, candidate in world.candidates.items()},
        {each: candidate.calendar for each, candidate in world.resources.items()},
        world.now,
        seats=world.seats,
        sessions=world.sessions,
    )
    assert list(found.leads) == sorted(found.leads)
    assert found.joinable.keys() <= found.leads.keys()
    return found


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
            led=[each for each in claims if each.is_visit][: draw(st.integers(0, 6))],
            booked_minutes=draw(st.sampled_from([0, 30, 60])),
            last_assigned_at=draw(
                st.sampled_from([None, now - timedelta(days=1), now - timedelta(hours=1)])
            ),
        )
    return found


@st.composite
def unit_claims(draw: st.DrawFn, day: date, now: datetime, units: int) -> tuple[Claim, ...]:
    """Claims on the units of a resource, and on one that was taken away; and busy times."""
    return tuple(
        claim._replace(unit=draw(st.integers(1, units + 1))) if claim.is_visit else claim
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
def overrides(draw: st.DrawFn, provider_ids: Sequence[ProviderId]) -> Override:
    """Some rules set aside, for everybody or for one of these providers; more often none."""
    if draw(st.booleans()):
        return NO_OVERRIDE
    rules = draw(st.sets(st.sampled_from(RuleSetAside), min_size=1))
    only_of = draw(st.sampled_from([None, None, *sorted(provider_ids)]))
    return Override(rules=frozenset(rules), only_of=only_of)


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


@st.composite
def parties_at(draw: st.DrawFn, now: datetime) -> tuple[SeatsTaken, ...]:
    """Appointments, and holds of which some have expired."""
    expiries = [now + timedelta(microseconds=each) for each in (60_000_000, 1, 0, -60_000_000)]
    party = st.builds(
        SeatsTaken,
        st.sampled_from([1, 1, 2, 3]),
        st.one_of(st.none(), st.sampled_from(expiries)),
    )
    return tuple(draw(st.lists(party, min_size=draw(st.sampled_from([1, 1, 2, 0])), max_size=3)))


def expiry_of(parties: tuple[SeatsTaken, ...]) -> datetime | None:
    """When the claims of a session with these parties expire, as they are stored."""
    expiries = [each.expires_at for each in parties if each.expires_at is not None]
    return max(expiries) if parties and len(expiries) == len(parties) else None


@st.composite
def sessions_in(draw: st.DrawFn, world: World, number: int, start: Minute) -> ActiveSession:
    """A session with some providers and units, as long as visits are, or were once."""
    everybody = draw(st.permutations(list(world.candidates)))
    if draw(st.integers(0, 3)):
        everybody.sort(key=lambda each: each not in world.named)
    providers = everybody[: draw(st.integers(1, 2))]
    if draw(st.integers(0, 19)) == 19:
        providers = [*providers, ProviderId(UUID(int=99))]
    duration = next(iter(world.candidates.values())).calendar.rules.duration_minutes
    end = start + draw(st.sampled_from([duration, duration, 30, 180]))
    parties = draw(parties_at(world.now))
    expires_at = expiry_of(parties)
    kind = ClaimKind.APPOINTMENT if expires_at is None else ClaimKind.HOLD
    buffers = draw(st.sampled_from([(0, 0), (0, 0), (10, 15)]))
    claim = Claim(start - buffers[0], end + buffers[1], start, end, kind, expires_at)
    claims: dict[SubjectId, tuple[Claim, ...]] = dict.fromkeys(providers, (claim,))
    for group in world.needs.groups:
        resource_id = group.resource_ids[0]
        units = world.resources[resource_id].calendar.resource.units
        unit = draw(st.integers(1, units + (draw(st.integers(0, 3)) == 3)))
        claims[resource_id] = (claim._replace(unit=unit),)
    return ActiveSession(
        id=SessionId(UUID(int=500 + number)),
        providers=tuple(providers),
        claims=claims,
        parties=parties,
    )


def overlap(one: Claim, other: Claim) -> bool:
    return (
        one.unit == other.unit
        and one.claimed_from < other.claimed_until
        and other.claimed_from < one.claimed_until
    )


def with_session(world: World, session: ActiveSession) -> World:
    """The world with this session, and without whatever overlaps it; unchanged if another session
    does.
    """

    def overlaps(subject_id: SubjectId, claim: Claim) -> bool:
        return any(overlap(each, claim) for each in session.claims.get(subject_id, ()))

    for other in world.sessions:
        for subject_id, claims in other.claims.items():
            if any(overlaps(subject_id, each) for each in claims):
                return world

    def seen(subject_id: SubjectId, claims: Sequence[Claim]) -> tuple[Claim, ...]:
        left = (each for each in claims if not overlaps(subject_id, each))
        return (*left, *session.claims.get(subject_id, ()))

    candidates = {
        each: replace(
            candidate,
            claims=seen(each, candidate.claims),
            led=tuple(claim for claim in candidate.led if not overlaps(each, claim)),
        )
        for each, candidate in world.candidates.items()
    }
    lead = session.providers[0]
    led = (*candidates[lead].led, *session.claims[lead])
    candidates[lead] = replace(candidates[lead], led=led)
    resources = {
        each: replace(candidate, claims=seen(each, candidate.claims))
        for each, candidate in world.resources.items()
    }
    return replace(
        world, candidates=candidates, resources=resources, sessions=(*world.sessions, session)
    )


@st.composite
def calmed(draw: st.DrawFn, world: World) -> World:
    """The world with little that is in the way of visits, so that seats decide."""
    candidates = dict(world.candidates)
    for each, candidate in candidates.items():
        if draw(st.integers(0, 4)):
            calendar = candidate.calendar
            hours = Hours(time_zone=calendar.hours.time_zone, weekly=ALWAYS_OPEN, exceptions={})
            rules = replace(calendar.rules, min_notice_minutes=0, max_advance_booking_days=60)
            candidates[each] = replace(
                candidate,
                calendar=replace(calendar, hours=hours, rules=rules),
                claims=candidate.claims[:2],
                led=(),
            )
    return replace(world, candidates=candidates, now=world.now - timedelta(days=3))


@st.composite
def seated_worlds(draw: st.DrawFn) -> World:
    """Services with seats, or that had some once, and their sessions."""
    world: World = draw(worlds())
    if draw(st.integers(0, 3)):
        world = draw(calmed(world))
    world = replace(
        world,
        needs=replace(world.needs, seats=draw(st.sampled_from([8, 8, 6, 4, 3, 2, 1]))),
        seats=draw(st.sampled_from([1, 1, 2, 2, 3, 5, 9])),
    )
    on_grid = sorted(listed(world))
    if not on_grid:
        on_grid = [world.begin]
    starts = draw(st.lists(st.sampled_from(on_grid), min_size=1, max_size=2))
    starts += draw(st.lists(st.integers(world.begin, world.end - 1), max_size=1))
    for number in range(draw(st.integers(2, 6))):
        start = draw(st.sampled_from(starts))
        world = with_session(world, draw(sessions_in(world, number, start)))
    return world
