"""Compose messages: reads the facts for a batch of messages of one organization together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from app.core.appointment import AppointmentStatus
from app.core.changes import AppointmentChangeKind
from app.core.history import Addresses
from app.core.lifecycle import customer_terms
from app.core.location import location_of_visit, reachable
from app.core.message_rules import (
    REMINDERS,
    MessageKey,
    Reach,
    recipients,
    reminder_minutes,
    why_not,
)
from app.core.messages import Channel, GroupVisit, MessageKind, Recipient
from app.notify import wording
from app.notify.message import MessageFacts, PlaceFacts, SessionFacts
from app.notify.overrides import prepare
from app.store.history import history_of_appointments
from app.store.locations import locations_by_ids
from app.store.messages import booked_visits, group_visits, providers_of_visits
from app.store.opt_outs import opted_out
from app.store.services import services_by_ids
from app.store.templates import templates_of_organization
from app.store.verified_phones import verified_phones

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from app.core.appointment import Appointment, Contact
    from app.core.history import HistoryEntry
    from app.core.ids import (
        AppointmentId,
        LocationId,
        MessageLogId,
        OrganizationId,
        ProviderId,
        SessionId,
    )
    from app.core.lifecycle import CustomerTerms
    from app.core.location import Location
    from app.core.message_rules import SkipReason
    from app.core.messages import Message, TemplateOverride
    from app.core.money import Money
    from app.core.provider import Organization, Provider, Service
    from app.notify.overrides import OwnWords
    from app.store.messages import BookedVisit, StoredKind
    from app.store.opt_outs import Address
    from app.store.sql import Executor
    from app.usecases.messages.messaging import Messaging


class Place(NamedTuple):
    """With whom an appointment is, from when on, and how many seats of which session it has, if of
    any.
    """

    providers: frozenset[ProviderId]
    starts_at: datetime
    session_id: SessionId | None
    seats: int


class Move(NamedTuple):
    """Where an appointment was before a move, and where it is since."""

    before: Place
    after: Place

    @property
    def from_start(self) -> datetime | None:
        """The start before, where it is another since."""
        return None if self.before.starts_at == self.after.starts_at else self.before.starts_at

    @property
    def is_noticed(self) -> bool:
        """Whether anything is new to the customer: the start, the providers or the seats."""
        return self.before._replace(session_id=None) != self.after._replace(session_id=None)

    @property
    def is_of_size(self) -> bool:
        """Whether the party has become smaller or larger, with the same providers."""
        return (
            self.before.seats != self.after.seats and self.before.providers == self.after.providers
        )

    @property
    def session_id(self) -> SessionId | None:
        """The session that moved as a whole, if one did."""
        before, after = self.before, self.after
        is_whole = before.session_id == after.session_id and before.seats == after.seats
        return after.session_id if is_whole else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """The changes that led to an appointment's current time and state. `by_practice` are the kinds
    of messages about changes that the provider's side made; `moves` are by the time version since,
    and so are the customer's `former` addresses, which a correction replaced.
    """

    by_practice: frozenset[MessageKind] = frozenset()
    moves: Mapping[int, Move] = field(default_factory=dict)
    former: Mapping[int, Addresses] = field(default_factory=dict)

    @property
    def address_since(self) -> int:
        """The first time version that messages go to the customer's present address about."""
        return max(self.former, default=1)

    def move_of(self, session_id: SessionId) -> Move | None:
        """The last move of all of this session."""
        of_session = [each for each in self.moves.items() if each[1].session_id == session_id]
        return max(of_session)[1] if of_session else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An appointment with the data for its messages: the recipients, how they are reached now, and
    the facts. `providers` are those whom it takes and those who have left, the lead first;
    `sessions` those that it is in and those that it has left, as far as they are kept.

    Providers get one message about a whole session where it is what happens to them: its reminders,
    its move, its end. Each party that comes, goes or moves has a message of its own.
    """

    organization: Organization
    appointment: Appointment
    providers: Mapping[ProviderId, Provider]
    service: Service | None
    location: Location | None
    recent: Recent
    customer: Reach
    staff: Mapping[ProviderId, Reach]
    former: Mapping[int, Reach] = field(default_factory=dict)
    sessions: Mapping[SessionId, GroupVisit] = field(default_factory=dict)

    @property
    def session(self) -> GroupVisit | None:
        """The session that the appointment is in, or was in until it was cancelled."""
        session_id = self.appointment.session_id
        return None if session_id is None else self.sessions[session_id]

    def provider(self, provider_id: ProviderId | None) -> Provider:
        """The provider with this id; the lead where none is given."""
        return self.providers[provider_id or self.appointment.provider_id]

    def reach(self, message: MessageKey | Message) -> Reach:
        """How the recipient of the message is reached: the lead where no provider is named.

        A message about an earlier time goes where the customer was reached then, and so does that
        which says that an address was replaced. A cancellation goes where they are reached now.
        """
        if message.recipient is Recipient.PROVIDER:
            return self.staff[message.provider_id or self.appointment.provider_id]
        if message.kind is MessageKind.CANCELLED:
            return self.customer
        is_farewell = message.kind is MessageKind.READDRESSED
        until = [each for each in self.former if message.time_version < each + is_farewell]
        return self.former[min(until)] if until else self.customer

    def message(self, kind: MessageKind, recipient: Recipient, channel: Channel) -> MessageKey:
        """A message about the present, to the customer or the lead."""
        session = None
        if recipient is Recipient.PROVIDER:
            session = self._session_of_message(kind, None)
        return MessageKey(
            kind=kind,
            time_version=(session or self.appointment).time_version,
            recipient=recipient,
            channel=channel,
            session_id=None if session is None else session.id,
            minutes_before=reminder_minutes(kind),
        )

    def messages(self, planned: StoredKind, time_version: int) -> tuple[MessageKey, ...]:
        """The messages that a planned one becomes: to each recipient, on each channel that they
        want now.
        """
        found = self._messages(planned.kind, time_version)
        if planned.minutes_before is None:
            return found
        return tuple(replace(each, minutes_before=planned.minutes_before) for each in found)

    def why_not(self, message: MessageKey, reach: Reach, now: datetime) -> SkipReason | None:
        """Why the message is not sent at this instant; None where it is."""
        reminders = self.organization.reminder_minutes_before
        return why_not(message, self.about(message), reach, now, reminders)

    def _messages(self, kind: MessageKind, time_version: int) -> tuple[MessageKey, ...]:
        if kind is MessageKind.READDRESSED:
            former = self.former.get(time_version)
            return () if former is None else recipients(kind, time_version, former)
        move = self.recent.moves.get(time_version) if kind is MessageKind.RESCHEDULED else None
        to_staff = self._to_staff(kind, time_version, move)
        if move is not None and not move.is_noticed:
            return to_staff
        return recipients(kind, time_version, self.customer) + to_staff

    def _to_staff(
        self, kind: MessageKind, time_version: int, move: Move | None
    ) -> tuple[MessageKey, ...]:
        """Where a move changed the providers, it is a new booking to those who came, and a
        cancellation to those who left. Where it left nothing behind that those who stayed have in
        their calendars, that is cancelled too, under the time version before.
        """
        staff = [self.staff[each] for each in self.appointment.providers]
        session = self._session_of_message(kind, move)
        if session is not None:
            if time_version != self.appointment.time_version:
                return ()  # a later plan of the session's covers it
            time_version = session.time_version
        session_id = None if session is None else session.id
        if move is None:
            return recipients(kind, time_version, *staff, session_id=session_id)
        before, after = move.before.providers, move.after.providers
        stayed = [each for each in staff if each.provider_id in before]
        came = [each for each in staff if each.provider_id not in before]
        left = [self.staff[each] for each in sorted(before - after)]
        gone = stayed if self._is_deserted(move) else []
        if not move.is_noticed:
            stayed, came = [], staff
        return (
            *recipients(kind, time_version, *stayed, session_id=session_id),
            *recipients(MessageKind.BOOKED, time_version, *came, session_id=session_id),
            *recipients(MessageKind.CANCELLED, time_version, *left, session_id=session_id),
            *recipients(MessageKind.CANCELLED, time_version - 1, *gone),
        )

    def _session_of_message(self, kind: MessageKind, move: Move | None) -> GroupVisit | None:
        """The session, where the message to a provider is about all of it, not about one party."""
        session = self.session
        if session is None:
            return None
        is_whole = (
            kind in REMINDERS
            or (kind is MessageKind.CANCELLED and session.is_cancelled)
            or (move is not None and move.session_id == session.id)
        )
        return session if is_whole else None

    def _is_deserted(self, move: Move) -> bool:
        """Whether nothing takes place any more where the appointment moved away from, and those who
        stayed with it had that in their calendars as an event of its own.
        """
        left = move.before.session_id
        if left is None or left == move.after.session_id:
            return left != move.after.session_id
        session = self.sessions.get(left)
        return session is not None and session.bookings == 0

    def _deserted(self, message: MessageKey) -> Move | None:
        """The move that left nothing behind, where that is what the message says."""
        if message.kind is not MessageKind.CANCELLED or message.session_id is not None:
            return None
        move = self.recent.moves.get(message.time_version + 1)
        stayed = move is not None and message.provider_id in (
            move.before.providers & move.after.providers
        )
        return move if stayed else None

    def left_by(self, message: MessageKey) -> Place | None:
        """Where the appointment was before a move, if the message says that it is there no more."""
        if message.kind is not MessageKind.CANCELLED or message.recipient is Recipient.CUSTOMER:
            return None
        deserted = self._deserted(message)
        if deserted is not None:
            return deserted.before
        if message.session_id is None:
            move = self.recent.moves.get(message.time_version)
        else:
            move = self.recent.move_of(message.session_id)
        if move is None or message.provider_id not in move.before.providers - move.after.providers:
            return None
        return move.before

    def session_of(self, message: MessageKey) -> GroupVisit | None:
        """The session in the recipient's calendar that the message updates; None where that is an
        appointment's own event.
        """
        if message.recipient is Recipient.CUSTOMER:
            return None
        left = self.left_by(message)
        session_id = message.session_id or (left or self.appointment).session_id
        return None if session_id is None else self.sessions.get(session_id)

    def about(self, message: MessageKey) -> Appointment | GroupVisit:
        """What decides whether the message is true: the appointment, or a session."""
        if message.session_id is not None:
            return self.sessions[message.session_id]
        move = self._deserted(message)
        if move is None:
            return self.appointment
        left = move.before.session_id
        if left is not None and left in self.sessions:
            return self.sessions[left]
        # It had time of its own, which it has left for good, or a session that is long over.
        return replace(self.appointment, status=AppointmentStatus.CANCELLED)


async def load_subjects(
    on: Executor,
    organization_id: OrganizationId,
    appointment_ids: Collection[AppointmentId],
    *,
    about: Collection[tuple[AppointmentId, SessionId]] = (),
    with_opt_outs: bool = True,
) -> dict[AppointmentId, Subject]:
    """These appointments as they are now. Some messages are `about` a session that an appointment
    is in, or was. Without opt-outs, nobody seems to have opted out.
    """
    visits = await booked_visits(on, organization_id, appointment_ids)
    appointments = {each: visit.appointment for each, visit in visits.items()}
    if not appointments:
        return {}
    rows = appointments.values()
    named: dict[AppointmentId, set[SessionId]] = {row.id: set() for row in rows}
    for appointment_id, session_id in about:
        named[appointment_id].add(session_id)
    recent = await _recent(on, organization_id, appointments)
    of_row = {row.id: recent.get(row.id, Recent()) for row in rows}
    session_ids = {row.id: _sessions_of(row, of_row[row.id]) | named[row.id] for row in rows}
    asked = {each for several in session_ids.values() for each in several}
    sessions = await group_visits(on, organization_id, asked) if asked else {}
    involved = {
        row.id: tuple(
            dict.fromkeys(
                (
                    *row.providers,
                    *_left(of_row[row.id], row),
                    *(
                        each
                        for session_id in named[row.id]
                        for each in sessions[session_id].providers
                    ),
                )
            )
        )
        for row in rows
    }
    organization, providers = await providers_of_visits(
        on, organization_id, list({each for several in involved.values() for each in several})
    )
    if organization is None:
        return {}
    service_ids = {row.service_id for row in rows if row.service_id is not None}
    services = await services_by_ids(on, organization_id, list(service_ids)) if service_ids else {}
    places = {
        row.id: location_of_visit(
            None if row.service_id is None else services.get(row.service_id),
            providers[row.provider_id],
        )
        for row in rows
    }
    location_ids = {each for each in places.values() if each is not None}
    locations = await locations_by_ids(on, organization_id, location_ids) if location_ids else {}
    former = [each for recently in of_row.values() for each in recently.former.values()]
    addresses = _addresses(appointments.values(), providers.values(), former)
    silent = await opted_out(on, organization_id, addresses if with_opt_outs else ())
    every_phone = [row.contact.phone for row in rows] + [each.phone for each in former]
    phones = {phone for phone in every_phone if phone is not None}
    anybody = organization.sms_to_unverified_numbers
    texted = phones if anybody else await verified_phones(on, organization_id, phones)
    reached = {each.id: _provider_reach(each, silent) for each in providers.values()}
    return {
        row.id: Subject(
            organization=organization,
            appointment=row,
            providers={each: providers[each] for each in involved[row.id]},
            service=None if row.service_id is None else services.get(row.service_id),
            location=_known(places[row.id], locations),
            recent=of_row[row.id],
            customer=_customer_reach(
                visits[row.id], silent, texted, notices=of_row[row.id].by_practice
            ),
            staff={each: reached[each] for each in involved[row.id]},
            former=_former_reaches(visits[row.id], of_row[row.id], silent, texted),
            sessions={each: sessions[each] for each in session_ids[row.id] if each in sessions},
        )
        for row in rows
    }


def _known(
    location_id: LocationId | None, locations: Mapping[LocationId, Location]
) -> Location | None:
    return None if location_id is None else locations.get(location_id)


async def load_templates(
    on: Executor, organization_id: OrganizationId
) -> dict[tuple[MessageKind, Recipient, str], TemplateOverride]:
    """The organization's own words, by what they are for."""
    templates = await templates_of_organization(on, organization_id)
    return {(each.kind, each.recipient, each.language): each.words for each in templates}


