"""Look things up by key, for the resolvers of one organization: many keys, one statement.

These functions check no permission: `app.core.viewer` decides, by name, what a caller may see.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from app.core.ids import ProviderId
from app.store import (
    appointments,
    busy,
    calendar_feeds,
    customers,
    history,
    holds,
    hours,
    locations,
    messages,
    services,
    session_lists,
    time_off,
)
from app.store import resources as store_resources
from app.store.needs import load_stored_needs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import date

    from app.core.appointment import Appointment, AppointmentFilter, Customer
    from app.core.busy import BusySource
    from app.core.calendar_feed import CalendarFeed
    from app.core.history import HistoryEntry
    from app.core.hold import Hold
    from app.core.ids import (
        AppointmentId,
        BusySourceId,
        CustomerId,
        HoldId,
        LocationId,
        MessageLogId,
        OrganizationId,
        ResourceId,
        ServiceId,
        SessionId,
        SubjectId,
        TimeOffId,
    )
    from app.core.keyset import Keyset
    from app.core.location import Location
    from app.core.needs import Needs
    from app.core.provider import (
        AvailabilityException,
        Service,
        TimeOff,
        WeeklyBreak,
        WeeklyHours,
    )
    from app.core.resource import Resource
    from app.core.session import Session
    from app.core.zones import Interval, Minute
    from app.usecases.resources import Resources


Row = TypeVar("Row")


class DatesQuestion(NamedTuple):
    """What a subject has on the dates from first to last, inclusive: exceptions, or time off."""

    subject_id: SubjectId
    first: date
    last: date


class BusyTimesQuestion(NamedTuple):
    """What a source of a subject says about these minutes."""

    subject_id: SubjectId
    source_id: BusySourceId
    first: Minute
    until: Minute


class AppointmentsQuestion(NamedTuple):
    """A page of a provider's appointments."""

    provider_id: ProviderId
    which: AppointmentFilter
    keyset: Keyset


class AppointmentCountQuestion(NamedTuple):
    """How many appointments a provider has."""

    provider_id: ProviderId
    which: AppointmentFilter


class CustomerAppointmentsQuestion(NamedTuple):
    """A page of a customer's appointments."""

    customer_id: CustomerId
    which: AppointmentFilter
    keyset: Keyset
    by_creation: bool


class CustomerAppointmentCountQuestion(NamedTuple):
    """How many appointments a customer has."""

    customer_id: CustomerId
    which: AppointmentFilter


class SessionAppointmentsQuestion(NamedTuple):
    """A page of a session's appointments."""

    session_id: SessionId
    keyset: Keyset


async def find_services(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[ServiceId]
) -> dict[ServiceId, Service]:
    """Those that exist."""
    return await services.services_by_ids(resources.pool, organization_id, ids)


async def services_offered_by(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[ProviderId]
) -> dict[ProviderId, list[Service]]:
    """The services of each provider that offers any, by name."""
    return await services.services_of_providers(resources.pool, organization_id, ids)


async def find_needs(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[ServiceId]
) -> dict[ServiceId, Needs]:
    """What each service was set to take, archived providers among it; those that exist."""
    return await load_stored_needs(resources.pool, organization_id, ids)


async def find_resources(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[ResourceId]
) -> dict[ResourceId, Resource]:
    """Those that exist."""
    return await store_resources.resources_by_ids(resources.pool, organization_id, ids)


async def find_locations(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[LocationId]
) -> dict[LocationId, Location]:
    """Those that exist."""
    return await locations.locations_by_ids(resources.pool, organization_id, ids)


async def find_customers(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[CustomerId]
) -> dict[CustomerId, Customer]:
    """Those that exist."""
    return await customers.customers_by_ids(resources.pool, organization_id, ids)


async def find_sessions(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[SessionId]
) -> dict[SessionId, Session]:
    """Those that exist, as they are now."""
    return await session_lists.sessions_by_ids(
        resources.pool, organization_id, ids, resources.clock()
    )


async def find_appointments(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[AppointmentId]
) -> dict[AppointmentId, Appointment]:
    """Those that exist."""
    return await appointments.appointments_by_ids(resources.pool, organization_id, ids)


