"""Book at once: the short way of a booking that nobody contests, in two round trips or one.

    look      without locks: all that the booking rests on, with versions of it; left out where
              a guest may be new, and nothing of theirs is there to be seen
    decide    by the calendar that this process read before, and the version of its rules
    write     one statement, committed with those of other bookings or alone: take the locks of the
              long way without waiting, compare the versions, and write

The decision and the writes are those of the long way. Nothing is refused here: where anything
speaks against the booking, a lock is taken, or the second look differs, nothing was written, and
the long way decides. So it does for whatever this way does not cover, and where the connection
breaks: should the statement have been committed, the long way finds its key.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Final

from app.cache.new_guests import Settings
from app.core.appointment import Customer
from app.core.booking import claim_for, dates_to_lock
from app.core.changes import AppointmentChangeKind
from app.core.customer_limits import limits_of_booking
from app.core.ids import ProviderId
from app.core.viewer import Role
from app.core.visits import Candidate, refuse_time
from app.core.zones import is_supported_date
from app.free_times.calendars import KnownCalendar
from app.free_times.read import CALENDAR_MARGIN
from app.free_times.sources import RULES_MARGIN
from app.store.bookings import BeforeBooking, Look, book_as_seen, look_before_booking
from app.store.calendars import load_calendars
from app.store.locks import CalendarLock, first_keys
from app.store.pool import DatabaseUnavailableError, Writes
from app.store.side_by_side import OvertakenError
from app.telemetry.metrics import BOOKING_WAYS
from app.usecases.booking.answer import Written
from app.usecases.booking.know_customer import new_customer
from app.usecases.booking.limit_guests import limit_reached, limited_booker
from app.usecases.booking.lock_calendar import Sight, times_changed
from app.usecases.booking.write_booking import BookingRequest, write_booking
from app.usecases.messages.vouch_for_phone import vouches

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.booking import BookingWish, Claims
    from app.core.ids import OrganizationId, SubjectId
    from app.core.party import Party
    from app.core.provider import Calendar
    from app.core.viewer import Viewer
    from app.store.bookings import ChangeLook
    from app.store.idempotency import RequestKey
    from app.usecases.resources import Resources


class Way(StrEnum):
    """How a booking or a change was made, or why it goes the long way: the metric's labels."""

    SHORT = "short"
    NOT_COVERED = "not_covered"
    """It takes more than one provider's time, limits count it, or staff set rules aside, say."""
    CONTESTED = "contested"
    """Bookings with this provider were lately too late."""
    REFUSED = "refused"
    """Something speaks against it, or its key was used."""
    OUTDATED = "outdated"
    """Rules have changed since this process read them."""
    LOCKED = "locked"
    """Another transaction has one of the locks."""
    CHANGED = "changed"
    """Something has changed since the look."""
    TAKEN = "taken"
    """A constraint objected."""
    DISCONNECTED = "disconnected"
    """The connection broke while it was written."""


_ways: Final = cache(BOOKING_WAYS.labels)
"""Looked up once, since the library checks and locks each time."""


async def book_at_once(
    resources: Resources, viewer: Viewer, key: RequestKey, wish: BookingWish
) -> Written | None:
    """The booking, made; None where the long way is to decide."""
    request = BookingRequest(
        viewer=viewer, key=key, wish=wish, booker=limited_booker(resources, viewer, wish)
    )
    return counted(AppointmentChangeKind.BOOKED, await _try(resources, request))


def counted(kind: AppointmentChangeKind, done: Written | Way) -> Written | None:
    """What was done, if anything was, with its way counted."""
    _ways(kind, done if isinstance(done, Way) else Way.SHORT).inc()
    return None if isinstance(done, Way) else done


async def _try(resources: Resources, request: BookingRequest) -> Written | Way:
    wish, organization_id = request.wish, request.viewer.organization_id
    party = wish.wanted.party
    if party is None or not _is_covered(wish):
        return Way.NOT_COVERED
    if party.service_id is not None and resources.accelerator.taking_more.has(
        organization_id, party.service_id
    ):
        return Way.NOT_COVERED
    if resources.accelerator.lines.is_contested((organization_id, party.provider_id)):
        return Way.CONTESTED
    return await _look_and_write(resources, request, party)


