"""The calendar part of a mail (RFC 5545, carried by RFC 5546): one event that follows its
appointment all its life. A provider has one event for a whole session instead.

The same UID from booking to cancellation, and SEQUENCE as the version of the appointment or the
session, so that a calendar program moves or removes what it already holds instead of adding
another. Instants are UTC: no VTIMEZONE to disagree about.
"""

from __future__ import annotations

from typing import Final

from app.core.addresses import mailbox
from app.core.appointment import AppointmentStatus
from app.core.ids import AppointmentId, SessionId
from app.notify import plain
from app.notify.content_lines import escaped, instant_text, line, quoted
from app.notify.message import CalendarMethod, MessageFacts, MessageKind, Recipient
from app.notify.overrides import Words

PRODUCT: Final = "-//Slotwright//Slotwright//EN"


def uid(event_id: AppointmentId | SessionId) -> str:
    """The UID of the calendar event of an appointment or a session."""
    return f"{event_id}@slotwright"


def method_of(facts: MessageFacts, kind: MessageKind) -> CalendarMethod:
    """CANCEL for every appointment, or session, that no longer takes place, whichever message it is
    in.
    """
    if facts.session is not None:
        return CalendarMethod.REQUEST if facts.session.takes_place else CalendarMethod.CANCEL
    gone = kind is MessageKind.CANCELLED or facts.status is AppointmentStatus.CANCELLED
    return CalendarMethod.CANCEL if gone else CalendarMethod.REQUEST


def calendar_part(
    facts: MessageFacts,
    kind: MessageKind,
    recipient: Recipient,
    words: Words,
    *,
    summary: str,
    description: str,
) -> tuple[bytes, CalendarMethod]:
    """The calendar in UTF-8 with CRLF lines, and its method, which the MIME part has to repeat.
    Names and the place are those in the words, which are cleaned.

    The organizer is the organization's sending address: programs check the two against each other,
    and a provider's own address is none of the customer's business. Nobody is asked to answer: the
    time is booked already.
    """
    method = method_of(facts, kind)
    cancelled = method is CalendarMethod.CANCEL
    session = facts.session
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{PRODUCT}",
        "CALSCALE:GREGORIAN",
        f"METHOD:{method}",
        "BEGIN:VEVENT",
        f"UID:{uid(facts.appointment_id if session is None else session.id)}",
        f"SEQUENCE:{facts.version if session is None else session.version}",
        f"DTSTAMP:{instant_text(facts.now)}",
        f"DTSTART:{instant_text(facts.starts_at if session is None else session.starts_at)}",
        f"DTEND:{instant_text(facts.ends_at if session is None else session.ends_at)}",
        f"SUMMARY:{escaped(plain.one_line(summary))}",
        f"DESCRIPTION:{escaped(plain.paragraphs(description, limit=4000))}",
        f"STATUS:{'CANCELLED' if cancelled else 'CONFIRMED'}",
        f"TRANSP:{'TRANSPARENT' if cancelled else 'OPAQUE'}",
    ]
    if words["location"] is not None:
        lines.append(f"LOCATION:{escaped(plain.one_line(str(words['location']), limit=1000))}")
    url = facts.manage_url or facts.practice.url
    if url is not None:
        lines.append(f"URL:{plain.one_line(url, limit=2000)}")
    organization = str(words["organization"])
    contact = _contact(facts, organization)
    if contact is not None:
        lines.append(f"CONTACT:{escaped(plain.one_line(contact, limit=1000))}")
    organizer = facts.organizer_email and _address(facts.organizer_email, organization)
    if organizer:
        lines.append(f"ORGANIZER{organizer}")
    for email, name in _attendees(facts, recipient, words):
        attendee = _address(email, name)
        if attendee is not None:
            lines.append(f"ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=FALSE{attendee}")
    lines += ("END:VEVENT", "END:VCALENDAR")
    return b"".join(map(line, lines)), method


def _contact(facts: MessageFacts, organization: str) -> str | None:
    """Whom to call or write to about the event; None where the practice says neither."""
    ways = [way for way in (facts.practice.phone, facts.practice.email) if way is not None]
    return ", ".join((organization, *ways)) if ways else None


def _attendees(
    facts: MessageFacts, recipient: Recipient, words: Words
) -> list[tuple[str, str | None]]:
    """Those whose addresses this recipient may see: a customer only their own, without the name
    that was typed with it. No customer attends a provider's event of a session: calendar programs
    may write to attendees, who would see each other.
    """
    provider = (facts.provider_email, str(words["provider"]))
    customer_email = facts.contact_email and plain.one_line(facts.contact_email)
    shown: list[tuple[str | None, str | None]]
    if recipient is Recipient.CUSTOMER:
        shown = [(customer_email, None)]
    elif facts.session is not None:
        shown = [provider]
    else:
        shown = [provider, (customer_email, str(words["contact"]))]
    return [(email, name) for email, name in shown if email]


def _address(email: str, name: str | None) -> str | None:
    """The name as a parameter, and the address; None where no mail can be written to it."""
    found = mailbox(email)
    if found is None:
        return None
    named = "" if name is None else f";CN={quoted(plain.one_line(name))}"
    return f"{named}:{found.uri}"
