"""Messages about sessions: customers read of their own seats alone, and a provider's calendar has one event for all of
them.
"""

from __future__ import annotations

import itertools
from typing import Any
from uuid import UUID

import pytest
from icalendar import Calendar, Event

from app.core.ids import SessionId
from app.core.sentences import LANGUAGES
from app.notify.message import MessageFacts, MessageKind, Recipient, SessionFacts
from app.notify.render import render_email, render_sms
from tests.unit.notify.facts import APPOINTMENT, full_facts, some_facts, utc

CUSTOMER, PROVIDER = Recipient.CUSTOMER, Recipient.PROVIDER
SESSION = SessionId(UUID("0199a2f0-7c3e-7a51-9d53-0242ac120099"))


def a_session(**changes: Any) -> SessionFacts:  # noqa: ANN401 - any of its fields
    """Five seats in three bookings, an hour and a half long."""
    values: dict[str, Any] = {
        "id": SESSION,
        "version": 7,
        "starts_at": utc(2026, 3, 29, 7),
        "ends_at": utc(2026, 3, 29, 8, 30),
        "seats": 5,
        "bookings": 3,
        "takes_place": True,
        **changes,
    }
    return SessionFacts(**values)


def about_all_of(session: SessionFacts, **changes: Any) -> MessageFacts:  # noqa: ANN401 - any of its fields
    return some_facts(
        session=session,
        is_about_session=True,
        contact_name="",
        contact_email=None,
        contact_phone=None,
        **changes,
    )


def event_in(source: bytes) -> Any:  # noqa: ANN401 - as the library types it
    [event] = [
        part for part in Calendar.from_ical(source).walk("VEVENT") if isinstance(part, Event)
    ]
    return event


@pytest.mark.parametrize(
    ("locale", "seats", "said"),
    [
        ("en", 1, "1 seat"),
        ("en", 2, "2 seats"),
        ("de", 1, "1 Platz"),
        ("de", 2, "2 Plätze"),
        ("fr", 1, "1 place"),
        ("fr", 2, "2 places"),
        ("es", 1, "1 plaza"),
        ("es", 2, "2 plazas"),
    ],
)
def test_both_sides_read_how_many_seats_a_booking_has(locale: str, seats: int, said: str) -> None:
    for kind, recipient in itertools.product(MessageKind, Recipient):
        facts = some_facts(locale=locale, seats=seats)
        email = render_email(facts, kind, recipient)
        assert said in email.subject
        assert said in email.text
        assert said in email.html
        assert said in render_sms(facts, kind, recipient).text
        unseated = render_email(some_facts(locale=locale), kind, recipient)
        assert said not in unseated.subject + unseated.text


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en", "5 seats in 3 bookings"),
        ("de", "5 Plätze in 3 Buchungen"),
        ("fr", "5 places en 3 réservations"),
        ("es", "5 plazas en 3 reservas"),
    ],
)
def test_a_reminder_of_a_session_names_service_start_and_seats_taken(
    locale: str, said: str
) -> None:
    facts = about_all_of(a_session(), locale=locale)
    for kind in (MessageKind.DAY_BEFORE, MessageKind.HOUR_BEFORE):
        email = render_email(facts, kind, PROVIDER)
        assert f"Haircut ({said})" in email.subject
        assert said in email.text
        assert said in render_sms(facts, kind, PROVIDER).text
        assert "Grace" not in email.text + email.html


def test_whole_sentences_about_a_session_read_well() -> None:
    """In English; the other languages have the same phrases."""
    wanted = {
        MessageKind.BOOKED: "New session. This session is with you now.",
        MessageKind.RESCHEDULED: "A session has been moved. The session has a new time.",
        MessageKind.CANCELLED: "A session has been cancelled. The session will not take place. Its time is free again.",
        MessageKind.DAY_BEFORE: "Your session is in 23 hours. A reminder of your session.",
    }
    for kind, said in wanted.items():
        session = a_session(takes_place=kind is not MessageKind.CANCELLED)
        text = render_email(about_all_of(session, now=utc(2026, 3, 28, 8)), kind, PROVIDER).text
        assert said in text
    handed_over = about_all_of(a_session(takes_place=False), is_handed_over=True)
    assert (
        "The session is no longer with you"
        in render_email(handed_over, MessageKind.CANCELLED, PROVIDER).text
    )


def test_every_message_about_a_session_can_be_said_in_every_language() -> None:
    for kind, locale, takes_place, keeps_start in itertools.product(
        MessageKind, LANGUAGES, (True, False), (True, False)
    ):
        facts = about_all_of(
            a_session(takes_place=takes_place), locale=locale, keeps_start=keeps_start
        )
        email = render_email(facts, kind, PROVIDER)
        assert "None" not in email.subject + email.text
        assert "Haircut" in email.subject
        sms = render_sms(facts, kind, PROVIDER)
        assert sms.segments <= 2, sms.text


def test_a_party_that_gives_its_seats_back_frees_the_time_only_as_the_last_one() -> None:
    stands = some_facts(session=a_session(), seats=2)
    over = some_facts(session=a_session(takes_place=False), seats=2)
    said = [render_email(each, MessageKind.CANCELLED, PROVIDER).text for each in (stands, over)]
    assert "Its seats are free again." in said[0]
    assert "Its time is free again." in said[1]


def test_a_party_that_grows_at_its_start_has_not_moved() -> None:
    facts = some_facts(seats=3, keeps_start=True, is_resized=True)
    text = render_email(facts, MessageKind.RESCHEDULED, CUSTOMER).text
    assert "Your appointment has changed. It has 3 seats now. The time has not changed." in text
    told = render_email(facts, MessageKind.RESCHEDULED, PROVIDER).text
    assert "The appointment with Grace Hopper has 3 seats now." in told


def test_a_providers_event_is_the_sessions_in_every_message_about_it() -> None:
    """Its UID, its version and its time; no event names the others in it."""
    party = full_facts(session=a_session(), seats=2, manage_url=None)
    for facts, kind in [
        (party, MessageKind.BOOKED),
        (party, MessageKind.CANCELLED),
        (about_all_of(a_session()), MessageKind.DAY_BEFORE),
    ]:
        event = event_in(render_email(facts, kind, PROVIDER).ics)
        assert event["UID"] == f"{SESSION}@slotwright"
        assert event["SEQUENCE"] == 7
        assert event["STATUS"] == "CONFIRMED"
        assert (event["DTSTART"].dt, event["DTEND"].dt) == (
            utc(2026, 3, 29, 7),
            utc(2026, 3, 29, 8, 30),
        )
        assert event["SUMMARY"] == "Haircut (5 seats in 3 bookings)"
        assert event["DESCRIPTION"] == "Session: 5 seats in 3 bookings"
        assert event["ATTENDEE"] == "mailto:ada@salon.example"
    gone = full_facts(session=a_session(takes_place=False), seats=2)
    event = event_in(render_email(gone, MessageKind.CANCELLED, PROVIDER).ics)
    assert event["STATUS"] == "CANCELLED"


def test_a_customers_event_stays_their_own() -> None:
    event = event_in(render_email(full_facts(seats=2), MessageKind.BOOKED, CUSTOMER).ics)
    assert event["UID"] == f"{APPOINTMENT}@slotwright"
    assert event["SUMMARY"] == "Haircut with Ada Lovelace, 2 seats"
    assert event["ATTENDEE"] == "mailto:grace@example.org"
