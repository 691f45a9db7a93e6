"""The calendar part, parsed back by a calendar library."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar, Event

from app.core.appointment import AppointmentStatus
from app.notify import render
from app.notify.message import CalendarMethod, MessageFacts, MessageKind, PlaceFacts, Recipient
from tests.unit.notify.facts import APPOINTMENT, full_facts, some_facts, utc

CUSTOMER, PROVIDER = Recipient.CUSTOMER, Recipient.PROVIDER


def _parsed(
    facts: MessageFacts, kind: MessageKind, recipient: Recipient = CUSTOMER
) -> tuple[Any, Any, bytes]:
    source = render.render_email(facts, kind, recipient).ics
    calendar = Calendar.from_ical(source)
    assert not calendar.errors
    [event] = [part for part in calendar.walk("VEVENT") if isinstance(part, Event)]
    assert not event.errors
    return calendar, event, source


def test_an_event_follows_its_appointment() -> None:
    """One UID for life, SEQUENCE rising with each change, and CANCEL at the end."""
    life = [
        (MessageKind.BOOKED, some_facts(version=1), "REQUEST", "CONFIRMED"),
        (
            MessageKind.RESCHEDULED,
            some_facts(version=2, starts_at=utc(2026, 4, 1, 7), ends_at=utc(2026, 4, 1, 8)),
            "REQUEST",
            "CONFIRMED",
        ),
        (MessageKind.DAY_BEFORE, some_facts(version=2), "REQUEST", "CONFIRMED"),
        (
            MessageKind.CANCELLED,
            some_facts(version=3, status=AppointmentStatus.CANCELLED),
            "CANCEL",
            "CANCELLED",
        ),
    ]
    for kind, facts, method, status in life:
        calendar, event, _ = _parsed(facts, kind)
        assert calendar["METHOD"] == method
        assert calendar["VERSION"] == "2.0"
        assert event["UID"] == f"{APPOINTMENT}@slotwright"
        assert event["SEQUENCE"] == facts.version
        assert event["STATUS"] == status
        assert event["DTSTAMP"].dt == facts.now
        assert (event["DTSTART"].dt, event["DTEND"].dt) == (facts.starts_at, facts.ends_at)


@pytest.mark.parametrize(
    ("starts_at", "written"),
    [
        # nine in Berlin, the first morning of summer time
        (utc(2026, 3, 29, 7), b"DTSTART:20260329T070000Z"),
        (utc(2026, 10, 25, 0, 30), b"DTSTART:20261025T003000Z"),  # the first 02:30 of two
        (utc(2026, 10, 25, 1, 30), b"DTSTART:20261025T013000Z"),  # the second
    ],
)
def test_instants_are_utc_whatever_the_clocks_do(starts_at: datetime, written: bytes) -> None:
    for zone in ("Europe/Berlin", "Australia/Lord_Howe"):
        _, event, source = _parsed(
            some_facts(starts_at=starts_at, ends_at=starts_at, time_zone=zone), MessageKind.BOOKED
        )
        assert written in source
        assert b"TZID" not in source
        assert event["DTSTART"].dt.utcoffset() == UTC.utcoffset(None)


def test_organizer_and_attendees() -> None:
    """The organizer is the sending address. A customer sees themselves alone; the provider sees
    both.
    """
    _, event, _ = _parsed(some_facts(), MessageKind.BOOKED)
    assert event["ORGANIZER"] == "mailto:no-reply@salon.example"
    assert event["ORGANIZER"].params["CN"] == "Salon Müller"
    assert event["ATTENDEE"] == "mailto:grace@example.org"
    assert "CN" not in event["ATTENDEE"].params, "who typed it, nobody knows"
    assert event["ATTENDEE"].params["RSVP"] == "FALSE"
    assert event["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"
    _, event, _ = _parsed(some_facts(), MessageKind.BOOKED, PROVIDER)
    assert event["ATTENDEE"] == ["mailto:ada@salon.example", "mailto:grace@example.org"]
    assert event["ATTENDEE"][1].params["CN"] == "Grace Hopper"
    _, event, _ = _parsed(some_facts(contact_email=None, organizer_email=None), MessageKind.BOOKED)
    assert "ATTENDEE" not in event
    assert "ORGANIZER" not in event


def test_people_are_named_by_uris_in_ascii() -> None:
    facts = some_facts(
        contact_email="kim o'hara@faß.de",
        provider_email="äda@faß.de",
        organizer_email="no@βόλος.gr",
    )
    _, event, source = _parsed(facts, MessageKind.BOOKED, PROVIDER)
    assert event["ORGANIZER"] == "mailto:no@xn--nxasmm1c.gr"
    assert event["ATTENDEE"] == "mailto:%C3%A4da@xn--fa-hia.de", "what is no address is left out"
    assert b"fass.de" not in source


def test_lines_are_crlf_and_at_most_75_bytes() -> None:
    source = render.render_email(
        full_facts(notes="Grüße, " * 100), MessageKind.BOOKED, PROVIDER
    ).ics
    assert source.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in source.replace(b"\r\n", b"")
    assert max(map(len, source.split(b"\r\n"))) <= 75
    source.decode()


NASTY = st.one_of(
    st.text(alphabet=st.characters(), max_size=60),
    st.sampled_from(
        [
            "a\r\nATTENDEE:mailto:evil@example.org",
            'x";CN=y:mailto:z',
            "a;b,c\\n:d",
            "^n^'",
            "\u2028END:VEVENT",
        ]
    ),
)


@given(name=NASTY, note=NASTY)
def test_nothing_typed_becomes_a_property(name: str, note: str) -> None:
    facts = full_facts(
        contact_name=name,
        provider_name=name,
        organization_name=name,
        service_name=name,
        notes=note,
        place=PlaceFacts(name=name, address=note, directions=note),
    )
    calendar, event, source = _parsed(facts, MessageKind.BOOKED, PROVIDER)
    plain_calendar, plain_event, _ = _parsed(full_facts(), MessageKind.BOOKED, PROVIDER)
    assert set(event) == set(plain_event)
    assert set(calendar) == set(plain_calendar)
    assert event["ATTENDEE"] == plain_event["ATTENDEE"]
    assert source.count(b"BEGIN:VEVENT") - source.count(b" BEGIN:VEVENT") >= 1
    assert calendar["METHOD"] == CalendarMethod.REQUEST.value
