"""Which appointments are stranded, and what a change of hours, zones, units, offers or archiving
would do: how much open time it gives and takes, and which appointments it strands.

An appointment is stranded if its visit, as stored, lies where one of the subjects that it takes is
not open, or if one of them is archived, has no such unit any more, or no longer belongs to the
service. Hours that were set aside when it was booked don't count. Grid, notice, horizon, limits and
buffers play no part.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from app.core.hours import cut_intervals, merge_intervals, windows_over
from app.core.resource import hours_in_force
from app.core.slots import LONGEST_CLAIM_MINUTES
from app.core.zones import DAY_MINUTES, day_number, local_days, minute_at_or_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

    from app.core.appointment import Appointment
    from app.core.hours import DayException, Hours
    from app.core.ids import AppointmentId, ProviderId, ServiceId, SubjectId
    from app.core.needs import Needs
    from app.core.provider import Provider, TimeOff
    from app.core.resource import Resource
    from app.core.validation import Week
    from app.core.zones import Interval, Minute

PREVIEW_DAYS: Final = 92
"""So many days ahead a preview counts open minutes: a quarter of a year."""

MOST_SHOWN: Final = 100
"""How many stranded appointments a preview shows; it counts all."""

_STRETCH_MINUTES: Final = 32 * DAY_MINUTES
"""Open time is computed for so many dates at once."""

_MARGIN_DAYS: Final = 4
"""An instant's date in any zone differs by less than two from that in UTC, and the hours of a date
depend on its neighbours.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectState:
    """What decides whether visits of a subject are stranded.

    `kept` are its hours as stored; those of a resource that is always open have no effect. `units`
    are those that can be booked: none if it is archived.
    """

    kept: Hours
    is_always_open: bool = False
    units: int = 1

    @property
    def hours(self) -> Hours:
        """The hours in force."""
        return hours_in_force(self.kept, is_always_open=self.is_always_open)


class BookedVisit(NamedTuple):
    """A confirmed appointment to come, and what it takes: units of subjects, its own or those of
    its session.
    """

    appointment_id: AppointmentId
    starts_at: datetime
    service_id: ServiceId | None
    visit: Interval
    units: tuple[tuple[SubjectId, int], ...]
    ignores_hours: bool = False
    """Whether hours were set aside when it was booked."""


