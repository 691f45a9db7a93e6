"""Use a hold: until it expires, booking with it always succeeds, even if the rules have changed
meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.booking import Wanted, dates_to_lock, limits_to_lock, visit_of
from app.core.hours import Hours
from app.core.provider import Calendar
from app.core.refusals import InvalidInput, NotAllowed, NotFound
from app.core.rules import rules_in_force
from app.core.sentences import say
from app.core.slots import ClaimKind
from app.store.calendars import free_hold_time, time_zones
from app.store.holds import end_hold, hold_by_id, hold_for_update
from app.store.locks import lock_calendars, share_rules
from app.store.providers import providers_by_ids
from app.store.services import services_by_ids
from app.store.sessions import session_for_update
from app.usecases.booking.lock_calendar import (
    NOT_THEIR_CALENDAR,
    Retry,
    Sight,
    claims_taken_by,
)
from app.usecases.events.record import hold_ended, record_events

if TYPE_CHECKING:
    from app.core.booking import BookingWish, Claims
    from app.core.hold import Hold
    from app.core.ids import HoldId, OrganizationId, ProviderId, ServiceId, SubjectId
    from app.core.seating import ActiveSession
    from app.core.viewer import Viewer
    from app.store.pool import Transaction
    from app.usecases.resources import Resources


@dataclass(frozen=True, slots=True)
class HeldTime:
    """The time of a hold that was in force, given back for the booking to take."""

    sight: Sight
    service_id: ServiceId | None


async def use_hold(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    wish: BookingWish,
    hold_id: HoldId,
) -> HeldTime | Wanted | InvalidInput | NotAllowed | NotFound | Retry:
    """End the hold in favour of this booking; where it is not in force any more, what it was for.
    What was set aside for the hold is set aside for the booking, as long as it is in force.

    Providers, service and seats may be left out; those that are given must be those that are held.
    """
    organization_id = viewer.organization_id
    hold = await hold_for_update(tx, organization_id, hold_id)
    if hold is None:
        return NotFound(what="hold")
    named, service_id = wish.wanted.named, wish.wanted.service_id
    if (
        hold.providers[: len(named)] != named
        or service_id not in {None, hold.service_id}
        or hold.starts_at != wish.starts_at
    ):
        return InvalidInput(
            field="hold_token", message=say("This hold is for another time. Book what was held.")
        )
    if wish.seats not in {None, hold.seats}:
        return InvalidInput(
            field="seats", message=say("Another number of seats is held. Book what was held.")
        )
    if not viewer.may_take(hold.providers):
        return NotAllowed(message=NOT_THEIR_CALENDAR)
    wanted = _wanted(hold)._replace(override=wish.wanted.override)
    held = await claims_taken_by(tx, organization_id, hold)
    if not held or not hold.is_active_at(resources.clock()):
        return wanted
    start, end = visit_of(held)
    if wish.duration_minutes is not None and wish.duration_minutes != end - start:
        return InvalidInput(
            field="duration_minutes", message=say("The time that is held has another length.")
        )
    await share_rules(tx, organization_id, held)
    calendars = await _calendars(tx, organization_id, hold)
    calendar = calendars[hold.provider_id]
    zones = await _zones(tx, organization_id, calendar, held)
    lock = await lock_calendars(
        tx,
        organization_id,
        dates_to_lock(zones, held),
        # A concurrent count of the same period has seen the hold in force, or sees it used.
        limits_to_lock(calendars.values(), held),
    )
    now = resources.clock()
    if not hold.is_active_at(now):
        return Retry.OVERTAKEN
    session: ActiveSession | None = None
    if hold.session_id is None:
        await free_hold_time(tx, organization_id, hold_id)
    else:
        session = await session_for_update(tx, organization_id, hold.session_id)
        if session is None:
            return Retry.OVERTAKEN
    await end_hold(tx, organization_id, hold_id, now)
    record_events(resources, tx, organization_id, [hold_ended(hold)], author=viewer.author, now=now)
    taken: tuple[SubjectId, ...] = (*hold.providers, *hold.resources)
    claims: Claims = {
        subject_id: tuple(
            each._replace(kind=ClaimKind.APPOINTMENT, expires_at=None) for each in held[subject_id]
        )
        for subject_id in taken
    }
    sight = Sight(
        lead=hold.provider_id,
        providers=hold.providers,
        named=hold.named,
        calendars={hold.provider_id: calendar},
        zones=zones,
        lock=lock,
        claims=claims,
        existing={},
        now=now,
        seats=hold.seats,
        session_id=hold.session_id,
        joins=session,
        held=hold.id,
        ignored=hold.ignored,
    )
    return HeldTime(sight, hold.service_id)


async def wanted_by_hold(
    resources: Resources, organization_id: OrganizationId, hold_id: HoldId
) -> Wanted | None:
    """What a hold was made for; None where it is gone."""
    hold = await hold_by_id(resources.pool, organization_id, hold_id)
    return None if hold is None else _wanted(hold)


def _wanted(hold: Hold) -> Wanted:
    return Wanted(hold.providers[: hold.named], hold.service_id, hold.seats)


async def _zones(
    tx: Transaction, organization_id: OrganizationId, lead: Calendar, held: Claims
) -> dict[SubjectId, str]:
    zones: dict[SubjectId, str] = {lead.provider.id: lead.hours.time_zone}
    if not held.keys() <= zones.keys():
        zones |= await time_zones(tx, organization_id, held.keys() - zones.keys())
    return zones


async def _calendars(
    tx: Transaction, organization_id: OrganizationId, hold: Hold
) -> dict[ProviderId, Calendar]:
    """All who are held, and for what: price, policy and limits as they are now. Hours play no part
    any more, so none are read.
    """
    providers = await providers_by_ids(tx, organization_id, hold.providers)
    service = None
    if hold.service_id is not None:
        # Looked up by itself: a provider may have stopped offering it since the time was held.
        service = (await services_by_ids(tx, organization_id, [hold.service_id]))[hold.service_id]
    return {
        each: Calendar(
            provider=provider,
            service=service,
            hours=Hours(time_zone=provider.time_zone, weekly=(), breaks=(), exceptions={}),
            rules=rules_in_force(provider.rules, service.rules if service else None),
        )
        for each, provider in providers.items()
    }
