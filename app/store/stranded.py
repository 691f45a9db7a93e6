"""What decides which appointments are stranded, as stored."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, cast
from uuid import UUID

from app.core.ids import AppointmentId, ProviderId, ResourceId, ServiceId, SubjectId
from app.core.party import Party
from app.core.slots import LONGEST_BUFFER_MINUTES
from app.core.stranded import (
    BookedVisit,
    Practice,
    SubjectState,
    SubjectVisits,
    dates_around,
    members_of,
)
from app.core.zones import date_of_number, minute_of
from app.store.calendars import load_calendars, load_kept_hours
from app.store.needs import load_needs
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.core.ids import OrganizationId
    from app.core.keyset import Keyset
    from app.core.zones import Interval
    from app.store.sql import Executor, Record

_LATER = query("start_of_later_appointment")
_EARLIER = query("start_of_earlier_appointment")
_BY_SUBJECT = query("visits_by_subject")
_SERVICES = query("services_by_subject")
_OF_SUBJECT = {
    backward: query(f"visits_of_subject_{'backward' if backward else 'forward'}")
    for backward in (False, True)
}

_LAST_ID: Final = UUID(int=2**128 - 1)


def _visit(row: Record) -> BookedVisit:
    return BookedVisit(
        appointment_id=AppointmentId(row["id"]),
        starts_at=row["starts_at"],
        service_id=None if row["service_id"] is None else ServiceId(row["service_id"]),
        visit=(row["visit_from"], row["visit_until"]),
        units=tuple(zip(row["subject_ids"], row["units"], strict=True)),
        ignores_hours=row["ignores_hours"],
    )


def _bounds(keyset: Keyset, now: datetime) -> tuple[object, ...]:
    """Those of the keyset, and the start is after now."""
    after = keyset.after
    if after is None or not isinstance(after[0], datetime) or after[0] <= now:
        after = (now, _LAST_ID)
    return (*after, *(keyset.before or (None, None)), keyset.limit)


async def end_of_stretch(
    on: Executor,
    organization_id: OrganizationId,
    after: datetime,
    until: datetime,
    *,
    others: int,
    backward: bool = False,
) -> datetime | None:
    """The start of the appointment that so many others, of any state, precede among those that
    start after `after` and not after `until`; where `backward`, follow. None: there are fewer.
    """
    row = await (_EARLIER if backward else _LATER).maybe(on, organization_id, after, until, others)
    return None if row is None else cast("datetime", row["starts_at"])


async def visits_by_subject(
    on: Executor, organization_id: OrganizationId, after: datetime, until: datetime
) -> list[SubjectVisits]:
    """The visits that start after `after` and not after `until`, by whom and what they take."""
    services: dict[SubjectId, set[ServiceId]] = {}
    for row in await _SERVICES.many(on, organization_id, after, until):
        services.setdefault(row["subject_id"], set()).add(ServiceId(row["service_id"]))
    rows = await _BY_SUBJECT.many(
        on, organization_id, minute_of(after), minute_of(until), LONGEST_BUFFER_MINUTES
    )
    return [
        SubjectVisits(
            subject_id=row["subject_id"],
            visits_from=row["visits_from"],
            visits_until=row["visits_until"],
            units=row["units"],
            service_ids=frozenset(services.get(row["subject_id"], ())),
        )
        for row in rows
    ]


async def visits_of_subject(
    on: Executor,
    organization_id: OrganizationId,
    subject_id: SubjectId,
    keyset: Keyset,
    now: datetime,
) -> list[BookedVisit]:
    """A page of the confirmed appointments to come that take this subject, by (starts_at, id)."""
    rows = await _OF_SUBJECT[keyset.backward].many(
        on, organization_id, *_bounds(keyset, now), subject_id
    )
    return [_visit(row) for row in rows]


async def load_states(
    on: Executor, organization_id: OrganizationId, subject_ids: Iterable[SubjectId], span: Interval
) -> dict[SubjectId, SubjectState]:
    """These subjects, with the exceptions that matter in the span."""
    ids = sorted(set(subject_ids))
    first, last = map(date_of_number, dates_around(*span))
    calendars = await load_calendars(
        on,
        organization_id,
        [Party(ProviderId(each)) for each in ids],
        first,
        last,
        with_withdrawn=True,
    )
    kept = await load_kept_hours(
        on,
        organization_id,
        [ResourceId(each) for each in ids if Party(ProviderId(each)) not in calendars],
        first,
        last,
    )
    states: dict[SubjectId, SubjectState] = {
        party.provider_id: SubjectState(kept=calendar.hours, units=calendar.provider.bookable_units)
        for party, calendar in calendars.items()
    }
    for resource, hours in kept.values():
        states[resource.id] = SubjectState(
            kept=hours, is_always_open=resource.is_always_open, units=resource.bookable_units
        )
    return states


async def load_practice(
    on: Executor,
    organization_id: OrganizationId,
    subject_ids: Iterable[SubjectId],
    service_ids: Iterable[ServiceId],
    span: Interval,
) -> Practice:
    """All that decides whether visits in the span are stranded that take these subjects, for these
    services.
    """
    needs = await load_needs(on, organization_id, sorted(set(service_ids)), with_archived=True)
    return Practice(
        subjects=await load_states(on, organization_id, subject_ids, span),
        members={each: members_of(found) for each, found in needs.items()},
    )


async def load_practice_of(
    on: Executor, organization_id: OrganizationId, visits: Sequence[BookedVisit]
) -> Practice:
    """All that decides whether these visits are stranded."""
    if not visits:
        return Practice(subjects={}, members={})
    return await load_practice(
        on,
        organization_id,
        (subject_id for each in visits for subject_id, _ in each.units),
        (each.service_id for each in visits if each.service_id is not None),
        (min(each.visit[0] for each in visits), max(each.visit[1] for each in visits)),
    )
