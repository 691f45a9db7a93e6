"""The listing of a service: the starts that can be booked right now, and with whom as lead.

A start is listed if some provider can lead it, and enough providers and units are possible for it;
`app.core.visits` says the same of a single start. Possible starts come in stretches, so nobody
tries combinations: a sweep over the edges of the stretches counts how many providers, and how many
units of each group, are possible where, and each lead's grid is cut down to where there are enough.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from app.core.free_days import possible_at, units_free_at
from app.core.hours import merge_intervals
from app.core.limits import UNLIMITED
from app.core.seating import SeatsAt, why_not_join
from app.core.slots import bookable_stretches, starts_on_grid, stretches_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from app.core.free_days import FreeDay
    from app.core.ids import ProviderId, ResourceId
    from app.core.limits import FullDates
    from app.core.needs import Needs, ResourceGroup
    from app.core.provider import Calendar
    from app.core.resource import ResourceCalendar
    from app.core.rules import Rules
    from app.core.seating import ActiveSession
    from app.core.slots import Stretches
    from app.core.zones import Interval, Minute


def service_starts(
    needs: Needs,
    named: Sequence[ProviderId],
    providers: Mapping[ProviderId, tuple[Calendar, Mapping[date, FreeDay]]],
    resources: Mapping[tuple[ResourceId, Rules], Mapping[date, FreeDay]],
    now: datetime,
    full: Mapping[ProviderId, FullDates] | None = None,
) -> dict[Minute, tuple[ProviderId, ...]]:
    """The starts on all of these days, ascending, each with those who can lead it, in the service's
    order.

    The first of those `named` leads, and all of them take part. Providers whom the service does not
    name (any more) count too, after those whom it does. Resources, with days as
    `compute_resource_days` gives them, are asked for with the shape of each lead's rules.

    Days are by the subject's own dates. A start is missing where those of a subject that it takes
    are: ask for the same instants of everybody. `full` are the dates on which limits keep a
    provider out; whom it lacks has no limits.
    """
    if not all(each in providers for each in named):
        return {}
    order = _in_order(needs, providers)
    leads = named[:1] or order
    how_many = needs.how_many_with(named)
    limited = full or {}
    possible = {
        each: _possible(*providers[each], now, limited.get(each, UNLIMITED).taking)
        for each in (leads if how_many == 1 else order)
    }
    staffed = None if how_many == 1 else _staffed(how_many, named[1:], possible)
    equipped: dict[Rules, list[Interval] | None] = {}
    starts: dict[ProviderId, Sequence[Minute]] = {}
    for lead in leads:
        rules = providers[lead][0].rules
        where = staffed
        if needs.groups:
            shape = rules.shape
            if shape not in equipped:
                equipped[shape] = _equipped(needs.groups, resources, shape, staffed, now)
            where = equipped[shape]
        stretches = possible[lead]
        taking, leading = limited.get(lead, UNLIMITED)
        if leading:
            stretches = _possible(*providers[lead], now, taking | leading)
        on_grid = starts_on_grid(stretches, rules.step_minutes)
        starts[lead] = on_grid if where is None else _within(on_grid, where)
    return _leads_by_start(starts)


class SeatedStarts(NamedTuple):
    """The starts of a service with seats at which a party finds room."""

    leads: dict[Minute, tuple[ProviderId, ...]]
    """All of them, ascending, each with those with whom as lead it can be booked, in the service's
    order."""
    joinable: dict[Minute, SeatsAt]
    """Those of them at which an active session can be joined. At the others all seats of the
    service are left, and the visit is as long as the service's."""


def seated_starts(
    new: Mapping[Minute, tuple[ProviderId, ...]],
    needs: Needs,
    named: Sequence[ProviderId],
    providers: Mapping[ProviderId, Calendar],
    resources: Mapping[ResourceId, ResourceCalendar],
    now: datetime,
    *,
    seats: int,
    sessions: Iterable[ActiveSession],
) -> SeatedStarts:
    """The starts of `new` sessions, as `service_starts` lists them, and of those of the `sessions`
    that such a party can join: what `Start.decide` says of each.

    `providers` are those whom the service could take; resources are those that it needs and those
    of the sessions. The hours of both include the exceptions around the sessions' dates. Where an
    appointment moves, the sessions are without its own, whose start is asked about with
    `Start.seats_left`.
    """
    leads = dict(new) if seats <= needs.seats else {}
    order = {each: place for place, each in enumerate(_in_order(needs, providers))}
    here: dict[Minute, list[ActiveSession]] = {}
    for session in sessions:
        if (
            session.taken(now)
            and session.matches(named)
            and not why_not_join(session, providers, resources, now)
        ):
            here.setdefault(session.start, []).append(session)
    joinable: dict[Minute, SeatsAt] = {}
    for start, several in here.items():
        left = [each.seats_left(needs, now) for each in several]
        fitting = [(room, each) for room, each in zip(left, several, strict=True) if room >= seats]
        found = {*leads.get(start, ()), *(each.providers[0] for _, each in fitting)}
        if not found:
            continue
        leads[start] = tuple(sorted(found, key=order.__getitem__))
        if start in new:
            left.append(needs.seats)
        duration = providers[leads[start][0]].rules.duration_minutes
        end = start + duration
        if fitting:
            end = min(fitting, key=lambda pair: (pair[0], order[pair[1].providers[0]]))[1].end
        joinable[start] = SeatsAt(max(left), end)
    return SeatedStarts(dict(sorted(leads.items())), joinable)


