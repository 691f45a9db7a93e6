"""Demo data: a small practice with people in several zones, a clinic with therapists who share
rooms and treat in pairs, and a yoga class. Enough to try every query on. What is there already
stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from dateutil.rrule import MONTHLY, SU, rrule

from app.core.appointment import AppointmentStatus, Customer
from app.core.busy import BusySource
from app.core.hours import ClockRange, WeeklyRange
from app.core.ids import ProviderId
from app.core.location import Location
from app.core.money import LateCancellation, Money
from app.core.needs import Assignment
from app.core.provider import Organization, Provider, Service, TimeOff
from app.core.resource import Resource
from app.core.validation import (
    BusyForm,
    ContactForm,
    LocationForm,
    NeedForm,
    NeedsForm,
    PolicyForm,
    ProviderForm,
    ResourceForm,
    ServiceForm,
    TimeOffForm,
)
from app.core.viewer import Role, Viewer
from app.core.zones import DAY_MINUTES, day_number, instant_of
from app.store.organizations import organization_by_slug
from app.store.providers import provider_id_by_subject
from app.usecases.booking.answer import Booked
from app.usecases.booking.book_appointment import BookingForm, book_appointment
from app.usecases.booking.close_appointment import close_appointment
from app.usecases.busy.push import set_busy_times
from app.usecases.listing.find_next_slots import earliest_slots
from app.usecases.practice.create_organization import create_organization
from app.usecases.practice.edit_customer import CustomerForm, create_customer
from app.usecases.practice.edit_hours import Owner, set_exception
from app.usecases.practice.edit_location import create_location, list_locations
from app.usecases.practice.edit_organization import change_organization
from app.usecases.practice.edit_provider import create_provider
from app.usecases.practice.edit_resource import create_resource
from app.usecases.practice.edit_service import create_service
from app.usecases.practice.edit_time_off import add_time_off

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.core.ids import LocationId, ResourceId, ServiceId
    from app.usecases.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The names by which the demo's people are known to tokens."""

    organization: str = "demo"
    organization_name: str = "Demo Practice"
    admin_subject: str = "admin"
    reception_subject: str = "reception"
    provider_subject: str = "dr-ada-moreau"
    customer_subject: str = "demo-customer"


DEMO: Final = Demo()

PAST: Final = timedelta(days=9)
"""How long ago the demo's past visits were booked: all of them are over by now."""

CLINIC_ZONE: Final = "Europe/Paris"

_WORKDAYS: Final = range(5)
_EVERY_DAY: Final = range(7)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    subject: str
    name: str
    time_zone: str
    days: Sequence[int]
    hours: tuple[int, int]
    lunch: tuple[int, int] | None
    minutes: int
    buffer: int = 0
    notice: int = 0
    interval: int | None = None


_PRACTICE: Final = (
    _Person(
        subject=DEMO.provider_subject,
        name="Dr Ada Moreau",
        time_zone="Europe/Paris",
        days=_WORKDAYS,
        hours=(9, 17),
        lunch=(12, 13),
        minutes=30,
        buffer=5,
        notice=60,
        interval=30,
    ),
    _Person(
        subject="ben-okafor",
        name="Ben Okafor, Barber",
        time_zone="America/New_York",
        days=range(1, 6),
        hours=(10, 19),
        lunch=(14, 15),
        minutes=45,
        buffer=15,
    ),
    _Person(
        subject="chiyo-tanaka",
        name="Chiyo Tanaka, Tax Consultant",
        time_zone="Asia/Tokyo",
        days=_WORKDAYS,
        hours=(8, 16),
        lunch=None,
        minutes=60,
        notice=24 * 60,
    ),
    _Person(
        subject="dara-lindqvist",
        name="Dara Lindqvist, Night Clinic",
        time_zone="Australia/Lord_Howe",
        days=_EVERY_DAY,
        hours=(22, 4),
        lunch=None,
        minutes=20,
        buffer=10,
    ),
    _Person(
        subject="eli-whitehorse",
        name="Eli Whitehorse, Physiotherapist",
        time_zone="America/Los_Angeles",
        days=range(4),
        hours=(7, 15),
        lunch=(11, 12),
        minutes=50,
        buffer=10,
    ),
)

_CLINIC: Final = (
    _Person(
        subject="ines-caron",
        name="Inès Caron",
        time_zone=CLINIC_ZONE,
        days=_WORKDAYS,
        hours=(9, 17),
        lunch=(12, 13),
        minutes=60,
        buffer=15,
    ),
    _Person(
        subject="luca-ferri",
        name="Luca Ferri",
        time_zone=CLINIC_ZONE,
        days=range(1, 6),
        hours=(11, 19),
        lunch=(15, 16),
        minutes=60,
        buffer=15,
    ),
    _Person(
        subject="maja-nowak",
        name="Maja Nowak",
        time_zone=CLINIC_ZONE,
        days=_EVERY_DAY,
        hours=(10, 16),
        lunch=None,
        minutes=60,
        buffer=15,
    ),
)