async def load_words(
    on: Executor, organization_id: OrganizationId, about: Collection[tuple[MessageKind, Recipient]]
) -> dict[tuple[MessageKind, Recipient, str], OwnWords]:
    """The organization's own words for these messages, in all languages, ready to be rendered."""
    templates = await load_templates(on, organization_id)
    return {
        (kind, recipient, language): await prepare(words)
        for (kind, recipient, language), words in templates.items()
        if (kind, recipient) in about
    }


def facts_of(
    messaging: Messaging,
    subject: Subject,
    message: MessageKey,
    *,
    message_id: MessageLogId,
    now: datetime,
) -> MessageFacts:
    """What a message may say: in the customer's zone as stored at booking, or in the provider's
    own. Customers see all their providers, and nothing about other parties in their session.
    """
    kind = message.kind
    appointment, provider = subject.appointment, subject.provider(message.provider_id)
    organization_id = subject.organization.id
    to_customer = message.recipient is Recipient.CUSTOMER
    is_farewell = kind is MessageKind.READDRESSED
    names = [subject.providers[each].name for each in appointment.providers]
    session, about = subject.session_of(message), subject.about(message)
    whole = about if isinstance(about, GroupVisit) else None
    moved = None
    if kind is MessageKind.RESCHEDULED:
        moved = (
            subject.recent.moves.get(appointment.time_version)
            if whole is None
            else subject.recent.move_of(whole.id)
        )
    moved_from = None if moved is None else moved.from_start
    starts_at, ends_at = about.starts_at, about.ends_at
    old = subject.left_by(message)
    if old is not None:
        # Of the time that they had.
        starts_at, ends_at = old.starts_at, old.starts_at + (ends_at - starts_at)
    is_by_practice = MessageKind.CANCELLED in subject.recent.by_practice
    return MessageFacts(
        appointment_id=appointment.id,
        version=appointment.version,
        status=appointment.status,
        starts_at=starts_at,
        ends_at=ends_at,
        previous_starts_at=moved_from,
        keeps_start=moved is not None and moved_from is None,
        is_resized=moved is not None and moved.is_of_size,
        is_handed_over=kind is MessageKind.CANCELLED and provider.id not in about.providers,
        now=now,
        time_zone=appointment.customer_time_zone if to_customer else provider.time_zone,
        locale=appointment.contact.locale if to_customer else provider.locale,
        organization_name=subject.organization.name,
        organizer_email=messaging.from_address,
        provider_name=", ".join(names) if to_customer else provider.name,
        provider_email=provider.email,
        service_name=None if subject.service is None else subject.service.name,
        is_cancelled_by_practice=is_by_practice,
        cancellation_reason=appointment.cancellation_reason
        if whole is None or is_by_practice
        else None,
        seats=None if appointment.session_id is None else appointment.seats,
        session=None if session is None else _session_facts(session, provider),
        is_about_session=whole is not None,
        place=_place_facts(subject.location),
        practice=reachable(subject.organization, subject.location),
        manage_url=messaging.manage_url(organization_id, appointment)
        if to_customer and not is_farewell
        else None,
        unsubscribe_url=messaging.unsubscribe_url(organization_id, message_id),
        # The reader of the old address may be a stranger: they learn no more than they knew.
        **({} if whole is not None or is_farewell else _of_the_booking(appointment, now)),
    )