def _in_order(needs: Needs, providers: Iterable[ProviderId]) -> list[ProviderId]:
    """The service's order; those whom it does not name (any more) come last."""
    some = dict.fromkeys(providers)
    offering = set(needs.provider_ids)
    order = [each for each in needs.provider_ids if each in some]
    return order + [each for each in some if each not in offering]


def _leads_by_start(
    starts: Mapping[ProviderId, Sequence[Minute]],
) -> dict[Minute, tuple[ProviderId, ...]]:
    """From the starts of each lead to the leads of each start, ascending."""
    order = tuple(starts)
    places: dict[Minute, list[int]] = {}
    for place, of_lead in enumerate(starts.values()):
        for start in of_lead:
            if start in places:
                places[start].append(place)
            else:
                places[start] = [place]
    # Most starts have the same leads as another: one tuple for all of them.
    known: dict[tuple[int, ...], tuple[ProviderId, ...]] = {}
    leads: dict[Minute, tuple[ProviderId, ...]] = {}
    for start in sorted(places):
        several = tuple(places[start])
        if several not in known:
            known[several] = tuple([order[place] for place in several])
        leads[start] = known[several]
    return leads


def _possible(
    calendar: Calendar, days: Mapping[date, FreeDay], now: datetime, full: Collection[date]
) -> Stretches:
    """All possible starts of a provider at this instant, on the grid or not, but for full dates."""
    free = {
        day: possible_at(each, now) if each.held else each.stretches
        for day, each in days.items()
        if day not in full
    }
    return bookable_stretches(calendar.hours, calendar.rules, free, now)


def _together(stretches: Stretches) -> list[tuple[Minute, Minute, int]]:
    """The same starts, each counted once: stretches of two windows may overlap."""
    merged = merge_intervals((first, until) for first, until, _ in stretches_in(stretches))
    return [(first, until, 1) for first, until in merged]


def _staffed(
    how_many: int, named: Sequence[ProviderId], possible: Mapping[ProviderId, Stretches]
) -> list[Interval]:
    """Where so many providers are possible, and all of those named among them."""
    together = {each: _together(stretches) for each, stretches in possible.items()}
    where = _with_at_least(how_many, (part for parts in together.values() for part in parts))
    for each in named:
        where = _common(where, together[each])
    return where


def _equipped(
    groups: Sequence[ResourceGroup],
    resources: Mapping[tuple[ResourceId, Rules], Mapping[date, FreeDay]],
    shape: Rules,
    where: list[Interval] | None,
    now: datetime,
) -> list[Interval] | None:
    """Where enough units of every group are possible, of these intervals alone; None is anywhere,
    here and in the answer.
    """
    for group in groups:
        units = _with_at_least(
            group.count,
            (
                part
                for each in group.resource_ids
                for day in resources.get((each, shape), {}).values()
                for part in units_free_at(day, now)
            ),
        )
        where = units if where is None else _common(where, ((*part, 1) for part in units))
    return where


def _with_at_least(least: int, parts: Iterable[tuple[Minute, Minute, int]]) -> list[Interval]:
    """Where at least so many are possible, ascending and apart; the parts, each with how many are
    possible in it, add up.
    """
    changes: dict[Minute, int] = {}
    for first, until, count in parts:
        changes[first] = changes.get(first, 0) + count
        changes[until] = changes.get(until, 0) - count
    found: list[Interval] = []
    count, since = 0, None
    for minute in sorted(changes):
        count += changes[minute]
        if count >= least:
            since = minute if since is None else since
        elif since is not None:
            found.append((since, minute))
            since = None
    return found


def _common(
    some: Iterable[Interval], others: Iterable[tuple[Minute, Minute, int]]
) -> list[Interval]:
    """What both hold; each counts everything once."""
    return _with_at_least(2, (*((*part, 1) for part in some), *others))


def _within(starts: Sequence[Minute], where: Iterable[Interval]) -> list[Minute]:
    """Those of the starts, ascending, that lie in these intervals, ascending and apart."""
    left: list[Minute] = []
    place = 0
    for begin, end in where:
        place = bisect_left(starts, begin, place)
        beyond = bisect_left(starts, end, place)
        left += starts[place:beyond]
        place = beyond
    return left
