"""List the caller's own appointments: a customer's, a provider's, or all of the organization's for
reception and administrators; by any of the filters, in any of the orders.

Where people, or few providers, resources or services are named, their own lists are read, each as
far as the page goes, and merged; otherwise the organization's list is read. Both give the same
page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from app.core.appointment import AppointmentOrder
from app.core.keyset import Keyset
from app.core.viewer import Role
from app.store.appointments import (
    appointment_page,
    count_appointments_of_customers,
    count_appointments_of_services,
    count_appointments_of_subjects,
    page_of_people,
    page_of_subjects_by_creation,
    pages_of_customers,
    pages_of_services,
    pages_of_subjects,
)
from app.store.appointments import count_appointments as count_stored
from app.store.customers import people_found
from app.usecases.practice.find_customers import reader_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from uuid import UUID

    from app.core.appointment import Appointment, AppointmentFilter
    from app.core.ids import CustomerId, OrganizationId, ServiceId, SubjectId
    from app.core.viewer import Viewer
    from app.store.sql import Executor
    from app.usecases.resources import Resources

FEW_SUBJECTS: Final = 5
"""Of so many providers, resources or services a page of each is read. Of more, most of that would
be thrown away.
"""

FEW_PEOPLE: Final = 200
"""Entering the index for so many customers costs as much as reading past 60,000 entries of
another one.
"""

FEW_APPOINTMENTS: Final = 2_000
"""So many keys, a few pages of an index, are read and sorted. Where there are more, one in so many
of the organization's appointments is among them that its list gives a page sooner.
"""

MOST_CUSTOMERS: Final = 10_000
"""So many ids of customers are passed to a statement. Where more are found, their appointments are
so many that each is tested.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lists:
    """What to read: the lists of these subjects, or for these services, or of these customers, or
    else of the whole organization.
    """

    which: AppointmentFilter
    subjects: tuple[SubjectId, ...] | None = None
    services: tuple[ServiceId, ...] | None = None
    customers: tuple[CustomerId, ...] | None = None


async def list_appointments(
    resources: Resources,
    viewer: Viewer,
    which: AppointmentFilter,
    order: AppointmentOrder,
    keyset: Keyset,
) -> list[Appointment]:
    """A page in this order; empty for callers who have no appointments."""
    lists = await _lists(resources, viewer, which)
    if lists is None:
        return []
    read = _page_by_creation if order is AppointmentOrder.CREATED_DESC else _page_by_start
    return await read(resources.pool, viewer.organization_id, lists, list_keyset(keyset, order))


async def _page_by_start(
    on: Executor, organization_id: OrganizationId, lists: _Lists, keyset: Keyset
) -> list[Appointment]:
    which = lists.which
    if lists.customers is not None:
        many = len(lists.customers) > FEW_PEOPLE
        return await page_of_people(on, organization_id, lists.customers, which, keyset, many=many)
    if lists.subjects is not None:
        pages = await pages_of_subjects(on, organization_id, lists.subjects, which, keyset)
        return _merged(pages.values(), keyset, _by_start)
    if lists.services is not None:
        theirs = await pages_of_services(on, organization_id, lists.services, which, keyset)
        return _merged(theirs.values(), keyset, _by_start)
    return await appointment_page(on, organization_id, which, keyset)


async def _page_by_creation(
    on: Executor, organization_id: OrganizationId, lists: _Lists, keyset: Keyset
) -> list[Appointment]:
    which = lists.which
    if lists.customers is not None and len(lists.customers) <= FEW_PEOPLE:
        pages = await pages_of_customers(
            on, organization_id, lists.customers, which, keyset, by_creation=True
        )
        return _merged(pages.values(), keyset, _by_creation)
    wanted = lists.services if lists.subjects is None else lists.subjects
    if wanted is not None:
        return await page_of_subjects_by_creation(
            on, organization_id, wanted, which, keyset, few=FEW_APPOINTMENTS
        )
    return await appointment_page(on, organization_id, which, keyset, by_creation=True)


