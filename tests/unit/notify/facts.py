"""An appointment to write about, and what the tests change of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.core.appointment import AppointmentStatus
from app.core.ids import AppointmentId
from app.core.lifecycle import CustomerTerms
from app.core.location import Reachable
from app.core.money import Money
from app.notify.message import MessageFacts, PlaceFacts

APPOINTMENT = AppointmentId(UUID("0199a2f0-7c3e-7a51-9d53-0242ac120002"))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def some_facts(**changes: Any) -> MessageFacts:  # noqa: ANN401 - any of its fields
    """Nine o'clock in Berlin on the morning after the clocks went forward, announced a day before."""
    facts = MessageFacts(
        appointment_id=APPOINTMENT,
        version=1,
        status=AppointmentStatus.CONFIRMED,
        starts_at=utc(2026, 3, 29, 7),
        ends_at=utc(2026, 3, 29, 8),
        now=utc(2026, 3, 28, 7),
        time_zone="Europe/Berlin",
        locale="en",
        organization_name="Salon Müller",
        organizer_email="no-reply@salon.example",
        provider_name="Ada Lovelace",
        provider_email="ada@salon.example",
        service_name="Haircut",
        contact_name="Grace Hopper",
        contact_email="grace@example.org",
        contact_phone="+491701234567",
    )
    return replace(facts, **changes)


def some_terms(**changes: Any) -> CustomerTerms:  # noqa: ANN401 - any of its fields
    """Free until nine on the day before, then ten euros."""
    terms = CustomerTerms(
        free_until=utc(2026, 3, 28, 8),
        late_fee=Money(amount_minor=1000, currency="EUR"),
        is_late=False,
        may_cancel=True,
        may_move=True,
    )
    return replace(terms, **changes)


def full_facts(**changes: Any) -> MessageFacts:  # noqa: ANN401 - any of its fields
    """Everything there may be to say."""
    return some_facts(
        **{
            "previous_starts_at": utc(2026, 3, 27, 9),
            "notes": "Please knock.\n\nThe baby sleeps.",
            "price": Money(amount_minor=4950, currency="EUR"),
            "terms": some_terms(),
            "cancellation_fee": Money(amount_minor=1000, currency="EUR"),
            "cancellation_reason": "Ill",
            "place": PlaceFacts(
                name="Salon Mitte",
                address="Invalidenstr. 117\n10115 Berlin",
                directions="Second courtyard.",
            ),
            "practice": Reachable(
                phone="+33123456789", email="hello@salon.example", url="https://salon.example"
            ),
            "manage_url": "https://book.example.org/manage/abc?x=1&y=2",
            "unsubscribe_url": "https://book.example.org/unsubscribe/abc",
            **changes,
        }
    )
