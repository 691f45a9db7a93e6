"""Preview a message: what it would say, about a real appointment or a made-up one, in built-in or
own words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.core.appointment import AppointmentStatus
from app.core.ids import AppointmentId, MessageLogId
from app.core.lifecycle import CustomerTerms
from app.core.location import Reachable
from app.core.messages import Channel, MessageKind, Recipient
from app.core.money import Money
from app.notify.message import MessageFacts, PlaceFacts
from app.notify.overrides import prepare
from app.notify.render import render
from app.store.organizations import organization_by_id
from app.usecases.messages.compose_messages import (
    facts_of,
    language_of,
    load_subjects,
    load_templates,
)

if TYPE_CHECKING:
    from datetime import datetime

    from app.core.messages import TemplateOverride
    from app.core.viewer import Viewer
    from app.notify.message import Rendered
    from app.usecases.resources import Resources

_SAMPLE_LINK: Final = "https://example.com/manage"
"""In place of a link that would open the appointment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewQuestion:
    """Which message, in which language (a BCP 47 tag; None: its recipient's), and in which words.

    `words` are a draft; None: the organization's own where it has some, else the built-in ones.
    """

    kind: MessageKind
    recipient: Recipient
    channel: Channel
    locale: str | None
    appointment_id: AppointmentId | None
    words: TemplateOverride | None


async def preview_message(
    resources: Resources, viewer: Viewer, question: PreviewQuestion
) -> Rendered | None:
    """The message, with what is wrong with the words where something is; None for all but
    administrators.
    """
    if not viewer.is_admin:
        return None
    organization_id, now = viewer.organization_id, resources.clock()
    if question.appointment_id is None:
        organization = await organization_by_id(resources.pool, organization_id)
        facts = sample_facts(question.kind, "" if organization is None else organization.name, now)
    else:
        asked = [question.appointment_id]
        subjects = await load_subjects(resources.pool, organization_id, asked)
        if question.appointment_id not in subjects:
            return None
        subject = subjects[question.appointment_id]
        facts = facts_of(
            resources.messaging,
            subject,
            subject.message(question.kind, question.recipient, question.channel),
            message_id=MessageLogId(UUID(int=0)),
            now=now,
        )
        manage_url = None if facts.manage_url is None else _SAMPLE_LINK
        facts = replace(facts, manage_url=manage_url, unsubscribe_url=_SAMPLE_LINK)
    if question.locale is not None:
        facts = replace(facts, locale=question.locale)
    words = question.words
    if words is None:
        own = await load_templates(resources.pool, organization_id)
        words = own.get((question.kind, question.recipient, language_of(facts)))
    ready = None if words is None else await prepare(words)
    return render(facts, question.kind, question.recipient, question.channel, ready)


def sample_facts(kind: MessageKind, organization_name: str, now: datetime) -> MessageFacts:
    """A made-up appointment with everything that a message may have to say."""
    starts_at = (now + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    is_cancelled = kind is MessageKind.CANCELLED
    return MessageFacts(
        appointment_id=AppointmentId(UUID(int=0)),
        version=1,
        status=AppointmentStatus.CANCELLED if is_cancelled else AppointmentStatus.CONFIRMED,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=45),
        previous_starts_at=starts_at - timedelta(hours=3)
        if kind is MessageKind.RESCHEDULED
        else None,
        now=now,
        time_zone="Europe/Berlin",
        locale=None,
        organization_name=organization_name,
        organizer_email="no-reply@example.com",
        provider_name="Ada Moreau",
        provider_email="ada@example.com",
        service_name="Consultation",
        contact_name="Grace Hopper",
        contact_email="grace@example.com",
        contact_phone="+493012345678",
        notes="The bell is broken, please knock.",
        price=Money(amount_minor=4_950, currency="EUR"),
        terms=None
        if is_cancelled
        else CustomerTerms(
            free_until=starts_at - timedelta(hours=12),
            late_fee=Money(amount_minor=1_000, currency="EUR"),
            no_show_fee=Money(amount_minor=1_000, currency="EUR"),
            is_late=False,
            may_cancel=True,
            may_move=True,
        ),
        cancellation_fee=Money(amount_minor=1_000, currency="EUR") if is_cancelled else None,
        cancellation_reason="The practice is closed that day." if is_cancelled else None,
        is_cancelled_by_practice=is_cancelled,
        place=PlaceFacts(
            name="Main practice",
            address="Invalidenstr. 117\n10115 Berlin",
            directions="Second courtyard, first floor.",
        ),
        practice=Reachable(
            phone="+493012345670", email="hello@example.com", url="https://example.com"
        ),
        manage_url=_SAMPLE_LINK,
        unsubscribe_url=_SAMPLE_LINK,
    )