class _Booking(TypedDict, total=False):
    """What a message says of one booking, and none about a whole session."""

    contact_name: str
    contact_email: str | None
    contact_phone: str | None
    notes: str | None
    price: Money | None
    terms: CustomerTerms | None
    cancellation_fee: Money | None


def _of_the_booking(appointment: Appointment, now: datetime) -> _Booking:
    contact = appointment.contact
    return _Booking(
        contact_name=contact.name,
        contact_email=contact.email,
        contact_phone=contact.phone,
        notes=appointment.notes,
        price=appointment.price,
        terms=customer_terms(appointment, now),
        cancellation_fee=appointment.cancellation_fee,
    )


def _place_facts(location: Location | None) -> PlaceFacts | None:
    if location is None:
        return None
    return PlaceFacts(name=location.name, address=location.address, directions=location.directions)


def _session_facts(session: GroupVisit, provider: Provider) -> SessionFacts:
    return SessionFacts(
        id=session.id,
        version=session.version,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        seats=session.seats,
        bookings=session.bookings,
        takes_place=session.takes_place_with(provider.id),
    )


def language_of(facts: MessageFacts) -> str:
    """The language that a message with these facts is written in, by which an organization's own
    words are chosen.
    """
    return wording.negotiate(facts.locale).language


async def _recent(
    on: Executor, organization_id: OrganizationId, appointments: Mapping[AppointmentId, Appointment]
) -> dict[AppointmentId, Recent]:
    """The last move to its current start, and the cancellation, of each appointment that has had
    one.
    """
    changed = [row.id for row in appointments.values() if row.version > 1]
    if not changed:
        return {}
    histories = await history_of_appointments(on, organization_id, changed)
    return {
        appointment_id: _recent_of(appointments[appointment_id], entries)
        for appointment_id, entries in histories.items()
    }