async def _look_and_write(
    resources: Resources, request: BookingRequest, party: Party
) -> Written | Way:
    wish, organization_id = request.wish, request.viewer.organization_id
    calendar = await known_calendar(resources, organization_id, party, wish.starts_at)
    if calendar is None:
        return Way.REFUSED
    if not calendar.is_plain or calendar.limits or _may_be_limited(request, calendar):
        return Way.NOT_COVERED
    claims: Claims = {party.provider_id: (claim_for(calendar.rules, wish.starts_at),)}
    done = await _guess_and_write(resources, request, calendar, claims)
    if done is not None:
        return done
    asked = request.asked_at(resources.clock())
    look = await look_before_booking(resources.looks, asked, party.service_id, claims)
    before = look.before
    resources.accelerator.new_guests.saw(
        organization_id,
        Settings(look.organization_version, before.allows_overlap, before.reminders),
    )
    if is_outdated(resources, organization_id, party, calendar, look):
        return Way.OUTDATED
    now = resources.clock()
    against = _decide(resources, request, calendar, look, now)
    if against is not None:
        return against
    return await _write(resources, request, _sight(request, calendar, claims, now), look)


async def _guess_and_write(
    resources: Resources, request: BookingRequest, calendar: Calendar, claims: Claims
) -> Written | Way | None:
    """The booking of a guest, written as if they were new and nobody had booked from their network:
    the statement finds out whether it is so. None where that is not to be guessed, or was wrong.
    """
    if _is_known(request) or request.wish.contact is None:
        return None
    organization_id = request.viewer.organization_id
    new_guests, now = resources.accelerator.new_guests, resources.clock()
    settings = new_guests.guess(organization_id)
    if settings is None:
        return None
    expected = _look_of_new_guest(settings, calendar.rules_version, now)
    if _decide(resources, request, calendar, expected, now) is not None:
        return None
    done = await _write(resources, request, _sight(request, calendar, claims, now), expected)
    is_wrong = done is Way.CHANGED or done is Way.TAKEN
    new_guests.turned_out(organization_id, right=not is_wrong)
    return None if is_wrong else done


def _look_of_new_guest(settings: Settings, rules_version: int, now: datetime) -> Look:
    """What a look would see of somebody who has not booked before, from a network that has not."""
    return Look(
        before=BeforeBooking(
            answer=None,
            customer=None,
            open_of_customer=0,
            open_of_network=0,
            made_of_network=0,
            allows_overlap=settings.allows_overlap,
            reminders=settings.reminders,
        ),
        organization_version=settings.version,
        customer_version=None,
        rules_version=rules_version,
        is_free=True,
        asked_at=now,
    )


def _sight(request: BookingRequest, calendar: Calendar, claims: Claims, now: datetime) -> Sight:
    """What is taken of the one provider, and the locks that it needs."""
    ((subject_id, _),) = claims.items()
    lead = ProviderId(subject_id)
    zones: dict[SubjectId, str] = {lead: calendar.hours.time_zone}
    return Sight(
        lead=lead,
        providers=(lead,),
        calendars={lead: calendar},
        zones=zones,
        lock=CalendarLock.of(request.viewer.organization_id, dates_to_lock(zones, claims)),
        claims=claims,
        existing={},
        now=now,
    )


async def _write(
    resources: Resources, request: BookingRequest, sight: Sight, look: Look
) -> Written | Way:
    """All in one statement, which commits it."""
    viewer, wish, before = request.viewer, request.wish, look.before
    writes = Writes()
    customer = before.customer or new_customer(resources, viewer, writes, wish, sight.now)
    if not isinstance(customer, Customer):
        return Way.REFUSED
    booked, changed = write_booking(
        resources, request, writes, before, sight, wish.wanted.service_id, customer
    )
    phone = request.phone_given(booked)
    if phone is not None and vouches(viewer, phone):
        return Way.NOT_COVERED
    book_as_seen(
        writes,
        sight.lock,
        sight.claims,
        new_id=resources.new_id,
        first=first_keys(request.key.scope, guests=request.names, rules=sight.providers),
        look=look,
    )
    against = await commit_as_seen(resources, writes)
    if against is not None:
        return against
    times = times_changed(viewer.organization_id, sight.zones, sight.claims)
    return Written(appointment=booked, changes=(*times, changed))


