"""Reschedule a session: it moves with everybody in it, appointments and holds, or nobody moves.

It moves as one visit that takes what the service needs now, and what it has counts as free.
Providers named by any party stay, unless staff name others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from app.core.appointment import Appointment
from app.core.booking import Wanted, visit_of
from app.core.changes import AppointmentChangeKind
from app.core.events import Author, EventType
from app.core.hold import Hold
from app.core.ids import ResourceId
from app.core.lifecycle import moved
from app.core.overrides import RuleSetAside
from app.core.refusals import (
    IdempotencyKeyReused,
    InvalidInput,
    NotAllowed,
    NotChangeableReason,
    NotFound,
    NotReschedulable,
    SlotUnavailable,
)
from app.core.seating import ActiveSession, Join
from app.core.session import Session
from app.core.slots import UnbookableReason
from app.core.taken import Taken
from app.core.validation import NAMED_TWICE, valid_idempotency_key
from app.core.zones import instant_of
from app.store.appointments import update_appointment
from app.store.calendars import Owner, claims_of_session, take_time
from app.store.holds import move_hold
from app.store.locks import lock_customers, share_rules
from app.store.organizations import organization_by_id
from app.store.session_changes import (
    free_session_time,
    limited_customers_of_session,
    move_session,
)
from app.store.session_lists import sessions_by_ids
from app.store.subjects import replace_subjects
from app.usecases.booking.choose_visit import Locked, decide_session, lock_for_session
from app.usecases.booking.idempotency import (
    earlier_answer,
    ignored_in_request,
    key_scope,
    request_key,
)
from app.usecases.booking.limit_customers import refuse_new_time
from app.usecases.booking.lock_calendar import OwnTime, Retry, times_changed
from app.usecases.booking.open_session import (
    STAFF_ONLY,
    WRITTEN_AT_ONCE,
    ChangedSession,
    change_session,
    lock_everybody,
    lock_session_of,
    see_session,
)
from app.usecases.events.publish import change_for_retry
from app.usecases.events.record import (
    record_answer,
    record_changes,
    record_events,
    session_changed,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from app.core.changes import Change
    from app.core.ids import CustomerId, OrganizationId, ProviderId, SessionId
    from app.core.needs import Assignment
    from app.core.overrides import Override
    from app.core.viewer import Viewer
    from app.core.visits import Visit
    from app.store.idempotency import RequestKey
    from app.store.pool import Transaction
    from app.usecases.booking.choose_visit import Seen
    from app.usecases.booking.open_session import Everybody
    from app.usecases.resources import Resources

MUTATION: Final = "rescheduleSession"

NOTHING: Final = frozenset[RuleSetAside]()

Party = TypeVar("Party", Appointment, Hold)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMoveForm:
    """A move as typed; the instant is in UTC. Left out, the providers are those whom any party
    named, and others whom the service assigns. Rules of time may be ignored.
    """

    session_id: SessionId
    starts_at: datetime
    provider_ids: Sequence[ProviderId] | None
    idempotency_key: str
    ignore: Sequence[RuleSetAside] = ()


Refusal: TypeAlias = (
    SlotUnavailable | NotReschedulable | InvalidInput | NotAllowed | NotFound | IdempotencyKeyReused
)


async def reschedule_session(
    resources: Resources, viewer: Viewer, form: SessionMoveForm
) -> Session | Refusal:
    """Move it with everybody in it, or say why not. The same key with the same request gives the
    same session again.
    """
    key = valid_idempotency_key(form.idempotency_key)
    if isinstance(key, InvalidInput):
        return key
    override = viewer.override(form.ignore)
    if not viewer.is_staff or override is None:
        return STAFF_ONLY
    named = tuple(form.provider_ids or ())
    if len({*named}) < len(named):
        return InvalidInput(field="provider_ids", message=NAMED_TWICE)
    used_key = request_key(resources, key_scope(viewer, MUTATION, key), _request(form, override))
    attempt = partial(_move, resources, viewer, key=used_key, form=form, override=override)
    return await change_session(resources, attempt)


def _request(form: SessionMoveForm, override: Override) -> dict[str, object]:
    named = {"provider_ids": list(form.provider_ids)} if form.provider_ids else {}
    return {
        "session_id": form.session_id,
        "starts_at": form.starts_at,
        **named,
        **ignored_in_request(override),
    }


async def _move(
    resources: Resources,
    viewer: Viewer,
    tx: Transaction,
    key: RequestKey,
    form: SessionMoveForm,
    override: Override,
) -> ChangedSession | Refusal | Retry:
    organization_id, session_id = viewer.organization_id, form.session_id
    earlier = await earlier_answer(tx, key)
    if isinstance(earlier, IdempotencyKeyReused):
        return earlier
    if earlier is not None and earlier.session_id is not None:
        return await _moved_before(resources, tx, organization_id, earlier.session_id)
    seen = await see_session(resources, viewer, tx, session_id)
    if isinstance(seen, NotFound):
        return seen
    session, actor = seen
    decided = await _lock_and_decide(resources, tx, organization_id, session, form, override)
    if isinstance(decided, _Change):
        author = Author(actor=actor, subject=viewer.subject)
        return await _write(resources, tx, key, decided, author)
    if not isinstance(decided, Session):
        return decided
    # It is there already, with whom it is to be.
    record_answer(tx, key, session_id, resources.clock())
    return ChangedSession(session=decided, changes=(change_for_retry(organization_id, decided),))


async def _lock_and_decide(
    resources: Resources,
    tx: Transaction,
    organization_id: OrganizationId,
    session: Session,
    form: SessionMoveForm,
    override: Override,
) -> _Change | Session | Refusal | Retry:
    """What the session and everybody in it take then; the session where that is what it has."""
    session_id = session.id
    limited = await limited_customers_of_session(tx, organization_id, session_id)
    await lock_customers(tx, organization_id, limited.values())
    everybody = await lock_everybody(tx, organization_id, session_id)
    await share_rules(tx, organization_id, (), service_id=session.service_id)
    claims = await claims_of_session(tx, organization_id, session_id)
    if session.ended_at is not None or not claims:
        return NotReschedulable(reason=NotChangeableReason.ALREADY_CANCELLED)
    taken = _taken(session, everybody)
    named = tuple(form.provider_ids or taken.providers[: taken.named])
    locked = await lock_for_session(
        resources,
        tx,
        organization_id,
        Wanted(named, session.service_id, override=override),
        form.starts_at,
        taken,
        claims,
    )
    if not isinstance(locked, Locked):
        return locked
    own = OwnTime(zones=locked.zones, lock=locked.lock, claims=claims, now=resources.clock())
    found = await lock_session_of(resources, tx, organization_id, session_id, everybody, own)
    if isinstance(found, Retry):
        return found
    present = await limited_customers_of_session(tx, organization_id, session_id)
    if not present.keys() <= limited.keys():
        return Retry.OVERTAKEN
    own = replace(own, now=resources.clock())
    reason = everybody.why_not_change(found, own.now)
    if reason is not None:
        return NotReschedulable(reason=reason)
    active = ActiveSession(id=session_id, providers=found.providers, claims=claims)
    decided = await decide_session(tx, organization_id, locked, active, form.starts_at, own.now)
    if isinstance(decided, SlotUnavailable):
        return decided
    visit, looked = decided
    if isinstance(visit, Join):
        return found
    needs = locked.choices.needs
    change = _Change(
        session=found,
        everybody=everybody,
        own=own,
        visit=visit,
        looked=looked,
        named_now=len(named) if form.provider_ids else None,
        assignment=needs.assignment if len(named) < len(visit.providers) else None,
        ignored=override.rules,
    )
    if override.exceeds_what_customers_may_have:
        return change
    return await _refuse_busy(tx, change, present) or change


async def _refuse_busy(
    tx: Transaction, change: _Change, accounts: Collection[CustomerId]
) -> SlotUnavailable | None:
    """The refusal where one of these customers, who are locked, is elsewhere at the new time."""
    after, own = change.after, change.own
    for appointment in change.everybody.appointments:
        if appointment.customer_id not in accounts:
            continue
        busy = await refuse_new_time(
            tx, own.lock.organization_id, appointment, after.starts_at, after.ends_at, own.now
        )
        if busy is not None:
            return busy
    return None


async def _moved_before(
    resources: Resources, tx: Transaction, organization_id: OrganizationId, session_id: SessionId
) -> ChangedSession:
    """The answer to a request that comes again: the session with its fields as of now."""
    found = await sessions_by_ids(tx, organization_id, [session_id], resources.clock())
    session = found[session_id]
    return ChangedSession(session=session, changes=(change_for_retry(organization_id, session),))


def _taken(session: Session, everybody: Everybody) -> Taken:
    """What the session takes; first those whom any party named, the lead before all."""
    parties: Iterable[Taken] = (*everybody.appointments, *everybody.holds)
    named = {each for party in parties for each in party.providers[: party.named]}
    first = [each for each in session.providers if each in named]
    lead, *others = (*first, *(each for each in session.providers if each not in named))
    return Taken(
        provider_id=lead, others=tuple(others), named=len(first), resources=session.resources
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What was decided. `named_now` is how many of the visit's providers staff named; None where
    they named nobody. `ignored` are the rules that were set aside.
    """

    session: Session
    everybody: Everybody
    own: OwnTime
    visit: Visit
    looked: Seen
    named_now: int | None
    assignment: Assignment | None
    ignored: frozenset[RuleSetAside]

    @property
    def resources(self) -> tuple[ResourceId, ...]:
        """The resources of the visit, each once."""
        return tuple(dict.fromkeys(resource_id for resource_id, _ in self.visit.units))

    @property
    def after(self) -> Session:
        """The session as it is then."""
        session, visit = self.session, self.visit
        start, end = visit_of(visit.claims)
        is_news = (session.starts_at, *_whom(session.providers)) != (
            instant_of(start),
            *_whom(visit.providers),
        )
        return replace(
            session,
            providers=visit.providers,
            resources=self.resources,
            starts_at=instant_of(start),
            ends_at=instant_of(end),
            version=session.version + 1,
            time_version=session.time_version + is_news,
        )

    def providers_of(self, party: Taken) -> tuple[tuple[ProviderId, ...], int]:
        """Whom a party has then, those first whom it named, and how many these are."""
        if self.named_now is not None:
            return self.visit.providers, self.named_now
        if _whom(party.providers) == _whom(self.visit.providers):
            return party.providers, party.named
        named = party.providers[: party.named]
        return (*named, *(each for each in self.visit.providers if each not in named)), party.named