def _left(recent: Recent, appointment: Appointment) -> list[ProviderId]:
    """Those whom the appointment took once and takes no more."""
    once = {each for move in recent.moves.values() for each in move.before.providers}
    return sorted(once - {*appointment.providers})


def _sessions_of(appointment: Appointment, recent: Recent) -> set[SessionId]:
    """That which it is in, and those that it has left."""
    before = {move.before.session_id for move in recent.moves.values()}
    return {each for each in (appointment.session_id, *before) if each is not None}


def _recent_of(appointment: Appointment, entries: Collection[HistoryEntry]) -> Recent:
    by_practice: set[MessageKind] = set()
    moves: dict[int, Move] = {}
    # Counted back: the history may have lost its beginning, and the appointment knows its end.
    time_version = appointment.time_version
    former: dict[int, Addresses] = {}
    for entry in reversed([*entries]):
        if entry.former is not None:
            former[time_version] = entry.former
            time_version -= 1
            continue
        if entry.kind is not AppointmentChangeKind.RESCHEDULED or entry.from_starts_at is None:
            continue
        if entry.is_news:
            moves[time_version] = Move(
                Place(
                    frozenset(entry.from_providers),
                    entry.from_starts_at,
                    entry.from_session,
                    entry.from_seats,
                ),
                Place(
                    frozenset(entry.to_providers),
                    entry.to_starts_at,
                    entry.to_session,
                    entry.to_seats,
                ),
            )
            time_version -= 1
    for entry in entries:
        if entry.kind is AppointmentChangeKind.CANCELLED:
            kind = MessageKind.CANCELLED
        elif entry.kind is AppointmentChangeKind.RESCHEDULED and entry.is_news:
            kind = MessageKind.RESCHEDULED
        else:
            continue
        by_practice.discard(kind)
        if entry.actor.is_providers_side:
            by_practice.add(kind)
    return Recent(by_practice=frozenset(by_practice), moves=moves, former=former)


