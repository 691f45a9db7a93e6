"""Use a hold: while it stands, booking with it always succeeds, whatever became of the rules
meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.booking import claim_for, dates_to_lock, visit_of
from app.core.hours import Hours
from app.core.provider import Calendar
from app.core.refusals import InvalidInput, NotFound
from app.core.rules import rules_in_force
from app.core.sentences import say
from app.core.slots import ClaimKind
from app.store.calendars import claims_of_hold, free_hold_time, time_zones
from app.store.holds import end_hold, hold_for_update
from app.store.locks import lock_calendars, share_rules
from app.store.providers import providers_by_ids
from app.store.services import services_by_ids
from app.usecases.booking.lock_calendar import Sight
from app.usecases.events.record import hold_ended, record_events

if TYPE_CHECKING:
    from app.core.booking import BookingWish, Claims
    from app.core.ids import HoldId, OrganizationId, SubjectId
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources


@dataclass(frozen=True, slots=True)
class HeldTime:
    """The time of a hold that was in force, given back for the booking to take."""

    sight: Sight


async def use_hold(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    wish: BookingWish,
    hold_id: HoldId,
) -> HeldTime | InvalidInput | NotFound | None:
    """End the hold in favour of this booking; None where it does not stand any more."""
    organization_id = viewer.organization_id
    hold = await hold_for_update(tx, organization_id, hold_id)
    if hold is None:
        return NotFound(what="hold")
    if (hold.provider_id, hold.service_id, hold.starts_at) != (
        wish.provider_id,
        wish.service_id,
        wish.starts_at,
    ):
        return InvalidInput(
            field="hold_token", message=say("This hold is for another time. Book what was held.")
        )
    held = await claims_of_hold(tx, organization_id, hold_id)
    if not held or not hold.stands_at(resources.clock()):
        return None
    start, end = visit_of(held)
    if wish.duration_minutes is not None and wish.duration_minutes != end - start:
        return InvalidInput(
            field="duration_minutes", message=say("The time that is held has another length.")
        )
    lead = hold.provider_id
    await share_rules(tx, organization_id, {lead, *held})
    calendar = await _calendar(tx, organization_id, wish)
    zones: dict[SubjectId, str] = {lead: calendar.hours.time_zone}
    if not held.keys() <= zones.keys():
        zones |= await time_zones(tx, organization_id, held.keys() - zones.keys())
    # The dates under the rules in force too: should the hold expire while we wait, the booking goes
    # on without it, and must find all of its locks taken.
    visit_now: Claims = {lead: (claim_for(calendar.rules, hold.starts_at),)}
    lock = await lock_calendars(tx, organization_id, dates_to_lock(zones, held, visit_now))
    now = resources.clock()
    if not hold.stands_at(now):
        return None
    await free_hold_time(tx, organization_id, hold_id)
    await end_hold(tx, organization_id, hold_id, now)
    record_events(resources, tx, organization_id, [hold_ended(hold)], author=viewer.author, now=now)
    claims: Claims = {
        subject_id: tuple(
            each._replace(kind=ClaimKind.APPOINTMENT, expires_at=None) for each in of_subject
        )
        for subject_id, of_subject in held.items()
    }
    sight = Sight(
        lead=lead,
        calendars={lead: calendar},
        zones=zones,
        lock=lock,
        claims=claims,
        standing={},
        now=now,
    )
    return HeldTime(sight)


async def _calendar(
    tx: Transaction, organization_id: OrganizationId, wish: BookingWish
) -> Calendar:
    """Who, and for what: price and policy as they are now. Hours play no part any more, so none are
    read.
    """
    provider = (await providers_by_ids(tx, organization_id, [wish.provider_id]))[wish.provider_id]
    service = None
    if wish.service_id is not None:
        # Looked up by itself: the provider may have stopped offering it since the time was held.
        service = (await services_by_ids(tx, organization_id, [wish.service_id]))[wish.service_id]
    return Calendar(
        provider=provider,
        service=service,
        hours=Hours(time_zone=provider.time_zone, weekly=(), breaks=(), exceptions={}),
        rules=rules_in_force(provider.rules, service.rules if service else None),
    )
