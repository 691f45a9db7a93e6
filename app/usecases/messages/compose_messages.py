"""Compose messages: reads the facts for a batch of messages of one organization together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from app.core.changes import AppointmentChangeKind
from app.core.lifecycle import customer_terms
from app.core.message_rules import Reach, recipients
from app.core.messages import Channel, MessageKind, Recipient
from app.notify import wording
from app.notify.message import MessageFacts
from app.notify.overrides import prepare
from app.store.appointments import appointments_by_ids
from app.store.customers import customers_by_ids
from app.store.history import history_of_appointments
from app.store.opt_outs import opted_out
from app.store.organizations import organization_by_id
from app.store.providers import providers_by_ids
from app.store.services import services_by_ids
from app.store.templates import templates_of_organization
from app.store.verified_phones import verified_phones

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from app.core.appointment import Appointment, Customer
    from app.core.history import HistoryEntry
    from app.core.ids import AppointmentId, MessageLogId, OrganizationId, ProviderId
    from app.core.message_rules import MessageKey
    from app.core.messages import TemplateOverride
    from app.core.provider import Organization, Provider, Service
    from app.notify.overrides import OwnWords
    from app.store.opt_outs import Address
    from app.store.sql import Executor
    from app.usecases.messages.messaging import Messaging


class Replaced(NamedTuple):
    """The providers before and after a move that changed them, and the start before it."""

    before: frozenset[ProviderId]
    after: frozenset[ProviderId]
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """The changes that led to an appointment's current time and state. `by_practice` are the kinds
    of messages about changes that the provider's side made; `replaced` has the moves that changed
    the providers, by the time version since.
    """

    moved_from: datetime | None = None
    by_practice: frozenset[MessageKind] = frozenset()
    replaced: Mapping[int, Replaced] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An appointment with the data for its messages: the recipients, how they are reached now, and
    the facts. `providers` are those whom it takes and those who have left, the lead first.
    """

    organization: Organization
    appointment: Appointment
    providers: Mapping[ProviderId, Provider]
    service: Service | None
    recent: Recent
    customer: Reach
    staff: Mapping[ProviderId, Reach]

    def provider(self, provider_id: ProviderId | None) -> Provider:
        """The provider with this id; the lead where none is given."""
        return self.providers[provider_id or self.appointment.provider_id]

    def reach(self, recipient: Recipient, provider_id: ProviderId | None = None) -> Reach:
        """How this side is reached: the lead where no provider is named."""
        if recipient is Recipient.CUSTOMER:
            return self.customer
        return self.staff[provider_id or self.appointment.provider_id]

    def messages(self, kind: MessageKind, time_version: int) -> tuple[MessageKey, ...]:
        """The messages that a planned one becomes: to each recipient, on each channel that they
        want now. Where a move changed the providers, it is a new booking to those who came, and a
        cancellation to those who left.
        """
        staff = [self.staff[each] for each in self.appointment.providers]
        if kind is not MessageKind.RESCHEDULED or time_version not in self.recent.replaced:
            return recipients(kind, time_version, self.customer, *staff)
        before, after, _ = self.recent.replaced[time_version]
        stayed = [each for each in staff if each.provider_id in before]
        came = [each for each in staff if each.provider_id not in before]
        left = [self.staff[each] for each in sorted(before - after)]
        return (
            *recipients(kind, time_version, self.customer, *stayed),
            *recipients(MessageKind.BOOKED, time_version, *came),
            *recipients(MessageKind.CANCELLED, time_version, *left),
        )