def _addresses(
    appointments: Collection[Appointment],
    providers: Collection[Provider],
    former: Collection[Addresses],
) -> set[Address]:
    reached: list[Contact | Provider | Addresses] = [
        *(row.contact for row in appointments),
        *providers,
        *former,
    ]
    emails, phones = [each.email for each in reached], [each.phone for each in reached]
    return {(Channel.EMAIL, email) for email in emails if email is not None} | {
        (Channel.SMS, phone) for phone in phones if phone is not None
    }


def _customer_reach(
    visit: BookedVisit,
    silent: Collection[Address],
    texted: Collection[str],
    *,
    notices: frozenset[MessageKind],
) -> Reach:
    """At the contact of this booking; on the channels that it asked for, else on those of the
    customer's record.
    """
    contact = visit.appointment.contact
    asked = contact.channels if contact.channels is not None else visit.wanted_channels
    return Reach(
        recipient=Recipient.CUSTOMER,
        email=contact.email,
        phone=contact.phone,
        channels=asked,
        opted_out=_silent_channels(contact.email, contact.phone, silent),
        notices=notices,
        may_be_texted=contact.phone in texted,
        is_erased=visit.is_erased,
    )


def _former_reaches(
    visit: BookedVisit,
    recent: Recent,
    silent: Collection[Address],
    texted: Collection[str],
) -> dict[int, Reach]:
    """Where the customer was reached before each correction of an address."""
    reaches: dict[int, Reach] = {}
    appointment, contact = visit.appointment, visit.appointment.contact
    after = Addresses(contact.email, contact.phone)
    for time_version, before in sorted(recent.former.items(), reverse=True):
        booked = replace(
            appointment, contact=replace(contact, email=before.email, phone=before.phone)
        )
        then = _customer_reach(
            visit._replace(appointment=booked), silent, texted, notices=frozenset()
        )
        reaches[time_version] = replace(then, channels=_notice_channels(then, after))
        after = before
    return reaches


def _notice_channels(then: Reach, after: Addresses) -> tuple[Channel, ...]:
    """The channel of the notice to a replaced address: e-mail if the e-mail address was replaced,
    whatever channels they want now; otherwise SMS, unless they want e-mail only.
    """
    if then.email is not None and then.email != after.email:
        return (Channel.EMAIL,)
    if then.phone is not None and then.phone != after.phone and then.wanted != (Channel.EMAIL,):
        return (Channel.SMS,)
    return ()


def _provider_reach(provider: Provider, silent: Collection[Address]) -> Reach:
    """At the addresses that staff set, which need no verification."""
    return Reach(
        recipient=Recipient.PROVIDER,
        provider_id=provider.id,
        email=provider.email,
        phone=provider.phone,
        channels=provider.channels,
        opted_out=_silent_channels(provider.email, provider.phone, silent),
    )


def _silent_channels(
    email: str | None, phone: str | None, silent: Collection[Address]
) -> frozenset[Channel]:
    addresses = ((Channel.EMAIL, email), (Channel.SMS, phone))
    return frozenset(
        channel for channel, address in addresses if address and (channel, address) in silent
    )