async def count_appointments(resources: Resources, viewer: Viewer, which: AppointmentFilter) -> int:
    """How many appointments that list holds in all."""
    lists = await _lists(resources, viewer, which)
    if lists is None:
        return 0
    on, organization_id, which = resources.pool, viewer.organization_id, lists.which
    if lists.subjects is not None:
        _, total = await count_appointments_of_subjects(on, organization_id, lists.subjects, which)
        return total
    if lists.services is not None:
        return await count_appointments_of_services(on, organization_id, lists.services, which)
    if lists.customers is not None:
        counts = await count_appointments_of_customers(on, organization_id, lists.customers, which)
        return sum(counts.values())
    return await count_stored(on, organization_id, which)


def list_keyset(keyset: Keyset, order: AppointmentOrder) -> Keyset:
    """The rows of a page as statements have them, which know ascending lists only."""
    return keyset if order is AppointmentOrder.START_ASC else keyset.reversed


def own_list(viewer: Viewer, which: AppointmentFilter) -> AppointmentFilter:
    """Of a customer whom the caller sees, what they may list: a provider those with them."""
    return which if viewer.role is not Role.PROVIDER else replace(which, seen_by=viewer.provider_id)


async def _lists(resources: Resources, viewer: Viewer, which: AppointmentFilter) -> _Lists | None:
    seen = _seen_by(viewer, which)
    found = None if seen is None else await _with_people_found(resources, viewer, seen)
    if found is None or () in {found.customers, found.providers, found.resources, found.services}:
        return None
    if found.customers is not None and len(found.customers) <= FEW_PEOPLE:
        return _Lists(which=found, customers=found.customers)
    own = None if found.seen_by is None else (found.seen_by,)
    for named in (found.resources, own, found.providers):
        if named is not None and len(named) <= FEW_SUBJECTS:
            return _Lists(which=found, subjects=tuple(named))
    if found.services is not None and len(found.services) <= FEW_SUBJECTS:
        return _Lists(which=replace(found, services=None), services=found.services)
    return _Lists(which=found, customers=found.customers)


def _seen_by(viewer: Viewer, which: AppointmentFilter) -> AppointmentFilter | None:
    """Only what the caller may list; None where that is nothing."""
    if viewer.sees_all_appointments:
        return which
    if viewer.role is Role.PROVIDER and viewer.provider_id is not None:
        return replace(which, seen_by=viewer.provider_id)
    if viewer.customer_id is None or which.customers not in {None, (viewer.customer_id,)}:
        return None
    return replace(which, customers=(viewer.customer_id,))


async def _with_people_found(
    resources: Resources, viewer: Viewer, which: AppointmentFilter
) -> AppointmentFilter | None:
    """The words as the customers who are found by them, unless those are too many to be named."""
    if which.words is None:
        return which
    reader = reader_of(viewer)
    if reader is None:
        return None
    if which.customers is None:
        everybody = Keyset(limit=MOST_CUSTOMERS + 1)
        found = await people_found(
            resources.pool, viewer.organization_id, reader, which.words, everybody
        )
        if len(found) <= MOST_CUSTOMERS:
            return replace(which, words=None, customers=tuple(each.customer_id for each in found))
    return replace(which, reader_id=reader)


def _merged(
    pages: Iterable[list[Appointment]],
    keyset: Keyset,
    key: Callable[[Appointment], tuple[datetime, UUID]],
) -> list[Appointment]:
    """One page of several lists, which may have appointments in common."""
    each_once = {appointment.id: appointment for page in pages for appointment in page}
    return sorted(each_once.values(), key=key, reverse=keyset.backward)[: keyset.limit]


def _by_start(appointment: Appointment) -> tuple[datetime, UUID]:
    return appointment.starts_at, appointment.id


def _by_creation(appointment: Appointment) -> tuple[datetime, UUID]:
    return appointment.created_at, appointment.id
