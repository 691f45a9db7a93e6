"""Lock and look: the first half of every mutation that takes time. What comes after it decides and
writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.booking import claim_for, dates_to_lock
from app.core.changes import TimeChanged
from app.core.refusals import NotFound, SlotUnavailable
from app.core.slots import UnbookableReason
from app.core.zones import nearest_supported_date
from app.store.calendars import claim_of_appointment, load_claims
from app.store.locks import lock_calendar, share_rules
from app.store.providers import providers_by_ids
from app.usecases.listing.list_availability import load_calendar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.core.appointment import Appointment
    from app.core.ids import AppointmentId, OrganizationId
    from app.core.provider import Calendar, Provider
    from app.core.slots import Claim
    from app.store.calendars import Wanted
    from app.store.locks import CalendarLock
    from app.store.pool import Transaction
    from app.usecases.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a decision over a time needs to see, and the lock under which it was seen.

    `claim` is what the visit would take, `standing` are the claims that could be in its way, `now`
    was read last.
    """

    calendar: Calendar
    lock: CalendarLock
    claim: Claim
    standing: Sequence[Claim]
    now: datetime


async def lock_and_look(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    wanted: Wanted,
    starts_at: datetime,
    *,
    moving: tuple[AppointmentId, Claim] | None = None,
    rules_are_shared: bool = False,
) -> Sight | NotFound | SlotUnavailable:
    """Lock the provider's rules and the dates that a visit at this start would touch, then look at
    what stands there.

    With `moving`, the dates of that appointment's claim are locked too, the claim counts as free,
    and the provider need not offer the service any more. With `rules_are_shared` the rules' lock
    was taken before.
    """
    if not rules_are_shared:
        await share_rules(tx, organization_id, wanted[0])
    # Outside the supported years nobody keeps hours, but who is asked for must exist all the same.
    around = nearest_supported_date(starts_at.date())
    calendar = await load_calendar(
        tx, organization_id, wanted, around, with_withdrawn=moving is not None
    )
    if isinstance(calendar, NotFound):
        return calendar
    if around != starts_at.date():
        past = starts_at < resources.clock()
        return SlotUnavailable(
            reasons=(UnbookableReason.IN_THE_PAST if past else UnbookableReason.BEYOND_HORIZON,)
        )
    claim = claim_for(calendar.rules, starts_at)
    dates = {*dates_to_lock(calendar.provider, claim)}
    if moving is not None:
        dates |= {*dates_to_lock(calendar.provider, moving[1])}
    lock = await lock_calendar(tx, organization_id, wanted[0], dates)
    now = resources.clock()
    claims = await load_claims(
        tx,
        organization_id,
        [wanted[0]],
        claim.claimed_from,
        claim.claimed_until + 1,  # a start between two minutes reaches into the next
        without=None if moving is None else moving[0],
    )
    return Sight(calendar=calendar, lock=lock, claim=claim, standing=claims[wanted[0]], now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTime:
    """The time that an appointment has, and the lock under which it was looked at; `now` was read
    last.
    """

    provider: Provider
    lock: CalendarLock
    claim: Claim
    now: datetime


async def lock_own_time(
    resources: Resources, tx: Transaction, organization_id: OrganizationId, appointment: Appointment
) -> OwnTime:
    """Lock the dates that an appointment's own time touches. The appointment is locked already, and
    not cancelled.
    """
    provider_id = appointment.provider_id
    await share_rules(tx, organization_id, provider_id)
    provider = (await providers_by_ids(tx, organization_id, [provider_id]))[provider_id]
    claim = await claim_of_appointment(tx, organization_id, appointment.id)
    lock = await lock_calendar(tx, organization_id, provider_id, dates_to_lock(provider, claim))
    return OwnTime(provider=provider, lock=lock, claim=claim, now=resources.clock())


def time_changed(organization_id: OrganizationId, provider: Provider, claim: Claim) -> TimeChanged:
    """That this time of the provider was taken or freed."""
    return TimeChanged(
        organization_id=organization_id,
        provider_id=provider.id,
        time_zone=provider.time_zone,
        claimed_from=claim.claimed_from,
        claimed_until=claim.claimed_until,
    )