async def find_history(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[AppointmentId]
) -> dict[AppointmentId, list[HistoryEntry]]:
    """The history of each appointment that has one, in order."""
    return await history.history_of_appointments(resources.pool, organization_id, ids)


async def find_weekly_hours(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[SubjectId]
) -> dict[SubjectId, list[WeeklyHours]]:
    """The weekly hours of each subject that has any, in the order of the week."""
    return await hours.weekly_hours_of_subjects(resources.pool, organization_id, ids)


async def find_weekly_breaks(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[SubjectId]
) -> dict[SubjectId, list[WeeklyBreak]]:
    """The weekly breaks of each subject that has any, in the order of the week."""
    return await hours.weekly_breaks_of_subjects(resources.pool, organization_id, ids)


async def find_exceptions(
    resources: Resources, organization_id: OrganizationId, questions: Sequence[DatesQuestion]
) -> list[list[AvailabilityException]]:
    """The answers in the order of the questions; one statement for each stretch of dates."""
    load = partial(hours.exceptions_of_subjects, resources.pool, organization_id)
    return await _by_dates(questions, load)


async def find_time_off_of_subjects(
    resources: Resources, organization_id: OrganizationId, questions: Sequence[DatesQuestion]
) -> list[list[TimeOff]]:
    """The answers in the order of the questions; one statement for each stretch of dates."""
    load = partial(time_off.time_off_of_subjects, resources.pool, organization_id)
    return await _by_dates(questions, load)


async def _by_dates(
    questions: Sequence[DatesQuestion],
    load: Callable[[list[SubjectId], date, date], Awaitable[Mapping[SubjectId, list[Row]]]],
) -> list[list[Row]]:
    answers: dict[DatesQuestion, list[Row]] = {}
    for first, last in {(question.first, question.last) for question in questions}:
        ids = [question.subject_id for question in questions if question[1:] == (first, last)]
        found = await load(ids, first, last)
        answers |= {
            DatesQuestion(subject_id, first, last): rows for subject_id, rows in found.items()
        }
    return [answers.get(question, []) for question in questions]


async def find_holds(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[HoldId]
) -> dict[HoldId, Hold]:
    """Those that exist, whether they are in force or not."""
    return await holds.holds_by_ids(resources.pool, organization_id, ids)


async def find_calendar_feeds(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[ProviderId | CustomerId]
) -> dict[ProviderId | CustomerId, CalendarFeed]:
    """The feeds that these providers and customers have."""
    return await calendar_feeds.feeds_of_owners(resources.pool, organization_id, ids)


async def find_appointments_of_messages(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[MessageLogId]
) -> dict[MessageLogId, AppointmentId]:
    """Which appointment each message in the log is about; any one in it where it is about a
    session.
    """
    return await messages.appointments_of_messages(resources.pool, organization_id, ids)


async def find_time_off(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[TimeOffId]
) -> dict[TimeOffId, TimeOff]:
    """Those that exist."""
    return await time_off.time_off_by_ids(resources.pool, organization_id, ids)


async def find_busy_sources_of(
    resources: Resources, organization_id: OrganizationId, subject_ids: Sequence[SubjectId]
) -> dict[SubjectId, list[BusySource]]:
    """The sources of each subject that has some, by name."""
    return await busy.busy_sources_of_subjects(resources.pool, organization_id, subject_ids)


async def find_busy_sources(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[BusySourceId]
) -> dict[BusySourceId, BusySource]:
    """Those that exist."""
    return await busy.busy_sources_by_ids(resources.pool, organization_id, ids)


async def find_busy_times(
    resources: Resources, organization_id: OrganizationId, questions: Sequence[BusyTimesQuestion]
) -> list[list[Interval]]:
    """The answers in the order of the questions, in pieces; one statement for each window."""
    answers: dict[BusyTimesQuestion, list[Interval]] = {}
    for first, until in {(question.first, question.until) for question in questions}:
        asked = {each.source_id: each for each in questions if each[2:] == (first, until)}
        found = await busy.busy_times_of_sources(
            resources.pool,
            organization_id,
            [(each.subject_id, each.source_id) for each in asked.values()],
            first,
            until,
        )
        answers |= {asked[source_id]: pieces for source_id, pieces in found.items()}
    return [answers[question] for question in questions]