def _whom(providers: Sequence[ProviderId]) -> tuple[ProviderId, frozenset[ProviderId]]:
    """The lead, and all: the order of the others is no news to anybody."""
    return providers[0], frozenset(providers)


async def _write(
    resources: Resources,
    tx: Transaction,
    key: RequestKey,
    change: _Change,
    author: Author,
) -> ChangedSession | SlotUnavailable:
    """Give the old time back and take the new one, for the session and everybody in it."""
    lock, now = change.own.lock, change.own.now
    organization_id, after, visit = lock.organization_id, change.after, change.visit
    await free_session_time(tx, lock, after.id)
    move_session(tx, lock, after)
    pairs = [(each, _moved(change, each)) for each in change.everybody.appointments]
    changes: list[Change] = []
    organization = await organization_by_id(tx, organization_id)
    reminders = () if organization is None else organization.reminder_minutes_before
    for some in _by_providers(pairs):
        for before, moved_one in some:
            update_appointment(tx, organization_id, moved_one)
            replace_subjects(tx, organization_id, before, moved_one, visit.claims, now)
        changes += record_changes(
            resources,
            tx,
            organization_id,
            some,
            AppointmentChangeKind.RESCHEDULED,
            author=author,
            now=now,
            assignment=change.assignment,
            ignored=change.ignored,
            reminders=reminders,
        )
        await tx.write()
    for first in range(0, len(change.everybody.holds), WRITTEN_AT_ONCE):
        for hold in change.everybody.holds[first : first + WRITTEN_AT_ONCE]:
            move_hold(tx, lock, _moved_hold(change, hold))
        await tx.write()
    record_answer(tx, key, after.id, now)
    event = session_changed(EventType.SESSION_RESCHEDULED, after)
    record_events(resources, tx, organization_id, [event], author=author, now=now)
    # With holds only, its time lasts as long as they do.
    expires_at = None if pairs else max(hold.expires_at for hold in change.everybody.holds)
    if not await take_time(
        tx,
        lock,
        visit.claims,
        Owner(session_id=after.id, expires_at=expires_at),
        existing=change.looked.existing,
        now=now,
        new_id=resources.new_id,
    ):
        return SlotUnavailable(reasons=(UnbookableReason.ALREADY_TAKEN,))
    times = times_changed(organization_id, change.own.zones, change.own.claims, visit.claims)
    return ChangedSession(session=after, changes=(*times, *changes))


