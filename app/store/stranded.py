"""What decides which appointments are stranded, as stored."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.core.ids import AppointmentId, ProviderId, ResourceId, ServiceId, SubjectId
from app.core.party import Party
from app.core.stranded import BookedVisit, Practice, SubjectState, dates_around, members_of
from app.core.zones import date_of_number
from app.store.calendars import load_calendars, load_kept_hours
from app.store.needs import load_needs
from app.store.sql import query

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.core.ids import OrganizationId
    from app.core.keyset import Keyset
    from app.core.zones import Interval
    from app.store.sql import Executor, Record

_OF_ORGANIZATION = {
    backward: query(f"visits_of_organization_{'backward' if backward else 'forward'}")
    for backward in (False, True)
}
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


async def visits_to_come(
    on: Executor,
    organization_id: OrganizationId,
    keyset: Keyset,
    now: datetime,
    *,
    provider_ids: Sequence[ProviderId] | None = None,
) -> list[BookedVisit]:
    """A page of the confirmed appointments to come, by (starts_at, id): of all, or of those with
    any of these providers.
    """
    if provider_ids is not None and len(provider_ids) == 1:
        return await visits_of_subject(on, organization_id, provider_ids[0], keyset, now)
    rows = await _OF_ORGANIZATION[keyset.backward].many(
        on, organization_id, *_bounds(keyset, now), provider_ids
    )
    return [_visit(row) for row in rows]


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
        on, organization_id, [Party(ProviderId(each)) for each in ids], first, last
    )
    kept = await load_kept_hours(
        on,
        organization_id,
        [ResourceId(each) for each in ids if Party(ProviderId(each)) not in calendars],
        first,
        last,
    )
    states: dict[SubjectId, SubjectState] = {
        party.provider_id: SubjectState(kept=calendar.hours)
        for party, calendar in calendars.items()
    }
    for resource, hours in kept.values():
        states[resource.id] = SubjectState(
            kept=hours, is_always_open=resource.is_always_open, units=resource.bookable_units
        )
    return states


async def load_practice(
    on: Executor, organization_id: OrganizationId, visits: Sequence[BookedVisit]
) -> Practice:
    """All that decides whether these visits are stranded."""
    if not visits:
        return Practice(subjects={}, members={})
    service_ids = {each.service_id for each in visits if each.service_id is not None}
    needs = await load_needs(on, organization_id, sorted(service_ids))
    return Practice(
        subjects=await load_states(
            on,
            organization_id,
            (subject_id for each in visits for subject_id, _ in each.units),
            (min(each.visit[0] for each in visits), max(each.visit[1] for each in visits)),
        ),
        members={each: members_of(found) for each, found in needs.items()},
    )