_TEACHER: Final = _Person(
    subject="noa-levi",
    name="Noa Levi",
    time_zone=CLINIC_ZONE,
    days=_WORKDAYS,
    hours=(7, 20),
    lunch=(8, 18),
    minutes=60,
)
"""Teaches at 07:00, 18:00 and 19:00."""

CLASS_SEATS: Final = 12

_CLASSES: Final = ((2, 3, 1), (3, 2, 3, 3), (1,), (3, 3, 2, 1, 3))
"""The parties in the classes to come: some seats left, one left, many left, none left."""

_CLINIC_PLACE: Final = LocationForm(
    name="Clinic at the Canal",
    address="12 quai de Valmy\n75010 Paris",
    phone="+33 1 99 00 12 34",
    directions="The green door in the courtyard; the lift goes to the second floor.",
    time_zone=CLINIC_ZONE,
    external_id="clinic",
)
"""Its number is of a range that is kept for films."""

_REACHED: Final = {
    "phone": "+33 1 99 00 12 00",
    "email": "hello@example.com",
    "url": "https://example.com",
}

_CUSTOMERS: Final = (
    (
        DEMO.customer_subject,
        ContactForm(name="Robin Demo", email="robin@example.com", phone=None, locale="en"),
    ),
    (None, ContactForm(name="Noor Haddad", email="noor@example.com", phone=None, locale="fr")),
    (None, ContactForm(name="Jo Weber", email="jo@example.com", phone=None, locale="de-AT")),
)
"""Their contacts, and the subject of the one who is signed in."""

_KNOWN: Final = CustomerForm(
    name="Hedda Larsen",
    email="hedda@example.com",
    phone="+33 1 99 00 56 78",
    time_zone=CLINIC_ZONE,
    locale="de",
    channels=None,
    external_id="P-1042",
)

_GUESTS: Final = ("Mila Novak", "Theo Brandt", "Aisha Rahman", "Lars Holm", "Pilar Vega")
"""Those who book classes for their parties."""


async def seed(resources: Resources) -> None:
    """Load the demo data into an organization of its own; run again, it adds what is missing and
    changes nothing.
    """
    organization = await organization_by_slug(resources.pool, DEMO.organization)
    if organization is None:
        answer = await create_organization(
            resources, slug=DEMO.organization, name=DEMO.organization_name
        )
        organization = _made(answer, Organization)
    admin = Viewer(organization_id=organization.id, role=Role.ADMIN, subject=DEMO.admin_subject)
    clinic_location = await _places(resources, admin)
    practice = await _people(resources, admin, _PRACTICE)
    if len(practice) == len(_PRACTICE):
        services = await _services(resources, admin, [provider.id for provider in practice])
        for provider in practice:
            await _bookings(resources, admin, services[0], [provider.id], named=True)
        await _past_visits(resources, admin, practice[0], services[0])
        await _busy_elsewhere(resources, admin, practice[0].id)
        await _known_customer(resources, admin, practice[0].id, services[1].id)
    clinic = await _people(resources, admin, _CLINIC, clinic_location)
    if len(clinic) == len(_CLINIC):
        therapists = [provider.id for provider in clinic]
        for service in await _treatments(resources, admin, therapists):
            await _bookings(resources, admin, service, therapists, named=False)
        await _holiday(resources, admin, therapists[-1])
    for teacher in await _people(resources, admin, [_TEACHER], clinic_location):
        yoga = await _yoga_class(resources, admin, teacher.id)
        await _parties(resources, admin, yoga, teacher.id)


async def _places(resources: Resources, admin: Viewer) -> LocationId:
    """How to reach the practice, and the clinic's location, made where it is missing."""
    known = await list_locations(resources, admin)
    for location in known:
        if location.external_id == _CLINIC_PLACE.external_id:
            return location.id
    if not known:
        _made(await change_organization(resources, admin, _REACHED), Organization)
    return _made(await create_location(resources, admin, _CLINIC_PLACE), Location).id


async def _people(
    resources: Resources,
    admin: Viewer,
    people: Sequence[_Person],
    location_id: LocationId | None = None,
) -> list[Provider]:
    """Those of these people who were missing, created; where they see customers."""
    return [
        await _provider(resources, admin, person, location_id)
        for person in people
        if await provider_id_by_subject(resources.pool, admin.organization_id, person.subject)
        is None
    ]