async def commit_as_seen(resources: Resources, writes: Writes) -> Way | None:
    """Why the long way is to decide; None where all of it is written."""
    try:
        await resources.commits.commit(writes)
    except OvertakenError as overtaken:
        return Way[str(overtaken)]
    except DatabaseUnavailableError:
        return Way.DISCONNECTED
    return None


def _is_covered(wish: BookingWish) -> bool:
    """Whether this way writes all that such a booking needs."""
    return (
        wish.hold_id is None
        and wish.external_id is None
        and not wish.wanted.override.rules
        and wish.wanted.seats == 1
        and is_supported_date(wish.starts_at.date())
        and not (wish.starts_at.second or wish.starts_at.microsecond)
    )


def _decide(
    resources: Resources, request: BookingRequest, calendar: Calendar, look: Look, now: datetime
) -> Way | None:
    """Why the long way is to decide; None where the time can be had."""
    viewer, wish, before = request.viewer, request.wish, look.before
    customer_id = before.customer and before.customer.id
    if (
        not look.is_free
        or before.answer is not None
        or viewer.customer_id not in {None, customer_id}
        or (wish.customer is not None and customer_id is None)
        or (request.booker is not None and limit_reached(resources, request.booker, before))
    ):
        return Way.REFUSED
    if not before.allows_overlap and _is_known(request):
        return Way.NOT_COVERED
    alone = Candidate(calendar=calendar, claims=(), led=())
    refusal = refuse_time(
        alone, wish.starts_at, wish.duration_minutes, now, override=wish.wanted.override
    )
    return None if refusal is None else Way.REFUSED


def _may_be_limited(request: BookingRequest, calendar: Calendar) -> bool:
    """Whether the customer's other visits of the service count: they are not looked at here."""
    limits = limits_of_booking(calendar.service, allows_overlap=True)
    return limits.are_in_force and _is_known(request)


def _is_known(request: BookingRequest) -> bool:
    """Whether it is known who the customer is, so that limits of theirs count."""
    return request.viewer.role is Role.CUSTOMER or request.wish.customer is not None


def is_outdated(
    resources: Resources,
    organization_id: OrganizationId,
    party: Party,
    calendar: Calendar,
    look: Look | ChangeLook,
) -> bool:
    """Whether rules have changed since the calendar was read, which is then forgotten."""
    if look.rules_version == calendar.rules_version:
        return False
    resources.accelerator.calendars.forget(organization_id, party)
    return True


async def known_calendar(
    resources: Resources, organization_id: OrganizationId, party: Party, starts_at: datetime
) -> Calendar | None:
    """The calendar that this process read last, however long ago, or reads now: the look compares
    its version. None where there is none.
    """
    calendars, around = resources.accelerator.calendars, starts_at.date()
    first, last = around - RULES_MARGIN, around + RULES_MARGIN
    known = calendars.last_read(organization_id, party)
    if known is not None and known.first <= first and last <= known.last:
        return known.calendar.for_new_time
    # From today on, since the next one may be earlier.
    first = min(first, resources.clock().date() - RULES_MARGIN)
    read_at, last = monotonic(), around + CALENDAR_MARGIN
    found = (await load_calendars(resources.pool, organization_id, [party], first, last)).get(party)
    if found is None:
        return None
    # No stamp vouches for it, so no list is computed from it.
    calendars.keep(
        organization_id,
        KnownCalendar(calendar=found, rules_part=b"", first=first, last=last, read_at=read_at),
    )
    return found.for_new_time
