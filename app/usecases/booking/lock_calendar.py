"""Lock and look: the first half of every mutation that takes time. What comes after it decides and
writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.booking import claim_for, dates_to_lock
from app.core.changes import TimeChanged
from app.core.party import Party
from app.core.refusals import NotFound, SlotUnavailable
from app.core.slots import UnbookableReason
from app.core.zones import nearest_supported_date
from app.store.calendars import claims_of_appointment, load_claims, time_zones
from app.store.locks import lock_calendars, share_rules
from app.usecases.listing.list_availability import calendars_around

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.booking import Claims
    from app.core.ids import AppointmentId, OrganizationId, SubjectId
    from app.core.provider import Calendar
    from app.core.slots import Claim
    from app.store.locks import CalendarLock
    from app.store.pool import Transaction
    from app.usecases.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a decision over a visit's time needs to see, and the lock under which it was seen.

    `claims` is what the visit would take; `standing` are all claims that could be in its way, by
    subject; `zones` are those of every subject whose time may change. `now` was read last.
    """

    lead: SubjectId
    calendars: Mapping[SubjectId, Calendar]
    zones: Mapping[SubjectId, str]
    lock: CalendarLock
    claims: Claims
    standing: Mapping[SubjectId, Sequence[Claim]]
    now: datetime

    @property
    def calendar(self) -> Calendar:
        """The lead's: grid, price and policy of the visit are theirs."""
        return self.calendars[self.lead]


async def lock_and_look(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    wanted: Sequence[Party],
    starts_at: datetime,
    *,
    moving: tuple[AppointmentId, Claims] | None = None,
    rules_are_shared: bool = False,
) -> Sight | NotFound | SlotUnavailable:
    """Lock the rules of those wanted (the lead first) and the dates that a visit at this start
    would touch; then look at the claims there.

    With `moving`, the dates of that appointment's claims are locked too, the claims count as free,
    and the providers need not offer the service any more. With `rules_are_shared` the rules' locks
    were taken before.
    """
    own: Claims = {} if moving is None else moving[1]
    if not rules_are_shared:
        await share_rules(tx, organization_id, {*own, *(each for each, _ in wanted)})
    # Outside the supported years nobody keeps hours, but who is asked for must exist all the same.
    around = nearest_supported_date(starts_at.date())
    calendars = await calendars_around(
        tx, organization_id, wanted, around, with_withdrawn=moving is not None
    )
    if isinstance(calendars, NotFound):
        return calendars
    if around != starts_at.date():
        past = starts_at < resources.clock()
        return SlotUnavailable(
            reasons=(UnbookableReason.IN_THE_PAST if past else UnbookableReason.BEYOND_HORIZON,)
        )
    by_subject: dict[SubjectId, Calendar] = {
        calendar.provider.id: calendar for calendar in calendars
    }
    zones = {subject_id: each.hours.time_zone for subject_id, each in by_subject.items()}
    if not own.keys() <= zones.keys():
        zones |= await time_zones(tx, organization_id, own.keys() - zones.keys())
    claims: Claims = {
        subject_id: (claim_for(each.rules, starts_at),) for subject_id, each in by_subject.items()
    }
    lock = await lock_calendars(tx, organization_id, dates_to_lock(zones, claims, own))
    now = resources.clock()
    reach = [each for of_subject in claims.values() for each in of_subject]
    standing = await load_claims(
        tx,
        organization_id,
        list(claims),
        min(each.claimed_from for each in reach),
        # A start between two minutes reaches into the next.
        max(each.claimed_until for each in reach) + 1,
        without=None if moving is None else moving[0],
    )
    return Sight(
        lead=wanted[0][0],
        calendars=by_subject,
        zones=zones,
        lock=lock,
        claims=claims,
        standing=standing,
        now=now,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTime:
    """The time that an appointment has, and the lock under which it was looked at; `now` was read
    last.
    """

    zones: Mapping[SubjectId, str]
    lock: CalendarLock
    claims: Claims
    now: datetime


async def lock_own_time(
    resources: Resources, tx: Transaction, organization_id: OrganizationId, appointment: Appointment
) -> OwnTime:
    """Lock the dates that an appointment's own time touches. Its row is locked already, so nobody
    else changes its claims.
    """
    claims = await claims_of_appointment(tx, organization_id, appointment.id)
    await share_rules(tx, organization_id, claims)
    zones = await time_zones(tx, organization_id, claims)
    lock = await lock_calendars(tx, organization_id, dates_to_lock(zones, claims))
    return OwnTime(zones=zones, lock=lock, claims=claims, now=resources.clock())


def times_changed(
    organization_id: OrganizationId, zones: Mapping[SubjectId, str], *several: Claims
) -> tuple[TimeChanged, ...]:
    """That all of this time was taken or freed."""
    return tuple(
        TimeChanged(
            organization_id=organization_id,
            subject_id=subject_id,
            time_zone=zones[subject_id],
            claimed_from=each.claimed_from,
            claimed_until=each.claimed_until,
        )
        for claims in several
        for subject_id, of_subject in claims.items()
        for each in of_subject
    )