async def load_subjects(
    on: Executor,
    organization_id: OrganizationId,
    appointment_ids: Collection[AppointmentId],
) -> dict[AppointmentId, Subject]:
    """These appointments as they are now."""
    appointments = await appointments_by_ids(on, organization_id, list(appointment_ids))
    organization = await organization_by_id(on, organization_id)
    if organization is None or not appointments:
        return {}
    rows = appointments.values()
    recent = await _recent(on, organization_id, appointments)
    involved = {
        row.id: (*row.providers, *_left(recent[row.id] if row.id in recent else Recent(), row))
        for row in rows
    }
    providers = await providers_by_ids(
        on, organization_id, list({each for several in involved.values() for each in several})
    )
    service_ids = {row.service_id for row in rows if row.service_id is not None}
    services = await services_by_ids(on, organization_id, list(service_ids)) if service_ids else {}
    customers = await customers_by_ids(on, organization_id, list({row.customer_id for row in rows}))
    silent = await opted_out(
        on, organization_id, _addresses(appointments.values(), providers.values())
    )
    phones = {row.contact.phone for row in rows if row.contact.phone is not None}
    anybody = organization.sms_to_unverified_numbers
    texted = phones if anybody else await verified_phones(on, organization_id, phones)
    return {
        row.id: Subject(
            organization=organization,
            appointment=row,
            providers={each: providers[each] for each in involved[row.id]},
            service=None if row.service_id is None else services.get(row.service_id),
            recent=recent.get(row.id, Recent()),
            customer=_customer_reach(
                row,
                customers[row.customer_id],
                silent,
                texted,
                notices=recent.get(row.id, Recent()).by_practice,
            ),
            staff={each: _provider_reach(providers[each], silent) for each in involved[row.id]},
        )
        for row in rows
    }


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
    kind: MessageKind,
    recipient: Recipient,
    provider_id: ProviderId | None = None,
    *,
    message_id: MessageLogId,
    now: datetime,
    time_version: int | None = None,
) -> MessageFacts:
    """What a message may say: in the customer's zone as stored at booking, or in the provider's
    own. A customer is told of all providers. `time_version` is that of the message, where there is
    one.
    """
    appointment, provider = subject.appointment, subject.provider(provider_id)
    organization_id = subject.organization.id
    to_customer = recipient is Recipient.CUSTOMER
    names = [subject.providers[each].name for each in appointment.providers]
    moved_from = subject.recent.moved_from if kind is MessageKind.RESCHEDULED else None
    starts_at, ends_at = appointment.starts_at, appointment.ends_at
    has_left = kind is MessageKind.CANCELLED and provider.id not in appointment.providers
    if has_left and time_version is not None and time_version in subject.recent.replaced:
        # Of the time that they had.
        starts_at = subject.recent.replaced[time_version].started_at
        ends_at = starts_at + (appointment.ends_at - appointment.starts_at)
    return MessageFacts(
        appointment_id=appointment.id,
        version=appointment.version,
        status=appointment.status,
        starts_at=starts_at,
        ends_at=ends_at,
        previous_starts_at=moved_from,
        keeps_start=kind is MessageKind.RESCHEDULED
        and moved_from is None
        and appointment.time_version in subject.recent.replaced,
        is_handed_over=has_left,
        now=now,
        time_zone=appointment.customer_time_zone if to_customer else provider.time_zone,
        locale=appointment.contact.locale if to_customer else provider.locale,
        organization_name=subject.organization.name,
        organizer_email=messaging.from_address,
        provider_name=", ".join(names) if to_customer else provider.name,
        provider_email=provider.email,
        service_name=None if subject.service is None else subject.service.name,
        contact_name=appointment.contact.name,
        contact_email=appointment.contact.email,
        contact_phone=appointment.contact.phone,
        notes=appointment.notes,
        price=appointment.price,
        terms=customer_terms(appointment, now),
        cancellation_fee=appointment.cancellation_fee,
        cancellation_reason=appointment.cancellation_reason,
        is_cancelled_by_practice=MessageKind.CANCELLED in subject.recent.by_practice,
        manage_url=messaging.manage_url(organization_id, appointment.id) if to_customer else None,
        unsubscribe_url=messaging.unsubscribe_url(organization_id, message_id),
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
    once = {each for replaced in recent.replaced.values() for each in replaced.before}
    return sorted(once - {*appointment.providers})


def _recent_of(appointment: Appointment, entries: Collection[HistoryEntry]) -> Recent:
    moved_from: datetime | None = None
    by_practice: set[MessageKind] = set()
    replaced: dict[int, Replaced] = {}
    # Counted back: the history may have lost its beginning, and the appointment knows its end.
    time_version = appointment.time_version
    for entry in reversed([*entries]):
        if entry.kind is not AppointmentChangeKind.RESCHEDULED:
            continue
        if entry.from_providers != entry.to_providers and entry.from_starts_at is not None:
            replaced[time_version] = Replaced(
                frozenset(entry.from_providers),
                frozenset(entry.to_providers),
                entry.from_starts_at,
            )
            time_version -= 1
        elif entry.from_starts_at != entry.to_starts_at:
            time_version -= 1
    for entry in entries:
        if entry.kind is AppointmentChangeKind.CANCELLED:
            kind = MessageKind.CANCELLED
        elif (
            entry.kind is AppointmentChangeKind.RESCHEDULED
            and entry.from_starts_at != entry.to_starts_at == appointment.starts_at
        ):
            kind, moved_from = MessageKind.RESCHEDULED, entry.from_starts_at
        elif (
            entry.kind is AppointmentChangeKind.RESCHEDULED
            and entry.from_providers != entry.to_providers
        ):
            # At the start that it had: the news is who it is with.
            kind, moved_from = MessageKind.RESCHEDULED, None
        else:
            continue
        by_practice.discard(kind)
        if entry.actor.is_providers_side:
            by_practice.add(kind)
    return Recent(moved_from=moved_from, by_practice=frozenset(by_practice), replaced=replaced)


def _addresses(
    appointments: Collection[Appointment], providers: Collection[Provider]
) -> set[Address]:
    emails = [row.contact.email for row in appointments] + [row.email for row in providers]
    phones = [row.contact.phone for row in appointments] + [row.phone for row in providers]
    return {(Channel.EMAIL, email) for email in emails if email is not None} | {
        (Channel.SMS, phone) for phone in phones if phone is not None
    }


def _customer_reach(
    appointment: Appointment,
    customer: Customer,
    silent: Collection[Address],
    texted: Collection[str],
    *,
    notices: frozenset[MessageKind],
) -> Reach:
    """At the contact of this booking; on the channels that it asked for, else on those of the
    customer's record.
    """
    contact = appointment.contact
    asked = contact.channels if contact.channels is not None else customer.contact.channels
    return Reach(
        recipient=Recipient.CUSTOMER,
        email=contact.email,
        phone=contact.phone,
        channels=asked,
        opted_out=_silent_channels(contact.email, contact.phone, silent),
        notices=notices,
        may_be_texted=contact.phone in texted,
        is_erased=customer.is_erased,
    )


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
