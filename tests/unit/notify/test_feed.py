"""Calendar feeds as text: RFC 5545, read back with icalendar, which writes none of it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from app.core.ids import AppointmentId
from app.notify.feed import Feed, FeedEvent, FeedTag, calendar_text
from app.notify.ics import uid

START = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
EVENT = FeedEvent(
    about=AppointmentId(UUID(int=5)),
    version=3,
    changed_at=START - timedelta(days=2),
    starts_at=START,
    ends_at=START + timedelta(minutes=45),
    is_cancelled=False,
    summary="Cut with Ann",
    description=None,
    location=None,
    url=None,
)
FEED = Feed(name="Ada, Practice", time_zone="Europe/Berlin", year=2026, events=[EVENT], tag="")


def read(octets: bytes) -> Any:  # noqa: ANN401  its properties have no useful types
    """By a library that writes none of it."""
    return Calendar.from_ical(octets)


def text(feed: Feed) -> bytes:
    return b"".join(calendar_text(feed))


def lines(octets: bytes) -> list[bytes]:
    """The content lines as they are on the wire; the calendar ends with a line break."""
    *found, rest = octets.split(b"\r\n")
    assert rest == b""
    return found


def test_an_event_has_the_uid_and_the_sequence_of_its_invitation_and_instants_in_utc() -> None:
    [event] = read(text(FEED)).walk("VEVENT")
    assert event["UID"] == uid(EVENT.about)
    assert event["SEQUENCE"] == 3
    assert event.decoded("DTSTART") == EVENT.starts_at
    assert event.decoded("DTEND") == EVENT.ends_at
    assert event.decoded("DTSTAMP") == event.decoded("LAST-MODIFIED") == EVENT.changed_at
    assert (event["SUMMARY"], event["STATUS"], event["TRANSP"]) == (
        "Cut with Ann",
        "CONFIRMED",
        "OPAQUE",
    )
    assert not {"DESCRIPTION", "LOCATION", "URL", "ORGANIZER", "ATTENDEE"} & set(event)


def test_the_calendar_publishes_and_says_whose_it_is() -> None:
    calendar = read(text(FEED))
    assert (calendar["VERSION"], calendar["CALSCALE"]) == ("2.0", "GREGORIAN")
    assert calendar["PRODID"].startswith("-//Slotwright//")
    assert calendar["NAME"] == calendar["X-WR-CALNAME"] == "Ada\\, Practice"  # as written
    assert calendar["X-WR-TIMEZONE"] == "Europe/Berlin"
    assert "METHOD" not in calendar


def test_a_cancelled_event_takes_no_time() -> None:
    cancelled = replace(FEED, events=[replace(EVENT, is_cancelled=True)])
    [event] = read(text(cancelled)).walk("VEVENT")
    assert (event["STATUS"], event["TRANSP"]) == ("CANCELLED", "TRANSPARENT")


def test_a_calendar_without_events_still_has_the_component_that_the_format_demands() -> None:
    calendar = read(text(replace(FEED, events=[])))
    assert [each.name for each in calendar.subcomponents] == ["VTIMEZONE"]


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(summary=_TEXTS, description=_TEXTS, name=_TEXTS)
def test_whatever_people_typed_comes_back_and_no_line_is_too_long(
    summary: str, description: str, name: str
) -> None:
    """At most 75 octets, cut between characters, without control characters; and no text ends its
    property.
    """
    shown = replace(EVENT, summary=f"x{summary}", description=f"y{description}", location=name)
    octets = text(replace(FEED, name=f"z{name}", events=[shown]))
    for line in lines(octets):
        assert len(line) <= 75
        assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line)
        line.decode()
    [event] = read(octets).walk("VEVENT")
    assert set(event) <= {
        *("UID", "SEQUENCE", "DTSTAMP", "LAST-MODIFIED", "DTSTART", "DTEND", "SUMMARY"),
        *("STATUS", "TRANSP", "DESCRIPTION", "LOCATION"),
    }
    for read_back, typed in (
        (event["SUMMARY"], f"x{summary}"),
        (event["DESCRIPTION"], f"y{description}"),
    ):
        assert visible(str(read_back)) == visible(typed)


def visible(value: str) -> str:
    """The letters and digits: white space and controls may be tidied."""
    return "".join(filter(str.isalnum, value))


def test_special_characters_and_lines_survive() -> None:
    typed = "Back\\slash; semi, comma\nsecond line: “Größe” 🙂"
    event = replace(EVENT, description=typed, location="A, B; C")
    octets = text(replace(FEED, events=[event]))
    assert rb"DESCRIPTION:Back\\slash\; semi\, comma\nsecond line: " in octets
    [found] = read(octets).walk("VEVENT")
    assert (str(found["DESCRIPTION"]), str(found["LOCATION"])) == (typed, "A, B; C")


def test_a_line_break_in_an_address_begins_no_property() -> None:
    event = replace(EVENT, url="https://example.com/\r\nATTENDEE:mailto:x@example.com")
    [found] = read(text(replace(FEED, events=[event]))).walk("VEVENT")
    assert "ATTENDEE" not in found


@pytest.mark.parametrize(
    "zone",
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Africa/Casablanca",
     "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo", "Europe/Dublin"],
)  # fmt: skip
def test_the_zone_s_changes_are_those_of_the_tables(zone: str) -> None:
    """Each offset holds from its onset on, which is read from the clock before the change."""
    [part] = read(text(replace(FEED, time_zone=zone))).walk("VTIMEZONE")
    assert part["TZID"] == zone
    changes = sorted(
        (each.decoded("DTSTART").replace(tzinfo=UTC) - each.decoded("TZOFFSETFROM"), each)
        for each in part.subcomponents
    )
    assert changes[0][0].year in {2024, 2025}
    for index, (onset, each) in enumerate(changes):
        table = ZoneInfo(zone)
        after = each.decoded("TZOFFSETTO")
        assert onset.astimezone(table).utcoffset() == after
        until = (
            changes[index + 1][0] if index + 1 < len(changes) else datetime(2031, 12, 1, tzinfo=UTC)
        )
        assert (until - timedelta(minutes=1)).astimezone(table).utcoffset() == after
        if index:
            before = (onset - timedelta(minutes=1)).astimezone(table).utcoffset()
            assert before == each.decoded("TZOFFSETFROM")
            assert each.name == ("DAYLIGHT" if after > before else "STANDARD")


def tag_of(feed: Feed) -> str:
    tag = FeedTag(feed.name, feed.time_zone, feed.year)
    for event in feed.events:
        tag.add(event)
    return str(tag)


def test_the_tag_is_another_one_for_another_text_and_the_same_for_the_same() -> None:
    others = [
        replace(FEED, name="Ben"),
        replace(FEED, time_zone="UTC"),
        replace(FEED, year=2027),
        replace(FEED, events=[]),
        replace(FEED, events=[EVENT, EVENT]),
        replace(FEED, events=[replace(EVENT, version=4)]),
        replace(FEED, events=[replace(EVENT, location="Elsewhere")]),
    ]
    assert len({tag_of(each) for each in (FEED, *others)}) == len(others) + 1
    assert tag_of(replace(FEED, events=[replace(EVENT)])) == tag_of(FEED)