def _moved(change: _Change, appointment: Appointment) -> Appointment:
    after = change.after
    providers, named = change.providers_of(appointment)
    return moved(
        appointment,
        after.starts_at,
        after.ends_at,
        providers=providers,
        named=named,
        resources=after.resources,
        session_id=after.id,
        ignored=change.ignored,
    )


def _moved_hold(change: _Change, hold: Hold) -> Hold:
    after = change.after
    (lead, *others), named = change.providers_of(hold)
    return replace(
        hold,
        starts_at=after.starts_at,
        ends_at=after.ends_at,
        provider_id=lead,
        others=tuple(others),
        named=named,
        resources=after.resources,
        ignored=change.ignored | (hold.ignored if hold.starts_at == after.starts_at else NOTHING),
    )


_Pair: TypeAlias = tuple[Appointment, Appointment]


def _by_providers(pairs: Sequence[_Pair]) -> list[list[_Pair]]:
    """Those with the same providers before and after together, since their history is written at
    once; not too many.
    """

    def whom(pair: _Pair) -> tuple[tuple[ProviderId, ...], tuple[ProviderId, ...]]:
        return pair[0].providers, pair[1].providers

    groups = [list(group) for _, group in groupby(sorted(pairs, key=whom), key=whom)]
    return [
        group[first : first + WRITTEN_AT_ONCE]
        for group in groups
        for first in range(0, len(group), WRITTEN_AT_ONCE)
    ]