async def _provider(
    resources: Resources, admin: Viewer, person: _Person, location_id: LocationId | None
) -> Provider:
    provider = _made(
        await create_provider(
            resources,
            admin,
            ProviderForm(
                name=person.name,
                time_zone=person.time_zone,
                service_duration_minutes=person.minutes,
                buffer_minutes=person.buffer,
                slot_interval_minutes=person.interval,
                min_notice_minutes=person.notice,
                max_advance_booking_days=90,
                email=f"{person.subject}@example.com",
                phone=None,
                cancellation_policy=PolicyForm(
                    free_until_minutes_before=24 * 60,
                    late_cancellation=LateCancellation.ALLOWED,
                    late_fee=None,
                    late_fee_percent=None,
                ),
                subject=person.subject,
                location_id=location_id,
            ),
            hours=[_range(day, person.hours) for day in person.days],
            breaks=[_range(day, person.lunch) for day in person.days if person.lunch],
        ),
        Provider,
    )
    today = resources.clock().date()
    for day in _closed_dates(today):
        await set_exception(
            resources,
            admin,
            Owner(provider_id=provider.id),
            day,
            is_blocked=True,
            ranges=(),
            reason="Closed for maintenance",
        )
    await set_exception(
        resources,
        admin,
        Owner(provider_id=provider.id),
        today + timedelta(days=10),
        is_blocked=False,
        ranges=[ClockRange(start_minute=10 * 60, end_minute=13 * 60)],
        reason="Short day",
    )
    # Both in one call: a second one would replace the first.
    await set_exception(
        resources,
        admin,
        Owner(provider_id=provider.id),
        today + timedelta(days=11),
        is_blocked=True,
        ranges=[
            ClockRange(start_minute=9 * 60, end_minute=10 * 60),
            ClockRange(start_minute=13 * 60, end_minute=18 * 60),
        ],
        reason="Dentist, then a training",
    )
    return provider


def _closed_dates(today: date) -> list[date]:
    """The Monday after the first Sunday of each of the next three months."""
    start = datetime(today.year, today.month, 1) + timedelta(days=32)  # noqa: DTZ001  calendar arithmetic, no instant
    return [
        each.date() + timedelta(days=1)
        for each in rrule(MONTHLY, dtstart=start, count=3, byweekday=SU(1))
    ]


async def _services(
    resources: Resources, admin: Viewer, everybody: Sequence[ProviderId]
) -> list[Service]:
    plain = ServiceForm(
        name="First visit",
        duration_minutes=45,
        buffer_before_minutes=0,
        buffer_after_minutes=15,
        slot_interval_minutes=None,
        min_notice_minutes=None,
        max_advance_booking_days=None,
        price=Money(amount_minor=8_000, currency="EUR"),
        cancellation_policy=PolicyForm(
            free_until_minutes_before=24 * 60,
            late_cancellation=LateCancellation.FEE,
            late_fee=None,
            late_fee_percent=50,
        ),
    )
    follow_up = replace(
        plain,
        name="Follow-up",
        duration_minutes=20,
        buffer_after_minutes=None,
        price=Money(amount_minor=3_500, currency="EUR"),
        cancellation_policy=None,
    )
    call = replace(
        plain,
        name="Phone call",
        duration_minutes=15,
        buffer_after_minutes=0,
        price=None,
        cancellation_policy=None,
    )
    offers = ((plain, everybody), (follow_up, everybody), (call, everybody[:3]))
    return [
        _made(await create_service(resources, admin, form, NeedsForm(provider_ids=whose)), Service)
        for form, whose in offers
    ]


