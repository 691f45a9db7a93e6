"""Sessions: the starts of a service with seats, each of which several parties share.

A session takes what the service needs once, and parties take seats in it. It is *active* while an
appointment or an unexpired hold has a seat in it. An active session can be joined at its own start
and end, as long as these are possible for its own subjects: the service's duration, buffers
and grid may have changed, other claims can't overlap its own, and joining is not one more visit for
a limit. So only open time, units, notice and horizon are looked at, and how many seats are left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from app.core.booking import visit_of
from app.core.ids import ResourceId
from app.core.overrides import NO_OVERRIDE
from app.core.rules import Rules
from app.core.slots import UnbookableReason, why_not_now, why_not_open
from app.core.zones import instant_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from app.core.booking import Claims
    from app.core.ids import ProviderId, SessionId, SubjectId
    from app.core.needs import Needs
    from app.core.overrides import Override
    from app.core.provider import Calendar
    from app.core.resource import ResourceCalendar
    from app.core.zones import Minute


class SeatsTaken(NamedTuple):
    """The seats of one party."""

    seats: int
    expires_at: datetime | None = None
    """When its hold expires, in UTC; None for an appointment's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveSession:
    """A session of a service. `providers` has the lead first; `claims` are on all that it takes, as
    they are stored. Among the `parties` may be expired holds.
    """

    id: SessionId
    providers: tuple[ProviderId, ...]
    claims: Claims
    parties: tuple[SeatsTaken, ...] = ()

    @property
    def start(self) -> Minute:
        """The start of the visit."""
        return visit_of(self.claims)[0]

    @property
    def end(self) -> Minute:
        """The end of the visit."""
        return visit_of(self.claims)[1]

    @property
    def units(self) -> tuple[tuple[ResourceId, int], ...]:
        """The units of resources that it takes."""
        return tuple(
            (ResourceId(subject_id), claim.unit)
            for subject_id, claims in self.claims.items()
            if subject_id not in self.providers
            for claim in claims
        )

    @property
    def place(self) -> dict[SubjectId, list[tuple[int, ...]]]:
        """The minutes that it takes of each unit of its subjects, however long it lasts."""
        return {
            subject_id: [(*claim[:4], claim.unit) for claim in claims]
            for subject_id, claims in self.claims.items()
        }

    def taken(self, now: datetime) -> int:
        """How many seats are taken at this instant. With none, it is not active."""
        return sum(
            party.seats
            for party in self.parties
            if party.expires_at is None or party.expires_at > now
        )

    def expiries_after(self, now: datetime) -> list[datetime]:
        """The instants after now at which seats come free since a hold expires."""
        return [
            party.expires_at
            for party in self.parties
            if party.expires_at is not None and party.expires_at > now
        ]

    def seats_left(self, needs: Needs, now: datetime) -> int:
        """How many more seats it has by what the service needs now; none if these have become
        fewer than are taken.
        """
        return max(needs.seats - self.taken(now), 0)

    def matches(self, named: Sequence[ProviderId]) -> bool:
        """Whether a wish that names these can be had here: the first leads, all are taken."""
        return not named or (self.providers[0] == named[0] and {*named} <= {*self.providers})


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSeats:
    """What an appointment that moves has in a session. The session's `parties` are the others."""

    session: ActiveSession
    seats: int

    def claims(self, now: datetime) -> Claims:
        """What the move gives back: nothing while others have seats in the session."""
        return {} if self.session.taken(now) else self.session.claims


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Seats in an active session. `providers` are the session's, those `named` first, in the order
    named.
    """

    session: ActiveSession
    providers: tuple[ProviderId, ...]
    named: int

    @property
    def lead(self) -> ProviderId:
        """The session's lead."""
        return self.providers[0]

    @property
    def units(self) -> tuple[tuple[ResourceId, int], ...]:
        """The units of resources that the session takes."""
        return self.session.units

    @property
    def claims(self) -> Claims:
        """The session's claims, which stay as they are."""
        return self.session.claims


def join_fullest(
    sessions: Iterable[ActiveSession],
    named: Sequence[ProviderId],
    seats: int,
    *,
    of: int,
    now: datetime,
) -> Join | None:
    """The fullest session that matches the wish and has so many seats left, of so many that the
    service has; the first of several. Whether its subjects allow it is not looked at.
    """
    found = [
        (taken, session)
        for session in sessions
        if (taken := session.taken(now)) and taken + seats <= of and session.matches(named)
    ]
    if not found:
        return None
    _, session = max(found, key=lambda each: each[0])
    others = (each for each in session.providers if each not in named)
    return Join(session=session, providers=(*named, *others), named=len(named))


def rooms_of(
    resource_ids: Iterable[ResourceId], sessions: Iterable[ActiveSession]
) -> tuple[ResourceId, ...]:
    """What a service needs, and what its sessions have that it needed once: in these, too, seats
    can be taken.
    """
    had = (resource_id for session in sessions for resource_id, _ in session.units)
    return tuple(dict.fromkeys((*resource_ids, *had)))


class SeatsAt(NamedTuple):
    """A start of an active session: `left` is the largest party that still finds room with the
    same wish, there or in a new session; `end` is the end of the visit of the party in question.
    """

    left: int
    end: Minute


def why_not_join(
    session: ActiveSession,
    providers: Mapping[ProviderId, Calendar],
    resources: Mapping[ResourceId, ResourceCalendar],
    now: datetime,
    *,
    heeds_clock: bool = True,
    override: Override = NO_OVERRIDE,
) -> dict[SubjectId, frozenset[UnbookableReason]]:
    """Why nobody may join, by subject; empty if it can be joined where seats are left. A subject
    that is missing among these calendars has no reason of its own: the session is not joined for
    NOBODY_FREE or RESOURCE_TAKEN. Notice and horizon are left out unless the clock is heeded, and
    so is what staff set aside.
    """
    starts_at = instant_of(session.start)
    visit = Rules(duration_minutes=session.end - session.start)
    found: dict[SubjectId, frozenset[UnbookableReason]] = {}
    for provider_id in session.providers:
        calendar = providers.get(provider_id)
        if calendar is None:
            found[provider_id] = frozenset({UnbookableReason.NOBODY_FREE})
            continue
        found[provider_id] = why_not_open(calendar.hours, visit, starts_at)
        if heeds_clock:
            found[provider_id] |= why_not_now(calendar.hours, calendar.rules, starts_at, now)
        found[provider_id] -= override.of_provider(provider_id)
    for resource_id, unit in session.units:
        kept = resources.get(resource_id)
        if kept is None or unit > kept.resource.bookable_units:
            found[resource_id] = frozenset({UnbookableReason.RESOURCE_TAKEN})
        elif resource_id not in found:
            shut = why_not_open(kept.hours, visit, starts_at)
            found[resource_id] = shut - override.of_resources
    return {subject_id: reasons for subject_id, reasons in found.items() if reasons}