class SubjectVisits(NamedTuple):
    """Visits of one subject, in lists that run in parallel, and their services."""

    subject_id: SubjectId
    visits_from: Sequence[Minute]
    visits_until: Sequence[Minute]
    units: Sequence[int]
    service_ids: frozenset[ServiceId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """The subjects that some visits take, and the members of their services: everybody and
    everything that a visit of each service may take. What is not there does not exist.
    """

    subjects: Mapping[SubjectId, SubjectState]
    members: Mapping[ServiceId, frozenset[SubjectId]]


Edit: TypeAlias = Callable[[SubjectState], SubjectState]
"""What a change makes of a subject. It holds for any dates whose exceptions the state has."""


class ServiceChange(NamedTuple):
    """What a visit of a service may take before and after a change, and whether it can be booked.
    What is booked keeps the members of an archived service.
    """

    service_id: ServiceId
    before: Needs
    after: Needs
    was_archived: bool = False
    is_archived: bool = False

    @property
    def joining(self) -> frozenset[ProviderId]:
        """The providers with whom it can be booked from then on."""
        return self._offered_after - self._offered_before

    @property
    def leaving(self) -> frozenset[ProviderId]:
        """The providers with whom it can no longer be booked."""
        return self._offered_before - self._offered_after

    @property
    def _offered_before(self) -> frozenset[ProviderId]:
        return frozenset(() if self.was_archived else self.before.provider_ids)

    @property
    def _offered_after(self) -> frozenset[ProviderId]:
        return frozenset(() if self.is_archived else self.after.provider_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of subjects, of a service, or of neither: then nothing changes about who is open
    when.
    """

    subjects: Mapping[SubjectId, Edit] = field(default_factory=dict)
    service: ServiceChange | None = None
    within: Interval | None = None
    """Visits that start at other instants are not stranded by it. None: at any instant."""

    @property
    def strands(self) -> frozenset[SubjectId]:
        """The subjects of whose visits some may be stranded by it."""
        service = self.service
        if service is None:
            return frozenset(self.subjects)
        return frozenset(self.subjects) | members_of(service.before) - members_of(service.after)

    def applied(self, practice: Practice) -> Practice:
        """The practice after the change."""
        subjects = {
            each: self.subjects[each](state) if each in self.subjects else state
            for each, state in practice.subjects.items()
        }
        members = dict(practice.members)
        if self.service is not None:
            members[self.service.service_id] = members_of(self.service.after)
        return Practice(subjects=subjects, members=members)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePreview:
    """What a change would do. The minutes are those of the next `PREVIEW_DAYS`, of all units of
    each subject. `stranded` are the first `MOST_SHOWN`, by start.
    """

    open_minutes_gained: int
    open_minutes_lost: int
    stranded_count: int
    stranded: tuple[Appointment, ...]


def members_of(needs: Needs) -> frozenset[SubjectId]:
    """Everybody and everything that a visit may take."""
    return frozenset((*needs.provider_ids, *needs.resource_ids))


def change_of_hours(
    subject_id: SubjectId, after: Callable[[Hours], Hours], within: Interval | None = None
) -> Change:
    """The change of a subject's hours, given what it makes of those that are kept."""
    return Change(
        subjects={subject_id: lambda state: replace(state, kept=after(state.kept))}, within=within
    )


def change_of_week(subject_id: SubjectId, week: Week) -> Change:
    """All weekly hours and breaks of the subject are replaced."""
    return change_of_hours(
        subject_id, lambda kept: replace(kept, weekly=week.hours, breaks=week.breaks)
    )


def change_of_exception(subject_id: SubjectId, day: date, exception: DayException | None) -> Change:
    """The exception of the date is replaced, or (None) removed."""

    def after(kept: Hours) -> Hours:
        exceptions = {each: found for each, found in kept.exceptions.items() if each != day}
        return replace(
            kept, exceptions=exceptions if exception is None else {**exceptions, day: exception}
        )

    midnight = day_number(day) * DAY_MINUTES
    return change_of_hours(subject_id, after, _around(midnight, midnight + DAY_MINUTES))


def change_of_time_off(
    subject_id: SubjectId, others: Iterable[TimeOff], new: TimeOff | None
) -> Change:
    """From then on the subject has this time off to come: the others, which it has already, and
    the new one, if there is one.
    """
    all_ = others if new is None else (*others, new)
    spans = tuple(merge_intervals((each.from_wall, each.until_wall) for each in all_))
    return change_of_hours(
        subject_id,
        lambda kept: replace(kept, time_off=spans),
        (0, 0) if new is None else _around(new.from_wall, new.until_wall),
    )


def _around(first: int, until: int) -> Interval:
    """Where visits start that may overlap hours, in any zone, which depend on these wall minutes:
    those of their date, and of its neighbours.
    """
    low, high = dates_around(first, until)
    return low * DAY_MINUTES - LONGEST_CLAIM_MINUTES, (high + 1) * DAY_MINUTES


def change_of_provider(before: Provider, after: Provider) -> Change:
    """Of all that a provider has, their zone decides when they are open, and whether they are
    archived whether they can be booked.
    """

    def deciding(provider: Provider) -> tuple[str, int]:
        return provider.time_zone, provider.bookable_units

    def edit(state: SubjectState) -> SubjectState:
        kept = replace(state.kept, time_zone=after.time_zone)
        return replace(state, kept=kept, units=after.bookable_units)

    return Change() if deciding(before) == deciding(after) else Change(subjects={after.id: edit})


def change_of_resource(before: Resource, after: Resource) -> Change:
    """Of all that a resource has, its zone, whether it is always open, and its units decide when
    how many of them are open.
    """

    def deciding(resource: Resource) -> tuple[str, bool, int]:
        return resource.time_zone, resource.is_always_open, resource.bookable_units

    def edit(state: SubjectState) -> SubjectState:
        return SubjectState(
            kept=replace(state.kept, time_zone=after.time_zone),
            is_always_open=after.is_always_open,
            units=after.bookable_units,
        )

    return Change() if deciding(before) == deciding(after) else Change(subjects={after.id: edit})


# ---------------------------------------------------------------- stranded


def dates_around(first: int, until: int) -> tuple[int, int]:
    """The numbers of the first and last date whose hours matter for instants in `[first, until)`,
    in any zone.
    """
    return first // DAY_MINUTES - _MARGIN_DAYS, until // DAY_MINUTES + _MARGIN_DAYS


def stranded_among(visits: Iterable[BookedVisit], practice: Practice) -> frozenset[AppointmentId]:
    """Those that are stranded. The hours of the practice include all exceptions around them
    (`dates_around`).
    """
    open_times = {each: _OpenTime(state.hours) for each, state in practice.subjects.items()}

    def is_stranded(visit: BookedVisit) -> bool:
        members = None if visit.service_id is None else practice.members[visit.service_id]
        return any(
            unit > practice.subjects[subject_id].units
            or (members is not None and subject_id not in members)
            or not (visit.ignores_hours or open_times[subject_id].holds(visit.visit))
            for subject_id, unit in visit.units
        )

    return frozenset(visit.appointment_id for visit in visits if is_stranded(visit))


def may_be_stranded(theirs: SubjectVisits, practice: Practice) -> bool:
    """Whether any of the subject's visits may be stranded because of it: False only if none is."""
    state = practice.subjects[theirs.subject_id]
    open_time = _OpenTime(state.hours)
    return (
        any(theirs.subject_id not in practice.members[each] for each in theirs.service_ids)
        or any(unit > state.units for unit in theirs.units)
        or not all(map(open_time.holds, zip(theirs.visits_from, theirs.visits_until, strict=True)))
    )


class _OpenTime:
    """The open time of a subject; each stretch of dates is computed once."""

    def __init__(self, hours: Hours) -> None:
        self._hours = hours
        self._known: dict[int, tuple[list[Minute], list[Minute]]] = {}

    def holds(self, visit: Interval) -> bool:
        """Whether the subject is open for all of the visit."""
        start, end = visit
        stretch = start // _STRETCH_MINUTES
        known = self._known.get(stretch)
        if known is None:
            first, last = dates_around(
                stretch * _STRETCH_MINUTES, (stretch + 1) * _STRETCH_MINUTES + LONGEST_CLAIM_MINUTES
            )
            windows = _open(self._hours, first, last)
            known = [begin for begin, _ in windows], [until for _, until in windows]
            self._known[stretch] = known
        beginnings, ends = known
        at = bisect_right(beginnings, start) - 1
        return at >= 0 and end <= ends[at]


def _open(hours: Hours, first: int, last: int) -> list[Interval]:
    """The open time of the ranges that start on these dates."""
    return merge_intervals(windows_over(hours, local_days(hours.time_zone, first, last)))


# ---------------------------------------------------------------- open minutes


def preview_span(now: datetime) -> Interval:
    """The instants that a preview counts open minutes in."""
    first = minute_at_or_after(now)
    return first, first + PREVIEW_DAYS * DAY_MINUTES


def minutes_changed(before: SubjectState, after: SubjectState, span: Interval) -> tuple[int, int]:
    """How many open minutes in the span are gained and lost, of all units together."""
    was, will = _open_in(before, span), _open_in(after, span)
    stay = min(before.units, after.units)
    gained = stay * _minutes(cut_intervals(will, was)) + (after.units - stay) * _minutes(will)
    lost = stay * _minutes(cut_intervals(was, will)) + (before.units - stay) * _minutes(was)
    return gained, lost


def open_minutes(state: SubjectState, span: Interval) -> int:
    """The open minutes in the span, of all units together."""
    return state.units * _minutes(_open_in(state, span))


def _open_in(state: SubjectState, span: Interval) -> list[Interval]:
    start, end = span
    first, last = dates_around(start, end)
    return [
        (max(begin, start), min(stop, end))
        for begin, stop in _open(state.hours, first, last)
        if begin < end and start < stop
    ]


def _minutes(intervals: Sequence[Interval]) -> int:
    return sum(end - start for start, end in intervals)