async def _treatments(
    resources: Resources, admin: Viewer, therapists: Sequence[ProviderId]
) -> list[Service]:
    """The clinic's services, with the rooms and stones that they need: a massage by any free
    therapist, one with hot stones, of which there are two sets for three therapists, and one by two
    therapists at once in a room with hours of its own.
    """
    linden, maple, garden, stones = [
        await _resource(resources, admin, form, hours)
        for form, hours in (
            (_room("Linden"), ()),
            (_room("Maple"), ()),
            (
                replace(_room("Garden"), always_open=False),
                [_range(day, (10, 18)) for day in range(6)],
            ),
            (replace(_room("Hot stones"), kind="Set", units=2), ()),
        )
    ]
    room = NeedForm(name="Treatment room", count=1, resource_ids=(linden, maple))
    massage = ServiceForm(
        name="Massage",
        duration_minutes=60,
        buffer_before_minutes=0,
        buffer_after_minutes=None,
        slot_interval_minutes=30,
        min_notice_minutes=None,
        max_advance_booking_days=None,
        price=Money(amount_minor=7_500, currency="EUR"),
        cancellation_policy=PolicyForm(
            free_until_minutes_before=24 * 60,
            late_cancellation=LateCancellation.FEE,
            late_fee=None,
            late_fee_percent=50,
            grace_minutes=30,
            charges_no_show=True,
        ),
    )
    hot_stones = replace(
        massage,
        name="Hot stone massage",
        duration_minutes=90,
        price=Money(amount_minor=11_000, currency="EUR"),
    )
    four_hands = replace(
        massage, name="Four-hand massage", price=Money(amount_minor=14_000, currency="EUR")
    )
    offers = (
        (
            massage,
            NeedsForm(provider_ids=therapists, assignment=Assignment.LEAST_BUSY, needs=(room,)),
        ),
        (
            hot_stones,
            NeedsForm(
                provider_ids=therapists,
                assignment=Assignment.LONGEST_IDLE,
                needs=(room, NeedForm(name="Hot stones", count=1, resource_ids=(stones,))),
            ),
        ),
        (
            four_hands,
            NeedsForm(
                provider_ids=therapists,
                providers_needed=2,
                assignment=Assignment.LEAST_BUSY,
                needs=(NeedForm(name="Large room", count=1, resource_ids=(garden,)),),
            ),
        ),
    )
    return [
        _made(await create_service(resources, admin, form, wanted), Service)
        for form, wanted in offers
    ]


async def _yoga_class(resources: Resources, admin: Viewer, teacher: ProviderId) -> Service:
    """A class in the studio, with a price for a seat."""
    studio = await _resource(resources, admin, _room("Studio"), ())
    form = ServiceForm(
        name="Yoga class",
        duration_minutes=60,
        buffer_before_minutes=0,
        buffer_after_minutes=None,
        slot_interval_minutes=None,
        min_notice_minutes=None,
        max_advance_booking_days=28,
        price=Money(amount_minor=1_800, currency="EUR"),
        cancellation_policy=None,
    )
    wanted = NeedsForm(
        provider_ids=[teacher],
        needs=(NeedForm(name="Studio", count=1, resource_ids=(studio,)),),
        seats=CLASS_SEATS,
    )
    return _made(await create_service(resources, admin, form, wanted), Service)


async def _parties(
    resources: Resources, admin: Viewer, service: Service, teacher: ProviderId
) -> None:
    """The parties of `_CLASSES`, each booked by a guest of its own."""
    found, _ = await earliest_slots(
        resources,
        admin.organization_id,
        [teacher],
        service.id,
        after=resources.clock() + timedelta(days=1),
        count=len(_CLASSES),
    )
    guest = Viewer(organization_id=admin.organization_id)
    for at, (slot, parties) in enumerate(zip(found, _CLASSES, strict=True)):
        for number, seats in enumerate(parties):
            form = BookingForm(
                provider_id=None,
                service_id=service.id,
                starts_at=instant_of(slot.start),
                duration_minutes=None,
                customer=ContactForm(
                    name=_GUESTS[number],
                    email=f"class-{at}-{number}@example.com",
                    phone=None,
                    locale="en",
                ),
                customer_time_zone="Europe/Vienna",
                notes=None,
                idempotency_key=f"seed-{service.id}-{at}-{number}",
                seats=seats,
            )
            await book_appointment(resources, guest, form)


def _room(name: str) -> ResourceForm:
    return ResourceForm(
        name=name,
        kind="Room",
        time_zone=CLINIC_ZONE,
        units=1,
        always_open=True,
        external_id=None,
    )


async def _resource(
    resources: Resources, admin: Viewer, form: ResourceForm, hours: Sequence[WeeklyRange]
) -> ResourceId:
    made = await create_resource(resources, admin, form, hours=hours, breaks=())
    return _made(made, Resource).id


async def _bookings(
    resources: Resources,
    admin: Viewer,
    service: Service,
    provider_ids: Sequence[ProviderId],
    *,
    named: bool,
) -> None:
    """A visit of each customer: with the first of these providers where it is named, else with
    any of them who is free. A limit that is set for guests' bookings may refuse some.
    """
    found, _ = await earliest_slots(
        resources,
        admin.organization_id,
        provider_ids,
        service.id,
        after=resources.clock() + timedelta(days=1),
        count=9 * len(provider_ids),
    )
    starts = sorted({slot.start for slot in found})
    for at, (subject, contact) in enumerate(_CUSTOMERS):
        viewer = Viewer(organization_id=admin.organization_id)
        if subject is not None:
            viewer = replace(viewer, role=Role.CUSTOMER, subject=subject)
        form = BookingForm(
            provider_id=provider_ids[0] if named else None,
            service_id=service.id,
            starts_at=instant_of(starts[at * 4]),
            duration_minutes=None,
            customer=contact,
            customer_time_zone="Europe/Vienna",
            notes="Booked by the demo data.",
            idempotency_key=f"seed-{service.id}-{provider_ids[0]}-{at}",
        )
        await book_appointment(resources, viewer, form)