async def appointment_pages(
    resources: Resources, organization_id: OrganizationId, questions: Sequence[AppointmentsQuestion]
) -> list[list[Appointment]]:
    """The answers in the order of the questions; one statement for each filter and page."""
    pages: dict[AppointmentsQuestion, list[Appointment]] = {}
    for which, keyset in {(question.which, question.keyset) for question in questions}:
        ids = [question.provider_id for question in questions if question[1:] == (which, keyset)]
        found = await appointments.pages_of_subjects(
            resources.pool, organization_id, ids, which, keyset
        )
        pages |= {
            AppointmentsQuestion(ProviderId(provider_id), which, keyset): rows
            for provider_id, rows in found.items()
        }
    return [pages[question] for question in questions]


async def appointment_counts(
    resources: Resources,
    organization_id: OrganizationId,
    questions: Sequence[AppointmentCountQuestion],
) -> list[int]:
    """The answers in the order of the questions; one statement for each filter."""
    counts: dict[AppointmentCountQuestion, int] = {}
    for which in {question.which for question in questions}:
        ids = [question.provider_id for question in questions if question.which == which]
        found, _ = await appointments.count_appointments_of_subjects(
            resources.pool, organization_id, ids, which
        )
        counts |= {
            AppointmentCountQuestion(ProviderId(provider_id), which): count
            for provider_id, count in found.items()
        }
    return [counts.get(question, 0) for question in questions]


async def customer_appointment_pages(
    resources: Resources,
    organization_id: OrganizationId,
    questions: Sequence[CustomerAppointmentsQuestion],
) -> list[list[Appointment]]:
    """The answers in the order of the questions; one statement for each filter and page."""
    pages: dict[CustomerAppointmentsQuestion, list[Appointment]] = {}
    for kind in {question[1:] for question in questions}:
        which, keyset, by_creation = kind
        ids = [question.customer_id for question in questions if question[1:] == kind]
        found = await appointments.pages_of_customers(
            resources.pool, organization_id, ids, which, keyset, by_creation=by_creation
        )
        pages |= {CustomerAppointmentsQuestion(each, *kind): rows for each, rows in found.items()}
    return [pages[question] for question in questions]


async def customer_appointment_counts(
    resources: Resources,
    organization_id: OrganizationId,
    questions: Sequence[CustomerAppointmentCountQuestion],
) -> list[int]:
    """The answers in the order of the questions; one statement for each filter."""
    counts: dict[CustomerAppointmentCountQuestion, int] = {}
    for which in {question.which for question in questions}:
        ids = [question.customer_id for question in questions if question.which == which]
        found = await appointments.count_appointments_of_customers(
            resources.pool, organization_id, ids, which
        )
        counts |= {
            CustomerAppointmentCountQuestion(each, which): count for each, count in found.items()
        }
    return [counts.get(question, 0) for question in questions]


async def session_appointment_pages(
    resources: Resources,
    organization_id: OrganizationId,
    questions: Sequence[SessionAppointmentsQuestion],
) -> list[list[Appointment]]:
    """The answers in the order of the questions; one statement for each page."""
    pages: dict[SessionAppointmentsQuestion, list[Appointment]] = {}
    for keyset in {question.keyset for question in questions}:
        ids = [question.session_id for question in questions if question.keyset == keyset]
        found = await session_lists.appointments_of_sessions(
            resources.pool, organization_id, ids, keyset
        )
        pages |= {
            SessionAppointmentsQuestion(session_id, keyset): rows
            for session_id, rows in found.items()
        }
    return [pages[question] for question in questions]


async def session_appointment_counts(
    resources: Resources, organization_id: OrganizationId, ids: Sequence[SessionId]
) -> list[int]:
    """How many appointments each session has, in the order of the ids; one statement."""
    found = await session_lists.count_appointments_of_sessions(resources.pool, organization_id, ids)
    return [found.get(each, 0) for each in ids]