async def _known_customer(
    resources: Resources, admin: Viewer, provider_id: ProviderId, service_id: ServiceId
) -> None:
    """Somebody whom staff entered, with the number of another program; they called, and are booked
    for the first free time from tomorrow on.
    """
    customer = _made(await create_customer(resources, admin, _KNOWN), Customer)
    [slot], _ = await earliest_slots(
        resources,
        admin.organization_id,
        [provider_id],
        service_id,
        after=resources.clock() + timedelta(days=1),
        count=1,
    )
    form = BookingForm(
        provider_id=provider_id,
        service_id=service_id,
        starts_at=instant_of(slot.start),
        duration_minutes=None,
        customer=None,
        customer_id=customer.id,
        customer_time_zone=customer.time_zone,
        notes="Called.",
        idempotency_key=f"seed-{service_id}-known",
    )
    _made(await book_appointment(resources, admin, form), Booked)


async def _holiday(resources: Resources, admin: Viewer, provider_id: ProviderId) -> None:
    """A week off, from the Monday after next on."""
    today = resources.clock().date()
    first = today + timedelta(days=14 - today.weekday())
    form = TimeOffForm(
        from_wall=day_number(first) * DAY_MINUTES,
        until_wall=day_number(first + timedelta(days=7)) * DAY_MINUTES,
        reason="Holiday",
    )
    _made(await add_time_off(resources, admin, Owner(provider_id=provider_id), form), TimeOff)


async def _busy_elsewhere(resources: Resources, admin: Viewer, provider_id: ProviderId) -> None:
    """What another program pushed from a calendar: lunch with a friend three days from now, and an
    afternoon away a week later.
    """
    midnight = datetime.combine(resources.clock().date(), time(), UTC) + timedelta(days=3)
    lunch = midnight + timedelta(hours=11)
    afternoon = midnight + timedelta(days=7, hours=13)
    form = BusyForm(
        source="Private calendar",
        first=midnight,
        until=midnight + timedelta(days=14),
        busy=[
            (lunch, lunch + timedelta(minutes=90)),
            (afternoon, afternoon + timedelta(hours=4)),
        ],
    )
    owner = Owner(provider_id=provider_id)
    _made(await set_busy_times(resources, admin, owner, form), BusySource)


async def _past_visits(
    resources: Resources, admin: Viewer, provider: Provider, service: Service
) -> None:
    """Visits of the last days: two that took place, and one to which nobody came.

    They are booked by a clock that was right then, and closed by the one of now. No message goes
    out: what a message would announce has passed.
    """
    then = resources.clock() - PAST
    past = replace(resources, clock=lambda: then)
    found, _ = await earliest_slots(
        past, admin.organization_id, [provider.id], service.id, after=then, count=9
    )
    guest = Viewer(organization_id=admin.organization_id)
    for at, (name, outcome) in enumerate(
        (
            ("Noor Haddad", AppointmentStatus.COMPLETED),
            ("Jo Weber", AppointmentStatus.COMPLETED),
            ("Sam Okoye", AppointmentStatus.NO_SHOW),
        )
    ):
        form = BookingForm(
            provider_id=provider.id,
            service_id=service.id,
            starts_at=instant_of(found[at * 4].start),
            duration_minutes=None,
            customer=ContactForm(
                name=name, email=f"past-{at}@example.com", phone=None, locale="en"
            ),
            customer_time_zone="Europe/Vienna",
            notes="Booked by the demo data.",
            idempotency_key=f"seed-past-{at}",
        )
        booked = _made(await book_appointment(past, guest, form), Booked)
        await close_appointment(
            resources, admin, booked.appointment.id, outcome, expected_version=None
        )


Made = TypeVar("Made")


def _made(answer: object, kind: type[Made]) -> Made:
    """What a use case made; a refusal of the demo's own data is a bug."""
    if not isinstance(answer, kind):
        raise TypeError(answer)
    return answer


def _range(day: int, hours: tuple[int, int]) -> WeeklyRange:
    start, end = hours
    return WeeklyRange(
        weekday=day,
        start_minute=start * 60,
        end_minute=end * 60,
        effective_from=None,
        effective_until=None,
    )
